"""The endpoints runs/repair, runs/delete and runs/cancel-all, and what runs/get shows of repairs."""

from __future__ import annotations

from typing import Any

import pytest
from dirty_equals import IsPartialDict

from dbx_emulator import Outcome, Workspace
from tests.emulator.support import NOTEBOOK, Caller, Json, graph_body, task


def _job_run(caller: Caller, *tasks: Json, **fields: Any) -> int:
    """Make a job and a run of it, and return the run's id."""
    job_id = caller.post("create", {"name": "nightly", "tasks": list(tasks)} | fields)["job_id"]
    run_id: int = caller.post("run-now", {"job_id": job_id})["run_id"]
    return run_id


@pytest.fixture
def failed_run(workspace: Workspace, caller: Caller) -> int:
    """A run over in which `a` succeeded, `b` failed and `c`, which needs `b`, was skipped."""
    failed = Outcome(termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])
    workspace.scenarios.add("nightly", [Outcome(tasks={"b": failed})])
    run_id = _job_run(caller, task("a"), task("b", "a"), task("c", "b"))
    workspace.clock.advance("1h")
    return run_id


def _attempts(caller: Caller, run_id: int) -> list[tuple[str, int]]:
    return [(each["task_key"], each["attempt_number"]) for each in caller.run(run_id)["tasks"]]


@pytest.mark.parameter("runs/get", "include_history")
@pytest.mark.parameter("runs/repair", "rerun_all_failed_tasks")
@pytest.mark.fact("runs.repair.tasks", "runs.get.repair-history", "runs.get.repair-history-original")
def test_repair_runs_failed_tasks_again_under_the_same_id(
    workspace: Workspace, caller: Caller, failed_run: int
) -> None:
    """The run is active again, then over; its history has the original and the repair, with their attempts."""
    before = caller.run(failed_run, include_history="true")
    [original] = before["repair_history"]
    assert original == IsPartialDict(
        type="ORIGINAL", start_time=before["start_time"], end_time=before["end_time"], state=before["state"]
    )
    assert "id" not in original
    body = {"run_id": failed_run, "rerun_all_failed_tasks": True}
    repair_id = caller.post("runs/repair", body)["repair_id"]
    assert "result_state" not in caller.run(failed_run)["state"]
    workspace.clock.advance("1h")
    after = caller.run(failed_run, include_history="true")
    assert after["state"]["result_state"] == "SUCCESS"
    assert _attempts(caller, failed_run) == [("a", 0), ("b", 0), ("c", 0), ("b", 1), ("c", 1)]
    original, repair = after["repair_history"]
    assert (repair["type"], repair["id"], repair["end_time"]) == ("REPAIR", repair_id, after["end_time"])
    assert original["state"] == before["state"]
    ids = [each["run_id"] for each in after["tasks"]]
    assert (original["task_run_ids"], repair["task_run_ids"]) == (ids[:3], ids[3:])
    assert "repair_history" not in caller.run(failed_run)


@pytest.mark.parameter("runs/repair", "rerun_tasks", "rerun_dependent_tasks")
def test_repair_runs_named_tasks_again_with_what_depends_on_them(
    workspace: Workspace, caller: Caller, failed_run: int
) -> None:
    """Successful ones too, if they are named, and all that come after, if that is asked for."""
    caller.post("runs/repair", {"run_id": failed_run, "rerun_tasks": ["a"], "rerun_dependent_tasks": True})
    workspace.clock.advance("1h")
    assert _attempts(caller, failed_run)[3:] == [("a", 1), ("b", 1), ("c", 1)]


@pytest.mark.parameter("runs/repair", "job_parameters", "notebook_params")
def test_repair_gives_parameters_anew(workspace: Workspace, caller: Caller) -> None:
    """Those of the run are not taken over."""
    run_id = _job_run(caller, task("a"), parameters=[{"name": "day", "default": "1"}])
    workspace.clock.advance("1h")
    body = {"run_id": run_id, "rerun_tasks": ["a"]}
    caller.post("runs/repair", body | {"job_parameters": {"day": "2"}, "notebook_params": {"x": "y"}})
    shown = caller.run(run_id)
    assert shown["job_parameters"] == [{"name": "day", "default": "1", "value": "2"}]
    assert shown["overriding_parameters"] == {"notebook_params": {"x": "y"}}


