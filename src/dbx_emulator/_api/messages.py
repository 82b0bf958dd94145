"""What doors and a workspace exchange: `Request`, `Reply`, and what a reply does to the connection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from dbx_emulator._core.faults import Gate

__all__ = [
    "Fin",
    "HalfClose",
    "Hang",
    "Headers",
    "Pause",
    "Reply",
    "Request",
    "RequestHandler",
    "Reset",
    "Send",
    "WireOperation",
    "find_header",
]

#: Raw header lines as they are on the wire, names in any case.
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: The method, in upper case.
        target: Path and query as they are on the wire, percent-encoded.
        headers: The header lines.
        body: The whole body, or its first bytes if `is_truncated`.
        is_truncated: Whether the body was larger than the door was willing to hold.
        is_reused: Whether it came on a connection that had carried another request.
        in_flight: How many requests are being answered at the door, this one included.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    is_truncated: bool = False
    is_reused: bool = False
    in_flight: int = 1

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, its name given in lower case, or `None`."""
        return find_header(self.headers, name)


def find_header(headers: Headers, name: bytes) -> bytes | None:
    """Return the first value of a header among lines, its name given in lower case, or `None`."""
    return next((value for line_name, value in headers if line_name.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Send:
    """Send raw bytes.

    Attributes:
        data: The bytes, status line and headers included.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass before going on.

    Attributes:
        ms: Virtual milliseconds.
    """

    ms: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection (RST on a socket), which ends it."""


@dataclass(frozen=True, slots=True)
class Fin:
    """Close the connection in order (FIN on a socket), which ends it."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send no more, and go on reading until the client has gone, which ends it."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more and keep the connection open until the client gives up, which ends it."""


WireOperation = Send | Pause | Reset | Fin | HalfClose | Hang


@dataclass(slots=True)
class Reply:
    """The answer to a request.

    Attributes:
        status_code: HTTP status; 0 if the service has none to give because it never looked at the request.
        body: The whole body.
        headers: The header lines, names in lower case.
        delay_ms: Virtual milliseconds that pass before anything else happens.
        wire: What the door does to the connection *instead* of sending the answer; empty to send it. The last
            operation ends the connection.
        is_untimed: Whether the client was seen to wait for it without any limit; only a door in process sees that.
        is_given_up: Whether the client was seen to go away before all of it had come.
        error_code: The error code it says; `None` if it is no error.
        note: What a fault did besides, in words; `None` if there is nothing to say.
    """

    status_code: int
    body: bytes
    headers: Headers
    delay_ms: int = 0
    wire: tuple[WireOperation, ...] = ()
    is_untimed: bool = False
    is_given_up: bool = False
    error_code: str | int | None = None
    note: str | None = None


class RequestHandler(Protocol):
    """What a door needs: somebody who answers, at once."""

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    def pass_time(self, ms: int) -> None:
        """Let virtual milliseconds pass that a client in process spends waiting."""
        ...

    def hold(self, name: str) -> AbstractContextManager[object]:
        """Return a context in which a request from a socket, named so, keeps sleepers from moving time."""
        ...

    def real_seconds(self, ms: int) -> float:
        """Return how long virtual milliseconds are for a client at a socket."""
        ...

    @property
    def gate(self) -> Gate:
        """Who gets in at all."""
        ...

    @property
    def host(self) -> str:
        """The host it answers for, with its port if it has one."""
        ...
