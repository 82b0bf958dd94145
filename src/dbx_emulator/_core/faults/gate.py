"""Who gets in at all: what doors ask before there is a call, and how servers hear that it has changed.

It opens and closes nothing itself; a server that stops listening does so in its own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.faults.armed import Faults

__all__ = ["Gate"]


class Gate:
    """The gate of one workspace.

    Args:
        faults: Its faults, those of connections among them.
        clock: Its time, in which they begin and end.

    Attributes:
        is_unguarded: Whether no fault is about connections, so that everybody gets in.
        has_changed: Whether something was changed that nobody could be told.
    """

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self._faults = faults
        self._clock = clock
        self._watchers: list[Callable[[], None]] = []
        self._holder: int | None = None
        self.has_changed = False
        self.is_unguarded = not faults.guards_connections
        faults.on_change(self.changed)
        clock.attach(self)

    @property
    def is_listening(self) -> bool:
        """Whether clients find anybody who listens."""
        return self._faults.is_listening

    @property
    def is_shaking_hands(self) -> bool:
        """Whether a TLS handshake would succeed."""
        return self._faults.is_shaking_hands

    def connect(self, kinds: tuple[str, ...]) -> str | None:
        """Count a client that connects and return what keeps it out, one of `kinds`, or `None`."""
        return self._faults.connect(kinds)

    def changes_in_ms(self) -> int | None:
        """Return after how many virtual milliseconds time alone may change who gets in; `None` if it cannot."""
        return self._faults.next_boundary_ms() if self._clock.rate else None

    @contextmanager
    def watched(self, changed: Callable[[], None]) -> Iterator[None]:
        """Have `changed` called whenever somebody else may get in than before, while the context is open."""
        self._watchers.append(changed)
        try:
            yield
        finally:
            self._watchers.remove(changed)

    def next_deadline_ms(self) -> int | None:
        """Say that no run waits for it: time need not stop where a window opens or ends."""
        return None

    def settle(self) -> None:
        """Tell that time was moved."""
        self.changed()

    def find_run(self, run_id: int) -> None:
        """Know no runs."""

    def hold(self) -> None:
        """Tell nobody of what this thread changes until it lets go: it holds what watchers may wait for."""
        self._holder = get_ident()

    def let_go(self) -> None:
        """Tell again, but for what has changed meanwhile: that is told by `settle_held`."""
        self._holder = None

    def settle_held(self) -> None:
        """Tell of what was changed while nobody could be told."""
        if self.has_changed:
            self.has_changed = False
            self.changed()

    def changed(self) -> None:
        """Tell all watchers."""
        self.is_unguarded = not self._faults.guards_connections
        if self._holder == get_ident():
            self.has_changed = True
            return
        for watcher in tuple(self._watchers):
            watcher()