@pytest.mark.parameter("runs/repair", "latest_repair_id")
@pytest.mark.fact("runs.repair.latest-repair-id", "runs.repair.stale-repair-id", "errors.conflict")
def test_repair_must_name_the_last_one(workspace: Workspace, caller: Caller, failed_run: int) -> None:
    """The first needs no id; later ones need that of the last repair, and another one is a conflict."""
    body = {"run_id": failed_run, "rerun_tasks": ["a"]}
    repair_id = caller.post("runs/repair", body)["repair_id"]
    workspace.clock.advance("1h")
    refusal = caller.refusal("POST", "runs/repair", body)
    assert (refusal.status_code, refusal.error_code, refusal.message) == (
        400,
        "INVALID_PARAMETER_VALUE",
        "The latest repair ID needs to be provided in order to create a new repair",
    )
    stale = caller.refusal("POST", "runs/repair", body | {"latest_repair_id": repair_id + 1})
    assert (stale.status_code, stale.error_code) == (409, "RESOURCE_CONFLICT")
    assert caller.post("runs/repair", body | {"latest_repair_id": repair_id})["repair_id"] != repair_id


@pytest.mark.fact("runs.repair.duplicate-keys")
def test_repair_names_each_task_once(caller: Caller, failed_run: int) -> None:
    """Duplicates have a text of their own."""
    refusal = caller.refusal("POST", "runs/repair", {"run_id": failed_run, "rerun_tasks": ["a", "a"]})
    assert refusal.message == "rerun_tasks cannot contain duplicate task keys."


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"rerun_tasks": ["a"], "rerun_all_failed_tasks": True}, id="both"),
        pytest.param({"rerun_tasks": ["unheard-of"]}, id="unknown-task"),
        pytest.param({"rerun_tasks": ["a"], "job_parameters": {"unheard-of": "1"}}, id="unknown-parameter"),
        pytest.param({"rerun_tasks": ["a"], "python_params": ["é"]}, id="not-ascii"),
    ],
)
def test_repair_that_cannot_be_is_refused(caller: Caller, failed_run: int, fields: Json) -> None:
    """And the run stays over."""
    before = caller.run(failed_run)
    refusal = caller.refusal("POST", "runs/repair", {"run_id": failed_run} | fields)
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert caller.run(failed_run) == before


@pytest.mark.fact("runs.repair.active", "runs.delete.active", "errors.invalid-state")
@pytest.mark.parametrize("endpoint", ["runs/repair", "runs/delete"])
def test_active_run_is_neither_repaired_nor_deleted(caller: Caller, endpoint: str) -> None:
    """First it has to be over."""
    run_id = caller.submit()
    refusal = caller.refusal("POST", endpoint, {"run_id": run_id, "rerun_all_failed_tasks": True})
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_STATE")
    assert caller.run(run_id)["state"]["life_cycle_state"] == "PENDING"


def test_run_without_failures_has_nothing_to_repair(workspace: Workspace, caller: Caller) -> None:
    """All its failed tasks are none."""
    run_id = caller.submit()
    workspace.clock.advance("1h")
    refusal = caller.refusal("POST", "runs/repair", {"run_id": run_id, "rerun_all_failed_tasks": True})
    assert refusal.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("endpoint", ["runs/repair", "runs/delete"])
def test_task_run_is_neither_repaired_nor_deleted(
    workspace: Workspace, caller: Caller, endpoint: str
) -> None:
    """Only a run as a whole is."""
    run_id = caller.submit(graph_body(task("a")))
    workspace.clock.advance("1h")
    [a] = caller.run(run_id)["tasks"]
    refusal = caller.refusal("POST", endpoint, {"run_id": a["run_id"]})
    assert refusal.message == f"Run {a['run_id']} does not exist."


