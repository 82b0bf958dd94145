"""How httpcore reaches the network under asyncio: a network backend of ours, as httpcore provides for.

httpcore's own goes through anyio, whose streams and time limits serve every kind of loop and cost a sixth of a
call. Here there is only asyncio, whose transports tell by themselves when a connection was closed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import httpcore

__all__ = ["MAX_UNREAD_BYTES", "AsyncioNetwork"]

T = TypeVar("T")

#: Beyond this, reading pauses until what has arrived is taken.
MAX_UNREAD_BYTES = 2**18

_HAPPY_EYEBALLS_SECONDS = 0.25


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection: what asyncio tells of it, and what httpcore asks for."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._unread = bytearray()
        self._error: Exception | None = None
        self._is_over = False
        self._is_full = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note how to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what has arrived, and hold back the rest if it is much."""
        self._unread += data
        if len(self._unread) > MAX_UNREAD_BYTES:
            self._transport.pause_reading()
        self._tell()

    def eof_received(self) -> None:
        """Note that nothing more arrives."""
        self._is_over = True
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more can be sent either."""
        self._is_over, self._is_full, self._error = True, False, exc
        if not self._closed.done():
            self._closed.set_result(None)
        self._tell()

    def pause_writing(self) -> None:
        """Have the writer wait."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._is_full = False
        self._tell()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, or wait for it; nothing at the end."""
        while not self._unread:
            if self._error is not None:
                raise httpcore.ReadError(str(self._error)) from self._error
            if self._is_over:
                return b""
            await self._wait(timeout, httpcore.ReadTimeout)
        data = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        # Python 3.10 has nothing under its TLS any more once the connection is closed.
        if not self._closed.done():
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, and wait while too much is on its way."""
        if buffer:
            if self._is_over:
                raise httpcore.WriteError("the connection is closed") from self._error
            self._transport.write(buffer)
        while self._is_full:
            await self._wait(timeout, httpcore.WriteTimeout)

    async def aclose(self) -> None:
        """Close at once: what was asked for has arrived, or nobody waits for it any more."""
        if self._closed.done():
            # It has no loop any more to abort on, and is told all the same that nobody needs it.
            self._transport.close()
        else:
            self._transport.abort()
            await self._closed

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Go on under TLS."""
        loop = asyncio.get_running_loop()
        starting = loop.start_tls(self._transport, self, ssl_context, server_hostname=server_hostname)
        try:
            self._transport = await _connect(starting, timeout)
        except BaseException:
            # asyncio has closed the connection, and tells only the layer that it had put between.
            self.connection_lost(None)
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore wants to know: whether an idle connection was closed, and what TLS agreed on."""
        if info == "is_readable":
            return bool(self._unread) or self._is_over
        return self._transport.get_extra_info(info)

    async def _wait(self, limit_seconds: float | None, error: type[Exception]) -> None:
        """Wait for what asyncio tells next."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        self._waiting.add(waiting)
        timer = None if limit_seconds is None else loop.call_later(limit_seconds, _fail, waiting, error)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            if timer is not None:
                timer.cancel()

    def _tell(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)


class AsyncioNetwork(httpcore.AsyncNetworkBackend):
    """Connects by the running asyncio loop."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host, by whichever of its addresses answers first.

        Args:
            host: The host.
            port: The TCP port.
            timeout: For how long, in seconds; `None` waits as long as the system does.
            local_address: Refused: the agent asks for none.
            socket_options: Refused: the agent asks for none.

        Raises:
            httpcore.ConnectError: If there is no such host, or it does not listen.
            httpcore.ConnectTimeout: If it does not answer in time.
        """
        assert local_address is None
        assert not socket_options
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(_Stream, host, port, happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS)
        _, stream = await _connect(connecting, timeout)
        return stream


async def _connect(connecting: Awaitable[T], limit_seconds: float | None) -> T:
    try:
        return await asyncio.wait_for(connecting, limit_seconds)
    except asyncio.TimeoutError as error:
        raise httpcore.ConnectTimeout from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


def _fail(waiting: asyncio.Future[None], error: type[Exception]) -> None:
    if not waiting.done():
        waiting.set_exception(error())
