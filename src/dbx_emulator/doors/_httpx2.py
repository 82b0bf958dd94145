"""The door for httpx2: one transport class for sync and async clients."""

from __future__ import annotations

import httpcore2
import httpx2

from dbx_emulator.doors.httpx_like import HttpxLike, PlayedBody, Transport

__all__ = ["Httpx2Transport", "patch"]


class _Body(PlayedBody, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body as a stream of httpx2."""


_DOOR = HttpxLike(httpx2, httpcore2, _Body)

patch = _DOOR.patch


class Httpx2Transport(Transport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Carries the requests of a client to a workspace, in process.

    Args:
        handler: Who answers.
    """

    _door = _DOOR
