"""A client's side of TLS that shows how the connection below it ends, which HTTP clients hide."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TypeVar

from dbx_emulator.doors.server import RunningServer

__all__ = ["TlsConnection", "opened"]

T = TypeVar("T")

_CHUNK_BYTES = 16_384


class TlsConnection:
    """A TLS connection to `localhost`.

    Args:
        connection: The connection below it.
        context: Whom it trusts.

    Attributes:
        has_said_goodbye: Whether the other side announced the end within TLS.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.has_said_goodbye = False
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._patiently(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        """Send something within TLS."""
        self._tls.write(data)
        self._flush()

    def read_until(self, end: bytes) -> bytes:
        """Return what comes within TLS, up to what is to be its end."""
        received = b""
        while not received.endswith(end):
            chunk = self._read()
            assert chunk, received
            received += chunk
        return received

    def read_to_end(self) -> None:
        """Read until the connection below has ended.

        Raises:
            ConnectionResetError: Its end was a reset.
        """
        while self._read():
            continue
        # As a client would: it goes when the other side has said goodbye.
        self._connection.shutdown(socket.SHUT_WR)
        while self._connection.recv(_CHUNK_BYTES):
            continue

    def _read(self) -> bytes:
        """Return what comes next within TLS, nothing at its end or at that of the connection below."""
        chunk = self._patiently(lambda: self._tls.read(_CHUNK_BYTES))
        self.has_said_goodbye = chunk == b""
        return chunk or b""

    def _patiently(self, step: Callable[[], T]) -> T | None:
        """Take a step of TLS as soon as enough has come for it; `None` if no more comes."""
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                result = step()
                self._flush()
                return result
            self._flush()
            received = self._connection.recv(_CHUNK_BYTES)
            if not received:
                return None
            self._incoming.write(received)

    def _flush(self) -> None:
        self._connection.sendall(self._outgoing.read())


@contextlib.contextmanager
def opened(server: RunningServer) -> Iterator[TlsConnection]:
    """Connect to a server, trusting its authority."""
    assert server.ca_pem is not None
    context = ssl.create_default_context(cadata=server.ca_pem.decode())
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        yield TlsConnection(connection, context)
