"""Unmodified clients under virtual sleep: their own waiters, on runs of a day."""

from __future__ import annotations

import asyncio
import os

import aiohttp
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, Run, RunResultState, SubmitTask

from dbx_emulator import Outcome, StatusFault, Workspace
from dbx_emulator._core.clock import EPOCH_MS

_TASK = SubmitTask(
    task_key="only", existing_cluster_id="0101-1", notebook_task=NotebookTask(notebook_path="/nightly")
)
_BODY = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/nightly"}}


def _wait() -> Run:
    """Submit with the client that the environment makes, and wait as its documentation says."""
    return WorkspaceClient().jobs.submit(run_name="nightly", tasks=[_TASK]).result()


def _polls(workspace: Workspace) -> int:
    return len(workspace.journal.calls("runs/get"))


@pytest.mark.databricks(run="24h")
def test_waiter_of_the_sdk_sees_a_day_through(databricks: Workspace) -> None:
    """It polls every ten seconds or so of a day, and its limit of 20 minutes is one of real minutes."""
    run = _wait()
    assert run.state is not None
    assert run.state.result_state is RunResultState.SUCCESS
    assert databricks.clock.now_ms - EPOCH_MS > 86_400_000
    assert 8_000 < _polls(databricks) < 8_500


@pytest.mark.databricks(run="24h", leap=True)
def test_leaping_waiter_polls_a_handful_of_times(databricks: Workspace) -> None:
    """Its sleeps end at the events of the run."""
    run = _wait()
    assert run.state is not None
    assert run.state.result_state is RunResultState.SUCCESS
    assert _polls(databricks) <= 20


@pytest.mark.databricks(run="24h", modules=["databricks.sdk.service.jobs"])
def test_limit_of_the_waiter_strikes_in_virtual_time(databricks: Workspace) -> None:
    """With the SDK's module listed, its 20 minutes are those of the workspace."""
    with pytest.raises(TimeoutError, match="timed out after 0:20:00"):
        _wait()
    assert 1_200_000 <= databricks.clock.now_ms - EPOCH_MS < 1_212_000


def test_retries_of_the_sdk_wait_in_virtual_time(databricks: Workspace) -> None:
    """What it sleeps between attempts passes at once as well."""
    headers = {"Retry-After": "120"}
    databricks.faults.add(StatusFault("runs/submit", status_code=429, headers=headers, times=1))
    _wait()
    assert databricks.runs.active == []
    first = next(iter(databricks.runs))
    assert first.start_time_ms - EPOCH_MS >= 120_000


@pytest.mark.databricks(leap=True)
def test_retried_run_is_waited_for(databricks: Workspace) -> None:
    """A failure is one that the waiter reports, however long it takes to come."""
    databricks.scenarios.add("nightly", [Outcome(run="7d", termination_code="USER_CANCELED")])
    run = _wait()
    assert run.state is not None
    assert run.state.result_state is RunResultState.CANCELED


@pytest.mark.databricks(run="10m")
def test_tasks_with_aiohttp_sleep_between_requests(databricks: Workspace) -> None:
    """Their requests go over a real socket, and no sleeper moves time while one is under way."""
    headers = {"Authorization": f"Bearer {os.environ['DATABRICKS_TOKEN']}"}

    async def poll(session: aiohttp.ClientSession, *, every_seconds: float) -> int:
        async with session.post("/api/2.1/jobs/runs/submit", json=_BODY) as response:
            run_id = (await response.json())["run_id"]
        polls = 0
        while True:
            async with session.get("/api/2.1/jobs/runs/get", params={"run_id": run_id}) as response:
                state = (await response.json())["state"]["life_cycle_state"]
            polls += 1
            if state == "TERMINATED":
                return polls
            await asyncio.sleep(every_seconds)

    async def main() -> list[int]:
        async with aiohttp.ClientSession(databricks.url, headers=headers) as session:
            return list(
                await asyncio.gather(poll(session, every_seconds=60), poll(session, every_seconds=180))
            )

    # 12 minutes and 2 seconds: the first poll is at once, the last 13 and 15 minutes later.
    assert asyncio.run(main()) == [14, 6]


def test_time_stands_while_aiohttp_waits_for_an_answer(databricks: Workspace) -> None:
    """From before its connection until the headers of the answer the request is one of those that hold time."""
    seen: list[list[str]] = []
    add = databricks.journal.record

    def record(**fields: object) -> None:
        seen.append(list(databricks.clock.requests))
        add(**fields)  # type: ignore[arg-type]

    databricks.journal.record = record  # type: ignore[method-assign]

    async def main() -> None:
        async with aiohttp.ClientSession(headers=databricks.headers) as session:
            await (await session.get(f"{databricks.url}/api/2.1/jobs/runs/list")).read()

    asyncio.run(main())
    assert seen == [["GET /api/2.1/jobs/runs/list of aiohttp", "GET /api/2.1/jobs/runs/list"]]
