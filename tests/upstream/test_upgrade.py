"""Runs that outlive a change of agent: started by upstream's and seen through by ours, and the other way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dbx_agent import DatabricksAgentV2
from dbx_emulator import Timing, Workspace
from tests.agent.support import called, make_execution, phase_name
from tests.upstream.lifecycle import template_for

pytestmark = [pytest.mark.upstream, pytest.mark.asyncio]


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An intercepted workspace whose runs wait for a cluster, and then take an hour."""
    workspace = Workspace(timing=Timing(queue="0s", cluster="2m", run="1h"))
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", workspace.host)
    with workspace.intercept():
        yield workspace


@pytest.fixture(params=["upgrade", "downgrade"])
def agents(request: pytest.FixtureRequest, connector: Any) -> tuple[Any, Any]:
    """The agent that creates, and the one that comes after it."""
    ours = DatabricksAgentV2()
    return (connector, ours) if request.param == "upgrade" else (ours, connector)


async def _hand_over(agents: tuple[Any, Any], workspace: Workspace) -> tuple[Any, Any]:
    """Create with the first agent, and give what Flyte kept of it to the second."""
    before, after = agents
    arguments = {"inputs": None, "output_prefix": "s3://out/0", "task_execution_metadata": make_execution()}
    meta = await before.create(task_template=template_for(workspace.host), **arguments)
    return after, after.metadata_type.decode(meta.encode())


async def test_a_run_is_polled_to_its_end(agents: tuple[Any, Any], workspace: Workspace) -> None:
    """What one wrote, the other reads."""
    after, meta = await _hand_over(agents, workspace)
    phases = []
    for step in ("1m", "2m", "2h"):
        workspace.clock.advance(step)
        phases.append(phase_name(await after.get(meta)))
    assert phases == ["INITIALIZING", "RUNNING", "SUCCEEDED"]


async def test_a_run_is_cancelled(agents: tuple[Any, Any], workspace: Workspace) -> None:
    """An abort reaches the run, whoever started it."""
    after, meta = await _hand_over(agents, workspace)
    workspace.clock.advance("10m")
    await after.delete(meta)
    workspace.clock.advance("1m")
    [run] = workspace.runs
    assert run.result_state == "CANCELED"
    # Ours looks afterwards whether it stops.
    assert called(workspace)[:2] == [("runs/submit", 200), ("runs/cancel", 200)]
