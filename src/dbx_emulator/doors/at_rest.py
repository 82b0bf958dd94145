"""Whether a thread has come to rest: whether it waits for somebody else, and is about to do nothing by itself.

Nothing tells so but where the thread is. It is at rest if the innermost Python code that it runs is one of the
functions of the standard library that wait, if nobody has woken it there already, and if it stays at one
instruction for a while. A thread at work is elsewhere, or moves on. A thread that waits for a socket is at work:
somebody's answer is under way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType

__all__ = ["Stillness", "describe_place", "is_in_loop", "is_stdlib"]

Frames = Mapping[int, FrameType]


def _is_unnoticed(frame: FrameType, _frames: Frames) -> bool:
    """Say whether nobody has notified a condition's waiter: whoever does takes it off the condition's list."""
    names = frame.f_locals
    waiters = getattr(names.get("self"), "_waiters", ())
    return any(waiter is names.get("waiter") for waiter in waiters)


def _is_joined_alive(frame: FrameType, frames: Frames) -> bool:
    """Say whether the thread that is waited for still runs. Who only asks whether it does, does not block."""
    names = frame.f_locals
    return bool(names.get("block", True)) and getattr(names.get("self"), "ident", None) in frames


def _is_without_work(frame: FrameType, _frames: Frames) -> bool:
    """Say whether nothing is in the queue of a worker."""
    work_queue = frame.f_locals.get("work_queue")
    return work_queue is not None and bool(work_queue.empty())


def _is_waiting(_frame: FrameType, _frames: Frames) -> bool:
    return True


#: Module and function that waits → whether who is there still waits. Events, queues, futures and semaphores all
#: come down to the condition of threading; loops to a selector, but for those that hide it.
_WAITS: dict[tuple[str, str], Callable[[FrameType, Frames], bool]] = {
    ("threading", "wait"): _is_unnoticed,
    ("threading", "_wait_for_tstate_lock"): _is_joined_alive,
    ("threading", "join"): _is_joined_alive,
    ("concurrent.futures.thread", "_worker"): _is_without_work,
    ("selectors", "select"): _is_waiting,
    ("asyncio.runners", "run"): _is_waiting,
    ("subprocess", "_try_wait"): _is_waiting,
    ("multiprocessing.popen_fork", "poll"): _is_waiting,
    ("multiprocessing.connection", "_recv"): _is_waiting,
}


class Stillness:
    """Which threads have been at one instruction for how long.

    A thread that is known to rest is at rest as long as it stays there: only the first time takes a while.

    Args:
        settle_seconds: How long a thread stays at one instruction before it counts as waiting there.
    """

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._seen: dict[int, tuple[FrameType, int, float]] = {}

    def is_still(self, ident: int, frames: Frames, now: float) -> bool:
        """Say whether a thread is at rest.

        Args:
            ident: Which thread.
            frames: Where all threads are; one that runs no Python, before its start or after its end, is nowhere.
            now: Real time, in seconds since any fixed moment.
        """
        frame = frames.get(ident)
        waits = None if frame is None else _WAITS.get((_module(frame), frame.f_code.co_name))
        if frame is None or waits is None or not waits(frame, frames):
            self._seen.pop(ident, None)
            return False
        # The frame itself is kept, so that no other can be at its address.
        seen = self._seen.get(ident)
        if seen is None or seen[0] is not frame or seen[1] != frame.f_lasti:
            seen = self._seen[ident] = (frame, frame.f_lasti, now)
        return now - seen[2] >= self._settle_seconds


def is_in_loop(frame: FrameType) -> bool:
    """Say whether a thread runs nothing but the machinery of an event loop, or our own look into it."""
    return _root(frame) in {"asyncio", "dbx_emulator", "selectors"}


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


def _module(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__") or ""
    return name


def _root(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]
