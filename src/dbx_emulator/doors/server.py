"""The server door: a workspace behind a real socket, in a thread or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.asgi import TRANSPORT_EXTENSION, AsgiApp, Receive, Scope, SendMessage
from dbx_emulator.doors.authority import Authority

__all__ = ["RunningServer", "bind", "run", "serve_here", "serve_in_thread"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens.

    Attributes:
        url: Where, as `http://127.0.0.1:43117`.
        port: The port.
        ca_pem: The certificate of the authority that clients have to trust; `None` without TLS.
    """

    url: str
    port: int
    ca_pem: bytes | None = None

    def write_ca_file(self, path: str | os.PathLike[str]) -> Path:
        """Write the authority's certificate to a file, for SSL_CERT_FILE and the like, and return its path.

        Raises:
            UsageError: The server has none.
        """
        if self.ca_pem is None:
            raise UsageError(f"{self.url} is served without TLS: there is no authority to trust")
        file = Path(path)
        file.write_bytes(self.ca_pem)
        return file


class _Protocol(H11Protocol):
    """Lets the application break the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the transport into the scope of each request of this connection."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        app = self.app

        async def app_with_transport(scope: Scope, receive: Receive, send: SendMessage) -> None:
            scope.setdefault("extensions", {})[TRANSPORT_EXTENSION] = transport
            await app(scope, receive, send)

        self.app = app_with_transport


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; connections wait in its backlog until somebody serves them.

    Args:
        host: The address to listen on.
        port: The port, 0 for any free one.

    Raises:
        UsageError: The port is taken or the address is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol: 40 ms a call otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1_024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} on {host} is in use; choose another with --port, or --port 0 for a free one"
            ) from None
        raise UsageError(f"cannot listen on {host} port {port}: {error}") from None
    return listener


@contextlib.contextmanager
def serve_in_thread(handler: RequestHandler, *, port: int = 0, tls: bool = False) -> Iterator[RunningServer]:
    """Serve a workspace on a loopback port while the context is open.

    Args:
        handler: Who answers.
        port: The port, 0 for any free one.
        tls: Whether to speak HTTPS, with a certificate for the loopback interface and the workspace's host.

    Raises:
        UsageError: The port is taken.
        ModuleNotFoundError: What makes certificates is not installed.
    """
    names = _LOOPBACK | {_name(handler.host)}
    authority = Authority() if tls else None
    context = authority.server_context(names) if authority else None
    listener = bind("127.0.0.1", port)
    server = _Server(AsgiApp(handler, allowed_hosts=names), context=context, finishes=False)
    thread = threading.Thread(target=server.run, args=([listener],), name="dbx-emulator", daemon=True)
    thread.start()
    try:
        bound_port = listener.getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{bound_port}"
        yield RunningServer(url, bound_port, authority.ca_pem if authority else None)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serve_here(
    handler: RequestHandler,
    listener: socket.socket,
    *,
    allowed_hosts: frozenset[str],
    on_ready: Callable[[], None],
    authority: Authority | None = None,
) -> None:
    """Serve a workspace in this thread until SIGINT or SIGTERM, then finish what is under way and return.

    Args:
        handler: Who answers.
        listener: A listening socket, as from `bind`.
        allowed_hosts: Names by which it may be called besides those of the loopback interface; if the socket
            listens on another interface and this is empty, every name is allowed.
        on_ready: Called when connections are accepted and the signals are in our hands.
        authority: Who vouches for the server, under all its names; `None` serves without TLS.

    Raises:
        UsageError: One of the names cannot stand in a certificate.
    """
    address = listener.getsockname()[0]
    is_loopback = ipaddress.ip_address(address).is_loopback
    names = allowed_hosts | _LOOPBACK | {address} if is_loopback or allowed_hosts else None
    vouched = allowed_hosts | _LOOPBACK | {address, _name(handler.host)}
    context = authority.server_context(vouched) if authority else None
    run(AsgiApp(handler, allowed_hosts=names), listener, on_ready=on_ready, context=context)


def run(
    app: Callable[..., Any],
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    context: ssl.SSLContext | None = None,
) -> None:
    """Run any ASGI application under the server that the emulator uses, until SIGINT or SIGTERM."""
    # uvicorn raises the signal it stopped for once more, for whoever was there before it: nobody needs to act.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _Server(app, on_ready, context=context).run([listener])


def _name(host: str) -> str:
    """Return a host without its port."""
    return urlsplit(f"//{host}").hostname or host


class _Server(uvicorn.Server):
    """Says when it is ready: not before the signals are in its hands.

    Args:
        app: Who answers.
        on_ready: Called when it is ready.
        context: What it needs for TLS; `None` for none.
        finishes: Whether what is under way when it stops has a little time left. Otherwise every connection ends
            there and then: a client on a loop that does not run any more would never notice, and a delayed
            answer has nobody left to wait for it.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        on_ready: Callable[[], None] = lambda: None,
        *,
        context: ssl.SSLContext | None = None,
        finishes: bool = True,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        if context is not None:
            config.load()
            # Given as it is: uvicorn's own options read keys from files.
            config.ssl = context
        super().__init__(config)
        self._on_ready = on_ready
        self._finishes = finishes

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self._finishes:
            self._disconnect()
        await super().shutdown(sockets)
        # Whoever is still there has had its time; an open connection would outlive the loop.
        self._disconnect()

    def _disconnect(self) -> None:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, _Protocol)
            # Closing says goodbye as far as that is possible, and may wait for an answer; aborting does not.
            connection.transport.close()
            connection.transport.abort()
