"""The server door: a workspace behind a real socket, in a thread or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.asgi import TRANSPORT_EXTENSION, AsgiApp, Receive, Scope, Send

__all__ = ["RunningServer", "bind", "run", "serve_here", "serve_in_thread"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens.

    Attributes:
        url: Where, as `http://127.0.0.1:43117`.
        port: The port.
    """

    url: str
    port: int


class _Protocol(H11Protocol):
    """Lets the application break the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the transport into the scope of each request of this connection."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        app = self.app

        async def app_with_transport(scope: Scope, receive: Receive, send: Send) -> None:
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
def serve_in_thread(handler: RequestHandler, *, port: int = 0) -> Iterator[RunningServer]:
    """Serve a workspace on a loopback port while the context is open.

    Raises:
        UsageError: The port is taken.
    """
    listener = bind("127.0.0.1", port)
    server = _Server(AsgiApp(handler, allowed_hosts=_LOOPBACK))
    thread = threading.Thread(target=server.run, args=([listener],), name="dbx-emulator", daemon=True)
    thread.start()
    try:
        bound_port = listener.getsockname()[1]
        yield RunningServer(f"http://127.0.0.1:{bound_port}", bound_port)
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
) -> None:
    """Serve a workspace in this thread until SIGINT or SIGTERM, then finish what is under way and return.

    Args:
        handler: Who answers.
        listener: A listening socket, as from `bind`.
        allowed_hosts: Names by which it may be called besides those of the loopback interface; if the socket
            listens on another interface and this is empty, every name is allowed.
        on_ready: Called when connections are accepted and the signals are in our hands.
    """
    is_loopback = listener.getsockname()[0] in _LOOPBACK
    names = allowed_hosts | _LOOPBACK if is_loopback or allowed_hosts else None
    run(AsgiApp(handler, allowed_hosts=names), listener, on_ready=on_ready)


def run(app: Callable[..., Any], listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Run any ASGI application under the server that the emulator uses, until SIGINT or SIGTERM."""
    # uvicorn raises the signal it stopped for once more, for whoever was there before it: nobody needs to act.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _Server(app, on_ready).run([listener])


class _Server(uvicorn.Server):
    """Says when it is ready: not before the signals are in its hands."""

    def __init__(self, app: Callable[..., Any], on_ready: Callable[[], None] = lambda: None) -> None:
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
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()
