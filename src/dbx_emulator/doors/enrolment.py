"""Who takes part in the virtual sleep of one interception."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from dbx_emulator._core.clock import Clock

__all__ = ["Enrolment"]

#: The thread in which a workspace is served takes no part, whatever the patterns say.
_SERVER_THREAD = "dbx-emulator"


@dataclass(eq=False)
class Enrolment:
    """One interception under a sleeping clock, and who takes part in it.

    Attributes:
        clock: Whose time its sleepers go by.
        host: Of the workspace, for messages.
        threads: Patterns for the names of threads that take part besides the one that entered.
        patience_seconds: Real seconds that a sleeper waits for time to move; `None`: without end.
        members: The threads that are known to take part, by ident.
    """

    clock: Clock
    host: str
    threads: tuple[str, ...] = ()
    patience_seconds: float | None = None
    members: dict[int, threading.Thread] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.join()

    def join(self) -> None:
        """Let the running thread take part."""
        thread = threading.current_thread()
        self.members[threading.get_ident()] = thread

    def enrols(self, thread: threading.Thread) -> bool:
        """Say whether a thread takes part, by what it did or by its name."""
        # Idents are given again after a thread's end: the thread itself counts.
        return self.members.get(thread.ident or 0) is thread or self._names(thread)

    def participants(self) -> Iterator[threading.Thread]:
        """Yield the threads that take part and live."""
        for ident, thread in tuple(self.members.items()):
            if thread.is_alive():
                yield thread
            else:
                self.members.pop(ident, None)
        if self.threads:
            yield from (thread for thread in threading.enumerate() if self._names(thread))

    def _names(self, thread: threading.Thread) -> bool:
        name = thread.name
        return name != _SERVER_THREAD and any(fnmatchcase(name, pattern) for pattern in self.threads)
