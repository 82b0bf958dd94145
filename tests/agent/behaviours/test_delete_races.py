"""What `delete` does in each race, and when it stops asking."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.cancellation import CancelMemory
from dbx_agent.errors import ApiCallError, ConfigurationError, CredentialsError, UnexpectedResponseError
from dbx_agent.patience import PATIENCE_SECONDS, Trouble
from dbx_emulator import DriftFault, LostResponse, Outcome, ReadLag, StatusFault, WireFault, Workspace

from .virtual import BUDGET_SECONDS, VirtualTime, submit

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(8)]

TOKEN = "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN"


@pytest.fixture
def agent(time: VirtualTime) -> DatabricksAgentV2:
    """An agent on the workspace's time."""
    return DatabricksAgentV2(clock=time)


def _state(workspace: Workspace) -> str:
    [run] = workspace.runs
    return run.life_cycle_state.value


def _calls(workspace: Workspace) -> list[str]:
    return [entry.route for entry in workspace.journal if entry.route != "runs/submit"]


@pytest.mark.fact("agent.cancel.asynchronous")
@pytest.mark.asyncio
async def test_an_active_run_is_cancelled_and_seen_to_stop(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """One cancel, one look: the run is ending."""
    meta = await submit(agent)
    workspace.clock.advance("2m 30s")
    await agent.delete(meta)
    assert _calls(workspace) == ["runs/cancel", "runs/get"]
    assert _state(workspace) == "TERMINATING"


@pytest.mark.weakness(8)
@pytest.mark.asyncio
@pytest.mark.parametrize("before", ["cancelled", "cancelling", "succeeded", "deleted", "unknown"])
async def test_what_is_over_is_success(workspace: Workspace, agent: DatabricksAgentV2, before: str) -> None:
    """Twice in a row, and an outcome that there is stays what it is."""
    meta = await submit(agent)
    workspace.clock.advance("1s")
    if before in {"cancelled", "cancelling"}:
        await agent.delete(meta)
    if before != "cancelling":
        workspace.clock.advance("1h")
    if before == "deleted":
        async with httpx.AsyncClient(headers=workspace.headers) as client:
            body = {"run_id": int(meta.run_id)}
            response = await client.post(f"{workspace.url}/api/2.1/jobs/runs/delete", json=body)
        assert response.status_code == 200
    if before == "unknown":
        meta = DatabricksJobMetadata(workspace.host, "123456789")
    await agent.delete(meta)
    await agent.delete(meta)
    if before == "succeeded":
        assert (await agent.get(meta)).message == "SUCCESS"


@pytest.mark.weakness(8)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status_code", "error_code"),
    [(400, "INVALID_STATE"), (400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST")],
)
async def test_a_refusal_that_will_stay_is_success(
    workspace: Workspace, agent: DatabricksAgentV2, status_code: int, error_code: str
) -> None:
    """The same request would get the same answer for ever, and the workflow would hang on it."""
    meta = await submit(agent)
    workspace.faults.add(StatusFault("runs/cancel", status_code=status_code, error_code=error_code))
    await agent.delete(meta)
    assert _calls(workspace) == ["runs/cancel"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(StatusFault("runs/cancel", status_code=429, retry_after=1, times=1), id="429"),
        pytest.param(StatusFault("runs/cancel", status_code=503, times=1), id="503"),
        pytest.param(StatusFault("runs/cancel", status_code=500, times=2), id="500"),
        pytest.param(LostResponse("runs/cancel", times=1), id="lost-answer"),
        pytest.param(WireFault("runs/cancel", how="reset", point="before_handler", times=2), id="reset"),
        pytest.param(StatusFault("runs/get", status_code=500), id="no-look-possible"),
        pytest.param(DriftFault("runs/get", body={}), id="nothing-to-see"),
    ],
)
async def test_trouble_is_over_within_the_budget(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime, fault: Any
) -> None:
    """Asked again until it is heard."""
    meta = await submit(agent)
    workspace.clock.advance("2m 30s")
    workspace.faults.add(fault)
    with time.within(BUDGET_SECONDS):
        await agent.delete(meta)
    assert _state(workspace) in {"TERMINATING", "TERMINATED"}


@pytest.mark.asyncio
async def test_trouble_that_goes_on_raises_and_the_next_abort_asks_again(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime
) -> None:
    """For hours, if need be: it will be over, and then the run is cancelled."""
    meta = await submit(agent)
    workspace.faults.add(StatusFault("runs/cancel", status_code=503))
    for _ in range(3):
        with time.within(BUDGET_SECONDS), pytest.raises(ApiCallError, match="HTTP 503") as caught:
            await agent.delete(meta)
        assert caught.value.retryable
        workspace.clock.advance("20s")
    workspace.faults.clear()
    await agent.delete(meta)
    assert _state(workspace) in {"TERMINATING", "TERMINATED"}


@pytest.mark.asyncio
async def test_a_cancel_that_takes_a_moment_is_waited_for(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime
) -> None:
    """The run goes on for a tenth of a second after the answer: one cancel and a second look are enough."""
    workspace.scenarios.add("etl", [Outcome(run="1h", cancel_after="0.1s")])
    meta = await submit(agent)
    workspace.clock.advance("30m")
    with time.within(BUDGET_SECONDS):
        await agent.delete(meta)
    assert _calls(workspace) == ["runs/cancel", "runs/get", "runs/get"]


@pytest.mark.asyncio
async def test_a_run_that_goes_on_untouched_is_cancelled_again(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime
) -> None:
    """200 is no proof: asked twice within the budget, and told to the engine, which comes again."""
    workspace.scenarios.add("etl", [Outcome(run="1h", on_cancel="ignores")])
    meta = await submit(agent)
    workspace.clock.advance("30m")
    with (
        time.within(BUDGET_SECONDS),
        pytest.raises(ApiCallError, match=r"was cancelled \d times and goes on"),
    ):
        await agent.delete(meta)
    assert len(workspace.journal.calls("runs/cancel")) > 1
    workspace.clock.advance("2h")
    await agent.delete(meta)


@pytest.mark.asyncio
async def test_a_read_that_lags_behind_the_cancel_is_read_again(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """It showed the state of before."""
    meta = await submit(agent)
    workspace.clock.advance("2m 30s")
    await agent.get(meta)
    workspace.faults.add(ReadLag(how="stale"))
    await agent.delete(meta)
    assert _calls(workspace).count("runs/cancel") == 1
    assert _state(workspace) == "TERMINATING"


@pytest.mark.asyncio
async def test_a_work_that_ends_as_the_cancel_comes_keeps_its_outcome(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The cancel comes too late and is success."""
    workspace.scenarios.add("etl", [Outcome(run="1h", on_cancel="finishes")])
    meta = await submit(agent)
    workspace.clock.advance("30m")
    await agent.delete(meta)
    workspace.clock.advance("1h")
    assert (await agent.get(meta)).message == "SUCCESS"


@pytest.mark.asyncio
async def test_a_second_cancel_that_is_lost_is_no_failure(
    workspace: Workspace, agent: DatabricksAgentV2, time: VirtualTime
) -> None:
    """The first was accepted; more cannot be asked for now."""
    workspace.scenarios.add("etl", [Outcome(run="1h", cancel_after="1m")])
    meta = await submit(agent)
    workspace.clock.advance("30m")
    workspace.faults.add(StatusFault("runs/cancel", status_code=503, skip=1))
    with time.within(BUDGET_SECONDS):
        await agent.delete(meta)
    workspace.clock.advance("2m")
    assert _state(workspace) == "TERMINATED"


@pytest.mark.asyncio
async def test_a_budget_for_one_cancel_is_enough(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look fits and shows the run going on, a pause does not: there was time to ask, and that was done."""
    monkeypatch.setenv("DBX_AGENT_DELETE_BUDGET_SECONDS", "0.3")
    workspace.scenarios.add("etl", [Outcome(run="1h", cancel_after="1m")])
    meta = await submit(agent)
    workspace.clock.advance("30m")
    await agent.delete(meta)
    assert _calls(workspace) == ["runs/cancel", "runs/get"]


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
async def test_a_window_of_false_403_is_outlived(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """Fifteen minutes of maintenance, an abort each half a minute: then the run is cancelled."""
    workspace.scenarios.add("etl", [Outcome(run="1h")])
    meta = await submit(agent)
    workspace.clock.advance("2m 30s")
    workspace.faults.add(StatusFault("*", status_code=403, point="before_auth", window=("0s", "15m")))
    refused = 0
    for _ in range(31):
        try:
            await agent.delete(meta)
        except ApiCallError:
            refused += 1
        workspace.clock.advance("30s")
    assert refused == 30
    assert "USER_CANCELED" in (await agent.get(meta)).message


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        pytest.param(TOKEN, "", CredentialsError, id="no-token"),
        pytest.param(TOKEN, "wrong-token", ApiCallError, id="refused-token"),
        pytest.param("DBX_AGENT_ALLOW_HTTP", "maybe", ConfigurationError, id="bad-settings"),
    ],
)
async def test_what_stays_refused_is_given_up_after_twenty_minutes(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    variable: str,
    value: str,
    error: type[Exception],
) -> None:
    """Until then the operator can mend it; afterwards the workflow may end, and the log says what goes on."""
    monkeypatch.setattr(logging.getLogger("flytekit"), "propagate", True)
    meta = await submit(agent)
    monkeypatch.setenv(variable, value)
    for _ in range(2):
        with pytest.raises(error):
            await agent.delete(meta)
        workspace.clock.advance(PATIENCE_SECONDS[Trouble.REFUSED] / 2)
    await agent.delete(meta)
    assert f"gave up cancelling Databricks run {meta.run_id} on {workspace.host}" in caplog.text
    with pytest.raises(error):
        await agent.delete(meta)


@pytest.mark.asyncio
async def test_a_page_of_a_proxy_is_passing_trouble(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """It wears out nobody's patience."""
    meta = await submit(agent)
    workspace.faults.add(DriftFault("runs/cancel", body=["log in"]))
    for _ in range(3):
        with pytest.raises(UnexpectedResponseError):
            await agent.delete(meta)
        workspace.clock.advance(PATIENCE_SECONDS[Trouble.REFUSED])


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
async def test_a_refusal_before_an_outage_and_one_after_it_are_not_added_up(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Only refusals in a row count, as for a poll."""
    meta = await submit(agent)
    for status_code in (403, 503, 503, 403, 403):
        workspace.faults.add(StatusFault("runs/cancel", status_code=status_code))
        with pytest.raises(ApiCallError):
            await agent.delete(meta)
        workspace.faults.clear()
        workspace.clock.advance("15m")


def test_memory_of_refused_cancels_is_bounded(workspace: Workspace, time: VirtualTime) -> None:
    """The run that was not cancelled for longest is forgotten."""
    memory = CancelMemory(time, max_runs=2)
    for run in ("1", "2", "1", "3"):
        assert not memory.note_trouble(run, CredentialsError("There is no token."))
    workspace.clock.advance(PATIENCE_SECONDS[Trouble.REFUSED])
    given_up = [memory.note_trouble(run, CredentialsError("There is no token.")) for run in ("1", "3", "2")]
    assert given_up == [True, True, False]
    assert len(memory) == 1
