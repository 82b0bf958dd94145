"""Where people look next: links from the first answer of each phase, and what Flyte keeps about the run."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2
from dbx_agent.compat import make_resource
from dbx_agent.outcome import Phase
from dbx_emulator import DriftFault, Outcome, Workspace
from tests.agent.support import TEMPLATE, Template, make_execution, phase_name

from .polled import submitted, submitted_tasks

pytestmark = pytest.mark.flyte

NEW_CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
LIFE: dict[str, Any] = {"queue": "1m", "cluster": "3m", "run": "10m", "terminating": "30s"}


def links_of(resource: Any) -> dict[str, str]:
    """Return the links by name."""
    return {link.name: link.uri for link in resource.log_links}


async def _on_new_cluster(workspace: Workspace, agent: DatabricksAgentV2, outcome: Outcome) -> Any:
    workspace.scenarios.add("fresh", [outcome])
    conf = {"run_name": "fresh", "new_cluster": NEW_CLUSTER}
    return await agent.create(Template({"databricksConf": conf}), task_execution_metadata=make_execution())


@pytest.mark.behaviour(20)
@pytest.mark.weakness(26)
@pytest.mark.asyncio
async def test_links_are_there_from_the_first_answer_of_each_phase(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Flyte shows new ones with a new phase only: the run's page at once, the cluster's once there is one."""
    meta = await _on_new_cluster(workspace, poller, Outcome(**LIFE))
    page = {
        "Databricks Console": f"{workspace.url}/jobs/{next(iter(workspace.runs)).job_id}/runs/{meta.run_id}"
    }
    first: dict[str, set[str]] = {}
    while True:
        resource = await poller.get(meta)
        assert links_of(resource)["Databricks Console"].partition("?o=")[0] == page["Databricks Console"]
        first.setdefault(phase_name(resource), set(links_of(resource)))
        if phase_name(resource) == "SUCCEEDED":
            break
        workspace.clock.advance("10s")
    cluster = {"Databricks Console", "Driver logs"}
    assert first == {
        "QUEUED": {"Databricks Console"},
        "INITIALIZING": cluster,
        "RUNNING": {*cluster, "Spark UI"},
        "SUCCEEDED": {*cluster, "Spark UI"},
    }


@pytest.mark.behaviour(20)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("drift", "page", "logs"),
    [
        pytest.param(
            {"replace": {"run_page_url": "https://dbc-1.cloud.databricks.com#job/34/run/56"}},
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56",
            "https://dbc-1.cloud.databricks.com/#setting/sparkui/0401-abc/driver-logs",
            id="old-form",
        ),
        pytest.param(
            {"replace": {"run_page_url": "https://data.example.com/?o=12#job/34/run/56"}},
            "https://data.example.com/jobs/34/runs/56?o=12",
            "https://data.example.com/?o=12#setting/sparkui/0401-abc/driver-logs",
            id="vanity-host",
        ),
        pytest.param(
            {"remove": ["run_page_url"]},
            "{url}/jobs/{job_id}/runs/{run_id}",
            "{url}/#setting/sparkui/0401-abc/driver-logs",
            id="missing",
        ),
        pytest.param(
            {"replace": {"run_page_url": None}},
            "{url}/jobs/{job_id}/runs/{run_id}",
            "{url}/#setting/sparkui/0401-abc/driver-logs",
            id="null",
        ),
    ],
)
async def test_links_follow_what_the_service_calls_itself(
    workspace: Workspace, poller: DatabricksAgentV2, drift: dict[str, Any], page: str, logs: str
) -> None:
    """Its own host and the console's current form; without a page, the workspace that was asked."""
    meta = await submitted(workspace, poller, Outcome(**LIFE))
    workspace.clock.advance("5m")
    workspace.faults.add(DriftFault("runs/get", **drift))
    links = links_of(await poller.get(meta))
    names = {"url": workspace.url, "job_id": next(iter(workspace.runs)).job_id, "run_id": meta.run_id}
    assert links["Databricks Console"] == page.format(**names)
    assert links["Driver logs"] == logs.format(**names)


@pytest.mark.behaviour(20)
@pytest.mark.asyncio
async def test_failed_tasks_have_links_of_their_own(workspace: Workspace, poller: DatabricksAgentV2) -> None:
    """Each to its own page, and to the logs of its own cluster before those of others; not to what went well."""
    fails = Outcome(termination_code="RUN_EXECUTION_ERROR")
    tasks = [
        {"task_key": name, "new_cluster": NEW_CLUSTER, "notebook_task": {"notebook_path": "/n"}}
        for name in "abc"
    ]
    meta = await submitted_tasks(workspace, poller, tasks, Outcome(tasks={"b": fails, "c": fails}))
    workspace.clock.advance("1d")
    runs = {task.task_key: task for task in next(iter(workspace.runs)).task_runs}
    links = links_of(await poller.get(meta))
    for name in "bc":
        run_id = runs[name].run_id
        assert f"/runs/{run_id}?o=" in links[f"Failed task {name} (run {run_id})"]
    assert not any(name.startswith("Failed task a") for name in links)
    logs = [name for name in links if name.startswith("Driver logs")]
    assert len(logs) == 3
    for name, place in zip("bc", logs):  # noqa: B905 - the third is the cluster of the task that went well
        assert runs[name].cluster_id in place


@pytest.mark.once
@pytest.mark.behaviour(20)
@pytest.mark.asyncio
async def test_custom_info_tells_programs_about_the_run(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Ids as texts, the cluster, attempts that the service made, durations in milliseconds by the API's names."""
    retried = Outcome(**LIFE, termination_code="CLOUD_FAILURE", retries=[Outcome(**LIFE)])
    workspace.scenarios.add("twice", [retried])
    conf = {
        "run_name": "twice",
        "tasks": [
            {
                "task_key": "a",
                "max_retries": 1,
                "existing_cluster_id": "0401-abc",
                "notebook_task": {"notebook_path": "/n"},
            }
        ],
    }
    meta = await poller.create(Template({"databricksConf": conf}), task_execution_metadata=make_execution())
    workspace.clock.advance("1d")
    resource = await poller.get(meta)
    assert phase_name(resource) == "SUCCEEDED"
    info = dict((await resource.to_flyte_idl()).custom_info)
    assert info["run_id"] == meta.run_id
    assert info["cluster_id"] == "0401-abc"
    assert info["attempts"] == 2
    assert info["termination_code"] == "SUCCESS"
    assert info["run_duration"] == info["end_time"] - info["start_time"] > 600_000


def test_custom_info_is_left_out_where_there_is_none() -> None:
    """A resource of a run that cannot be read has the field's default."""
    assert getattr(make_resource(Phase.FAILED, "m"), "custom_info", None) is None
    assert TEMPLATE.custom is not None
