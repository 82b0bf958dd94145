"""The connections to workspaces: kept alive, bounded, and harmed by nobody's impatience.

Knows requests and answers; what they mean is for `api_call`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

import httpx

from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.event_loops import PerLoop, UnderWay

__all__ = ["SHARED_POOL", "Answer", "ConnectionPool"]

_MAX_CONNECTIONS = 100
_MAX_PER_HOST = 50
_KEEPALIVE_SECONDS = 30.0
_POISONED_AFTER = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end.

    Attributes:
        status_code: The HTTP status code.
        reason_phrase: The words beside it; empty if there are none.
        headers: The headers.
        content: The body, decompressed.
    """

    status_code: int
    reason_phrase: str
    headers: httpx.Headers
    content: bytes

    @property
    def is_redirect(self) -> bool:
        """Whether it points to another place, where credentials are never sent."""
        return httpx.codes.is_redirect(self.status_code)


@dataclass(slots=True)
class _Lease:
    """A client, and what is known of its health.

    Attributes:
        client: The client.
        in_flight: Requests that use it now.
        pool_timeouts: How often it had no connection to give although requests are fewer than connections.
        is_retired: Whether it is closed as soon as no request uses it.
    """

    client: httpx.AsyncClient
    in_flight: int = 0
    pool_timeouts: int = 0
    is_retired: bool = False


class _Places:
    """At most so many requests under way on one loop: altogether, and to each host.

    Args:
        total: Altogether.
        per_host: To each host, so that a slow workspace leaves places to the others, and gets no more calls
            at a time than are polite.
    """

    def __init__(self, *, total: int, per_host: int) -> None:
        self._per_host = per_host
        self._total = asyncio.Semaphore(total)
        # Weak: whoever waits for a place, or holds one, keeps the host's entry.
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def acquire(self, host: str, *, within_seconds: float) -> _Place:
        """Wait for a place; who is cancelled meanwhile takes none.

        Raises:
            TimeoutError: If there is none in time.
        """
        mine = self._hosts.get(host)
        if mine is None:
            mine = self._hosts[host] = asyncio.Semaphore(self._per_host)
        if mine.locked() or self._total.locked():
            return await asyncio.wait_for(self._acquire(mine), within_seconds)
        # wait_for would make a task for what is there at once.
        return await self._acquire(mine)

    async def _acquire(self, mine: asyncio.Semaphore) -> _Place:
        await mine.acquire()
        try:
            await self._total.acquire()
        except BaseException:
            mine.release()
            raise
        return _Place((mine, self._total))


@dataclass(frozen=True, slots=True)
class _Place:
    held: tuple[asyncio.Semaphore, ...]

    def release(self) -> None:
        """Give it to the next who waits."""
        for semaphore in self.held:
            semaphore.release()


