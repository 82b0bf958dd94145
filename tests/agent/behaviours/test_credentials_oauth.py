"""OAuth between machines: one token for all who need it, before they need it, and another when it is refused."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import httpx
import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.errors import CredentialsError, UnexpectedResponseError
from dbx_emulator import DriftFault, StatusFault, WireFault, Workspace
from tests.agent.support import called

from .virtual import BUDGET_SECONDS, VirtualTime, submit

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(9)]


@pytest.fixture(autouse=True)
def oauth(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment with an OAuth client and no personal token."""
    monkeypatch.delenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
    monkeypatch.setenv("_FSEC_DATABRICKS_CLIENT_SECRET", workspace.client_secret)


@pytest.fixture
def agent(time: VirtualTime) -> DatabricksAgentV2:
    """An agent on the workspace's time."""
    return DatabricksAgentV2(clock=time)


def _asked(workspace: Workspace) -> int:
    return len(workspace.journal.calls("oidc/token"))


@pytest.mark.fact("agent.oauth.client-credentials")
@pytest.mark.asyncio
async def test_a_clients_token_opens_the_workspace_for_create_get_and_delete(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Asked for once; nothing of it is in the resource meta."""
    meta = await submit(agent)
    await agent.get(meta)
    await agent.delete(meta)
    assert [route for route, _ in called(workspace)][:3] == ["oidc/token", "runs/submit", "runs/get"]
    assert _asked(workspace) == 1
    assert meta.encode() == DatabricksJobMetadata(workspace.host, meta.run_id).encode()


@pytest.mark.asyncio
async def test_the_secrets_of_the_deployment_are_found_under_either_name(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Id and secret through the secret manager, or as Databricks' own tools have them; the type can be said."""
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    monkeypatch.setenv("_FSEC_DATABRICKS_CLIENT_ID", workspace.client_id)
    assert (await submit(agent)).run_id
    monkeypatch.delenv("_FSEC_DATABRICKS_CLIENT_SECRET")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", workspace.client_secret)
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "oauth_m2m")
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", "canary-wrong")
    assert (await submit(DatabricksAgentV2())).run_id
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "pat")
    assert "Invalid access token" in (await submit(DatabricksAgentV2(), attempt=1)).rejected


