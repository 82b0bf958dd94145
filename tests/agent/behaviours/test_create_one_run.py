"""One run for each attempt of Flyte, whatever is lost on the way and whoever is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import msgspec
import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.errors import ApiCallError, CredentialsError, DatabricksAgentError
from dbx_agent.settings import Settings
from dbx_emulator import ConnectionFault, DriftFault, LostResponse, StatusFault, WireFault, Workspace
from tests.agent.support import TEMPLATE, called, make_execution

from .held_clock import HeldClock

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(1)]

GRACE = 60.0

Fault = ConnectionFault | DriftFault | LostResponse | StatusFault | WireFault


@pytest.fixture
def held_clock() -> HeldClock:
    """A clock whose sleeps end when the test says so."""
    return HeldClock()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the agent logs; flytekit's logger hands nothing on."""
    logger = logging.getLogger("flytekit.dbx_agent")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture
def held_agent(held_clock: HeldClock) -> DatabricksAgentV2:
    """An agent that pauses until the test lets it go on."""
    return DatabricksAgentV2(clock=held_clock)


async def _create(agent: DatabricksAgentV2, attempt: int = 0) -> DatabricksJobMetadata:
    return await agent.create(
        TEMPLATE, output_prefix=f"s3://o/{attempt}", task_execution_metadata=make_execution(attempt=attempt)
    )


def _writes(workspace: Workspace) -> list[str]:
    """Return what was called but reads: a cancel looks afterwards whether the run stops."""
    return [route for route, _ in called(workspace) if route != "runs/get"]


async def _give_up_during_the_submit(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    clock: HeldClock,
    *,
    fault: LostResponse | StatusFault | None = None,
) -> asyncio.Event:
    """Cancel a create while its submit pauses before the next try; return what lets the submit go on."""
    workspace.faults.add(fault or LostResponse("runs/submit", times=1))
    create = asyncio.create_task(_create(agent))
    submit = await clock.next_sleeper()
    create.cancel()
    with pytest.raises(asyncio.CancelledError):
        await create
    return submit


