"""The door for httpx: one transport class for sync and async clients."""

from __future__ import annotations

import httpx

from dbx_emulator._api.messages import Request, RequestHandler

__all__ = ["HttpxTransport", "answer"]


class HttpxTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries the requests of a client to a workspace, in process.

    Args:
        handler: Who answers.
    """

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client."""
        return answer(self._handler, request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        return answer(self._handler, request, await request.aread())


def answer(handler: RequestHandler, request: httpx.Request, body: bytes) -> httpx.Response:
    """Return the workspace's answer.

    Raises:
        httpx.ReadError: The reply is to reset the connection.
    """
    reply = handler.handle(
        Request(request.method, request.url.raw_path.decode("ascii"), request.headers.raw, body)
    )
    if reply.wire:
        # What a client sees when the connection is reset while it waits for an answer.
        raise httpx.ReadError("the connection was reset", request=request)
    # A stream, as from a real transport: `content=` would make httpx look at the body twice.
    length = (b"content-length", b"%d" % len(reply.body))
    return httpx.Response(
        reply.status_code, headers=[*reply.headers, length], stream=httpx.ByteStream(reply.body)
    )
