"""Places for requests: how many may be under way at once, altogether and to each workspace."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from dbx_agent.instance import Instance

__all__ = ["Place", "Places"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one request.

    Attributes:
        held: What it takes one of, each.
    """

    held: tuple[asyncio.Semaphore, ...]

    def release(self) -> None:
        """Give it to the next who waits."""
        for semaphore in self.held:
            semaphore.release()


class Places:
    """At most so many requests under way on one loop: altogether, and to each workspace.

    Args:
        total: Altogether.
        per_instance: To each workspace, so that a slow one leaves places to the others, and gets no more calls at
            a time than are polite.
    """

    def __init__(self, *, total: int, per_instance: int) -> None:
        self._per_instance = per_instance
        self._total = asyncio.Semaphore(total)
        # Weak: whoever waits for a place, or holds one, keeps the workspace's entry.
        self._instances: WeakValueDictionary[Instance, asyncio.Semaphore] = WeakValueDictionary()

    async def acquire(self, instance: Instance, *, within_seconds: float) -> Place:
        """Wait for a place; who is cancelled meanwhile takes none.

        Raises:
            asyncio.TimeoutError: If there is none in time.
        """
        mine = self._instances.get(instance)
        if mine is None:
            mine = self._instances[instance] = asyncio.Semaphore(self._per_instance)
        if mine.locked() or self._total.locked():
            return await asyncio.wait_for(self._acquire(mine), within_seconds)
        # wait_for would make a task for what is there at once.
        return await self._acquire(mine)

    async def _acquire(self, mine: asyncio.Semaphore) -> Place:
        await mine.acquire()
        try:
            await self._total.acquire()
        except BaseException:
            mine.release()
            raise
        return Place((mine, self._total))
