"""The unmodified databricks-sdk against `dbx-emulator serve`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    InvalidState,
    OperationFailed,
    PermissionDenied,
    ResourceDoesNotExist,
)
from databricks.sdk.service.compute import ClusterSpec
from databricks.sdk.service.jobs import (
    JobParameterDefinition,
    NotebookTask,
    RepairHistoryItemType,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
    Task,
    TaskDependency,
    TerminationCodeCode,
)

from tests.e2e.processes import served

_CLUSTER = ClusterSpec(spark_version="15.4.x-scala2.12", node_type_id="m6i.large", num_workers=2)


@pytest.fixture(scope="module")
def announced() -> Iterator[dict[str, str]]:
    """A served workspace in which an hour passes in a second."""
    with served("--clock", "scaled", "--speed", "3600", "--token", "sdk") as announced:
        yield announced


@pytest.fixture
def client(announced: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> WorkspaceClient:
    """A client as a user makes it: host and token."""
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "no-such-file")
    return WorkspaceClient(host=announced["url"], token=announced["token"])


def _script(announced: dict[str, str], run_name: str, outcome: dict[str, str]) -> None:
    httpx.post(
        f"{announced['url']}/__dbx/scenarios",
        headers={"Authorization": f"Bearer {announced['token']}"},
        json={"match": run_name, "outcomes": [outcome]},
        trust_env=False,
    ).raise_for_status()


def _task(task_key: str, *depends_on: str) -> SubmitTask:
    return SubmitTask(
        task_key=task_key,
        new_cluster=_CLUSTER,
        notebook_task=NotebookTask(notebook_path=f"/{task_key}"),
        depends_on=[TaskDependency(task_key=each) for each in depends_on] or None,
    )


def test_sdk_submits_waits_and_reads_output(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """The SDK's own waiter sees two dependent tasks through, and the notebook's value comes back."""
    _script(announced, "nightly", {"notebook_output": "42 rows"})
    run = client.jobs.submit(run_name="nightly", tasks=[_task("load"), _task("report", "load")]).result()
    assert run.state is not None
    assert run.state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.state.result_state is RunResultState.SUCCESS
    assert run.tasks is not None
    assert [task.task_key for task in run.tasks] == ["load", "report"]
    output = client.jobs.get_run_output(run_id=run.tasks[1].run_id or 0)
    assert output.notebook_output is not None
    assert output.notebook_output.result == "42 rows"


def test_sdk_cancels(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """A run of a day ends as cancelled by its user soon after."""
    _script(announced, "endless", {"run": "1d"})
    waiter = client.jobs.submit(run_name="endless", tasks=[_task("spin")])
    run = client.jobs.cancel_run(waiter.run_id).result()
    assert run.state is not None
    assert run.state.result_state is RunResultState.CANCELED
    assert run.status is not None
    assert run.status.termination_details is not None
    assert run.status.termination_details.code is TerminationCodeCode.USER_CANCELED


def test_sdk_lists_every_page(client: WorkspaceClient) -> None:
    """Thirty runs are listed over two pages, each once, the newest first."""
    submitted = [client.jobs.submit(run_name="many", tasks=[_task("t")]).run_id for _ in range(30)]
    listed = [run.run_id for run in client.jobs.list_runs() if run.run_name == "many"]
    assert listed == submitted[::-1]


def test_sdk_raises_its_own_exceptions(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """Errors are recognised by the texts and codes that the SDK looks for."""
    with pytest.raises(ResourceDoesNotExist, match="Run 7 does not exist"):
        client.jobs.get_run(run_id=7)
    parent = client.jobs.submit(run_name="parent", tasks=[_task("only")]).run_id
    with pytest.raises(BadRequest, match="multiple tasks is not supported"):
        client.jobs.get_run_output(run_id=parent)
    stranger = WorkspaceClient(host=announced["url"], token="another")
    with pytest.raises(PermissionDenied, match=r"Invalid access token\."):
        stranger.jobs.get_run(run_id=7)


def test_sdk_drives_jobs(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """Create, run-now with a waiter, parameters, repair with a waiter, history, export, cancel-all, delete."""
    _script(announced, "sdk job", {"run": "1h"})
    tasks = [Task(task_key="load", new_cluster=_CLUSTER, notebook_task=NotebookTask(notebook_path="/load"))]
    job_id = client.jobs.create(
        name="sdk job",
        tasks=tasks,
        parameters=[JobParameterDefinition(name="day", default="1")],
        max_concurrent_runs=2,
    ).job_id
    assert job_id is not None
    settings = client.jobs.get(job_id=job_id).settings
    assert settings is not None
    assert (settings.name, settings.max_concurrent_runs) == ("sdk job", 2)
    waiter = client.jobs.run_now(job_id=job_id, job_parameters={"day": "2"})
    client.jobs.cancel_run(waiter.run_id).result()
    run = client.jobs.repair_run(
        waiter.run_id, rerun_all_failed_tasks=True, job_parameters={"day": "3"}
    ).result()
    assert run.state is not None
    assert run.state.result_state is RunResultState.SUCCESS
    run = client.jobs.get_run(waiter.run_id, include_history=True, include_resolved_values=True)
    assert [item.type for item in run.repair_history or []] == [
        RepairHistoryItemType.ORIGINAL,
        RepairHistoryItemType.REPAIR,
    ]
    assert [parameter.value for parameter in run.job_parameters or []] == ["3"]
    assert run.tasks is not None
    views = client.jobs.export_run(run.tasks[-1].run_id or 0).views
    assert views is not None
    assert views[0].name == "load"
    with pytest.raises(InvalidParameterValue, match="latest repair ID needs to be provided"):
        client.jobs.repair_run(waiter.run_id, rerun_all_failed_tasks=True)
    client.jobs.cancel_all_runs(job_id=job_id)
    assert [each.run_id for each in client.jobs.list_runs(job_id=job_id, expand_tasks=True)] == [
        waiter.run_id
    ]
    client.jobs.delete_run(waiter.run_id)
    with pytest.raises(ResourceDoesNotExist):
        client.jobs.get_run(waiter.run_id)


def test_sdk_waiter_raises_for_a_failed_run(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """A failed run of tasks is an INTERNAL_ERROR, which the SDK's waiter does not take for an end."""
    _script(announced, "failing", {"termination_code": "RUN_EXECUTION_ERROR"})
    with pytest.raises(OperationFailed, match=r"failed to reach TERMINATED or SKIPPED, got .*INTERNAL_ERROR"):
        client.jobs.submit(run_name="failing", tasks=[_task("t")]).result()


