"""The seam for time: everything that waits or measures takes a `Clock`."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "RealClock"]


class Clock(Protocol):
    """What the agent needs to know of time; the words are the Databricks SDK's."""

    def time(self) -> float:
        """Return the monotonic time in seconds, from any zero."""

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, zero or more."""


class RealClock:
    """The process's own time."""

    def time(self) -> float:
        """Return the operating system's monotonic time in seconds."""
        return time.monotonic()  # noqa: TID251 - the one place that supplies the real default

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop for a number of seconds."""
        await asyncio.sleep(seconds)  # noqa: TID251 - likewise
