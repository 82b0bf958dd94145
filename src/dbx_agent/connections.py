"""Connections that are kept alive, each with a pool of its own.

A pool of httpcore that has many connections looks at all of them for each request, twice: with 50 of them a
request took 4 ms, three times as long as a new connection to this machine. And what a broken-off request does to
its pool is felt by all that share it. So each pool has one connection, and is lent to one request at a time.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from urllib.request import getproxies, proxy_bypass

import httpx

from dbx_agent.event_loops import UnderWay
from dbx_agent.instance import Instance

__all__ = ["KEEPALIVE_SECONDS", "Connection", "Connections", "proxy_url"]

#: So long a connection may be idle.
KEEPALIVE_SECONDS = 30.0

_ONE = httpx.Limits(max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)


@dataclass(slots=True, eq=False)
class Connection:
    """One connection, opened when it is needed.

    Attributes:
        instance: Whom it connects to.
        transport: How requests travel over it.
        idle_since: When it was last given back, in seconds of the clock that also gives every `now`.
    """

    instance: Instance
    transport: httpx.AsyncBaseTransport
    idle_since: float = 0.0


class Connections:
    """The connections of one event loop: those that are lent, and those that are idle.

    Args:
        max_connections: How many there may be; an idle one is closed to make room.
        transport: Returns how requests travel; `None` opens connections.
    """

    def __init__(
        self, *, max_connections: int, transport: Callable[[], httpx.AsyncBaseTransport | None]
    ) -> None:
        self._max_connections = max_connections
        self._transport = transport
        self._lent = 0
        #: In the order in which they were given back.
        self._idle: list[Connection] = []
        self._closings = UnderWay()

    def lend(self, instance: Instance, *, now: float) -> Connection:
        """Return a connection to a workspace: the one that was given back last, or a new one.

        Args:
            instance: The workspace.
            now: The instant, in seconds of any monotonic clock.
        """
        while self._idle and now - self._idle[0].idle_since > KEEPALIVE_SECONDS:
            self._close(self._idle.pop(0))
        for index in reversed(range(len(self._idle))):
            if self._idle[index].instance == instance:
                connection = self._idle.pop(index)
                break
        else:
            connection = Connection(instance, self._transport() or self._open(instance))
        self._lent += 1
        if self._idle and self._lent + len(self._idle) > self._max_connections:
            self._close(self._idle.pop(0))
        return connection

    def take_back(self, connection: Connection, *, now: float) -> None:
        """Keep a connection whose request went well for the next one."""
        self._lent -= 1
        connection.idle_since = now
        self._idle.append(connection)

    async def discard(self, connection: Connection) -> None:
        """Close a connection whose request broke off: nobody knows what state it is in."""
        self._lent -= 1
        await connection.transport.aclose()

    async def aclose(self) -> None:
        """Close all that are idle."""
        while self._idle:
            await self._idle.pop().transport.aclose()
        await self._closings.drain()

    def _close(self, connection: Connection) -> None:
        # Whoever is served meanwhile does not wait for it.
        self._closings.start(connection.transport.aclose())

    def _open(self, instance: Instance) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=self._trusted, limits=_ONE, proxy=proxy_url(instance))

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        # Read once: it takes longer than a request.
        return httpx.create_ssl_context()


def proxy_url(instance: Instance) -> str | None:
    """Return the proxy that the environment names for a workspace, if it names one.

    For this machine there is none: plain http is allowed there because it stays there, and HTTP_PROXY would carry
    the token away in clear.
    """
    if instance.is_loopback or proxy_bypass(instance.authority):
        return None
    proxies = getproxies()
    url = proxies.get(instance.scheme) or proxies.get("all")
    return url if url is None or "://" in url else f"http://{url}"
