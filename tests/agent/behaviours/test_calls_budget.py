"""Every call ends inside its budget, whatever the service does to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.errors import ApiCallError, DatabricksAgentError
from dbx_agent.instance import read_instance
from dbx_agent.settings import Settings
from dbx_emulator import ConnectionFault, LostResponse, StatusFault, WireFault, Workspace
from tests.agent.support import ManualClock, phase_name

from .virtual import BUDGET_SECONDS, VirtualTime, submit

pytestmark = pytest.mark.flyte

TROUBLE = [
    pytest.param(lambda route: WireFault(route, how="slow_headers"), id="slow-headers"),
    pytest.param(lambda route: WireFault(route, how="dribbled"), id="dribbled-body"),
    pytest.param(lambda route: WireFault(route, how="late", delay="2s"), id="late-but-in-time"),
    pytest.param(lambda route: WireFault(route, how="late", delay="1h"), id="late-for-ever"),
    pytest.param(lambda route: WireFault(route, how="hang"), id="hang"),
    pytest.param(lambda route: StatusFault(route, status_code=429, retry_after=60), id="retry-after-60"),
    pytest.param(lambda route: StatusFault(route, status_code=429, retry_after=1), id="retry-after-1"),
    pytest.param(lambda route: StatusFault(route, status_code=503), id="unavailable"),
    pytest.param(lambda route: StatusFault(route, status_code=500), id="broken"),
    pytest.param(lambda route: WireFault(route, how="reset"), id="reset"),
    pytest.param(lambda _: ConnectionFault(how="refused"), id="refused-connections"),
    pytest.param(LostResponse, id="lost-answers"),
]


@pytest.mark.behaviour(6)
@pytest.mark.weakness(9)
@pytest.mark.asyncio
@pytest.mark.parametrize("trouble", TROUBLE)
async def test_every_call_ends_inside_its_budget(workspace: Workspace, trouble: Callable[[str], Any]) -> None:
    """Create, get and delete, on the workspace's own clock: 2.5 s with all pauses, or an answer before."""
    clock = VirtualTime(workspace)
    agent = DatabricksAgentV2(clock=clock)
    meta = await submit(agent)
    workspace.faults.add(trouble("*"))
    with clock.within(BUDGET_SECONDS), contextlib.suppress(ApiCallError):
        await submit(agent, attempt=1)
    with clock.within(BUDGET_SECONDS):
        assert phase_name(await agent.get(meta)) in {"QUEUED", "INITIALIZING", "RUNNING"}
    with clock.within(BUDGET_SECONDS), contextlib.suppress(ApiCallError):
        await agent.delete(meta)


@pytest.mark.behaviour(6)
@pytest.mark.behaviour(9)
@pytest.mark.asyncio
@pytest.mark.parametrize("trouble", TROUBLE)
async def test_an_access_token_is_asked_for_inside_the_budget(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, trouble: Callable[[str], Any]
) -> None:
    """The trouble is with the token endpoint; the poll says so, and the next one asks again."""
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "oauth_m2m")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", workspace.client_secret)
    clock = VirtualTime(workspace)
    meta = await submit(DatabricksAgentV2(clock=clock))
    agent = DatabricksAgentV2(clock=clock)
    with workspace.faults.armed(trouble("oidc/token")):
        with clock.within(BUDGET_SECONDS):
            assert phase_name(await agent.get(meta)) in {"QUEUED", "INITIALIZING", "RUNNING"}
        with clock.within(BUDGET_SECONDS), contextlib.suppress(DatabricksAgentError):
            await submit(agent)
    assert phase_name(await agent.get(meta)) in {"QUEUED", "INITIALIZING", "RUNNING"}
    assert "could not be read" not in (await agent.get(meta)).message


@pytest.mark.behaviour(6)
@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["hang", "dribbled", "slow_headers"])
async def test_a_socket_that_says_nothing_ends_with_the_budget_too(workspace: Workspace, how: str) -> None:
    """In real time: the loop's own timer is the last word."""
    with workspace.serve() as server:
        instance = read_instance(server.url, field="f", allow_http=False)
        settings = Settings(instance=instance, get_budget_seconds=0.3)
        agent = DatabricksAgentV2(settings=settings)
        meta = await submit(agent)
        workspace.faults.add(WireFault("runs/get", how=how))
        began = time.perf_counter()
        assert phase_name(await agent.get(meta)) == "QUEUED"  # as it was never read
        assert time.perf_counter() - began < 5.0
        workspace.faults.clear()


class _Pieces(httpx.AsyncByteStream):
    """A body in pieces, each a twentieth of a second after the one before."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 1
            await self._clock.sleep(0.05)
            yield b" "


@pytest.mark.behaviour(6)
@pytest.mark.asyncio
async def test_a_body_that_never_ends_is_read_no_longer_than_the_budget(
    workspace: Workspace, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No single pause is too long, and yet it ends; nor is another attempt begun for which there is no time."""
    body = _Pieces(clock)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", transport)
    began = clock.now
    resource = await DatabricksAgentV2(clock=clock).get(DatabricksJobMetadata(workspace.host, "7"))
    assert "ReadTimeout: the body came too slowly" in resource.message
    assert clock.now - began <= BUDGET_SECONDS
    assert body.read < 50


@pytest.mark.behaviour(6)
@pytest.mark.asyncio
async def test_a_pause_in_a_body_is_not_waited_for_beyond_the_budget(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second between the pieces and a second and a half in all: the second pause is not even begun."""
    monkeypatch.setenv("DBX_AGENT_GET_BUDGET_SECONDS", "1.5")
    clock = VirtualTime(workspace)
    agent = DatabricksAgentV2(clock=clock)
    meta = await submit(agent)
    workspace.faults.add(WireFault("runs/get", how="dribbled"))
    with clock.within(1.5):
        assert "could not be read" in (await agent.get(meta)).message
