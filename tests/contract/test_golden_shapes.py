"""Shapes of answers that public records show, written down by hand: which keys there are, and what they say."""

from __future__ import annotations

import pytest
from dirty_equals import IsInt, IsPartialDict, IsStr

from dbx_emulator import Outcome
from tests.emulator.support import NOTEBOOK, flat_body, graph_body, task

from .conftest import Door, Json

_FLAT: Json = {"new_cluster": {"spark_version": "5.5.x", "num_workers": 1}, "notebook_task": NOTEBOOK}


@pytest.mark.fact("runs.get.flat-2-0", "runs.cluster-instance.phases", "runs.state-message.active")
def test_flat_run_of_2_0_over_time(door: Door) -> None:
    """As the three samples of 2020: pending without a context, running, terminated."""
    door.workspace.scenarios.add("*", [Outcome(cluster="151s", run="49s", terminating="1s")])
    run_id = door.submit(_FLAT, "2.0")
    seen = []
    for seconds in (0, 151, 50):
        door.workspace.clock.advance(seconds)
        run = door.run(run_id, "2.0")
        durations = tuple(run[f"{name}_duration"] for name in ("setup", "execution", "cleanup"))
        state = run["state"]
        seen.append(
            (state["life_cycle_state"], state["state_message"], durations, set(run["cluster_instance"]))
        )
        assert run == IsPartialDict(
            run_type="SUBMIT_RUN", task={"notebook_task": NOTEBOOK}, cluster_spec=IsPartialDict()
        )
        assert "trigger" not in run
    assert seen == [
        ("PENDING", "Waiting for cluster", (0, 0, 0), {"cluster_id"}),
        ("RUNNING", "In run", (151_000, 0, 0), {"cluster_id", "spark_context_id"}),
        ("TERMINATED", "", (151_000, 49_000, 1_000), {"cluster_id", "spark_context_id"}),
    ]


def test_run_cancelled_while_its_cluster_starts(door: Door) -> None:
    """As the record of 2023: neither setup nor work are shown, the clean-up took 23 s, the flag is up."""
    door.workspace.scenarios.add("*", [Outcome(cluster="10m", terminating="23s")])
    run_id = door.submit(flat_body())
    door.workspace.clock.advance("4s")
    door.post("runs/cancel", {"run_id": run_id})
    door.workspace.clock.advance("1m")
    run = door.run(run_id)
    assert run == IsPartialDict(setup_duration=0, execution_duration=0, cleanup_duration=23_000)
    assert run["end_time"] - run["start_time"] == 27_000
    assert run["state"] == IsPartialDict(
        life_cycle_state="TERMINATED", result_state="CANCELED", user_cancelled_or_timedout=True
    )


def test_run_of_one_task_has_the_tasks_times(door: Door) -> None:
    """As the record of a submitted run of 2023: its durations are its task's, which has another id."""
    door.workspace.scenarios.add("*", [Outcome(cluster="338s", run="591s")])
    run_id = door.submit(graph_body(task("only")))
    door.workspace.clock.advance("1h")
    run = door.run(run_id)
    [only] = run["tasks"]
    for shown in (run, only):
        assert shown == IsPartialDict(setup_duration=338_000, execution_duration=591_000)
    assert only["run_id"] != run_id
    assert "cluster_instance" in only
    assert not {"trigger", "original_attempt_run_id", "cluster_instance"} & run.keys()


def test_output_of_a_failed_notebook_of_a_job(door: Door) -> None:
    """As the record of 2025: the whole run as metadata, an empty notebook output, error and trace."""
    failed = Outcome(termination_code="RUN_EXECUTION_ERROR", error="E: x", error_trace="\x1b[0;31mE\x1b[0m")
    door.workspace.scenarios.add("*", [failed])
    job_id = door.post("create", {"tasks": [task("a")]}, "2.2").json()["job_id"]
    run_id = door.post("run-now", {"job_id": job_id}, "2.2").json()["run_id"]
    door.workspace.clock.advance("1h")
    task_run_id = door.run(run_id, "2.2")["tasks"][0]["run_id"]
    output = door.get("runs/get-output", "2.2", run_id=task_run_id).json()
    message = "Workload failed, see run output for details"
    assert output == {
        "metadata": IsPartialDict(
            job_id=job_id,
            run_id=task_run_id,
            parent_run_id=run_id,
            job_run_id=run_id,
            number_in_job=task_run_id,
            original_attempt_run_id=task_run_id,
            task_key="a",
            format="MULTI_TASK",
            run_type="JOB_RUN",
            trigger="ONE_TIME",
            run_page_url=IsStr(regex=rf"https?://.+/\?o=\d+#job/{job_id}/run/{task_run_id}"),
            status={
                "state": "TERMINATED",
                "termination_details": {
                    "code": "RUN_EXECUTION_ERROR",
                    "type": "CLIENT_ERROR",
                    "message": message,
                },
            },
        ),
        "error": "E: x",
        "error_trace": "\x1b[0;31mE\x1b[0m",
        "notebook_output": {},
    }


def test_item_of_a_list(door: Door) -> None:
    """As the record of a list: a running run of a job, over which nothing is known yet."""
    job_id = door.post("create", {"tasks": [task("a")]}).json()["job_id"]
    door.post("run-now", {"job_id": job_id})
    door.workspace.clock.advance("2m")
    assert door.get("runs/list").json() == {
        "runs": [
            IsPartialDict(
                state=IsPartialDict(life_cycle_state="RUNNING", state_message="In run"),
                setup_duration=IsInt(gt=0),
                end_time=0,
                trigger="ONE_TIME",
                format="MULTI_TASK",
            )
        ],
        "has_more": False,
    }


def test_existing_cluster_that_is_gone(door: Door) -> None:
    """As the record of 2019: an internal error that took no time, on the cluster that it named."""
    message = "Run executed on existing cluster ID 0101-1 failed since the cluster does not exist."
    door.workspace.scenarios.add("*", [Outcome(termination_code="CLUSTER_ERROR", message=message, cluster=0)])
    run_id = door.submit({"existing_cluster_id": "0101-1", "spark_jar_task": {"main_class_name": "M"}})
    run = door.run(run_id)
    assert run["state"] == IsPartialDict(
        life_cycle_state="INTERNAL_ERROR", result_state="FAILED", state_message=message
    )
    assert run == IsPartialDict(setup_duration=0, execution_duration=0, cleanup_duration=0)
    assert run["tasks"][0]["cluster_instance"] == {"cluster_id": "0101-1"}
