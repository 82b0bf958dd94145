"""The ASGI door: a workspace as an application for any ASGI server.

To break a connection it needs the transport below it, which `server` puts into the scope's extensions. Under
a server that does not, it raises instead, so that the server breaks the connection in its own way.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

from dbx_emulator._api.calls import MAX_BODY_BYTES
from dbx_emulator._api.messages import Fin, HalfClose, Pause, Reply, Request, RequestHandler, Reset, Send
from dbx_emulator._api.router import most_bytes
from dbx_emulator._core.errors import UsageError

__all__ = ["REUSED_EXTENSION", "TRANSPORT_EXTENSION", "AsgiApp", "reset"]

#: Where a server puts the asyncio transport of the connection.
TRANSPORT_EXTENSION = "dbx_emulator.transport"

#: Where it says whether the connection has carried another request.
REUSED_EXTENSION = "dbx_emulator.is_reused"

#: A body above the service's limit is read to the end, so that the client hears why it is refused, but not
#: without end.
_MAX_DRAINED_BYTES = 8 * MAX_BODY_BYTES

_JSON = ((b"content-type", b"application/json"),)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]


class AsgiApp:
    """An ASGI application that carries requests to a workspace.

    Args:
        handler: Who answers.
        allowed_hosts: Host names, without port, by which it may be called; `None` allows every name. A page
            in a browser can reach a loopback port under a name of its own; this is what keeps it out.
    """

    def __init__(self, handler: RequestHandler, *, allowed_hosts: frozenset[str] | None = None) -> None:
        self._handler = handler
        self._allowed_hosts = allowed_hosts
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"dbx-emulator speaks HTTP, not {scope['type']}")
        request = await _read(scope, receive)
        if request is None:
            return
        # In process nobody waits for a socket, and nobody's sleep has to wait for it.
        is_on_socket = TRANSPORT_EXTENSION in scope.get("extensions", {})
        name = f"{request.method} {request.target.partition('?')[0]}"
        with self._handler.hold(name) if is_on_socket else nullcontext():
            self._in_flight += 1
            request.in_flight = self._in_flight
            try:
                await self._reply(request, scope, receive, send)
            finally:
                self._in_flight -= 1

    async def _reply(self, request: Request, scope: Scope, receive: Receive, send: SendMessage) -> None:
        reply = self._refuse_host(request) or self._handle(request)
        if reply.delay_ms and await _is_gone_within(self._handler.real_seconds(reply.delay_ms), receive):
            reply.is_given_up = True
            return
        if reply.wire:
            await _perform(reply, scope, receive, self._handler.real_seconds)
        else:
            await _send(reply, send)

    def _handle(self, request: Request) -> Reply:
        """Return the answer; a mistake of the test's author is one too, as it has no other way to the test."""
        try:
            return self._handler.handle(request)
        except UsageError as error:
            body = json.dumps({"error_code": "USAGE_ERROR", "message": str(error)}).encode()
            return Reply(500, body, _JSON)

    def _refuse_host(self, request: Request) -> Reply | None:
        if self._allowed_hosts is None:
            return None
        host = (request.header(b"host") or b"").decode("latin-1")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.strip("[]").lower() in self._allowed_hosts:
            return None
        message = (
            f"dbx-emulator is not to be called as {name!r}; to allow it, start it with --allow-host {name}"
        )
        body = json.dumps({"error_code": "BAD_REQUEST", "message": message}).encode()
        return Reply(400, body, _JSON)


async def _read(scope: Scope, receive: Receive) -> Request | None:
    """Return the request, or `None` if the client went away before it had sent the whole of it."""
    chunks: list[bytes] = []
    received = 0
    most = most_bytes(scope["method"], scope["path"])
    while received <= max(most, _MAX_DRAINED_BYTES):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        if received <= most:
            chunks.append(chunk)
        received += len(chunk)
        if not message.get("more_body", False):
            break
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope["query_string"]
    return Request(
        scope["method"],
        (path + b"?" + query if query else path).decode("latin-1"),
        tuple(map(tuple, scope["headers"])),
        b"".join(chunks),
        is_truncated=received > most,
        is_reused=scope.get("extensions", {}).get(REUSED_EXTENSION, False),
    )


async def _send(reply: Reply, send: SendMessage) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _perform(
    reply: Reply, scope: Scope, receive: Receive, real_seconds: Callable[[int], float]
) -> None:
    """Do to the connection what the reply says, then wait until the server has noticed its end."""
    transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
    if not isinstance(transport, asyncio.Transport):
        raise ConnectionResetError("this server does not let the application break the connection")
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        for operation in reply.wire:
            if isinstance(operation, Send):
                transport.write(operation.data)
            elif isinstance(operation, Pause):
                await asyncio.wait({gone}, timeout=real_seconds(operation.ms))
            elif isinstance(operation, Fin):
                transport.close()
            elif isinstance(operation, HalfClose):
                _half_close(transport)
            elif isinstance(operation, Reset):
                reset(transport)
            if gone.done():
                return
        await gone
    finally:
        gone.cancel()


def reset(transport: asyncio.Transport) -> None:
    """Reset the connection: a real RST, which needs the socket to linger for no time."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _half_close(transport: asyncio.Transport) -> None:
    """Send no more; over TLS, which knows no half of a connection, close it."""
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()


async def _is_gone_within(seconds: float, receive: Receive) -> bool:
    """Let real time pass unless the client goes away; say whether it did."""
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        await asyncio.wait({gone}, timeout=seconds)
        return gone.done()
    finally:
        gone.cancel()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
