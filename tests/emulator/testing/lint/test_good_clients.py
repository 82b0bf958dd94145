"""Clients that behave break no rule, and what breaks one although the client behaves is said to be true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import OperationFailed, ResourceDoesNotExist
from databricks.sdk.service.jobs import NotebookTask, SubmitTask

from dbx_emulator import (
    DriftFault,
    LostResponse,
    Outcome,
    RateLimit,
    ReadLag,
    StatusFault,
    WireFault,
    Workspace,
)
from tests.emulator.support import flat_body

if TYPE_CHECKING:
    from dbx_agent.agent import DatabricksAgentV2

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestWarning")

_TASK = SubmitTask(
    task_key="load",
    existing_cluster_id="0101-000000-nightly1",
    notebook_task=NotebookTask(notebook_path="/load"),
)


def _rules(workspace: Workspace) -> list[str]:
    return [finding.rule_id for finding in workspace.lint.findings()]


_TROUBLE: dict[str, Callable[[Workspace], object]] = {
    "none": lambda workspace: workspace.scenarios.add("*", [Outcome(run="2h")]),
    "throttled": lambda workspace: workspace.faults.add(
        StatusFault("*", status_code=429, retry_after=1, every=3)
    ),
    "rate-limit": lambda workspace: workspace.faults.add(RateLimit("runs/get", per_second=0.05, burst=1)),
    "unavailable": lambda workspace: workspace.faults.add(StatusFault("runs/*", status_code=503, times=2)),
    "lost": lambda workspace: workspace.faults.add(LostResponse("runs/*", every=3)),
}


@pytest.mark.parametrize("trouble", _TROUBLE)
def test_waiter_of_the_sdk_breaks_no_rule(databricks: Workspace, trouble: str) -> None:
    """Submit with a token, wait, read the output, list: whatever happens to the calls."""
    _TROUBLE[trouble](databricks)
    sdk = WorkspaceClient(product="nightly-loader", product_version="1.4")
    run = sdk.jobs.submit(run_name="etl", tasks=[_TASK], idempotency_token="one").result(timedelta(days=1))
    assert run.tasks
    sdk.jobs.get_run_output(run.tasks[0].run_id or 0)
    assert [each.run_id for each in sdk.jobs.list_runs()] == [run.run_id]
    assert _rules(databricks) == []


def test_waiter_of_the_sdk_for_a_cancel_breaks_no_rule(databricks: Workspace) -> None:
    """It polls until the run is over."""
    sdk = WorkspaceClient()
    waiter = sdk.jobs.submit(run_name="etl", tasks=[_TASK], idempotency_token="one")
    sdk.jobs.cancel_run(waiter.run_id).result()
    assert _rules(databricks) == []


def test_waiter_of_the_sdk_stops_at_a_failure(databricks: Workspace) -> None:
    """INTERNAL_ERROR ends its wait with an exception, and one more look is nothing to mind."""
    databricks.scenarios.use("user_error", "*")
    sdk = WorkspaceClient()
    waiter = sdk.jobs.submit(run_name="etl", tasks=[_TASK], idempotency_token="one")
    with pytest.raises(OperationFailed):
        waiter.result()
    sdk.jobs.get_run(waiter.run_id)
    assert _rules(databricks) == []


def test_sdk_without_a_token_makes_two_runs(databricks: Workspace) -> None:
    """It repeats a submit whose answer was lost, by itself: what is said of its user is true."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    WorkspaceClient().jobs.submit(run_name="etl", tasks=[_TASK]).result()
    assert _rules(databricks) == ["DBX003", "DBX004"]
    lost, kept = (run.run_id for run in databricks.runs)
    assert [finding.run_id for finding in databricks.lint.findings()] == [kept, lost]


def test_answer_that_names_no_run_is_no_answer(databricks: Workspace) -> None:
    """A client that submits again after `{}` does not know whether there is one run or two."""
    databricks.faults.add(DriftFault("runs/submit", body={}, times=1))
    for _ in range(2):
        _post(databricks, "runs/submit", flat_body())
    assert _rules(databricks) == ["DBX003", "DBX004"]


def test_run_that_was_found_again_is_no_duplicate(databricks: Workspace) -> None:
    """A client that finds by a list what it never heard of has two runs by its own will."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    with pytest.raises(httpx.ReadError):
        _post(databricks, "runs/submit", flat_body(idempotency_token="one"))
    assert len(_get(databricks, "runs/list").json()["runs"]) == 1
    _post(databricks, "runs/submit", flat_body(idempotency_token="two"))
    assert _rules(databricks) == []


def test_same_work_after_the_end_is_no_duplicate(databricks: Workspace) -> None:
    """What nobody heard of is over before the next is made."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    with pytest.raises(httpx.ReadError):
        _post(databricks, "runs/submit", flat_body(idempotency_token="one"))
    databricks.clock.advance("1d")
    _post(databricks, "runs/submit", flat_body(idempotency_token="two"))
    assert _rules(databricks) == []


