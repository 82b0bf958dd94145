"""The network below httpcore: what arrives, what does not, and which exception says so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import httpcore
import pytest
import trustme

from dbx_agent.network import MAX_UNREAD_BYTES, AsyncioNetwork

from .support import turn

#: Each Python's asyncio has a TLS of its own, so every cell runs this.
pytestmark = pytest.mark.flyte

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MANY = 4_000_000
"""More bytes than sockets and buffers hold."""


@contextlib.asynccontextmanager
async def _connected(
    serve: Handler, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[httpcore.AsyncNetworkStream]:
    """Connect to a server whose connections are served so."""
    async with _listening(serve, context=context) as port:
        stream = await AsyncioNetwork().connect_tcp("127.0.0.1", port, timeout=5.0)
        yield stream
        await stream.aclose()


@contextlib.asynccontextmanager
async def _listening(serve: Handler, *, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    done: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(writer)
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in done:
        writer.close()


async def _wait(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing and read nothing."""


@pytest.mark.asyncio
async def test_what_arrives_is_read_in_pieces_up_to_the_end() -> None:
    """No piece is longer than was asked for, and the end is empty however often it is read."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        writer.close()

    async with _connected(serve) as stream:
        await stream.write(b"")
        await stream.write(b"abcde", timeout=5.0)
        pieces = b""
        while piece := await stream.read(2, timeout=5.0):
            assert len(piece) <= 2
            pieces += piece
        assert pieces == b"abcde"
        assert await stream.read(2) == b""


@pytest.mark.asyncio
async def test_a_read_that_comes_too_late_loses_nothing() -> None:
    """The time limit is httpcore's own exception; what arrives afterwards is there for the next."""
    go = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(b"late")

    async with _connected(serve) as stream:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(9, timeout=0.01)
        go.set()
        assert await stream.read(9, timeout=5.0) == b"late"


@pytest.mark.asyncio
async def test_a_reader_that_is_cancelled_says_so() -> None:
    """A cancelled caller is no time limit."""
    async with _connected(_wait) as stream:
        reading = asyncio.create_task(stream.read(1, timeout=60.0))
        await asyncio.wait({reading}, timeout=0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


@pytest.mark.asyncio
async def test_a_reset_is_an_error_of_the_read_and_of_the_next_write() -> None:
    """What had arrived before is read first."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async with _connected(serve) as stream:
        with pytest.raises(httpcore.ReadError, match="reset"):
            await stream.read(9, timeout=5.0)
        with pytest.raises(httpcore.WriteError, match="closed"):
            await stream.write(b"x", timeout=5.0)


@pytest.mark.asyncio
async def test_a_write_waits_until_it_is_taken() -> None:
    """Within its time limit; the bytes arrive whole and in order."""
    go = asyncio.Event()
    sent = bytes(range(250)) * (MANY // 250)
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        taken.append(await reader.readexactly(len(sent)))
        writer.write(b"!")

    async with _connected(serve) as stream:
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(sent, timeout=0.01)
        go.set()
        await stream.write(b"", timeout=5.0)
        assert await stream.read(1, timeout=5.0) == b"!"
    assert taken == [sent]


@pytest.mark.asyncio
async def test_what_nobody_reads_is_held_back() -> None:
    """Little of it is kept here until the reader comes; then it arrives whole and in order."""
    sent = bytes(range(250)) * (MANY // 250)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async with _connected(serve) as stream:
        unread = stream._unread  # type: ignore[attr-defined]
        deadline = asyncio.get_running_loop().time() + 5.0
        while len(unread) <= MAX_UNREAD_BYTES and asyncio.get_running_loop().time() < deadline:
            await turn()
        assert MAX_UNREAD_BYTES < len(unread) <= 2 * MAX_UNREAD_BYTES
        for _ in range(10):
            await turn()
        assert len(unread) <= 2 * MAX_UNREAD_BYTES
        pieces = []
        while piece := await stream.read(65_536, timeout=5.0):
            pieces.append(piece)
        assert b"".join(pieces) == sent


@pytest.mark.asyncio
async def test_an_idle_connection_says_when_it_was_closed() -> None:
    """Which httpcore asks before each use; bytes that nobody asked for are no good sign either."""
    go = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        await writer.drain()
        await go.wait()
        writer.close()

    async with _connected(serve) as stream:
        assert await stream.read(1, timeout=5.0) == b"x"
        assert stream.get_extra_info("is_readable") is False
        go.set()
        assert await stream.read(1, timeout=5.0) == b""
        assert stream.get_extra_info("is_readable") is True


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    """Neither at a port nor under a name: the request was surely not sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore.ConnectError):
            await AsyncioNetwork().connect_tcp("127.0.0.1", free.getsockname()[1], timeout=5.0)
    with pytest.raises(httpcore.ConnectError):
        await AsyncioNetwork().connect_tcp("no-such-host.invalid", 443, timeout=5.0)


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context and that of a client which trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.asyncio
async def test_bytes_go_both_ways_under_tls() -> None:
    """The end is empty here too, and what TLS agreed on can be asked for."""
    server, client = _contexts()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(MANY))
        await writer.drain()
        writer.close()

    async with _connected(serve, context=server) as plain:
        stream = await plain.start_tls(client, "localhost", timeout=5.0)
        assert stream.get_extra_info("ssl_object").version().startswith("TLS")
        writing = asyncio.create_task(stream.write(b"x" * MANY, timeout=5.0))
        pieces = []
        while piece := await stream.read(65_536, timeout=5.0):
            pieces.append(piece)
        await writing
        assert b"".join(pieces) == b"x" * MANY


@pytest.mark.asyncio
async def test_what_arrived_is_read_after_the_connection_is_closed_under_tls() -> None:
    """An answer may be here in whole, and the service gone, before anybody reads it."""
    server, client = _contexts()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answer")
        await writer.drain()
        writer.close()

    async with _connected(serve, context=server) as plain:
        stream = await plain.start_tls(client, "localhost", timeout=5.0)
        await asyncio.wait_for(stream._closed, 5.0)  # type: ignore[attr-defined]
        assert await stream.read(4, timeout=5.0) + await stream.read(4, timeout=5.0) == b"answer"
        assert await stream.read(4, timeout=5.0) == b""


@pytest.mark.asyncio
async def test_an_untrusted_certificate_is_no_connection() -> None:
    """Nothing was sent to whoever it is."""
    server, _ = _contexts()
    async with _connected(_wait, context=server) as plain:
        with pytest.raises(httpcore.ConnectError, match="certificate verify failed"):
            await plain.start_tls(ssl.create_default_context(), "localhost", timeout=5.0)


@pytest.mark.asyncio
async def test_a_handshake_that_nobody_answers_ends_in_time() -> None:
    """A server that accepts and then hangs costs no more than the limit."""
    async with _connected(_wait) as plain:
        with pytest.raises(httpcore.ConnectTimeout):
            await plain.start_tls(ssl.create_default_context(), "localhost", timeout=0.05)