class ConnectionPool:
    """The pooled HTTP clients of each event loop, and the requests under way; opened by the first request.

    There are two clients: the environment's proxies are used as httpx does, but never for this machine itself.
    Plain http is allowed there because it stays there, and HTTP_PROXY would carry the token away in clear.

    A request that is cancelled half-way can cost its place in httpx's pool for good, and an RPC's deadline cancels
    its handler. So a request that has begun goes on without its caller, and there is one place for each connection
    to wait for: who is cancelled while waiting sends nothing, and abandoned requests cannot pile up. Should a
    client run out of connections nevertheless, another takes its place.

    Source: [agent.http.cancelled-request-leaks] measured: encode/httpcore issue 1093, httpx 0.28.1

    Args:
        transport: How requests travel; `None` opens connections.
        max_connections: How many requests may be under way on one event loop.
        max_per_host: How many of them to one host.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        max_connections: int = _MAX_CONNECTIONS,
        max_per_host: int = _MAX_PER_HOST,
    ) -> None:
        self._transport = transport
        self._limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=_KEEPALIVE_SECONDS)
        self._clients = PerLoop(lambda: _Lease(self._make_client()))
        self._direct_clients = PerLoop(lambda: _Lease(self._make_direct_client()))
        self._places = PerLoop(lambda: _Places(total=max_connections, per_host=max_per_host))
        self._requests = UnderWay()

    def client(self, *, direct: bool = False) -> httpx.AsyncClient:
        """Return the running loop's client.

        Args:
            direct: Whether no proxy may come between, whatever the environment says.
        """
        return self._leases(direct=direct).get().client

    async def send(
        self, request: httpx.Request, *, budget: Budget, clock: Clock, direct: bool = False
    ) -> Answer:
        """Send a request and read its answer, both within the budget.

        Args:
            request: The request, with timeouts of its own.
            budget: Bounds the whole, where the request's timeouts bound each wait.
            clock: Measures the budget. The loop's timer is the backstop.
            direct: As of `client`.

        Raises:
            TimeoutError: If the backstop is reached.
            httpx.HTTPError: As httpx does.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget.remaining_seconds(clock.time())
        try:
            place = await self._places.get().acquire(
                request.url.netloc.decode("ascii"), within_seconds=request.extensions["timeout"]["pool"]
            )
        except asyncio.TimeoutError as error:
            raise httpx.PoolTimeout("all connections are busy", request=request) from error
        sending = self._send(request, place, budget=budget, clock=clock, direct=direct)
        return await self._requests.run(sending, limit_seconds=deadline - loop.time())

    async def aclose(self) -> None:
        """Wait for the running loop's requests, then close its clients."""
        await self._requests.drain()
        for lease in (self._clients.pop(), self._direct_clients.pop()):
            if lease is not None:
                await lease.client.aclose()

    async def _send(
        self, request: httpx.Request, place: _Place, *, budget: Budget, clock: Clock, direct: bool
    ) -> Answer:
        try:
            return await self._send_on(self._leases(direct=direct), request, budget=budget, clock=clock)
        finally:
            place.release()

    async def _send_on(
        self, leases: PerLoop[_Lease], request: httpx.Request, *, budget: Budget, clock: Clock
    ) -> Answer:
        lease = leases.get()
        lease.in_flight += 1
        try:
            response = await lease.client.send(request, stream=True)
            try:
                return await _read(response, request, budget=budget, clock=clock)
            finally:
                await response.aclose()
        except httpx.PoolTimeout:
            # There are no more places than connections, so connections were lost.
            lease.pool_timeouts += 1
            if lease.pool_timeouts >= _POISONED_AFTER and not lease.is_retired:
                lease.is_retired = True
                leases.pop()
            raise
        finally:
            lease.in_flight -= 1
            if lease.is_retired and not lease.in_flight:
                await lease.client.aclose()

    def _leases(self, *, direct: bool) -> PerLoop[_Lease]:
        return self._direct_clients if direct else self._clients

    def _make_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=self._limits, follow_redirects=False, transport=self._transport)

    def _make_direct_client(self) -> httpx.AsyncClient:
        # httpx leaves the environment's proxies alone when it is given a transport.
        transport = self._transport or httpx.AsyncHTTPTransport(limits=self._limits)
        return httpx.AsyncClient(follow_redirects=False, transport=transport)


async def _read(response: httpx.Response, request: httpx.Request, *, budget: Budget, clock: Clock) -> Answer:
    """Read the body; a pause of a quarter of the time that is left is too long for one that has begun.

    A read is begun only while such a pause still fits, so that the last one ends within the budget too.
    """
    timeouts = request.extensions["timeout"]
    pause = min(timeouts["read"], budget.remaining_seconds(clock.time()) / 4)
    timeouts["read"] = pause
    pieces: list[bytes] = []
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        if budget.remaining_seconds(clock.time()) < pause:
            raise httpx.ReadTimeout("the body came too slowly", request=request)
    return Answer(
        status_code=response.status_code,
        reason_phrase=response.reason_phrase,
        headers=response.headers,
        content=b"".join(pieces),
    )


#: Shared by all agents of the process.
SHARED_POOL = ConnectionPool()
