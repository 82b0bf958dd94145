"""The connections to workspaces: kept alive, bounded, and harmed by nobody's impatience.

Knows requests and answers; what they mean is for `api_call`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx

from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.connections import Connections
from dbx_agent.event_loops import PerLoop, UnderWay
from dbx_agent.instance import Instance
from dbx_agent.places import Place, Places

__all__ = ["SHARED_POOL", "Answer", "ConnectionPool"]

_MAX_CONNECTIONS = 100
_MAX_PER_INSTANCE = 50


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


class ConnectionPool:
    """The connections of each event loop, and the requests under way; opened by the first request.

    A request that is cancelled half-way can cost its connection for good, and an RPC's deadline cancels its
    handler. So a request that has begun goes on without its caller, and there is one place for each connection to
    wait for: who is cancelled while waiting sends nothing, and abandoned requests cannot pile up. Should a request
    break off nevertheless, its connection goes with it, and no other is harmed.

    Source: [agent.http.cancelled-request-leaks] measured: encode/httpcore issue 1093, httpx 0.28.1

    Args:
        transport: How requests travel; `None` opens connections.
        max_connections: How many requests may be under way on one event loop.
        max_per_instance: How many of them to one workspace.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        max_connections: int = _MAX_CONNECTIONS,
        max_per_instance: int = _MAX_PER_INSTANCE,
    ) -> None:
        self._transport = transport
        self._connections = PerLoop(
            lambda: Connections(max_connections=max_connections, transport=lambda: self._transport)
        )
        self._places = PerLoop(lambda: Places(total=max_connections, per_instance=max_per_instance))
        self._requests = UnderWay()

    async def send(
        self, request: httpx.Request, *, instance: Instance, budget: Budget, clock: Clock
    ) -> Answer:
        """Send a request and read its answer, both within the budget.

        Args:
            request: The request, with timeouts of its own.
            instance: Whom it is for.
            budget: Bounds the whole, where the request's timeouts bound each wait.
            clock: Measures the budget. The loop's timer is the backstop.

        Raises:
            TimeoutError: If the backstop is reached.
            httpx.HTTPError: As httpx does.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget.remaining_seconds(clock.time())
        try:
            place = await self._places.get().acquire(
                instance, within_seconds=request.extensions["timeout"]["pool"]
            )
        except asyncio.TimeoutError as error:
            raise httpx.PoolTimeout("all connections are busy", request=request) from error
        sending = self._send(request, place, instance=instance, budget=budget, clock=clock)
        return await self._requests.run(sending, limit_seconds=deadline - loop.time())

    async def aclose(self) -> None:
        """Wait for the running loop's requests, then close its connections."""
        await self._requests.drain()
        connections = self._connections.pop()
        if connections is not None:
            await connections.aclose()

    async def _send(
        self, request: httpx.Request, place: Place, *, instance: Instance, budget: Budget, clock: Clock
    ) -> Answer:
        loop, connections = asyncio.get_running_loop(), self._connections.get()
        try:
            connection = connections.lend(instance, now=loop.time())
            try:
                answer = await _exchange(connection.transport, request, budget=budget, clock=clock)
            except BaseException:
                await connections.discard(connection)
                raise
            connections.take_back(connection, now=loop.time())
            return answer
        finally:
            place.release()


async def _exchange(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, *, budget: Budget, clock: Clock
) -> Answer:
    # Not through a client, which would add what one call leaves to the next: cookies, redirects, the like.
    response = await transport.handle_async_request(request)
    try:
        return await _read(response, request, budget=budget, clock=clock)
    finally:
        await response.aclose()


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
