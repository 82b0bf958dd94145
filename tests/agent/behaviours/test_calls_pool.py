"""Connections: kept, bounded, and harmed by no caller that goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient
from dbx_agent.clock import Clock, RealClock
from dbx_agent.connection_pool import ConnectionPool
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ApiCallError
from dbx_agent.instance import Instance, read_instance
from dbx_agent.settings import Settings
from tests.agent.support import ManualClock, turn

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"run_id": 7}'


class _Service:
    """Counts connections and requests at its socket, and answers when it may.

    Attributes:
        port: Where it listens.
        connections: How many there were.
        requests: How many arrived.
        most: The most requests that waited for an answer at one moment.
        unanswered: How many of the first requests get no answer.
        answers: How many a connection gives before it is closed; 0 closes none.
        opened: Answers wait for it.
        left: Set when a connection is over.
    """

    def __init__(self) -> None:
        self.port = self.connections = self.requests = self.most = self.unanswered = self.answers = 0
        self.opened = asyncio.Event()
        self.opened.set()
        self.left = asyncio.Event()
        self._waiting = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                if self.requests <= self.unanswered:
                    await reader.read()
                    break
                self._waiting += 1
                self.most = max(self.most, self._waiting)
                await self.opened.wait()
                self._waiting -= 1
                writer.write(ANSWER)
                await writer.drain()
                if self.requests == self.connections * self.answers:
                    break
        self.left.set()
        writer.close()


@contextlib.asynccontextmanager
async def _service() -> AsyncIterator[_Service]:
    service = _Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()


def _client(
    pool: ConnectionPool,
    instance: Instance,
    *,
    connect_timeout_seconds: float = 2.0,
    request_timeout_seconds: float = 5.0,
    clock: Clock | None = None,
) -> JobsClient:
    return JobsClient(
        Settings(
            instance=instance,
            connect_timeout_seconds=connect_timeout_seconds,
            request_timeout_seconds=request_timeout_seconds,
        ),
        credentials=Credentials(lambda _: "canary-token"),
        clock=clock or RealClock(),
        flytekit_version="x",
        pool=pool,
    )


def _instance(port: int, host: str = "127.0.0.1") -> Instance:
    return read_instance(f"http://{host}:{port}", field="f", allow_http=False)


async def _get(
    client: JobsClient, instance: Instance, *, limit_seconds: float = 10.0, clock: Clock | None = None
) -> int | None:
    budget = Budget(started_at=(clock or RealClock()).time(), limit_seconds=limit_seconds)
    return (await client.get_run(instance, 7, budget=budget)).run_id


@pytest.mark.weakness(10)
@pytest.mark.asyncio
async def test_a_hundred_polls_take_one_connection() -> None:
    """Counted at the socket; the agent that ours replaces opens one for each call."""
    pool = ConnectionPool()
    async with _service() as service:
        instance = _instance(service.port)
        client = _client(pool, instance)
        assert [await _get(client, instance) for _ in range(100)] == [7] * 100
        assert (service.connections, service.requests) == (1, 100)
        await pool.aclose()


@pytest.mark.behaviour(25)
@pytest.mark.asyncio
async def test_a_host_gets_no_more_calls_at_a_time_than_its_share() -> None:
    """Thirty calls, three at once; all are answered in the end."""
    pool = ConnectionPool(max_connections=10, max_per_instance=3)
    async with _service() as service:
        instance = _instance(service.port)
        client = _client(pool, instance, connect_timeout_seconds=10.0)
        service.opened.clear()
        calls = [asyncio.create_task(_get(client, instance)) for _ in range(30)]
        while service.requests < 3:
            await asyncio.wait(calls, timeout=0.01)
        service.opened.set()
        assert await asyncio.gather(*calls) == [7] * 30
        assert (service.most, service.requests) == (3, 30)
        await pool.aclose()


@pytest.mark.behaviour(25)
@pytest.mark.asyncio
async def test_a_stuck_workspace_leaves_the_others_their_places() -> None:
    """One host answers nothing and has all its calls waiting; another is read meanwhile."""
    pool = ConnectionPool(max_connections=4, max_per_instance=2)
    async with _service() as stuck, _service() as healthy:
        stuck.opened.clear()
        first, second = _instance(stuck.port), _instance(healthy.port)
        waiting = [asyncio.create_task(_get(_client(pool, first), first)) for _ in range(6)]
        while stuck.requests < 2:
            await asyncio.wait(waiting, timeout=0.01)
        assert await _get(_client(pool, second), second) == 7
        stuck.opened.set()
        assert await asyncio.gather(*waiting) == [7] * 6
        await pool.aclose()


@pytest.mark.behaviour(7)
@pytest.mark.asyncio
async def test_a_connection_that_gave_no_answer_is_not_used_again(clock: ManualClock) -> None:
    """It is closed, so that no late answer is taken for another's; the next attempt has a new one."""
    pool = ConnectionPool()
    async with _service() as service:
        service.unanswered = 1
        instance = _instance(service.port)
        client = _client(pool, instance, request_timeout_seconds=0.05, clock=clock)
        assert await _get(client, instance, clock=clock) == 7
        assert (service.connections, service.requests) == (2, 2)
        await asyncio.wait_for(service.left.wait(), 5.0)
        await pool.aclose()


