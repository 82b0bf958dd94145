"""Every body reads and writes through the SDK's own types without loss: an oracle that is not ours."""

from __future__ import annotations

import pytest
from databricks.sdk.service import jobs

from dbx_emulator import Outcome
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, flat_body, graph_body, task

from .conftest import Door, Json
from .sdk_oracle import lost, round_trip

_PAYLOADS: list[Json] = [
    {"notebook_task": NOTEBOOK | {"base_parameters": {"day": "1"}, "source": "WORKSPACE"}},
    {
        "spark_jar_task": {"main_class_name": "Main", "parameters": ["a"]},
        "libraries": [{"jar": "dbfs:/x.jar"}],
    },
    {"python_wheel_task": {"package_name": "p", "entry_point": "main", "named_parameters": {"a": "b"}}},
    {"sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}},
    {"dbt_task": {"commands": ["dbt run"]}},
]


def _read_everything(door: Door, run_ids: list[int]) -> None:
    """Read what there is; the door's client checks every answer against the SDK's types."""
    for run_id in run_ids:
        for version in ("2.0", "2.1", "2.2"):
            door.run(run_id, version)
        door.get("runs/get", "2.2", run_id=run_id, include_history=True, include_resolved_values=True)
        for each in door.run(run_id)["tasks"]:
            door.run(each["run_id"], "2.2")
            assert door.get("runs/get-output", "2.2", run_id=each["run_id"]).status_code == 200
            door.get("runs/export", "2.2", run_id=each["run_id"])
    for expand_tasks in ("true", "false"):
        assert door.get("runs/list", "2.2", expand_tasks=expand_tasks, limit=5).status_code == 200


@pytest.mark.fact("runs.get.status-shape", "runs.get-output.shape", "runs.states.enums")
@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Outcome(queue="30s", logs="ok", notebook_output="5"), id="succeeds-after-a-queue"),
        pytest.param(Outcome(termination_code="RUN_EXECUTION_ERROR", error="e", error_trace="t"), id="fails"),
        pytest.param(Outcome(termination_code="CLOUD_FAILURE"), id="loses-its-cluster"),
        pytest.param(Outcome(termination_code="CANCELED"), id="times-out"),
        pytest.param(Outcome(termination_code="MAX_CONCURRENT_RUNS_EXCEEDED"), id="is-skipped"),
    ],
)
def test_every_body_survives_the_sdks_types(door: Door, outcome: Outcome) -> None:
    """Flat and graph, from the queue to the end, no key and no enum is lost on the way through the SDK."""
    door.workspace.scenarios.add("*", [outcome])
    compute: Json = {"existing_cluster_id": "0716-190309-boll22"}
    run_ids = [
        door.submit(flat_body(timeout_seconds=60, git_source={"git_url": "u", "git_provider": "gitHub"})),
        door.submit(graph_body(task("a", description="first"), task("b", "a", max_retries=0), run_name="g")),
        door.submit({"tasks": [{"task_key": f"t{i}"} | compute | each for i, each in enumerate(_PAYLOADS)]}),
        door.submit(
            {
                "environments": [{"environment_key": "e"}],
                "tasks": [{"task_key": "n", "notebook_task": NOTEBOOK}],
            }
        ),
    ]
    for seconds in (0, 30, 130, 61, 3_600):
        door.workspace.clock.advance(seconds)
        _read_everything(door, run_ids)


def test_cancelled_bodies_survive_the_sdks_types(door: Door) -> None:
    """So do those of runs that a user stopped, as a whole and in part."""
    run_ids = [door.submit(flat_body()), door.submit(graph_body(task("a"), task("b", "a"), task("c")))]
    a = door.run(run_ids[1])["tasks"][0]["run_id"]
    for run_id in (run_ids[0], a):
        door.post("runs/cancel", {"run_id": run_id})
    for duration in ("0s", "1m", "1h"):
        door.workspace.clock.advance(duration)
        _read_everything(door, run_ids)


def test_oracle_notices_what_is_lost() -> None:
    """An unknown key, an unknown enum and a null are each a loss."""
    body: Json = {
        "run_id": 1,
        "state": {"life_cycle_state": "DREAMING"},
        "tasks": [{"task_key": "a", "x": 1}],
        "trigger": None,
    }
    assert set(lost(body, round_trip(jobs.Run, body))) == {
        ".state.life_cycle_state",
        ".tasks[0].x",
        ".trigger",
    }


_EVERY_KIND: list[Json] = [
    {"task_key": "if", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}},
    task("then", depends_on=[{"task_key": "if", "outcome": "true"}]),
    task("else", depends_on=[{"task_key": "if", "outcome": "false"}]),
    {"task_key": "loop", "for_each_task": {"inputs": "[1, 2]", "task": task("each")}},
    task("last", "then", "else", run_if="AT_LEAST_ONE_SUCCESS", disabled=False),
    task("never", disabled=True),
    {"task_key": "serverless", "notebook_task": NOTEBOOK | {"base_parameters": {"x": "{{job.run_id}}"}}},
    {"task_key": "on-cluster", "job_cluster_key": "k", "notebook_task": NOTEBOOK},
]


@pytest.mark.fact("jobs.get.shape", "runs.get.repair-history", "runs.get-output.sql", "runs.export.views")
@pytest.mark.parametrize("is_failed", [True, False])
def test_jobs_and_their_runs_survive_the_sdks_types(door: Door, *, is_failed: bool) -> None:
    """So do jobs, and runs of them with every kind of task, parameters, children and repairs."""
    code = "RUN_EXECUTION_ERROR" if is_failed else "SUCCESS"
    door.workspace.scenarios.add("*", [Outcome(tasks={"then": Outcome(termination_code=code)})])
    below = door.post("create", {"name": "below", "tasks": [task("a")]}, "2.2").json()["job_id"]
    body = {
        "name": "every kind",
        "tasks": [*_EVERY_KIND, {"task_key": "child", "run_job_task": {"job_id": below}}],
        "job_clusters": [{"job_cluster_key": "k", "new_cluster": NEW_CLUSTER}],
        "parameters": [{"name": "day", "default": "1"}],
        "schedule": {"quartz_cron_expression": "0 0 12 * * ?", "timezone_id": "UTC"},
        "environments": [{"environment_key": "e", "spec": {"client": "1"}}],
        "tags": {"team": "data"},
        "max_concurrent_runs": 1,
        "performance_target": "STANDARD",
    }
    job_id = door.post("create", body, "2.2").json()["job_id"]
    for version in ("2.0", "2.1", "2.2"):
        assert door.get("get", version, job_id=job_id).status_code == 200
    parameters = {"job_parameters": {"day": "2"}, "notebook_params": {"x": "y"}}
    run_ids = [
        door.post("run-now", {"job_id": job_id} | parameters, "2.2").json()["run_id"] for _ in range(2)
    ]
    for duration in ("0s", "1m", "3m", "1h", "1h"):
        door.workspace.clock.advance(duration)
        _read_everything(door, run_ids)
    repair = {"run_id": run_ids[0], "rerun_tasks": ["then"], "rerun_dependent_tasks": True}
    assert door.post("runs/repair", repair, "2.2").status_code == 200
    for duration in ("0s", "1h"):
        door.workspace.clock.advance(duration)
        _read_everything(door, run_ids)
