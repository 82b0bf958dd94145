"""The loopback servers of intercepted workspaces, for libraries that are redirected and not answered in process.

A server starts when the first connection needs it and ends with the workspace's interception.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator.doors.patching import RefusedHost

__all__ = ["Address", "address_of", "lent_servers"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the connections to a workspace's host end.

    Attributes:
        port: The port on 127.0.0.1.
        context: What trusts the server; without TLS it only tells this server's connections from others.
    """

    port: int
    context: ssl.SSLContext


class _Servers:
    """The servers of one workspace, at most one with and one without TLS."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._lock = threading.Lock()
        self._running = contextlib.ExitStack()
        self._addresses: dict[bool, Address] = {}
        self._is_over = False

    def address(self, *, tls: bool) -> Address:
        """Return the address of the server, which may have to start."""
        with self._lock:
            if self._is_over:
                raise _not_intercepted(self._handler)
            if tls not in self._addresses:
                self._addresses[tls] = self._start(tls=tls)
            return self._addresses[tls]

    def stop(self) -> None:
        """Stop what runs; nothing starts any more."""
        with self._lock:
            self._is_over = True
            self._running.close()

    def _start(self, *, tls: bool) -> Address:
        from dbx_emulator.doors.authority import trusting
        from dbx_emulator.doors.server import serve_in_thread

        server = self._running.enter_context(serve_in_thread(self._handler, tls=tls))
        context = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if server.ca_pem is None else trusting(server.ca_pem)
        )
        return Address(server.port, context)


_lent: dict[int, _Servers] = {}


@contextlib.contextmanager
def lent_servers(handler: RequestHandler) -> Iterator[None]:
    """Let a workspace have servers while the context is open; none of them outlives it."""
    servers = _lent[id(handler)] = _Servers(handler)
    try:
        yield
    finally:
        del _lent[id(handler)]
        servers.stop()


def address_of(handler: RequestHandler, *, tls: bool) -> Address:
    """Return where a workspace is to be reached on this machine.

    Raises:
        RefusedHost: Its interception is over.
        ModuleNotFoundError: What the server needs is not installed.
    """
    servers = _lent.get(id(handler))
    if servers is None:
        raise _not_intercepted(handler)
    return servers.address(tls=tls)


def _not_intercepted(handler: RequestHandler) -> RefusedHost:
    return RefusedHost(f"dbx-emulator refused to connect to {handler.host}: its interception is over.")