@pytest.mark.behaviour(7)
@pytest.mark.asyncio
async def test_an_idle_connection_that_the_service_closed_is_not_used_again(clock: ManualClock) -> None:
    """The next call has a new one at its first attempt."""
    pool = ConnectionPool()
    async with _service() as service:
        service.answers = 1
        instance = _instance(service.port)
        client = _client(pool, instance, clock=clock)
        assert await _get(client, instance, clock=clock) == 7
        [idle] = pool._connections.get()._idle
        await asyncio.wait_for(_closed(idle.transport), 5.0)
        assert await _get(client, instance, clock=clock) == 7
        assert (service.connections, service.requests, clock.sleeps) == (2, 2, [])
        await pool.aclose()


async def _closed(transport: Any) -> None:
    """Wait until the client's side has noticed that its connection was closed."""
    while not transport._pool.has_expired():
        await turn()


@pytest.mark.behaviour(7)
@pytest.mark.asyncio
async def test_a_poisoned_client_is_replaced(clock: ManualClock) -> None:
    """An answer that nobody closes holds the connection, as a cancelled request of old does; the call recovers."""
    pool = ConnectionPool()
    async with _service() as service:
        instance = _instance(service.port)
        client = _client(pool, instance, connect_timeout_seconds=0.02, clock=clock)
        assert await _get(client, instance, clock=clock) == 7
        [idle] = pool._connections.get()._idle
        await idle.transport.handle_async_request(httpx.Request("GET", f"{instance.origin}/held"))
        assert await _get(client, instance, clock=clock) == 7
        assert (service.connections, service.requests) == (2, 3)
        await pool.aclose()


@pytest.mark.behaviour(7)
@pytest.mark.asyncio
async def test_who_waits_for_a_place_of_the_whole_and_gives_up_keeps_none() -> None:
    """A host's place that was taken already is given back."""
    pool = ConnectionPool(max_connections=1, max_per_instance=1)
    async with _service() as stuck, _service() as healthy:
        stuck.opened.clear()
        first, second = _instance(stuck.port), _instance(healthy.port)
        held = asyncio.create_task(_get(_client(pool, first), first))
        while stuck.requests < 1:
            await asyncio.wait({held}, timeout=0.01)
        impatient = _client(pool, second, connect_timeout_seconds=0.01)
        with pytest.raises(ApiCallError, match="all connections are busy"):
            await _get(impatient, second, limit_seconds=0.3)
        stuck.opened.set()
        assert await held == 7
        assert await _get(impatient, second) == 7
        await pool.aclose()


@pytest.mark.behaviour(9)
@pytest.mark.weakness(12)
@pytest.mark.asyncio
async def test_a_redirect_gets_no_credentials() -> None:
    """The place that it names is never called, whichever call it answers."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/collect"})

    instance = read_instance("dbc-1.cloud.databricks.com", field="f", allow_http=False)
    client = _client(ConnectionPool(httpx.MockTransport(answer)), instance)
    budget = Budget(started_at=RealClock().time(), limit_seconds=1.0)
    with pytest.raises(ApiCallError, match="redirect, which is never followed"):
        await client.get_run(instance, 7, budget=budget)
    with pytest.raises(ApiCallError, match="redirect, which is never followed"):
        await client.submit_run(instance, {}, budget=budget)
    assert asked == [instance.host] * 2
