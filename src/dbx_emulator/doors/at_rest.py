"""Whether a thread has come to rest: whether it waits for somebody else, and is about to do nothing by itself.

Nothing tells so but where the thread is. It is at rest if the innermost Python code that it runs is the standard
library's, in a module that waits for others, and if it stays at one instruction there for a while. A thread at
work is elsewhere, or moves on. A thread that waits for a socket is at work: somebody's answer is under way.
"""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["Stillness", "describe_place", "is_stdlib", "is_waiting"]

#: Modules of the standard library in which a thread waits for another one, for a process or for its loop.
_WAITING = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "queue", "selectors", "subprocess", "threading"}
)


class Stillness:
    """Which threads have been at one instruction for how long.

    A thread that is known to rest is at rest as long as it stays there: only the first time takes a while.

    Args:
        settle_seconds: How long a thread stays at one instruction before it counts as waiting there.
    """

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._seen: dict[int, tuple[FrameType, int, float]] = {}

    def is_still(self, ident: int, frame: FrameType | None, now: float) -> bool:
        """Say whether a thread is at rest.

        Args:
            ident: Which thread.
            frame: Where it is; `None` if it runs no Python, as before its start and after its end.
            now: Real time, in seconds since any fixed moment.
        """
        if frame is None or not is_waiting(frame):
            self._seen.pop(ident, None)
            return False
        # The frame itself is kept, so that no other can be at its address.
        seen = self._seen.get(ident)
        if seen is None or seen[0] is not frame or seen[1] != frame.f_lasti:
            seen = self._seen[ident] = (frame, frame.f_lasti, now)
        return now - seen[2] >= self._settle_seconds


def is_waiting(frame: FrameType) -> bool:
    """Say whether a frame is in code that waits for others."""
    return _root(frame) in _WAITING


def is_stdlib(frame: FrameType) -> bool:
    """Say whether the code of a frame belongs to the standard library."""
    return _root(frame) in sys.stdlib_module_names


def describe_place(frame: FrameType | None) -> str:
    """Return where a thread is: the innermost code that is not the standard library's."""
    place = frame
    while place is not None and is_stdlib(place):
        place = place.f_back
    place = place or frame
    if place is None:
        return "not in Python"
    return f"at {place.f_code.co_filename}:{place.f_lineno} in {place.f_code.co_name}"


def _root(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0]