@pytest.mark.weakness(7)
@pytest.mark.asyncio
async def test_a_lost_answer_is_asked_for_again_in_the_same_call(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The service acted; the second submit of the call brings the same token and finds the run."""
    workspace.faults.add(LostResponse("runs/submit", times=2))
    meta = await _create(agent)
    assert [route for route, _ in called(workspace)] == ["runs/submit"] * 3
    assert [str(run.run_id) for run in workspace.runs] == [meta.run_id]


@pytest.mark.asyncio
async def test_a_repeated_create_finds_what_the_first_one_lost(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The engine asks again after a restart; a new attempt is a new run."""
    lost = workspace.faults.add(LostResponse("runs/submit"))
    with pytest.raises(ApiCallError):
        await _create(agent)
    workspace.faults.remove(lost)
    first, again, second = await _create(agent), await _create(agent), await _create(agent, attempt=1)
    assert (first, len(workspace.runs)) == (again, 2)
    assert second.run_id != first.run_id


@pytest.mark.asyncio
async def test_a_run_whose_create_was_cancelled_is_cancelled_after_the_grace(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """First order: the engine never asks again. The submit is seen through, and its run does not stay behind."""
    submit = await _give_up_during_the_submit(workspace, held_agent, held_clock)
    submit.set()
    grace = await held_clock.next_sleeper(GRACE)
    assert len(workspace.runs.active) == 1
    grace.set()
    await held_agent.drain()
    assert _writes(workspace) == ["runs/submit", "runs/submit", "runs/cancel"]
    workspace.clock.advance("1m")
    assert (len(workspace.runs), workspace.runs.active) == (1, [])


@pytest.mark.asyncio
async def test_a_run_that_its_attempt_finds_during_the_grace_goes_on(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """Second order: the submit is answered to nobody, then the engine asks again."""
    submit = await _give_up_during_the_submit(workspace, held_agent, held_clock)
    submit.set()
    grace = await held_clock.next_sleeper(GRACE)
    meta = await _create(held_agent)
    grace.set()
    await held_agent.drain()
    assert [route for route, _ in called(workspace)] == ["runs/submit"] * 3
    assert [str(run.run_id) for run in workspace.runs.active] == [meta.run_id]


@pytest.mark.asyncio
async def test_a_run_that_its_attempt_found_before_the_late_answer_goes_on(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """Third order: the repeated create is answered while the first submit is still on its way."""
    submit = await _give_up_during_the_submit(workspace, held_agent, held_clock)
    meta = await _create(held_agent)
    submit.set()
    await held_agent.drain()
    assert [route for route, _ in called(workspace)] == ["runs/submit"] * 3
    assert [str(run.run_id) for run in workspace.runs.active] == [meta.run_id]


@pytest.mark.asyncio
async def test_a_repeated_create_that_fails_does_not_save_the_run(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """Nobody heard of the run from either; the last of the two cancels it, once."""
    submit = await _give_up_during_the_submit(workspace, held_agent, held_clock)
    submit.set()
    grace = await held_clock.next_sleeper(GRACE)
    workspace.faults.add(StatusFault("runs/submit", status_code=400, times=1))
    assert (await _create(held_agent)).rejected
    last_grace = await held_clock.next_sleeper()
    grace.set()
    last_grace.set()
    await held_agent.drain()
    assert [route for route, _ in called(workspace)].count("runs/cancel") == 1
    workspace.clock.advance("1m")
    assert workspace.runs.active == []


@pytest.mark.asyncio
async def test_a_process_that_ends_does_not_wait_for_the_grace(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """Graces that run are cut short, and those to come are left out."""
    (await _give_up_during_the_submit(workspace, held_agent, held_clock)).set()
    await held_clock.next_sleeper(GRACE)
    await held_agent.drain()
    (await _give_up_during_the_submit(workspace, held_agent, held_clock)).set()
    await held_agent.drain()
    assert [route for route, _ in called(workspace)].count("runs/cancel") == 2


@pytest.mark.asyncio
async def test_a_run_without_a_token_is_cancelled_too(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """A local run without a prefix: its submit is repeated only where the service has not begun."""
    workspace.faults.add(StatusFault("runs/submit", status_code=503, times=1))
    create = asyncio.create_task(held_agent.create(TEMPLATE))
    submit = await held_clock.next_sleeper()
    create.cancel()
    submit.set()
    (await held_clock.next_sleeper(GRACE)).set()
    await held_agent.drain()
    assert _writes(workspace) == ["runs/submit", "runs/submit", "runs/cancel"]


@pytest.mark.asyncio
async def test_the_grace_is_the_deployments(workspace: Workspace, held_clock: HeldClock) -> None:
    """DBX_AGENT_CREATE_GRACE_SECONDS."""
    settings = Settings.from_environ(
        {"FLYTE_DATABRICKS_INSTANCE": workspace.host, "DBX_AGENT_CREATE_GRACE_SECONDS": "5"}
    )
    agent = DatabricksAgentV2(settings=settings, clock=held_clock)
    (await _give_up_during_the_submit(workspace, agent, held_clock)).set()
    (await held_clock.next_sleeper(5.0)).set()
    await agent.drain()


@pytest.mark.asyncio
async def test_a_submit_that_fails_after_its_create_is_gone_leaves_nothing(
    workspace: Workspace,
    held_agent: DatabricksAgentV2,
    held_clock: HeldClock,
    log: pytest.LogCaptureFixture,
) -> None:
    """There is no run to cancel; the log says why."""
    busy = StatusFault("runs/submit", status_code=503, times=1)
    submit = await _give_up_during_the_submit(workspace, held_agent, held_clock, fault=busy)
    workspace.faults.add(StatusFault("runs/submit", status_code=400, message="no such node type"))
    submit.set()
    await held_agent.drain()
    assert "whose create was cancelled failed: HTTP 400" in log.text
    assert (called(workspace)[-1], len(workspace.runs)) == (("runs/submit", 400), 0)


async def _fail_to_create(
    workspace: Workspace, agent: DatabricksAgentV2, clock: HeldClock, fault: Fault
) -> None:
    """Let a create fail with its second try, for lack of time for a third; the fault is gone afterwards."""
    lost = workspace.faults.add(fault)
    create = asyncio.create_task(_create(agent))
    again = await clock.next_sleeper()
    clock.now += 10.0
    again.set()
    with pytest.raises(DatabricksAgentError):
        await create
    workspace.faults.remove(lost)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(LostResponse("runs/submit"), id="lost"),
        pytest.param(WireFault("runs/submit", how="truncated"), id="truncated"),
        pytest.param(StatusFault("runs/submit", status_code=504, point="after_effect"), id="504"),
        pytest.param(DriftFault("runs/submit", body=msgspec.Raw(b"<html>")), id="page"),
    ],
)
async def test_a_run_whose_create_failed_after_the_fact_is_found_and_cancelled(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock, fault: Fault
) -> None:
    """The engine goes on with the next attempt; the lost run is asked for by its token."""
    await _fail_to_create(workspace, held_agent, held_clock, fault)
    second = await _create(held_agent, attempt=1)
    (await held_clock.next_sleeper(1.0)).set()
    await held_agent.drain()
    assert _writes(workspace)[-2:] == ["runs/submit", "runs/cancel"]
    workspace.clock.advance("1m")
    assert len(workspace.runs) == 2
    assert [str(run.run_id) for run in workspace.runs.active] == [second.run_id]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(StatusFault("runs/submit", status_code=503), id="busy"),
        pytest.param(ConnectionFault(how="refused"), id="refused"),
    ],
)
async def test_a_create_that_failed_before_the_fact_is_not_sent_again(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock, fault: Fault
) -> None:
    """Where the service has surely not begun there is nothing to find."""
    await _fail_to_create(workspace, held_agent, held_clock, fault)
    sent = len(_writes(workspace))
    await held_agent.drain()
    assert (len(_writes(workspace)), len(workspace.runs)) == (sent, 0)


@pytest.mark.asyncio
async def test_a_lost_run_is_remembered_whatever_ends_the_create(
    workspace: Workspace,
    held_agent: DatabricksAgentV2,
    held_clock: HeldClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer is lost, and before the next try the token is gone; once it is back the run is cancelled."""
    workspace.faults.add(LostResponse("runs/submit", times=1))
    create = asyncio.create_task(_create(held_agent))
    again = await held_clock.next_sleeper()
    monkeypatch.delenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    again.set()
    with pytest.raises(CredentialsError):
        await create
    again = await held_clock.next_sleeper(1.0)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", workspace.token)
    again.set()
    await held_agent.drain()
    assert _writes(workspace)[-1] == "runs/cancel"


@pytest.mark.asyncio
async def test_a_lost_run_that_its_attempt_asks_for_again_goes_on(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """An engine that was restarted before it had written the failure down asks for the same attempt."""
    await _fail_to_create(workspace, held_agent, held_clock, LostResponse("runs/submit"))
    again = await held_clock.next_sleeper(1.0)
    meta = await _create(held_agent)
    again.set()
    await held_agent.drain()
    assert [str(run.run_id) for run in workspace.runs.active] == [meta.run_id]


@pytest.mark.asyncio
async def test_a_lost_run_is_asked_for_until_there_is_an_answer(
    workspace: Workspace, held_agent: DatabricksAgentV2, held_clock: HeldClock
) -> None:
    """An outage after the lost answer, then a busy cancel: neither leaves the run behind."""
    await _fail_to_create(workspace, held_agent, held_clock, LostResponse("runs/submit"))
    gone = workspace.faults.add(ConnectionFault(how="refused"))
    again = await held_clock.next_sleeper(1.0)
    for _ in range(3):
        again.set()
        again = await _wait_beyond_the_budget(held_clock)
    workspace.faults.remove(gone)
    busy = workspace.faults.add(StatusFault("runs/cancel", status_code=403))
    again.set()
    again = await held_clock.next_sleeper()
    workspace.faults.remove(busy)
    again.set()
    await held_agent.drain()
    workspace.clock.advance("1m")
    assert (len(workspace.runs), workspace.runs.active) == (1, [])


async def _wait_beyond_the_budget(clock: HeldClock) -> asyncio.Event:
    """Let the pauses within a call pass, and return what ends the one between two calls."""
    within = await clock.next_sleeper()
    clock.now += 10.0
    within.set()
    return await clock.next_sleeper()


@pytest.mark.asyncio
async def test_a_lost_run_is_left_to_people_after_ten_minutes(
    workspace: Workspace,
    held_agent: DatabricksAgentV2,
    held_clock: HeldClock,
    log: pytest.LogCaptureFixture,
) -> None:
    """An outage that does not end: the log says that there may be a run."""
    await _fail_to_create(workspace, held_agent, held_clock, LostResponse("runs/submit"))
    workspace.faults.add(ConnectionFault(how="refused"))
    (await held_clock.next_sleeper(1.0)).set()
    within = await held_clock.next_sleeper()
    held_clock.now += 600.0
    within.set()
    await held_agent.drain()
    assert "look for it by hand: " in log.text
    assert "gave no answer to the submit of a run (ConnectError" in log.text


@pytest.mark.asyncio
async def test_a_lost_run_that_nothing_names_is_left_to_people(
    workspace: Workspace, held_agent: DatabricksAgentV2, log: pytest.LogCaptureFixture
) -> None:
    """A local run without a prefix: to send it again would make another."""
    workspace.faults.add(LostResponse("runs/submit", times=1))
    with pytest.raises(ApiCallError):
        await held_agent.create(TEMPLATE)
    await held_agent.drain()
    assert "nothing names it; look for it by hand" in log.text
    assert len(workspace.runs) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status_code", "error_code", "said"),
    [
        pytest.param(400, "INVALID_STATE", "cancelled", id="over"),
        pytest.param(404, "RESOURCE_DOES_NOT_EXIST", "cancelled", id="unknown"),
        pytest.param(403, "", "by hand: HTTP 403", id="refused"),
    ],
)
async def test_what_becomes_of_the_cancel_is_in_the_log(  # noqa: PLR0917 - fixtures and cases
    workspace: Workspace,
    held_agent: DatabricksAgentV2,
    held_clock: HeldClock,
    log: pytest.LogCaptureFixture,
    status_code: int,
    error_code: str,
    said: str,
) -> None:
    """A run that is over needs no cancel; one that cannot be cancelled is named, for somebody to do it."""
    workspace.faults.add(StatusFault("runs/cancel", status_code=status_code, error_code=error_code))
    (await _give_up_during_the_submit(workspace, held_agent, held_clock)).set()
    (await held_clock.next_sleeper(GRACE)).set()
    await held_agent.drain()
    [run] = workspace.runs
    assert said in log.text
    assert f"run {run.run_id}" in log.text