def test_run_that_is_not_there_yet_may_be_asked_for_again(databricks: Workspace) -> None:
    """Reads lag behind writes: a 400 about a run that was submitted is no mistake in the request."""
    databricks.faults.add(ReadLag("runs/get", reads=2, how="not_found"))
    sdk = WorkspaceClient()
    run_id = sdk.jobs.submit(run_name="etl", tasks=[_TASK], idempotency_token="one").run_id
    for _ in range(2):
        with pytest.raises(ResourceDoesNotExist):
            sdk.jobs.get_run(run_id)
    sdk.jobs.get_run(run_id)
    assert _rules(databricks) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status_code": 400, "error_code": "QUOTA_EXCEEDED"}, id="quota"),
        pytest.param({"status_code": 403}, id="maintenance"),
        pytest.param({"status_code": 409}, id="conflict"),
    ],
)
def test_refusal_that_is_about_the_moment_may_be_tried_again(
    databricks: Workspace, body: dict[str, object]
) -> None:
    """The same call can succeed later, so sending it again is no mistake."""
    databricks.faults.add(StatusFault("runs/list", **body))  # type: ignore[arg-type]
    for _ in range(3):
        _get(databricks, "runs/list")
    assert _rules(databricks) == []


def test_run_may_be_started_and_forgotten(databricks: Workspace) -> None:
    """Nobody has to wait for a run, or for all of them."""
    databricks.scenarios.add("*", [Outcome(run="24h")])
    _post(databricks, "runs/submit", flat_body())
    _post(databricks, "runs/submit", flat_body())
    databricks.clock.advance("2h")
    assert _rules(databricks) == []


def test_run_of_a_job_that_was_cancelled_as_a_whole_is_not_left(databricks: Workspace) -> None:
    """Whoever cancels all runs of a job need not name them."""
    databricks.scenarios.use("cancel_ignored", "*")
    databricks.faults.add(StatusFault("runs/get", status_code=500))
    job_id = _post(
        databricks,
        "create",
        {"tasks": [{"task_key": "a", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}]},
    )["job_id"]
    run_id = _post(databricks, "run-now", {"job_id": job_id, "idempotency_token": "one"})["run_id"]
    _get(databricks, "runs/get", run_id=run_id)
    assert _rules(databricks) == ["DBX005"]
    _post(databricks, "runs/cancel-all", {"job_id": job_id})
    assert _rules(databricks) == []


def test_credentials_that_are_refused_leave_no_way_to_cancel(databricks: Workspace) -> None:
    """A client that is shut out has not left its run by its own will."""
    run_id = _post(databricks, "runs/submit", flat_body())["run_id"]
    databricks.faults.add(StatusFault("runs/get", status_code=403))
    _get(databricks, "runs/get", run_id=run_id)
    assert _rules(databricks) == []


def test_repaired_run_has_another_end(databricks: Workspace) -> None:
    """Polls after a repair are not polls after the end, and a cancel is of what goes on."""
    databricks.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    run_id = _post(databricks, "runs/submit", flat_body())["run_id"]
    databricks.clock.advance("1h")
    _get(databricks, "runs/get", run_id=run_id)
    _post(databricks, "runs/repair", {"run_id": run_id, "rerun_all_failed_tasks": True})
    for _ in range(12):
        databricks.clock.sleep(5)
        _get(databricks, "runs/get", run_id=run_id)
    _post(databricks, "runs/cancel", {"run_id": run_id})
    databricks.clock.advance("1m")
    _get(databricks, "runs/get", run_id=run_id)
    assert _rules(databricks) == []


@pytest.mark.parametrize(
    "retry_after", [pytest.param("date+30s", id="date"), "soon", "0.5", "-1", pytest.param(None, id="none")]
)
def test_other_forms_of_retry_after_are_not_judged(databricks: Workspace, retry_after: str | None) -> None:
    """Whoever cannot read one does not break a promise."""
    databricks.faults.add(StatusFault("runs/list", status_code=429, retry_after=retry_after))
    for _ in range(2):
        _get(databricks, "runs/list")
    assert _rules(databricks) == []


