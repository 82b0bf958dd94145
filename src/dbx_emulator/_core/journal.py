"""What happened: one entry for each call of the API, oldest first, bounded in number and in bytes."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, NamedTuple, Protocol, overload

from dbx_emulator._core.har import render_har
from dbx_emulator._core.journal_filters import read_filters

__all__ = ["Calls", "Journal", "JournalEntry", "Said", "Told"]

_LIMIT = 10_000
_MAX_BODY_BYTES = 64 * 1024 * 1024


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

    @property
    def is_untimed(self) -> bool:
        """Whether the client was seen to wait for it without any limit."""
        ...

    @property
    def is_given_up(self) -> bool:
        """Whether the client was seen to go away before all of it had come."""
        ...


class JournalEntry(NamedTuple):
    """One call.

    Attributes:
        sequence: Its number, from 1; numbers go on when old entries are dropped.
        now_ms: When it was answered, in epoch milliseconds of virtual time.
        method: The HTTP method.
        path: The path as it was called, without the query, and without credentials if the call brought them there
            as well.
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
        scenario: What happens to the run, and how far that is: `etl-* #2, attempt 1` is the second outcome of the
            scenario for `etl-*`, and the latest attempt made is number 1, counted from 0. `None` if no scenario
            took the run, or there is none.
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
    scenario: str | None = None

    def __repr__(self) -> str:
        # Without what was said: it has the credentials of whoever called.
        about = "" if self.run_id is None else f" run {self.run_id}"
        return f"<JournalEntry {self.sequence}: {self.method} {self.path}{about} → {self.status_code}>"

    @property
    def version(self) -> str:
        """The API version under which it was called; an empty string for paths without one."""
        _, first, version, *_ = (*self.path.split("/"), "", "")
        return version if first == "api" else ""

    @property
    def user_agent(self) -> str | None:
        """The header User-Agent; `None` if there was none, or what was said is no longer kept."""
        for name, value in self.said.headers if self.said else ():
            if name.lower() == b"user-agent":
                return value.decode("latin-1")
        return None

    @property
    def client(self) -> str | None:
        """The product that the client calls itself, without version: `databricks-sdk-py`; `None` as above."""
        products = (self.user_agent or "").split()
        return products[0].partition("/")[0] if products else None

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


class Calls(tuple[JournalEntry, ...]):
    """Some calls of the journal, oldest first."""

    __slots__ = ()

    def where(self, /, **filters: object) -> Calls:
        """Return those of the calls for which all of the filters hold.

        A text is a glob over what a call has, an empty one and `None` mean that it has none; anything else has to
        be the same. `since_ms` and `until_ms` are moments of virtual time in epoch milliseconds, the second one
        excluded, and `after` is the sequence number of a call.

        Raises:
            UsageError: There is no such filter, or one of the last three is no whole number.
        """
        holds = read_filters(filters)
        return Calls(entry for entry in self if holds(entry))

    def export(self) -> bytes:
        """Return the canonical form: one line of JSON for each call.

        Two tests that make the same calls in the same order give the same bytes, on every machine and through
        every door: it holds virtual time and no wall time, port or client.
        """
        return b"".join(entry.canonical() + b"\n" for entry in self)

    def har(self) -> dict[str, object]:
        """Return the calls as an HTTP archive (HAR 1.2), ready for `json.dump`, without any credentials.

        Times are virtual, those of the wall stand in comments. An answer that was lost has status 0, as browsers
        write it, and the comment says what became of it.
        """
        return render_har(self)


class Journal(Sequence[JournalEntry]):
    """The calls of a workspace.

    Args:
        limit: How many entries are kept; the oldest are dropped.
        max_bytes: How many bytes of bodies are kept; beyond, the oldest entries go without what was said and told.
        real_ns: The clock on the wall, in epoch nanoseconds.
    """

    #: What of it a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_entries", "_sequence", "_dropped", "_bytes", "_bare")

    def __init__(
        self,
        *,
        limit: int = _LIMIT,
        max_bytes: int = _MAX_BODY_BYTES,
        real_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._entries: deque[JournalEntry] = deque()
        self._limit = limit
        self._sequence = 0
        self._dropped = 0
        self._max_bytes = max_bytes
        # Of all entries but the first `_bare` ones, which have been stripped.
        self._bytes = 0
        self._bare = 0
        self._real_ns = real_ns
        self._is_silent = False
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

    @property
    def dropped(self) -> int:
        """How many entries were dropped because there were too many, since it was last cleared."""
        return self._dropped

    def calls(self, route: str) -> list[JournalEntry]:
        """Return the calls of one route, such as `runs/submit`, oldest first."""
        return [entry for entry in self if entry.route == route]

    def where(self, /, **filters: object) -> Calls:
        """Return the calls for which all of the filters hold, as `Calls.where` says.

        Raises:
            UsageError: There is no such filter, or it has a value that it cannot have.
        """
        return self._snapshot().where(**filters)

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
        scenario: str | None = None,
    ) -> None:
        """Write down one call."""
        if self._is_silent:
            return
        with self._lock:
            self._sequence += 1
            facts = (now_ms, method, path, route, run_id, status_code, error_code, fault, states, note)
            real_ms = self._real_ns() // 1_000_000
            # What JournalEntry(…) does as well, in three times the time: a client that polls waits for this.
            entry = tuple.__new__(JournalEntry, (self._sequence, *facts, real_ms, said, told, scenario))
            if len(self._entries) == self._limit:
                self._drop_oldest()
            self._entries.append(entry)
            if said is not None and told is not None:
                self._bytes += len(said.body) + len(told.body)
            while self._bytes > self._max_bytes:
                self._strip_oldest()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Write nothing down while the context is open: what is called then is nobody's to judge."""
        self._is_silent = True
        try:
            yield
        finally:
            self._is_silent = False

    def export(self) -> bytes:
        """Return the canonical form of the entries that are kept, as `Calls.export` says."""
        return self._snapshot().export()

    def har(self) -> dict[str, object]:
        """Return the entries that are kept as an HTTP archive, as `Calls.har` says."""
        return self._snapshot().har()

    def clear(self) -> None:
        """Forget all entries. Numbers go on."""
        with self._lock:
            self._entries.clear()
            self._bytes = self._bare = self._dropped = 0

    def _drop_oldest(self) -> None:
        oldest = self._entries.popleft()
        self._dropped += 1
        if self._bare:
            self._bare -= 1
        else:
            self._bytes -= _body_bytes(oldest)

    def _strip_oldest(self) -> None:
        """Let the oldest entry that still has it go without what was said and told."""
        entry = self._entries[self._bare]
        self._bytes -= _body_bytes(entry)
        self._entries[self._bare] = entry._replace(said=None, told=None)
        self._bare += 1

    def _snapshot(self) -> Calls:
        with self._lock:
            return Calls(self._entries)


def _body_bytes(entry: JournalEntry) -> int:
    return len(entry.said.body) + len(entry.told.body) if entry.said and entry.told else 0
