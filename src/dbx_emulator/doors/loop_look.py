"""A look into an event loop: whether anything is left there but sleepers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Protocol

__all__ = ["GLANCE_SECONDS", "Look"]

#: How often somebody looks again whether all are at rest.
GLANCE_SECONDS = 0.001

#: In how many turns of an event loop nothing may be ready but our own look: where that can be seen, where not.
_EMPTY_TURNS = 3
_BLIND_TURNS = 40


class LoopSleepers(Protocol):
    """What a look needs to know of those who sleep, and may ask of them."""

    def is_asleep_in(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether a task sleeps on a loop."""
        ...

    def try_move(self) -> bool:
        """Move time or wake somebody, if all are at rest; say whether that was done."""
        ...

    def lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the tasks of a loop raise that have waited too long."""
        ...


class Look:
    """Looks into an event loop until nothing is ready there any more, and moves time then.

    Args:
        sleepers: Whose tasks sleep there.
        loop: The loop of the running thread.
    """

    def __init__(self, sleepers: LoopSleepers, loop: asyncio.AbstractEventLoop) -> None:
        self._sleepers = sleepers
        self._loop = loop
        # asyncio's own loops show what is ready; others do not, and are given more turns.
        self._ready: Any = getattr(loop, "_ready", None)
        self._needed = _BLIND_TURNS if self._ready is None else _EMPTY_TURNS
        self._turns = 0
        self._is_going = False
        self.ident = threading.get_ident()
        self._was_idle = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing was left on the loop but sleepers when it was last looked into."""
        return (
            self._was_idle
            and not self._ready
            and self._loop.is_running()
            and self._sleepers.is_asleep_in(self._loop)
        )

    @property
    def workers(self) -> set[threading.Thread]:
        """The threads to which the loop hands what would block it."""
        executor = getattr(self._loop, "_default_executor", None)
        return set(getattr(executor, "_threads", ()))

    def start(self) -> None:
        """Look from now on, from the beginning."""
        self._was_idle = False
        self._turns = 0
        self.ident = threading.get_ident()
        if not self._is_going:
            self._is_going = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        if not self._sleepers.is_asleep_in(self._loop):
            self._is_going = self._was_idle = False
            return
        self._turns = 0 if self._ready else self._turns + 1
        self._was_idle = self._turns >= self._needed
        if not self._was_idle:
            self._loop.call_soon(self._look)
        elif self._sleepers.try_move():
            self._was_idle = False
            self._turns = 0
            self._loop.call_soon(self._look)
        else:
            self._sleepers.lose_patience(self._loop)
            self._turns -= 1
            self._loop.call_later(GLANCE_SECONDS, self._look)
