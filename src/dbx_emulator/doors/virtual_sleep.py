"""Virtual sleep: whoever sleeps while a workspace under a sleeping clock intercepts lets its time pass instead.

`time.sleep`, `asyncio.sleep` and `anyio.sleep` are replaced while at least one such interception is open. What
replaces them asks who calls: threads and tasks that take part sleep by the workspace's time, all others as ever,
and so does the standard library itself. The timers of event loops, threading and selectors are never touched.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.at_rest import is_stdlib
from dbx_emulator.doors.enrolment import Enrolment
from dbx_emulator.doors.patching import Undo
from dbx_emulator.doors.sleepers import Sleepers, real_sleep
from dbx_emulator.doors.virtual_modules import virtual_modules

__all__ = ["PATIENCE_SECONDS", "sleep", "sleep_in_anyio", "sleep_in_asyncio", "virtual_sleep"]

T = TypeVar("T")

#: Real seconds that a sleeper waits for time to move unless told otherwise.
PATIENCE_SECONDS = 10.0

_sleepers = Sleepers()
_lock = threading.Lock()
_undo: list[Undo] = []

#: The interception under which a task was made.
_context: ContextVar[Enrolment | None] = ContextVar("dbx_emulator_enrolment", default=None)

#: What was there before. Who picked up one of ours meanwhile gets that from it later.
_originals: dict[str, Any] = {"time": real_sleep, "asyncio": asyncio.sleep}


@contextmanager
def virtual_sleep(
    clock: Clock,
    *,
    host: str,
    threads: Iterable[str] = (),
    modules: Iterable[str] = (),
    patience_seconds: float | None = PATIENCE_SECONDS,
) -> Iterator[None]:
    """Let sleeping move a clock while the context is open.

    Those take part who entered it: the running thread, and the tasks that are made under it, on whichever loop
    they run.

    Args:
        clock: The clock.
        host: The workspace's host, for messages.
        threads: Patterns for the names of further threads that take part, such as `"poller-*"`.
        modules: Modules in which `sleep`, `time` and `monotonic` go by the clock, however they got them.
        patience_seconds: Real seconds that a sleeper waits for time to move; `None` waits without end.

    Raises:
        UsageError: A pattern is no text, there is no such module, or the patience is not above 0.
    """
    if patience_seconds is not None and not patience_seconds > 0:
        raise UsageError(f"patience_seconds: {patience_seconds!r} is neither None nor a number above 0")
    enrolment = Enrolment(clock, host, _names(threads, "threads"), patience_seconds)
    with virtual_modules(_names(modules, "modules"), _replacements()):
        unwatch = clock.watch(lambda: _sleepers.wake_due(clock))
        with _lock:
            if not _sleepers.enrolments:
                _patch()
            _sleepers.begin(enrolment)
        outer = _context.get()
        _context.set(enrolment)
        try:
            yield
        finally:
            _context.set(outer)
            with _lock:
                _sleepers.end(enrolment)
                if not _sleepers.enrolments:
                    _unpatch()
            unwatch()


def sleep(seconds: float, /) -> None:
    """Sleep: by virtual time if the caller takes part."""
    enrolment = _enrolment(sys._getframe(1))  # noqa: SLF001 - who calls decides
    if enrolment is None or not 0 < seconds < math.inf:
        _originals["time"](seconds)
    else:
        _sleepers.sleep_in_thread(enrolment, seconds)


def sleep_in_asyncio(delay: float, result: T = None) -> Coroutine[Any, Any, T]:  # type: ignore[assignment]
    """Sleep as a task: by virtual time if the caller takes part."""
    # No coroutine function, but a function: later, a loop would be the caller.
    enrolment = _enrolment(sys._getframe(1))  # noqa: SLF001 - who calls decides
    if enrolment is None or not 0 < delay < math.inf:
        slept: Coroutine[Any, Any, T] = _originals["asyncio"](delay, result)
        return slept
    return _sleep_in_task(enrolment, delay, result)


def sleep_in_anyio(delay: float) -> Coroutine[Any, Any, None]:
    """Sleep as a task of anyio: by virtual time if the caller takes part and the loop is asyncio's."""
    enrolment = _enrolment(sys._getframe(1))  # noqa: SLF001 - who calls decides
    is_asyncio = asyncio._get_running_loop() is not None  # noqa: SLF001 - the only one that does not raise
    if enrolment is None or not is_asyncio or not 0 < delay < math.inf:
        slept: Coroutine[Any, Any, None] = _originals["anyio"](delay)
        return slept
    return _sleep_in_task(enrolment, delay, None)


def _mark_as_coroutine_function(function: Any) -> None:
    """Have `iscoroutinefunction` say of a function what it says of the one that it replaces."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001


_mark_as_coroutine_function(sleep_in_asyncio)
_mark_as_coroutine_function(sleep_in_anyio)


async def _sleep_in_task(enrolment: Enrolment, delay: float, result: T) -> T:
    await _sleepers.sleep_in_task(enrolment, delay)
    return result


def _enrolment(caller: Any) -> Enrolment | None:
    """Return by whose time a caller sleeps: the newest interception that it takes part in, or `None`."""
    if not _sleepers.enrolments or is_stdlib(caller):
        return None
    thread = threading.current_thread()
    context = _context.get()
    for each in reversed(_sleepers.enrolments):
        if each is context or each.enrols(thread):
            return each
    return None


def _patch() -> None:
    _replace(time, "sleep", sleep)
    _replace(asyncio, "sleep", sleep_in_asyncio)
    # Loaded later, it finds what is now in asyncio.
    if (anyio := sys.modules.get("anyio")) is not None:
        _replace(anyio, "sleep", sleep_in_anyio)


def _unpatch() -> None:
    while _undo:
        _undo.pop()()


def _replace(module: Any, name: str, replacement: Callable[..., Any]) -> None:
    current = getattr(module, name)
    if current is replacement:
        # Somebody put back what he found while we were there.
        return
    _originals[module.__name__] = current

    def undo() -> None:
        # What somebody else has put there since is his to take away.
        if getattr(module, name) is replacement:
            setattr(module, name, current)

    setattr(module, name, replacement)
    _undo.append(undo)


def _names(given: Iterable[str], what: str) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise UsageError(f"{what}: {name!r} is no name; write {what}=['…']")
    return names


def _sleep_anywhere(seconds: float, /) -> None:
    enrolments = _sleepers.enrolments
    if not enrolments or not 0 < seconds < math.inf:
        _originals["time"](seconds)
    else:
        _sleepers.sleep_in_thread(enrolments[-1], seconds)


def _time_anywhere() -> float:
    enrolments = _sleepers.enrolments
    return enrolments[-1].clock.time() if enrolments else time.time()


def _monotonic_anywhere() -> float:
    enrolments = _sleepers.enrolments
    return enrolments[-1].clock.time() if enrolments else time.monotonic()


def _replacements() -> dict[str, tuple[tuple[Any, ...], Any]]:
    """Return what goes by virtual time in a listed module: its name, what it may be there, what it becomes."""
    return {
        "sleep": ((real_sleep, sleep, _originals["time"]), _sleep_anywhere),
        "time": ((time.time,), _time_anywhere),
        "monotonic": ((time.monotonic,), _monotonic_anywhere),
    }