def test_sdk_stitches_pages_of_large_runs_and_jobs(client: WorkspaceClient) -> None:
    """More than a hundred tasks and parameters come in pages, which the SDK puts together."""
    parameters = [JobParameterDefinition(name=f"p{index}", default="") for index in range(130)]
    tasks = [
        Task(task_key=f"t{index}", new_cluster=_CLUSTER, notebook_task=NotebookTask(notebook_path="/x"))
        for index in range(210)
    ]
    job_id = client.jobs.create(name="large", tasks=tasks, parameters=parameters).job_id or 0
    settings = client.jobs.get(job_id=job_id).settings
    assert settings is not None
    assert (len(settings.tasks or []), len(settings.parameters or [])) == (210, 130)
    waiter = client.jobs.run_now(job_id=job_id)
    run = client.jobs.get_run(waiter.run_id)
    assert [task.task_key for task in run.tasks or []] == [f"t{index}" for index in range(210)]
    assert len(run.job_parameters or []) == 130
    client.jobs.cancel_run(waiter.run_id)


def test_sdk_knows_a_job_that_is_not_there(client: WorkspaceClient) -> None:
    """By the text, as it knows a run that is not there."""
    with pytest.raises(ResourceDoesNotExist, match="Job 7 does not exist"):
        client.jobs.get(job_id=7)
    with pytest.raises(InvalidState, match="active"):
        client.jobs.delete_run(client.jobs.submit(run_name="active", tasks=[_task("t")]).run_id)


def test_sdk_logs_in_as_a_machine(client: WorkspaceClient, announced: dict[str, str]) -> None:
    """By OAuth, with discovery, it comes to the same workspace; with a wrong secret it does not."""
    run_id = client.jobs.submit(run_name="by token", tasks=[_task("t")]).run_id
    machine = WorkspaceClient(
        host=announced["url"],
        client_id="dbx-emulator-client",
        client_secret="dbx-emulator-secret",
        auth_type="oauth-m2m",
    )
    assert machine.jobs.get_run(run_id).run_name == "by token"
    with pytest.raises(ValueError, match="invalid_client"):
        WorkspaceClient(
            host=announced["url"],
            client_id="dbx-emulator-client",
            client_secret="wrong",
            auth_type="oauth-m2m",
        ).jobs.get_run(run_id)
