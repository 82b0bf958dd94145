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
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Gate
from dbx_emulator.doors.asgi import (
    REUSED_EXTENSION,
    TRANSPORT_EXTENSION,
    AsgiApp,
    Receive,
    Scope,
    SendMessage,
    reset,
)
from dbx_emulator.doors.authority import Authority
from dbx_emulator.doors.listener import Listener, refuse_handshakes

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
        requests = 0

        async def app_with_transport(scope: Scope, receive: Receive, send: SendMessage) -> None:
            nonlocal requests
            requests += 1
            extensions = scope.setdefault("extensions", {})
            extensions[TRANSPORT_EXTENSION] = transport
            extensions[REUSED_EXTENSION] = requests > 1
            await app(scope, receive, send)

        self.app = app_with_transport


class _GatedProtocol(_Protocol):
    """Resets connections that are refused one by one: the machine, which would refuse them, counts none."""

    def __init__(self, *arguments: Any, gate: Gate, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a client in, or not."""
        super().connection_made(transport)
        if self._gate.connect(("refused",)) is not None:
            assert isinstance(transport, asyncio.Transport)
            reset(transport)


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
    ready = threading.Event()
    app = AsgiApp(handler, allowed_hosts=names)
    server = _Server(app, ready.set, handler=handler, context=context, finishes=False)
    bound_port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listener],), name="dbx-emulator", daemon=True)
    thread.start()
    try:
        ready.wait()
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
    app = AsgiApp(handler, allowed_hosts=names)
    run(app, listener, on_ready=on_ready, context=context, handler=handler)


def run(
    app: Callable[..., Any],
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    context: ssl.SSLContext | None = None,
    handler: RequestHandler | None = None,
) -> None:
    """Run any ASGI application under the server that the emulator uses, until SIGINT or SIGTERM.

    Args:
        app: The application.
        listener: A listening socket, as from `bind`.
        on_ready: Called when connections are accepted and the signals are in our hands.
        context: What it needs for TLS; `None` for none.
        handler: Whose gate lets clients in; `None` lets in all.
    """
    # uvicorn raises the signal it stopped for once more, for whoever was there before it: nobody needs to act.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _Server(app, on_ready, handler=handler, context=context).run([listener])


def _name(host: str) -> str:
    """Return a host without its port."""
    return urlsplit(f"//{host}").hostname or host


class _Server(uvicorn.Server):
    """Says when it is ready: not before the signals are in its hands.

    Args:
        app: Who answers.
        on_ready: Called when it is ready.
        handler: Whose gate lets clients in; `None` lets in all.
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
        handler: RequestHandler | None = None,
        context: ssl.SSLContext | None = None,
        finishes: bool = True,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=cast("Any", _Protocol if handler is None else partial(_GatedProtocol, gate=handler.gate)),
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
            if handler is not None:
                refuse_handshakes(context, handler)
            config.load()
            # Given as it is: uvicorn's own options read keys from files.
            config.ssl = context
        super().__init__(config)
        self._on_ready = on_ready
        self._finishes = finishes
        self._handler = handler
        self._following: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._handler is not None and sockets:
            listener = Listener(
                self._handler,
                opened=self._open,
                closed=self._close,
                dropped=self._drop,
                is_tls=self.config.ssl is not None,
            )
            self._following = asyncio.create_task(listener.run(sockets[0]))
            # One turn, in which it learns whether the gate is closed already.
            await asyncio.wait({self._following}, timeout=0)
        self._on_ready()

    async def _open(self, bound: socket.socket) -> None:
        await super().startup([bound])

    def _close(self) -> None:
        for server in self.servers:
            server.close()

    def _drop(self) -> None:
        """End each connection when what is under way on it is answered."""
        for connection in list(self.server_state.connections):
            assert isinstance(connection, _Protocol)
            is_idle = connection.cycle is None or connection.cycle.response_complete
            connection.shutdown()
            if is_idle:
                # Over TLS closing would wait for the client's goodbye.
                connection.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
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
