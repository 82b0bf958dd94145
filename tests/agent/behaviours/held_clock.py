"""A clock that lets the test decide when each sleep is over; no test of its own."""

from __future__ import annotations

import asyncio

__all__ = ["HeldClock"]


class HeldClock:
    """Time that passes when the test lets a sleeper wake.

    Attributes:
        now: The instant, in seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self._asleep: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()

    def time(self) -> float:
        """Return the instant."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the test says that the time has passed."""
        over = asyncio.Event()
        self._asleep.put_nowait((seconds, over))
        await over.wait()

    async def next_sleeper(self, seconds: float | None = None) -> asyncio.Event:
        """Wait until something sleeps, and return what wakes it.

        Args:
            seconds: How long it has to want to sleep; `None` takes anything.
        """
        asked, over = await asyncio.wait_for(self._asleep.get(), timeout=10)
        assert seconds in {None, asked}
        return over