@pytest.mark.fact("runs.submit.token-of-deleted-run")
def test_deleted_run_is_gone(workspace: Workspace, caller: Caller) -> None:
    """It is neither read nor listed, nor are its tasks, and its token stays reserved."""
    body = graph_body(task("a"), idempotency_token="t")
    run_id = caller.submit(body)
    [a] = caller.run(run_id)["tasks"]
    other = caller.submit()
    workspace.clock.advance("1h")
    assert caller.post("runs/delete", {"run_id": run_id}) == {}
    for gone in (run_id, a["run_id"]):
        assert caller.refusal("GET", "runs/get", run_id=gone).message == f"Run {gone} does not exist."
    assert [run["run_id"] for run in caller.get("runs/list")["runs"]] == [other]
    refusal = caller.submit_refusal(body)
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_STATE")


@pytest.mark.parameter("runs/cancel-all", "job_id")
@pytest.mark.fact("runs.cancel-all.scope")
def test_all_runs_of_a_job_are_cancelled(caller: Caller) -> None:
    """Those of other jobs go on."""
    job_ids = [
        caller.post("create", {"tasks": [task("a")], "max_concurrent_runs": 2})["job_id"] for _ in range(2)
    ]
    runs = [caller.post("run-now", {"job_id": job_id})["run_id"] for job_id in (*job_ids, job_ids[0])]
    assert caller.post("runs/cancel-all", {"job_id": job_ids[0]}) == {}
    caller.workspace.clock.advance("1h")
    results = [caller.run(run_id)["state"]["result_state"] for run_id in runs]
    assert results == ["CANCELED", "SUCCESS", "CANCELED"]


@pytest.mark.parameter("runs/cancel-all", "all_queued_runs")
@pytest.mark.fact("runs.cancel-all.scope")
@pytest.mark.parametrize("names_job", [True, False])
def test_queued_runs_are_cancelled(caller: Caller, *, names_job: bool) -> None:
    """Of one job, or of the whole workspace; what is running goes on."""
    job_ids = [
        caller.post("create", {"tasks": [task("a")], "queue": {"enabled": True}})["job_id"] for _ in range(2)
    ]
    runs = [caller.post("run-now", {"job_id": job_id})["run_id"] for job_id in (*job_ids, *job_ids)]
    caller.post("runs/cancel-all", {"all_queued_runs": True} | ({"job_id": job_ids[0]} if names_job else {}))
    caller.workspace.clock.advance("1h")
    results = [caller.run(run_id)["state"]["result_state"] for run_id in runs]
    assert results == ["SUCCESS", "SUCCESS", "CANCELED", "SUCCESS" if names_job else "CANCELED"]


_FOR_EACH: Json = {
    "task_key": "loop",
    "for_each_task": {
        "inputs": '["x", "y", "z"]',
        "concurrency": 2,
        "task": task("each", notebook_task=NOTEBOOK | {"base_parameters": {"v": "{{input}}"}}),
    },
}


@pytest.mark.fact("runs.get.iterations", "runs.get.for-each-stats")
def test_for_each_run_shows_its_iterations(workspace: Workspace, caller: Caller) -> None:
    """Read by its own id it has one for each input, and counts them in its task."""
    run_id = caller.submit(graph_body(_FOR_EACH))
    workspace.clock.advance("1m")
    [loop] = caller.run(run_id)["tasks"]
    stats = loop["for_each_task"]["stats"]["task_run_stats"]
    assert (stats["total_iterations"], stats["active_iterations"]) == (3, 2)
    workspace.clock.advance("1d")
    shown = caller.run(loop["run_id"], include_resolved_values="true")
    resolved = [
        each["resolved_values"]["notebook_task"]["base_parameters"]["v"] for each in shown["iterations"]
    ]
    assert resolved == ["x", "y", "z"]
    [loop] = shown["tasks"]
    assert loop["for_each_task"]["stats"] == {
        "task_run_stats": {
            "total_iterations": 3,
            "scheduled_iterations": 3,
            "active_iterations": 0,
            "completed_iterations": 3,
            "failed_iterations": 0,
            "succeeded_iterations": 3,
        }
    }
    alone = caller.run(shown["iterations"][1]["run_id"])
    assert (alone["task_key"], alone["job_run_id"]) == ("each", run_id)


