"""One intent, one run: what becomes of a submit or a run-now whose answer does not say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from dbx_emulator._core.faults import DuplicateDelivery
from dbx_emulator.testing.lint.rules import Sight
from dbx_emulator.testing.lint.transcript import STARTS, Exchange, Transcript

__all__ = ["duplicated_run", "repeated_without_token"]

#: Errors that leave open whether the run was made. After 429 and 503 the service has surely not begun.
_OPEN_STATUS_CODES = frozenset({408, 500, 502, 504})


def repeated_without_token(transcript: Transcript) -> Iterator[Sight]:
    """See a submit that was sent again, with nothing in it that makes the second the same as the first."""
    for same in transcript.starts():
        for first, again in pairwise(same):
            if _is_open(first) and not (first.token and again.token):
                yield Sight(
                    f"the answer to {first.route} {_put(first)}, and the same was sent again without an "
                    "idempotency token: whether there is one run now or two, the client cannot know",
                    (first, again),
                    again.entry.run_id,
                )
                break


def duplicated_run(transcript: Transcript) -> Iterator[Sight]:
    """See two runs for one intent: the client knows of one, and the other one was active beside it."""
    for same in transcript.starts():
        for place, first in enumerate(same):
            twin = next((each for each in same[place + 1 :] if _is_twin(transcript, first, each)), None)
            if twin is not None:
                yield Sight(
                    f"{first.route} made run {first.entry.run_id}, of which the client never heard, and then run "
                    f"{twin.entry.run_id} for the same work beside it",
                    (first, twin),
                    first.entry.run_id,
                )
                break
    for each in transcript.of(*STARTS):
        is_twice = each.entry.fault == DuplicateDelivery.kind and each.is_ok
        if is_twice and not each.token:
            yield Sight(
                f"{each.route} arrived twice, as proxies may deliver it, and without an idempotency token that "
                "made two runs",
                (each,),
                each.entry.run_id,
            )


def _is_open(exchange: Exchange) -> bool:
    """Say whether the client, after this answer, does not know if there is a run."""
    if exchange.is_ok:
        return exchange.told_run_id is None
    return exchange.status_code is None or exchange.status_code in _OPEN_STATUS_CODES


def _put(exchange: Exchange) -> str:
    if exchange.status_code is None:
        return "never arrived"
    return "named no run" if exchange.is_ok else f"was {exchange.status_code}"


def _is_twin(transcript: Transcript, first: Exchange, again: Exchange) -> bool:
    """Say whether another run was made while the first, of which nobody knows, was active."""
    lost, made = first.entry.run_id, again.entry.run_id
    if lost is None or made is None or lost == made or not _is_open(first):
        return False
    run = transcript.runs.get(lost)
    was_active = run is not None and not 0 < run.end_time_ms <= again.now_ms
    return was_active and lost not in transcript.known_run_ids
