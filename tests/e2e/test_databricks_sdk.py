"""The unmodified databricks-sdk against `dbx-emulator serve`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service.compute import ClusterSpec
from databricks.sdk.service.jobs import (
    NotebookTask,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
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