@pytest.mark.asyncio
async def test_fifty_polls_at_the_end_of_a_token_ask_for_one(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Whether it has expired by the clock, or the service has revoked it without a word."""
    metas = [await submit(agent, attempt=attempt) for attempt in range(50)]
    assert _asked(workspace) == 1
    workspace.clock.advance("2h")
    messages = await asyncio.gather(*(agent.get(meta) for meta in metas))
    assert _asked(workspace) == 2
    workspace.revoke_token(_newest(agent))
    messages += await asyncio.gather(*(agent.get(meta) for meta in metas))
    assert _asked(workspace) == 3
    assert not [resource for resource in messages if "could not be read" in resource.message]


def _newest(agent: DatabricksAgentV2) -> str:
    [entry] = agent._credentials._access_tokens._entries.get().values()
    assert entry.token is not None
    return entry.token.text


@pytest.mark.fact("agent.oauth.refresh-ahead")
@pytest.mark.asyncio
async def test_a_token_is_renewed_ahead_of_its_end_while_it_is_used(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Twenty minutes before the end of an hour, in the background: the poll that notices does not wait for it."""
    meta = await submit(agent)
    workspace.clock.advance("39m")
    await agent.get(meta)
    assert _asked(workspace) == 1
    workspace.clock.advance("2m")
    await agent.get(meta)
    await agent.get(meta)
    assert _asked(workspace) == 2
    workspace.clock.advance("30m")
    await agent.get(meta)
    assert _asked(workspace) == 2


@pytest.mark.asyncio
async def test_a_renewal_that_fails_is_not_noticed_and_tried_again_after_a_minute(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The token is good for twenty minutes yet."""
    meta = await submit(agent)
    workspace.clock.advance("41m")
    workspace.faults.add(StatusFault("oidc/token", status_code=400))
    counts = []
    for pause in ("1s", "10s", "10s", "30s", "30s"):
        workspace.clock.advance(pause)
        assert "could not be read" not in (await agent.get(meta)).message
        counts.append(_asked(workspace) - 1)
    assert counts == [1, 1, 1, 1, 2]
    workspace.faults.clear()
    workspace.clock.advance("1m")
    await agent.get(meta)
    workspace.clock.advance("30m")
    assert "could not be read" not in (await agent.get(meta)).message


@pytest.mark.fact("agent.oauth.expiring")
@pytest.mark.asyncio
@pytest.mark.parametrize("expires_in", [3600, "3600", 3600.0])
async def test_the_life_of_a_token_is_a_number_in_any_form(
    workspace: Workspace, agent: DatabricksAgentV2, expires_in: object
) -> None:
    """Good until forty seconds before its end, as the service refuses it half a minute before."""
    workspace.faults.add(DriftFault("oidc/token", replace={"expires_in": expires_in}, times=1))
    workspace.faults.add(StatusFault("oidc/token", status_code=400, skip=1))
    meta = await submit(agent)
    workspace.clock.advance("59m 18s")
    assert "could not be read" not in (await agent.get(meta)).message
    workspace.clock.advance("5s")
    assert "could not be read" in (await agent.get(meta)).message


@pytest.mark.asyncio
@pytest.mark.parametrize("expires_in", [None, "soon", 0, -5, [], "nan", 10**400])
async def test_a_life_that_says_nothing_is_taken_for_short(
    workspace: Workspace, agent: DatabricksAgentV2, expires_in: Any
) -> None:
    """Five minutes; the token itself is good."""
    workspace.faults.add(DriftFault("oidc/token", add={"expires_in": expires_in}))
    meta = await submit(agent)
    workspace.clock.advance("2m")
    await agent.get(meta)
    assert _asked(workspace) == 1
    workspace.clock.advance("4m")
    await agent.get(meta)
    assert _asked(workspace) == 2


@pytest.mark.fact("agent.oauth.new-client")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(StatusFault("oidc/token", status_code=429, retry_after=1, times=1), id="429"),
        pytest.param(StatusFault("oidc/token", status_code=500, times=2), id="500"),
        pytest.param(WireFault("oidc/token", how="late", delay="2s", times=1), id="slow"),
        pytest.param(WireFault("oidc/token", how="reset", times=1), id="reset"),
        pytest.param(WireFault("oidc/token", how="truncated", times=1), id="truncated"),
        pytest.param(DriftFault("oidc/token", body=[], times=1), id="no-object"),
        pytest.param(
            StatusFault(
                "oidc/token",
                status_code=401,
                dialect="error",
                message="invalid_client",
                times=2,
            ),
            id="invalid-client-at-first",
        ),
    ],
)
async def test_trouble_with_the_token_endpoint_is_over_within_the_budget(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime, fault: Any
) -> None:
    """The create does not even notice."""
    workspace.faults.add(fault)
    with time.within(BUDGET_SECONDS):
        assert (await submit(agent)).run_id
    assert len(workspace.runs) == 1


@pytest.mark.asyncio
async def test_a_client_that_is_refused_is_named_with_the_remedy(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried thrice, as a new one is not known everywhere at once; the secret is not shown."""
    monkeypatch.setenv("_FSEC_DATABRICKS_CLIENT_SECRET", "canary-secret")
    with pytest.raises(
        CredentialsError,
        match=rf"(?s){workspace.host} gives the client {workspace.client_id} no access token: HTTP 401 "
        r"invalid_client: Client authentication failed.*Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
    ) as caught:
        await submit(agent)
    assert _asked(workspace) == 3
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert len(workspace.runs) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [{}, {"access_token": ""}, {"access_token": 5}, {"access_token": "a b"}, {"access_token": "a\nb"}]
)
async def test_an_answer_without_a_token_is_no_token(
    workspace: Workspace, agent: DatabricksAgentV2, body: Any
) -> None:
    """Nothing is sent with it."""
    workspace.faults.add(DriftFault("oidc/token", body=body))
    with pytest.raises(UnexpectedResponseError, match="with no token"):
        await submit(agent)
    assert {route for route, _ in called(workspace)} == {"oidc/token"}


@pytest.mark.asyncio
async def test_a_cancelled_poll_takes_no_token_from_the_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It started the request that all wait for, and an RPC's deadline struck it; the other is answered."""
    asked, opened = asyncio.Event(), asyncio.Event()
    transport: httpx.AsyncBaseTransport = workspace.transport()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/oidc/v1/token":
                asked.set()
                await opened.wait()
            return await transport.handle_async_request(request)

    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", Slow())
    agent = DatabricksAgentV2()
    first = asyncio.create_task(submit(agent))
    await asked.wait()
    second = asyncio.create_task(submit(agent, attempt=1))
    await asyncio.wait({second}, timeout=0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    opened.set()
    assert (await second).run_id
    assert _asked(workspace) == 1


@pytest.mark.asyncio
async def test_who_waited_for_anothers_request_in_vain_asks_for_itself(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, time: VirtualTime
) -> None:
    """A request that had little time left says nothing about one with more."""
    agent = DatabricksAgentV2(clock=time)
    monkeypatch.setenv("DBX_AGENT_GET_BUDGET_SECONDS", "0.3")
    workspace.faults.add(StatusFault("oidc/token", status_code=429, retry_after=1, times=1))
    hasty = DatabricksJobMetadata(workspace.host, "7")
    poll, meta = await asyncio.gather(agent.get(hasty), submit(agent))
    assert "HTTP 429" in poll.message
    assert meta.run_id
    assert _asked(workspace) == 2


@pytest.mark.asyncio
async def test_a_token_that_does_not_come_in_time_is_no_token(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time: who waits for another's request waits no longer than its own budget."""
    opened = asyncio.Event()

    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            await opened.wait()
            return httpx.Response(400)

    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", Stuck())
    monkeypatch.setenv("DBX_AGENT_GET_BUDGET_SECONDS", "0.3")
    agent = DatabricksAgentV2()
    creating = asyncio.create_task(submit(agent))
    await asyncio.wait({creating}, timeout=0.01)
    resource = await agent.get(DatabricksJobMetadata(workspace.host, "7"))
    assert "no access token came in time" in resource.message
    opened.set()
    with pytest.raises(CredentialsError):
        await creating


@pytest.mark.asyncio
@pytest.mark.parametrize("status_code", [401, 403])
async def test_a_workspace_that_refuses_every_token_is_asked_twice(
    workspace: Workspace, agent: DatabricksAgentV2, status_code: int
) -> None:
    """One new token for each call; that it is refused too is what the call says."""
    meta = await submit(agent)
    workspace.faults.add(
        StatusFault("runs/get", status_code=status_code, dialect="html", message="Invalid access token")
    )
    assert "Invalid access token" in (await agent.get(meta)).message
    assert (_asked(workspace), len(workspace.journal.calls("runs/get"))) == (2, 2)
