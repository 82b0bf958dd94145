"""The door for httpx: one transport class for sync and async clients."""

from __future__ import annotations

import httpcore
import httpx

from dbx_emulator.doors.httpx_like import HttpxLike, PlayedBody, Transport

__all__ = ["HttpxTransport", "answer", "patch"]


class _Body(PlayedBody, httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as a stream of httpx."""


_DOOR = HttpxLike(httpx, httpcore, _Body)

answer = _DOOR.answer
patch = _DOOR.patch


class HttpxTransport(Transport, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries the requests of a client to a workspace, in process.

    Args:
        handler: Who answers.
    """

    _door = _DOOR
