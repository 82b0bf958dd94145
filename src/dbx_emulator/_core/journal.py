"""What happened: one entry for each call of the API, oldest first, bounded."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, overload

__all__ = ["Journal", "JournalEntry", "Said", "Told"]


class Said(Protocol):
    """What a client sent, as a door brought it."""

    @property
    def target(self) -> str:
        """Path and query, percent-encoded."""
        ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The header lines; with the credentials, so never to be shown as they are."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...


class Told(Protocol):
    """What the client was answered."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The header lines, names in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...

    @property
    def delay_ms(self) -> int:
        """Virtual milliseconds before anything else happened."""
        ...

    @property
    def wire(self) -> tuple[object, ...]:
        """What was done to the connection instead of sending the answer; empty if it was sent."""
        ...


class JournalEntry(NamedTuple):
    """One call.

    Attributes:
        sequence: Its number, from 1; numbers go on when old entries are dropped.
        now_ms: When it was answered, in epoch milliseconds of virtual time.
        method: The HTTP method.
        path: The path as it was called, without the query.
        route: What was called, without the version: `runs/submit`; an empty string if nothing serves the path.
        run_id: The run it was about, as far as known; `None` otherwise.
        status_code: The status the service answered with, even if the answer was lost.
        error_code: The error code it answered with; `None` if it was no error.
        fault: The kind of the fault that struck; `None` if none did.
        states: The life-cycle states of the run before and after the call; `None` where there was no run.
        note: What else a fault did, in words; `None` if there is nothing to say.
        real_ms: When it was answered by the clock on the wall, in epoch milliseconds; 0 if nobody looked.
        said: What the client sent; `None` if it is no longer kept.
        told: What it was answered; `None` if it is no longer kept.
    """

    sequence: int
    now_ms: int
    method: str
    path: str
    route: str
    run_id: int | None
    status_code: int
    error_code: str | int | None
    fault: str | None
    states: tuple[str | None, str | None]
    note: str | None = None
    real_ms: int = 0
    said: Said | None = None
    told: Told | None = None

    def __repr__(self) -> str:
        # Without what was said: it has the credentials of whoever called.
        about = "" if self.run_id is None else f" run {self.run_id}"
        return f"<JournalEntry {self.sequence}: {self.method} {self.path}{about} → {self.status_code}>"

    @property
    def version(self) -> str:
        """The API version under which it was called; an empty string for paths without one."""
        _, first, version, *_ = (*self.path.split("/"), "", "")
        return version if first == "api" else ""

    def canonical(self) -> bytes:
        """Return what of the call is the same whenever, wherever and through whichever door it is made."""
        before, after = self.states
        value = {
            "now_ms": self.now_ms,
            "route": self.route or self.path,
            "version": self.version,
            "run_id": self.run_id,
            "status_code": self.status_code,
            "error_code": self.error_code,
            "fault": self.fault,
            "states": [before, after],
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Journal(Sequence[JournalEntry]):
    """The calls of a workspace.

    Args:
        limit: How many entries are kept; the oldest are dropped.
        real_ms: The clock on the wall, in epoch milliseconds.
    """

    def __init__(self, *, limit: int = 10_000, real_ms: Callable[[], int] = lambda: 0) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=limit)
        self._sequence = 0
        self._real_ms = real_ms
        # A test reads while a server's thread writes.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self._snapshot())

    @overload
    def __getitem__(self, index: int) -> JournalEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JournalEntry]: ...
    def __getitem__(self, index: int | slice) -> JournalEntry | Sequence[JournalEntry]:
        return self._snapshot()[index]

    def calls(self, route: str) -> list[JournalEntry]:
        """Return the calls of one route, such as `runs/submit`, oldest first."""
        return [entry for entry in self if entry.route == route]

    def record(
        self,
        *,
        now_ms: int,
        method: str,
        path: str,
        route: str,
        run_id: int | None,
        status_code: int,
        error_code: str | int | None,
        fault: str | None,
        states: tuple[str | None, str | None],
        note: str | None = None,
        said: Said | None = None,
        told: Told | None = None,
    ) -> None:
        """Write down one call."""
        with self._lock:
            self._sequence += 1
            self._entries.append(
                JournalEntry(
                    self._sequence,
                    now_ms,
                    method,
                    path,
                    route,
                    run_id,
                    status_code,
                    error_code,
                    fault,
                    states,
                    note,
                    self._real_ms(),
                    said,
                    told,
                )
            )

    def export(self) -> bytes:
        """Return the canonical form of the entries that are kept: one line of JSON for each, oldest first.

        Two tests that make the same calls in the same order give the same bytes, on every machine and through
        every door: it holds virtual time and no wall time, port or client.
        """
        return b"".join(entry.canonical() + b"\n" for entry in self)

    def clear(self) -> None:
        """Forget all entries. Numbers go on."""
        with self._lock:
            self._entries.clear()

    def _snapshot(self) -> tuple[JournalEntry, ...]:
        with self._lock:
            return tuple(self._entries)
