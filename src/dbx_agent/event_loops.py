"""Nothing shared between event loops, nothing harmed by a cancelled caller.

A connection belongs to the loop that opened it. A server has one loop for its life; local execution can go
through several. So there is one value per loop *object* (an id is reused), made at first use, and dropped
when its loop is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["PerLoop", "UnderWay"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value for each running event loop.

    Args:
        make: Makes the value; called on the loop it is for.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the running loop's value, making it at first use."""
        loop = asyncio.get_running_loop()
        value = self._values.get(loop)
        if value is None:
            # The value refers to its loop, so that a closed loop's entry would never go by itself.
            for closed in [other for other in self._values if other.is_closed()]:
                del self._values[closed]
            value = self._values[loop] = self._make()
        return value

    def pop(self) -> T | None:
        """Remove and return the running loop's value; `None` if it has none."""
        return self._values.pop(asyncio.get_running_loop(), None)


class UnderWay:
    """Runs coroutines that nobody's cancellation or impatience stops half-way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T], *, limit_seconds: float) -> T:
        """Wait for the work to end, which it does on its own if the caller is cancelled or the limit passes.

        Args:
            work: What to do; bounded by limits of its own.
            limit_seconds: How long the caller waits at most.

        Raises:
            TimeoutError: If the limit passes first.
        """
        # Waited for is a future beside the task, which is left alone when the caller is cancelled or the time is
        # up. asyncio.wait does the same for many tasks, at twice the price.
        loop = asyncio.get_running_loop()
        is_over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(limit_seconds, _end, is_over)
        task = self.start(_tell(work, is_over))
        try:
            await is_over
        finally:
            timer.cancel()
        if not task.done():
            raise TimeoutError
        return task.result()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin the work without waiting for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def drain(self) -> None:
        """Wait for all work that was started on the running loop."""
        loop = asyncio.get_running_loop()
        mine = [task for task in self._tasks if task.get_loop() is loop]
        await asyncio.gather(*mine, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that a failure nobody waited for is no warning at shutdown


async def _tell(work: Coroutine[Any, Any, T], is_over: asyncio.Future[None]) -> T:
    try:
        return await work
    finally:
        _end(is_over)


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
