"""The pool below the client: loops, cancelled callers, real connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient
from dbx_agent.clock import Clock, RealClock
from dbx_agent.connection_pool import ConnectionPool
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ApiCallError
from dbx_agent.instance import Instance, read_instance
from dbx_agent.settings import Settings
from dbx_emulator import Workspace

from .support import CANARY, ManualClock

INSTANCE = read_instance("dbc-1.cloud.databricks.com", field="f", allow_http=False)
BODY = {"existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}


class _Gate(httpx.AsyncBaseTransport):
    """Answers when opened."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.opened = asyncio.Event()
        self.answered = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - httpx's
        self.asked.set()
        await self.opened.wait()
        self.answered += 1
        return httpx.Response(200, json={"run_id": 7})


class _Broken(httpx.AsyncBaseTransport):
    """Gives no answer, and says whether it was closed."""

    is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("no", request=request)

    async def aclose(self) -> None:
        self.is_closed = True


def _client(
    pool: ConnectionPool,
    clock: Clock,
    *,
    instance: Instance = INSTANCE,
    token: str = CANARY,
    connect_timeout_seconds: float = 2.0,
) -> JobsClient:
    settings = Settings(instance=instance, connect_timeout_seconds=connect_timeout_seconds)
    credentials = Credentials(lambda _: token)
    return JobsClient(settings, credentials=credentials, clock=clock, flytekit_version="x", pool=pool)


def _budget(clock: Clock, limit_seconds: float = 20.0) -> Budget:
    return Budget(started_at=clock.time(), limit_seconds=limit_seconds)


@pytest.mark.asyncio
async def test_a_cancelled_caller_leaves_the_request_to_its_end(clock: ManualClock) -> None:
    """An RPC's deadline cancels its handler; the submit on its way arrives whole, and close waits for it."""
    gate = _Gate()
    pool = ConnectionPool(gate)
    call = asyncio.create_task(_client(pool, clock).submit_run(INSTANCE, BODY, budget=_budget(clock)))
    await gate.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert gate.answered == 0
    gate.opened.set()
    await pool.aclose()
    assert gate.answered == 1
    await pool.aclose()


def test_connections_of_several_loops_do_not_meet(clock: ManualClock) -> None:
    """Each asyncio.run has connections of its own, as local execution needs."""
    pool = ConnectionPool(httpx.MockTransport(lambda _: httpx.Response(200, json={"run_id": 7})))
    client = _client(pool, clock)

    async def submit() -> int:
        return await client.submit_run(INSTANCE, BODY, budget=_budget(clock))

    assert [asyncio.run(submit()), asyncio.run(submit())] == [7, 7]


@pytest.mark.asyncio
async def test_a_connection_whose_request_broke_off_is_closed(clock: ManualClock) -> None:
    """At once, and not when the pool is closed."""
    transport = _Broken()
    with pytest.raises(ApiCallError, match="no answer"):
        await _client(ConnectionPool(transport), clock).submit_run(INSTANCE, BODY, budget=_budget(clock))
    assert transport.is_closed


@pytest.mark.asyncio
async def test_who_waits_for_a_place_and_gives_up_sends_nothing(clock: ManualClock) -> None:
    """Neither when it is cancelled, nor when the connections stay busy; the place is free again afterwards."""
    gate = _Gate()
    pool = ConnectionPool(gate, max_connections=1)
    client = _client(pool, clock, connect_timeout_seconds=0.01)
    calls = [
        asyncio.create_task(client.submit_run(INSTANCE, BODY, budget=_budget(clock, 0.3))) for _ in range(2)
    ]
    await gate.asked.wait()
    calls[1].cancel()
    with pytest.raises(ApiCallError, match="PoolTimeout: all connections are busy"):
        await client.submit_run(INSTANCE, BODY, budget=_budget(clock, 0.3))
    gate.opened.set()
    assert await calls[0] == 7
    assert gate.answered == 1
    assert await client.submit_run(INSTANCE, BODY, budget=_budget(clock, 0.3)) == 7
    await pool.aclose()


