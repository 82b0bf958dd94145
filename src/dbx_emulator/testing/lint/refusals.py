"""Calls that the service refuses and has to refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from dbx_emulator.testing.lint.rules import Sight
from dbx_emulator.testing.lint.transcript import STARTS, Exchange, Transcript

__all__ = ["asked_parent_for_output", "repeated_what_was_refused"]

#: Refusals that are about the request itself. A 401 or a 403 may be the service's maintenance, and 409 about now.
_ABOUT_THE_REQUEST = frozenset({400, 404, 405, 413, 422})

#: Error codes of 400s that are about the moment.
_ABOUT_THE_MOMENT = re.compile(r"INVALID_STATE|EXCEEDED|UNAVAILABLE|CONFLICT|ABORTED|THROTTLED|LIMIT")

_BAD_REQUEST = 400


def repeated_what_was_refused(transcript: Transcript) -> Iterator[Sight]:
    """See a call that was refused for what it said, sent again as it was, and refused again."""
    for same in transcript.repeated():
        for first, again in pairwise(same):
            if _is_same_refusal(first, again) and not _may_come_to_be(transcript, first):
                yield Sight(
                    f"{first.what} was refused with {first.status_code} "
                    f"{first.entry.error_code}, sent again unchanged, and refused again",
                    (first, again),
                    first.entry.run_id,
                )
                break


def asked_parent_for_output(transcript: Transcript) -> Iterator[Sight]:
    """See the output asked of a run that has tasks, where only its tasks have any."""
    for each in transcript.of("runs/get-output"):
        run = transcript.runs.get(each.run_id or 0)
        if run is not None and not run.is_flat and each.status_code == _BAD_REQUEST:
            task_run = run.task_runs[0]
            yield Sight(
                f"runs/get-output was asked of run {run.run_id}, which has tasks and so no output of its own; "
                f"its task {task_run.task_key!r} has, as run {task_run.run_id}",
                (each,),
                run.run_id,
            )


def _is_same_refusal(first: Exchange, again: Exchange) -> bool:
    code = first.entry.error_code
    return (
        first.status_code in _ABOUT_THE_REQUEST
        and (first.status_code, code) == (again.status_code, again.entry.error_code)
        and not _ABOUT_THE_MOMENT.search(str(code))
    )


def _may_come_to_be(transcript: Transcript, refused: Exchange) -> bool:
    """Say whether it was about a run that the client was told of and did not delete: reads may lag behind."""
    run_id = refused.run_id
    before = [each for each in transcript.exchanges if each.number < refused.number]
    if any(each.route == "runs/delete" and each.run_id == run_id and each.is_ok for each in before):
        return False
    return refused.route == "runs/get" and any(
        each.route in STARTS and each.told_run_id == run_id for each in before
    )
