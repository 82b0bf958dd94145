"""Answers as bytes, and the ways in which they can go wrong between service and client."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from dbx_emulator._api.messages import Fin, HalfClose, Hang, Pause, Reply, Reset, Send, WireOperation

__all__ = ["WIRES", "exchange", "render"]

_HEADERS_PAUSE_MS = 60_000
_PIECE_PAUSE_MS = 1_000
_PIECE_BYTES = 64
_MISSING_BYTES = 10

Wire = tuple[WireOperation, ...]


def render(reply: Reply, *, announced: int | None = None) -> tuple[bytes, bytes]:
    """Return an answer as it is on the wire: first line and headers, then the body.

    Args:
        reply: The answer.
        announced: The length of the body that the headers name; `None` names the right one.
    """
    reason = HTTPStatus(reply.status_code).phrase if reply.status_code in _KNOWN else ""
    length = len(reply.body) if announced is None else announced
    lines = [
        f"HTTP/1.1 {reply.status_code} {reason}".encode(),
        *(name + b": " + value for name, value in reply.headers),
        b"content-length: %d" % length,
        b"connection: close",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n", reply.body


def exchange(reply: Reply) -> Wire:
    """Return all that happens on the connection for a reply, an ordinary one included."""
    late: Wire = (Pause(reply.delay_ms),) if reply.delay_ms else ()
    return late + (reply.wire or (Send(b"".join(render(reply))), Fin()))


def _late(_reply: Reply) -> Wire:
    return ()


def _hang(_reply: Reply) -> Wire:
    return (Hang(),)


def _reset(_reply: Reply) -> Wire:
    return (Reset(),)


def _closed(_reply: Reply) -> Wire:
    return (Fin(),)


def _half_closed(_reply: Reply) -> Wire:
    return (HalfClose(),)


def _garbage(_reply: Reply) -> Wire:
    return (Send(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), Fin())


def _truncated(reply: Reply) -> Wire:
    head, body = render(reply)
    return (Send(head + body[: len(body) // 2]), Fin())


def _reset_in_body(reply: Reply) -> Wire:
    head, body = render(reply)
    # The pause lets the first half arrive: a reset throws away what the client has not read yet.
    return (Send(head + body[: len(body) // 2]), Pause(100), Reset())


def _wrong_length(reply: Reply) -> Wire:
    head, body = render(reply, announced=len(reply.body) + _MISSING_BYTES)
    return (Send(head + body), Fin())


def _slow_headers(reply: Reply) -> Wire:
    head, body = render(reply)
    first, newline, rest = head.partition(b"\r\n")
    return (Send(first + newline), Pause(_HEADERS_PAUSE_MS), Send(rest + body), Fin())


def _dribbled(reply: Reply) -> Wire:
    head, body = render(reply)
    pieces = [body[start : start + _PIECE_BYTES] for start in range(0, len(body), _PIECE_BYTES)]
    dribble = [operation for piece in pieces for operation in (Send(piece), Pause(_PIECE_PAUSE_MS))]
    return (Send(head), *dribble, Fin())


_KNOWN = frozenset(status.value for status in HTTPStatus)

#: For each kind of `WireFault` what happens on the connection in place of the answer.
WIRES: dict[str, Callable[[Reply], Wire]] = {
    "late": _late,
    "hang": _hang,
    "reset": _reset,
    "closed": _closed,
    "half_closed": _half_closed,
    "garbage": _garbage,
    "truncated": _truncated,
    "reset_in_body": _reset_in_body,
    "wrong_length": _wrong_length,
    "slow_headers": _slow_headers,
    "dribbled": _dribbled,
    "stale_keep_alive": _closed,
}