@pytest.mark.parametrize(
    ("clock", "is_judged"),
    [
        pytest.param({}, True, id="sleeping"),
        pytest.param({"leap": True}, False, id="leap"),
        pytest.param({"clock": "manual"}, False, id="manual"),
        pytest.param({"clock": "per-poll"}, False, id="per-poll"),
    ],
)
def test_pauses_are_judged_where_they_are_the_clients(
    request: pytest.FixtureRequest, clock: dict[str, object], *, is_judged: bool
) -> None:
    """Where somebody else moves time, or a sleeper wakes later than it asked, they say nothing of the client."""
    request.node.add_marker(pytest.mark.databricks(**clock))
    databricks: Workspace = request.getfixturevalue("databricks")
    databricks.faults.add(StatusFault("runs/list", status_code=429, retry_after=60))
    for _ in range(12):
        _get(databricks, "runs/list")
    assert _rules(databricks) == (["DBX001", "DBX002"] if is_judged else [])


@pytest.mark.parametrize("how", ["slow_headers", "dribbled", "late"])
def test_answer_that_comes_slowly_and_whole_was_heard(databricks: Workspace, how: str) -> None:
    """A client with patience knows its run, and need not submit again with a token."""
    databricks.faults.add(WireFault("runs/submit", how=how, delay="10s", times=1))
    for _ in range(2):
        _post(databricks, "runs/submit", flat_body())
    assert _rules(databricks) == []


@pytest.mark.parametrize("how", ["slow_headers", "late", "hang"])
def test_answer_that_the_client_did_not_wait_for_was_not_heard(databricks: Workspace, how: str) -> None:
    """Nor does it know anything after its time-out."""
    databricks.faults.add(WireFault("runs/submit", how=how, delay="2m", times=1))
    with pytest.raises(httpx.ReadTimeout):
        _post(databricks, "runs/submit", flat_body(), timeout_seconds=5)
    _post(databricks, "runs/submit", flat_body())
    assert _rules(databricks) == ["DBX003", "DBX004"]


def _post(
    workspace: Workspace, endpoint: str, body: dict[str, object], *, timeout_seconds: float = 120
) -> dict[str, int]:
    with _client(workspace) as client:
        answer: dict[str, int] = client.post(endpoint, json=body, timeout=timeout_seconds).json()
        return answer


def _get(workspace: Workspace, endpoint: str, **parameters: int) -> httpx.Response:
    with _client(workspace) as client:
        return client.get(endpoint, params=parameters)


def _client(workspace: Workspace) -> httpx.Client:
    return httpx.Client(
        transport=workspace.transport(),
        base_url=f"{workspace.url}/api/2.1/jobs/",
        headers=workspace.headers | {"User-Agent": "loader/1"},
    )


@pytest.fixture
def agent(databricks: Workspace) -> DatabricksAgentV2:
    """Our agent, which pauses in the workspace's time."""
    from dbx_agent.agent import DatabricksAgentV2

    class _Clock:
        def time(self) -> float:
            return databricks.clock.time()

        async def sleep(self, seconds: float) -> None:
            databricks.clock.sleep(seconds)

    return DatabricksAgentV2(clock=_Clock())


@pytest.mark.flyte
@pytest.mark.parametrize("outcome", [None, "user_error", "spot_loss"])
@pytest.mark.parametrize("trouble", _TROUBLE)
def test_life_of_our_agent_breaks_no_rule(
    databricks: Workspace, agent: DatabricksAgentV2, trouble: str, outcome: str | None
) -> None:
    """Create, get until it is over, delete: as Flyte's engine calls it, and whatever happens to the calls."""
    from tests.agent.support import TEMPLATE, make_execution, phase_name

    if outcome is not None:
        databricks.scenarios.use(outcome, "*")
    _TROUBLE[trouble](databricks)

    async def live() -> None:
        meta = await agent.create(
            task_template=TEMPLATE,
            output_prefix="s3://out",
            task_execution_metadata=make_execution(),
        )
        for _ in range(1_000):
            if phase_name(await agent.get(resource_meta=meta)) in {"SUCCEEDED", "FAILED", "RETRYABLE_FAILED"}:
                return
            databricks.clock.sleep(30)

    asyncio.run(live())
    assert _rules(databricks) == []


@pytest.mark.flyte
def test_abort_of_our_agent_breaks_no_rule(databricks: Workspace, agent: DatabricksAgentV2) -> None:
    """It asks for the cancel and leaves the rest to the service, which does it."""
    from tests.agent.support import TEMPLATE, make_execution

    async def live() -> None:
        meta = await agent.create(
            task_template=TEMPLATE,
            output_prefix="s3://out",
            task_execution_metadata=make_execution(),
        )
        await agent.get(resource_meta=meta)
        await agent.delete(resource_meta=meta)

    asyncio.run(live())
    databricks.clock.advance("1h")
    assert _rules(databricks) == []