@pytest.mark.fact("runs.get.for-each-stats")
def test_for_each_run_shows_what_went_wrong(workspace: Workspace, caller: Caller) -> None:
    """The messages of failed iterations are counted."""
    workspace.scenarios.add("*", [Outcome(tasks={"each": Outcome(termination_code="RUN_EXECUTION_ERROR")})])
    run_id = caller.submit(graph_body(_FOR_EACH))
    workspace.clock.advance("1d")
    [loop] = caller.run(run_id)["tasks"]
    stats = loop["for_each_task"]["stats"]
    assert stats["task_run_stats"]["failed_iterations"] == 3
    assert stats["error_message_stats"] == [
        {
            "count": 3,
            "error_message": "Workload failed, see run output for details",
            "termination_category": "RUN_EXECUTION_ERROR",
        }
    ]


@pytest.mark.fact("runs.get.iterations")
def test_iterations_are_paged_by_hundreds(workspace: Workspace, caller: Caller) -> None:
    """Under 2.2; the older versions show the first hundred."""
    inputs = str([*range(101)])
    loop = {"task_key": "loop", "for_each_task": {"inputs": inputs, "concurrency": 100, "task": task("each")}}
    run_id = caller.submit(graph_body(loop))
    workspace.clock.advance("1d")
    loop_id = caller.run(run_id)["tasks"][0]["run_id"]
    assert len(caller.run(loop_id)["iterations"]) == 100
    assert "next_page_token" not in caller.run(loop_id)
    new = caller.under("2.2")
    first = new.run(loop_id)
    second = new.run(loop_id, page_token=first["next_page_token"])
    assert (len(first["iterations"]), len(second["iterations"]), len(second["tasks"])) == (100, 1, 1)
    assert "next_page_token" not in second


@pytest.mark.fact("runs.get.condition-outcome")
def test_condition_shows_its_outcome(workspace: Workspace, caller: Caller) -> None:
    """As a word, once it has been evaluated."""
    operands = {"op": "LESS_THAN", "left": "{{job.name}}", "right": "1"}
    condition = {"task_key": "c", "condition_task": operands, "depends_on": [{"task_key": "a"}]}
    run_id = caller.submit(graph_body(task("a"), condition, run_name="2"))
    assert "outcome" not in caller.run(run_id)["tasks"][1]["condition_task"]
    workspace.clock.advance("1d")
    shown = caller.run(run_id, include_resolved_values="true")["tasks"][1]
    assert shown["condition_task"]["outcome"] == "false"
    assert shown["resolved_values"] == {"condition_task": {"left": "2", "right": "1"}}


@pytest.mark.fact("runs.get-output.run-job", "runs.get.trigger-info")
def test_run_job_task_names_the_run_it_started(workspace: Workspace, caller: Caller) -> None:
    """And that run names the one above."""
    job_id = caller.post("create", {"name": "below", "tasks": [task("a")]})["job_id"]
    starter = {"task_key": "r", "run_job_task": {"job_id": job_id}, "depends_on": [{"task_key": "first"}]}
    run_id = caller.submit(graph_body(task("first"), starter))
    r = caller.run(run_id)["tasks"][1]["run_id"]
    assert "run_job_output" not in caller.get("runs/get-output", run_id=r)
    workspace.clock.advance("1d")
    child = caller.get("runs/get-output", run_id=r)["run_job_output"]["run_id"]
    assert caller.run(child) == IsPartialDict(
        run_name="below", trigger="RUN_JOB_TASK", trigger_info={"run_id": run_id}, run_type="JOB_RUN"
    )
