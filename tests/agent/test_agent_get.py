"""`get` against an emulated workspace: trouble with a poll, and what explains a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbx_agent.agent import (
    DatabricksAgentV2,
    DatabricksJobMetadata,
)
from dbx_agent.errors import ConfigurationError
from dbx_emulator import LostResponse, Outcome, StatusFault, Workspace

from .support import (
    TEMPLATE,
    ManualClock,
    Template,
    called,
    make_execution,
    phase_name,
)

pytestmark = pytest.mark.flyte


@pytest.mark.fact("flyte.get.failures-add-up")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            lambda: StatusFault("runs/get", status_code=429, headers={"Retry-After": "60"}), id="429"
        ),
        *[
            pytest.param(lambda code=code: StatusFault("runs/get", status_code=code), id=str(code))
            for code in (401, 403, 500, 502, 503, 504)
        ],
        pytest.param(lambda: LostResponse("runs/get"), id="lost"),
    ],
)
async def test_trouble_with_a_poll_is_not_trouble_with_the_run(
    workspace: Workspace, agent: DatabricksAgentV2, fault: Callable[[], Any]
) -> None:
    """It says QUEUED, as nothing is known yet, and why, as often as it takes, and then the truth."""
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    workspace.clock.advance("1h")
    strikes = fault()
    workspace.faults.add(strikes)
    for _ in range(7):
        resource = await agent.get(meta)
        assert phase_name(resource) == "QUEUED"
        assert resource.message.startswith(
            f"Databricks run {meta.run_id} could not be read, the next poll asks again"
        )
    workspace.faults.clear()
    assert phase_name(await agent.get(meta)) == "SUCCEEDED"


@pytest.mark.asyncio
async def test_short_trouble_with_a_poll_is_not_even_seen(
    workspace: Workspace, agent: DatabricksAgentV2, clock: ManualClock
) -> None:
    """It is tried again within the call."""
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    workspace.faults.add(StatusFault("runs/get", status_code=429, headers={"Retry-After": "1"}, times=1))
    assert phase_name(await agent.get(meta)) in {"QUEUED", "INITIALIZING"}
    assert clock.sleeps == [1.0]


@pytest.mark.asyncio
async def test_a_run_that_is_gone_has_failed(
    workspace: Workspace, agent: DatabricksAgentV2, clock: ManualClock
) -> None:
    """The service says for a minute that there is no such run, and no poll will change that."""
    meta = DatabricksJobMetadata(workspace.host, "123456789")
    assert phase_name(await agent.get(meta)) == "QUEUED"
    clock.now += 60
    resource = await agent.get(meta)
    assert (phase_name(resource), resource.message) == (
        "FAILED",
        (
            "Databricks run 123456789 is gone: deleted, or older than the 60 days for which a workspace "
            "keeps runs. "
            "HTTP 400 INVALID_PARAMETER_VALUE: Run 123456789 does not exist. (runs/get of 123456789)"
        ),
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("run_id", ["", "x", "-1", "1.5", "9" * 20])
async def test_metadata_without_a_run_has_failed(
    workspace: Workspace, agent: DatabricksAgentV2, run_id: str
) -> None:
    """There is nothing to ask for."""
    meta = DatabricksJobMetadata(workspace.host, run_id)
    assert phase_name(await agent.get(meta)) == "FAILED"
    await agent.delete(meta)
    assert called(workspace) == []


@pytest.mark.asyncio
async def test_metadata_of_a_foreign_host_gets_no_token(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The agent's port asks nobody for credentials, so what comes in is not believed."""
    meta = DatabricksJobMetadata("evil.example", "7")
    assert "DBX_AGENT_ALLOWED_HOSTS" in (await agent.get(meta)).message
    with pytest.raises(ConfigurationError):
        await agent.delete(meta)
    assert called(workspace) == []


@pytest.mark.asyncio
async def test_what_explains_a_failure_never_hides_it(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """get-output answers 500 for the whole budget."""
    workspace.scenarios.add("etl", [Outcome(termination_code="RUN_EXECUTION_ERROR", message="words")])
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    workspace.clock.advance("1h")
    workspace.faults.add(StatusFault("runs/get-output", status_code=500))
    resource = await agent.get(meta)
    assert phase_name(resource) == "FAILED"
    assert resource.message.startswith("RUN_EXECUTION_ERROR (CLIENT_ERROR): ")


@pytest.mark.asyncio
async def test_failed_tasks_of_a_large_run_are_read_from_every_page(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """A run of 150 tasks, of which three are shown and only theirs are read; and a page that cannot be read."""
    workspace.scenarios.add("many", [Outcome(termination_code="RUN_EXECUTION_ERROR", error="E")])
    tasks = [
        {"task_key": f"t{number}", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}
        for number in range(150)
    ]
    meta = await agent.create(
        Template({"databricksConf": {"run_name": "many", "tasks": tasks}}),
        task_execution_metadata=make_execution(),
    )
    workspace.clock.advance("1h")
    resource = await agent.get(meta)
    assert phase_name(resource) == "FAILED"
    assert "\n… and 147 more failed tasks: t3, t4, " in resource.message
    assert len(workspace.journal.calls("runs/get-output")) == 3
    workspace.faults.add(StatusFault("runs/get", status_code=500, skip=1))
    message = (await agent.get(meta)).message
    assert "… and 97 more failed tasks: " in message
    assert message.endswith("\n(not all tasks of the run could be read)")