@pytest.mark.fact("agent.http.cancelled-request-leaks")
@pytest.mark.asyncio
async def test_a_storm_of_deadlines_costs_no_connection() -> None:
    """A thousand calls through five connections, cancelled at all moments of their life; then one goes through."""
    workspace, pool, clock = Workspace(), ConnectionPool(max_connections=5), RealClock()
    with workspace.serve() as server:
        instance = read_instance(server.url, field="f", allow_http=False)
        client = _client(pool, clock, instance=instance, token=workspace.token)
        run_id = await client.submit_run(instance, BODY, budget=_budget(clock))
        for burst in range(40):
            calls = [
                asyncio.create_task(client.get_run(instance, run_id, budget=_budget(clock)))
                for _ in range(25)
            ]
            await asyncio.wait(calls, timeout=burst % 10 * 0.002)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert (await client.get_run(instance, run_id, budget=_budget(clock))).run_id == run_id
        await pool.aclose()


@contextlib.asynccontextmanager
async def _proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """Listen as a proxy that answers every request itself, and have the environment name it for everything."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"run_id": 99}')
        await writer.drain()
        writer.close()

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        yield seen


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "etl.localhost", "[::1]", "[0:0:0:0:0:0:0:1]"]
)
async def test_plain_http_to_this_machine_passes_no_proxy(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Nothing listens there, so that a call fails; what a proxy would have answered is never asked for."""
    instance = read_instance(f"http://{host}:9", field="f", allow_http=False)
    pool = ConnectionPool()
    async with _proxy(monkeypatch) as seen:
        with pytest.raises(ApiCallError, match="gave no answer to the runs/get of 7"):
            await _client(pool, clock, instance=instance).get_run(instance, 7, budget=_budget(clock, 0.3))
        await pool.aclose()
    assert seen == []


@pytest.mark.asyncio
async def test_the_environments_proxy_serves_other_machines_and_not_a_local_workspace(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pool, with one request through the proxy and one past it."""
    remote = read_instance("http://workspace.internal", field="f", allow_http=True)
    workspace, pool = Workspace(), ConnectionPool()
    async with _proxy(monkeypatch) as seen:
        run = await _client(pool, clock, instance=remote).get_run(remote, 7, budget=_budget(clock))
        with workspace.serve() as server:
            local = read_instance(server.url, field="f", allow_http=False)
            client = _client(pool, clock, instance=local, token=workspace.token)
            run_id = await client.submit_run(local, BODY, budget=_budget(clock))
            await pool.aclose()
    assert run.run_id == 99
    assert [request.split(b"?")[0] for request in seen] == [
        b"GET http://workspace.internal/api/2.2/jobs/runs/get"
    ]
    assert [run.run_id for run in workspace.runs] == [run_id]


@pytest.mark.asyncio
async def test_calls_are_found_by_whoever_mocks_httpx(
    clock: ManualClock, respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With respx, say: a call to a workspace, and one to this machine."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    pool = ConnectionPool()
    local = read_instance("http://127.0.0.1:9", field="f", allow_http=False)
    for instance, run_id in ((INSTANCE, 7), (local, 8)):
        respx_mock.get(f"{instance.origin}/api/2.2/jobs/runs/get").respond(json={"run_id": run_id})
        run = await _client(pool, clock, instance=instance).get_run(instance, run_id, budget=_budget(clock))
        assert run.run_id == run_id
    await pool.aclose()


@pytest.mark.asyncio
async def test_no_pool_of_httpcore_is_asked(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours stands where httpx has it, in this version of httpx too."""

    async def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("httpcore.AsyncConnectionPool.handle_async_request", refuse)
    workspace, pool = Workspace(), ConnectionPool()
    with workspace.serve() as server:
        instance = read_instance(server.url, field="f", allow_http=False)
        client = _client(pool, clock, instance=instance, token=workspace.token)
        assert (
            await client.submit_run(instance, BODY, budget=_budget(clock))
            == next(iter(workspace.runs)).run_id
        )
        await pool.aclose()
