"""The ways back of a workspace, as its methods: snapshots, what becomes of them, and new beginnings."""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager

from dbx_emulator._api.control import Control
from dbx_emulator._core.faults import Gate

__all__ = ["WaysBack"]


class WaysBack(ABC):
    """How a workspace becomes what it was.

    Attributes:
        gate: Who gets in at all.
    """

    gate: Gate
    _lock: threading.RLock
    _control: Control

    def snapshot(self) -> bytes:
        """Return all that the workspace knows, as JSON: `restore` goes on from there, in another process as well.

        It holds the runs and what is to come for them, the present, scenarios, faults, tokens and the journal;
        the tokens and what clients sent are in it as they are.

        Raises:
            UsageError: A scenario or a fault has a function of yours, which cannot be written down.
        """
        with self._lock:
            return self._control.snapshot()

    def restore(self, snapshot: bytes | str) -> None:
        """Become what this workspace, or one made with the same arguments, was when a snapshot was taken.

        The clock may be another one; it is set to the present of then. Whoever holds the workspace, its clock or
        its runs by id finds it changed; records of runs in hand are those of before.

        Raises:
            UsageError: It is no such snapshot, or the clock is shared with others. Then nothing was changed.
        """
        with self._replacing():
            self._control.restore(snapshot)

    def reset(self) -> None:
        """Become what the workspace was when it was made, or when `start_here` was called.

        Raises:
            UsageError: The clock is shared with other workspaces.
        """
        with self._replacing():
            self._control.reset()

    def start_here(self) -> None:
        """Let `reset` come back to here.

        Raises:
            UsageError: As for `snapshot`.
        """
        with self._lock:
            self._control.start_here()

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        """Let nobody in while what the workspace knows becomes something else."""
        with self._lock:
            self.gate.hold()
            try:
                yield
            finally:
                self.gate.let_go()
        self.gate.settle_held()
