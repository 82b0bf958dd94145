"""What doors and a workspace exchange: `Request`, `Reply`, and what a reply does to the connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Headers", "Reply", "Request", "RequestHandler", "Reset", "WireOperation"]

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
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    is_truncated: bool = False

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, its name given in lower case, or `None`."""
        length = len(name)
        for line_name, value in self.headers:
            if len(line_name) == length and line_name.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection (RST on a socket)."""


WireOperation = Reset


@dataclass(slots=True)
class Reply:
    """The answer to a request.

    Attributes:
        status_code: HTTP status.
        body: The whole body.
        headers: The header lines, names in lower case.
        wire: What the door does to the connection *instead* of sending the answer; empty to send it.
    """

    status_code: int
    body: bytes
    headers: Headers
    wire: tuple[WireOperation, ...] = ()


class RequestHandler(Protocol):
    """What a door needs: somebody who answers, at once."""

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    @property
    def host(self) -> str:
        """The host it answers for, with its port if it has one."""
        ...
