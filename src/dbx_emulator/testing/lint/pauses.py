"""How long a client waits: before it calls again, and for an answer.

The first two judge the client's own pauses. Where its sleep does not move time, or wakes elsewhere than it asked
for, there is nothing to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from dbx_emulator.testing.lint.rules import Sight, times
from dbx_emulator.testing.lint.transcript import Exchange, Transcript, pause_ms

__all__ = ["called_before_retry_after", "polled_without_pause", "waited_without_timeout"]

#: How many reads of one target in a row, each sooner than that after the one before, are too many.
POLLS_IN_A_ROW = 10
SHORTEST_PAUSE_MS = 1_000

#: Other forms of the header are not judged: clients read them differently, and dates by a clock of their own.
_WHOLE_SECONDS = re.compile(r"[0-9]{1,12}")


def called_before_retry_after(transcript: Transcript) -> Iterator[Sight]:
    """See calls that were sent again sooner than their answer had asked for."""
    for same in transcript.repeated() if transcript.is_paced else ():
        early = [(first, again) for first, again in pairwise(same) if _is_early(first, again)]
        if early:
            first, again = early[0]
            waited = pause_ms(first, again) / 1_000
            yield Sight(
                f"{first.what} was answered {first.status_code} with Retry-After: {_seconds(first)} and sent "
                f"again {waited:g} s later{_in_all(len(early))}",
                (first, again),
                first.entry.run_id,
            )


def polled_without_pause(transcript: Transcript) -> Iterator[Sight]:
    """See many reads of one thing at once, or nearly so."""
    for same in transcript.repeated() if transcript.is_paced else ():
        if same[0].entry.method != "GET":
            continue
        row = [same[0]]
        longest = row
        for earlier, later in pairwise(same):
            row = [*row, later] if pause_ms(earlier, later) < SHORTEST_PAUSE_MS else [later]
            longest = max(longest, row, key=len)
        if len(longest) >= POLLS_IN_A_ROW:
            yield Sight(
                f"{same[0].what} was sent {times(len(longest))} in a row with less than "
                f"{SHORTEST_PAUSE_MS // 1_000} s between one and the next",
                longest,
                same[0].entry.run_id,
            )


def waited_without_timeout(transcript: Transcript) -> Iterator[Sight]:
    """See a client that would have waited for ever for an answer that was late."""
    late = [each for each in transcript.exchanges if each.told.is_untimed]
    if late:
        yield Sight(
            f"the answer to {late[0].what} was late, and the client waited for it without any limit"
            f"{_in_all(len(late))}",
            late,
            late[0].entry.run_id,
        )


def _is_early(first: Exchange, again: Exchange) -> bool:
    seconds = _seconds(first)
    return seconds is not None and pause_ms(first, again) < seconds * 1_000


def _seconds(exchange: Exchange) -> int | None:
    """Return what a refusal asked the client to wait; `None` if it heard of none."""
    if exchange.status_code not in (429, 503):
        return None
    value = exchange.told_header(b"retry-after") or ""
    return int(value) if _WHOLE_SECONDS.fullmatch(value) else None


def _in_all(count: int) -> str:
    return f" ({times(count)} in all)" if count > 1 else ""
