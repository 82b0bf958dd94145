"""Records to wire JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dirty_equals import IsPartialDict, IsStr
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator import Outcome, TerminationCode, Timing, Workspace
from dbx_emulator._core.clock import EPOCH_MS
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, PYTHON, Caller, Json, flat_body, graph_body, task

RUN = 400_000_000_000_001
JOB = 900_000_000_000_001
PAGE = f"https://dbx-emulator.cloud.databricks.com/?o=900800700600#job/{JOB}/run/"


def _active(state: str, message: str) -> Json:
    return {"life_cycle_state": state, "state_message": message, "user_cancelled_or_timedout": False}


def _ended(*, end_time: int, start_time: int) -> Json:
    return {"end_time": end_time, "run_duration": end_time - start_time}


@pytest.mark.fact(
    "runs.get.flat-task-run-id", "runs.get.flat-task-key", "runs.get.run-page-url", "runs.get.zeros-shown"
)
def test_flat_run_under_2_1_shows_itself_as_its_only_task(caller: Caller) -> None:
    """Its task has the run's own id and is named by the run's name, blanks made underscores."""
    caller.submit(flat_body("nightly etl", timeout_seconds=0, max_retries=1.0))
    shared = {
        "run_id": RUN,
        "state": _active("PENDING", "Waiting for cluster"),
        "start_time": EPOCH_MS,
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "end_time": 0,
        "run_page_url": f"{PAGE}{RUN}",
        "status": {"state": "PENDING"},
    }
    assert caller.run(RUN) == shared | {
        "attempt_number": 0,
        "job_id": JOB,
        "creator_user_name": "user@example.com",
        "number_in_job": RUN,
        "run_name": "nightly etl",
        "run_type": "SUBMIT_RUN",
        "format": "SINGLE_TASK",
        "tasks": [
            shared
            | {
                "task_key": "nightly_etl",
                "run_if": "ALL_SUCCESS",
                "new_cluster": NEW_CLUSTER,
                "spark_python_task": PYTHON,
                "timeout_seconds": 0,
                "max_retries": 1,
                "cluster_instance": {"cluster_id": IsStr(regex=r"0101-000000-[0-9a-f]{8}")},
                "attempt_number": 0,
            }
        ],
    }


@pytest.mark.fact("runs.get.flat-2-0")
def test_flat_run_under_2_0_shows_task_and_cluster_at_its_root(caller: Caller) -> None:
    """2.0 says `task` and `cluster_spec` where the later versions say `tasks`."""
    caller.submit(flat_body(libraries=[{"jar": "dbfs:/x.jar"}], timeout_seconds=5))
    shown = caller.under("2.0").run(RUN)
    assert "tasks" not in shown
    assert shown == IsPartialDict(
        run_id=RUN,
        task={"spark_python_task": PYTHON},
        cluster_spec={"new_cluster": NEW_CLUSTER, "libraries": [{"jar": "dbfs:/x.jar"}]},
        cluster_instance={"cluster_id": IsStr()},
        format="SINGLE_TASK",
    )


def test_graph_run_is_the_same_under_every_version(caller: Caller) -> None:
    """A run with `tasks` shows them under 2.0 too, and each version reads the same run."""
    run_id = caller.submit(graph_body(task("a"), task("b", "a")))
    bodies = [caller.under(version).run(run_id) for version in ("2.0", "2.1", "2.2")]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["format"] == "MULTI_TASK"


@pytest.mark.fact("runs.durations.run")
def test_run_over_time_of_a_flat_run(caller: Caller) -> None:
    """States, durations and ends are those of its task, in both forms of state."""
    caller.submit()
    over_time = []
    for seconds in (120, 60, 2):
        caller.workspace.clock.advance(seconds)
        over_time.append(caller.run(RUN))
    running, terminating, terminated = over_time
    success = {"code": "SUCCESS", "type": "SUCCESS", "message": ""}
    assert running == IsPartialDict(
        state=_active("RUNNING", "In run"), status={"state": "RUNNING"}, setup_duration=120_000, end_time=0
    )
    assert terminating == IsPartialDict(
        state=_active("TERMINATING", ""),
        status={"state": "TERMINATING", "termination_details": success},
        execution_duration=60_000,
    )
    ended = {
        "state": _active("TERMINATED", "") | {"result_state": "SUCCESS"},
        "status": {"state": "TERMINATED", "termination_details": success},
        "setup_duration": 120_000,
        "execution_duration": 60_000,
        "cleanup_duration": 2_000,
        "start_time": EPOCH_MS,
    } | _ended(end_time=EPOCH_MS + 182_000, start_time=EPOCH_MS)
    assert terminated == IsPartialDict(ended)
    assert terminated["tasks"] == [IsPartialDict(ended)]


@pytest.mark.fact("runs.cluster-instance.phases")
def test_cluster_has_a_context_once_the_work_began(caller: Caller) -> None:
    """The cluster has an id as soon as it is requested, and a context when it is ready."""
    caller.workspace.scenarios.add("*", [Outcome(queue="1m", cluster="1m")])
    run_id = caller.submit()

    def instance() -> object:
        return caller.run(run_id)["tasks"][0].get("cluster_instance")

    assert instance() is None
    caller.workspace.clock.advance("1m")
    assert instance() == {"cluster_id": IsStr()}
    caller.workspace.clock.advance("1m")
    assert instance() == {"cluster_id": IsStr(), "spark_context_id": IsStr(regex=r"\d{19}")}
    caller.workspace.clock.advance("1d")
    assert instance() == {"cluster_id": IsStr(), "spark_context_id": IsStr(regex=r"\d{19}")}


@pytest.mark.fact("runs.cluster-instance.phases")
def test_cluster_that_never_was_ready_has_no_context(caller: Caller) -> None:
    """A run whose cluster could not start ends with the id alone."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="CLUSTER_ERROR")])
    run_id = caller.submit()
    caller.workspace.clock.advance("1d")
    assert caller.run(run_id)["tasks"][0]["cluster_instance"] == {"cluster_id": IsStr()}


@pytest.mark.fact("runs.get.status-shape")
def test_queued_run_says_why(caller: Caller) -> None:
    """Both forms of state give the reason, and the time in the queue is shown afterwards."""
    caller.workspace.scenarios.add("*", [Outcome(queue="14s")])
    run_id = caller.submit()
    reason = caller.run(run_id)["state"]["queue_reason"]
    assert caller.run(run_id) == IsPartialDict(
        state=_active("QUEUED", "") | {"queue_reason": IsStr(min_length=1)},
        status={
            "state": "QUEUED",
            "queue_details": {"code": "ACTIVE_RUNS_LIMIT_REACHED", "message": reason},
        },
    )
    assert "queue_duration" not in caller.run(run_id)
    caller.workspace.clock.advance("14s")
    after = caller.run(run_id)
    assert (after["queue_duration"], after["status"]) == (14_000, {"state": "PENDING"})


@pytest.mark.fact("runs.get.user-error")
def test_flat_run_that_fails_in_user_code_is_terminated(caller: Caller) -> None:
    """A flat run is its task: TERMINATED and FAILED, with the service's words."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    run_id = caller.submit()
    caller.workspace.clock.advance("1d")
    message = "Workload failed, see run output for details"
    assert caller.run(run_id) == IsPartialDict(
        state=_active("TERMINATED", message) | {"result_state": "FAILED"},
        status={
            "state": "TERMINATED",
            "termination_details": {
                "code": "RUN_EXECUTION_ERROR",
                "type": "CLIENT_ERROR",
                "message": message,
            },
        },
    )


@pytest.mark.fact("runs.get.parent-failed", "runs.get.user-error", "runs.durations.parent-zero")
def test_graph_run_that_fails_is_an_internal_error_over_terminated_tasks(caller: Caller) -> None:
    """The run is INTERNAL_ERROR, its tasks are TERMINATED or SKIPPED, and it shows no durations of its own."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    run_id = caller.submit(graph_body(task("a"), task("b", "a")))
    caller.workspace.clock.advance("1d")
    message = (
        "Task a failed with message: Workload failed, see run output for details."
        " This caused all downstream tasks to get skipped."
    )
    shown = caller.run(run_id)
    assert shown == IsPartialDict(
        state=_active("INTERNAL_ERROR", message) | {"result_state": "FAILED"},
        status={
            "state": "TERMINATED",
            "termination_details": {
                "code": "RUN_EXECUTION_ERROR",
                "type": "CLIENT_ERROR",
                "message": message,
            },
        },
        setup_duration=0,
        execution_duration=0,
        cleanup_duration=0,
        **_ended(end_time=EPOCH_MS + 182_000, start_time=EPOCH_MS),
    )
    a, b = shown["tasks"]
    assert (a["state"]["life_cycle_state"], a["state"]["result_state"]) == ("TERMINATED", "FAILED")
    assert b == IsPartialDict(
        depends_on=[{"task_key": "a"}],
        state=_active("SKIPPED", "An upstream task failed.") | {"result_state": "UPSTREAM_FAILED"},
        start_time=0,
        setup_duration=0,
    )
    assert "run_duration" not in b
    assert "cluster_instance" not in b


@pytest.mark.fact("runs.durations.parent-zero")
def test_run_of_one_task_copies_its_durations(caller: Caller) -> None:
    """Only a run of several tasks shows zeros."""
    run_id = caller.submit(graph_body(task("a")))
    caller.workspace.clock.advance("1d")
    shown = caller.run(run_id)
    assert (shown["setup_duration"], shown["execution_duration"], shown["cleanup_duration"]) == (
        120_000,
        60_000,
        2_000,
    )


@pytest.mark.fact("runs.cancel.user-canceled")
@pytest.mark.parametrize(
    "body",
    [pytest.param(flat_body(), id="flat"), pytest.param(graph_body(task("a"), task("b", "a")), id="graph")],
)
def test_cancelled_run_says_by_whom(caller: Caller, body: Json) -> None:
    """The flag of old and the newer code both say that a user did it."""
    run_id = caller.submit(body)
    assert caller.post("runs/cancel", {"run_id": run_id}) == {}
    caller.workspace.clock.advance("1d")
    assert caller.run(run_id) == IsPartialDict(
        state={
            "life_cycle_state": "TERMINATED",
            "result_state": "CANCELED",
            "state_message": "Run cancelled by user",
            "user_cancelled_or_timedout": True,
        },
        status={
            "state": "TERMINATED",
            "termination_details": {
                "code": "USER_CANCELED",
                "type": "SUCCESS",
                "message": "Run cancelled by user",
            },
        },
    )


@pytest.mark.fact("runs.get.task-run")
def test_task_run_has_the_shape_of_a_run(caller: Caller) -> None:
    """Read by its own id, a task run shows itself as its only task and names the run above it."""
    run_id = caller.submit(graph_body(task("a"), task("b", "a")))
    caller.workspace.clock.advance("2m30s")
    parent = caller.run(run_id)
    a = parent["tasks"][0]
    assert len({run_id, *(each["run_id"] for each in parent["tasks"])}) == 3
    own = {
        name: a[name] for name in ("run_id", "state", "status", "start_time", "setup_duration", "end_time")
    }
    assert caller.run(a["run_id"]) == parent | own | {
        "run_page_url": f"{PAGE}{a['run_id']}",
        "number_in_job": a["run_id"],
        "job_run_id": run_id,
        "parent_run_id": run_id,
        "task_key": "a",
        "attempt_number": 0,
        "tasks": [a],
    }


def test_task_run_that_never_started_took_no_time(caller: Caller) -> None:
    """A skipped task does not show how long the run above it took."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    run_id = caller.submit(graph_body(task("a"), task("b", "a")))
    caller.workspace.clock.advance("1d")
    skipped = caller.run(run_id)["tasks"][1]["run_id"]
    shown = caller.run(skipped)
    assert shown["start_time"] == 0
    assert "run_duration" not in shown


def _nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_nulls(each) for each in value.values())
    if isinstance(value, list):
        return any(_nulls(each) for each in value)
    return value is None


@pytest.mark.fact("runs.get.no-nulls", "runs.get.zeros-shown")
@pytest.mark.parametrize("code", TerminationCode)
def test_no_body_holds_a_null_and_zeros_are_shown(code: TerminationCode) -> None:
    """Whatever happens to a run, no field is null at any time, and durations are numbers from the first read."""
    caller = Caller(Workspace(timing=Timing(queue="1s")), "2.2")
    caller.workspace.scenarios.add("*", [Outcome(termination_code=code)])
    notebook = NOTEBOOK | {"warehouse_id": None, "base_parameters": {"zone": "eu"}}
    flat = caller.submit(flat_body(spark_python_task=None, notebook_task=notebook, libraries=None))
    graph = caller.submit(graph_body(task("a"), task("b", "a"), git_source=None))
    for _ in range(5):
        for run_id in (flat, graph, caller.run(graph)["tasks"][1]["run_id"]):
            shown = caller.run(run_id)
            assert not _nulls(shown)
            for each in (shown, *shown["tasks"]):
                durations = [each[f"{name}_duration"] for name in ("setup", "execution", "cleanup")]
                assert all(isinstance(duration, int) for duration in (*durations, each["end_time"]))
                assert isinstance(each["state"]["user_cancelled_or_timedout"], bool)
        assert not _nulls(caller.get("runs/list", expand_tasks="true"))
        assert not _nulls(caller.get("runs/get-output", run_id=flat))
        caller.workspace.clock.advance("1m")


_MOVES = st.lists(st.sampled_from(["0.5s", "1m", "2m", "10m", "cancel", "cancel-task"]), max_size=6)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(moves=_MOVES, code=st.sampled_from(list(TerminationCode)))
def test_reading_twice_at_one_virtual_time_gives_the_same_bytes(
    moves: list[str], code: TerminationCode
) -> None:
    """A body is the same when read again, and the same as if it had been rendered just now."""
    workspace = Workspace(timing=Timing(queue="1s"))
    workspace.scenarios.add("*", [Outcome(termination_code=code)])
    caller = Caller(workspace, "2.2")
    flat, graph = caller.submit(), caller.submit(graph_body(task("a"), task("b", "a")))
    a, b = (each["run_id"] for each in caller.run(graph)["tasks"])
    calls: list[tuple[str, str, Json]] = [
        *(
            (version, "runs/get", {"run_id": run_id})
            for version in ("2.0", "2.2")
            for run_id in (flat, graph, a, b)
        ),
        *(("2.2", "runs/get-output", {"run_id": run_id}) for run_id in (flat, a, b)),
        ("2.2", "runs/list", {}),
        ("2.2", "runs/list", {"expand_tasks": "true"}),
    ]

    def read() -> list[bytes]:
        return [caller.under(version).reply("GET", name, **fields).body for version, name, fields in calls]

    for move in ["0s", *moves]:
        if move.startswith("cancel"):
            caller.post("runs/cancel", {"run_id": a if move == "cancel-task" else graph})
        else:
            workspace.clock.advance(move)
        first = read()
        assert read() == first
        for job_run in workspace.runs:
            job_run.rendered.clear()
        assert read() == first


def test_body_is_rendered_once_until_the_next_event(caller: Caller) -> None:
    """Polling hands out the very same bytes; a new state is a new rendering."""
    run_id = caller.submit()
    first = caller.reply("GET", "runs/get", run_id=run_id).body
    caller.workspace.clock.advance("1m")
    assert caller.reply("GET", "runs/get", run_id=run_id).body is first
    caller.workspace.clock.advance("1m")
    assert caller.reply("GET", "runs/get", run_id=run_id).body != first


def test_body_is_json_of_the_wire(caller: Caller) -> None:
    """Ids are numbers below 2**53 and times are epoch milliseconds."""
    caller.submit()
    shown = json.loads(caller.reply("GET", "runs/get", run_id=RUN).body)
    assert 0 < shown["run_id"] < 2**53
    assert shown["start_time"] > 1_400_000_000_000


@pytest.mark.fact("runs.retries.attempts")
def test_attempts_are_further_elements_of_tasks(workspace: Workspace, caller: Caller) -> None:
    """Same task key, own run id, next number; each can be read alone, and has its own output."""
    lost = Outcome(
        termination_code="RUN_EXECUTION_ERROR", error="boom", retries=[Outcome(notebook_output="42")]
    )
    workspace.scenarios.add("*", [lost])
    run_id = caller.submit(graph_body(task("a", max_retries=1)))
    workspace.clock.advance("1h")
    tasks = caller.run(run_id)["tasks"]
    assert [(each["task_key"], each["attempt_number"], each["state"]["result_state"]) for each in tasks] == [
        ("a", 0, "FAILED"),
        ("a", 1, "SUCCESS"),
    ]
    first, second = (each["run_id"] for each in tasks)
    assert caller.run(first)["state"]["result_state"] == "FAILED"
    assert caller.get("runs/get-output", run_id=first)["error"] == "boom"
    assert caller.get("runs/get-output", run_id=second)["notebook_output"]["result"] == "42"
    assert caller.run(run_id)["state"]["result_state"] == "SUCCESS"


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_flat_run_that_is_retried_keeps_its_id(workspace: Workspace, caller: Caller, version: str) -> None:
    """The run shows its latest attempt under every version; the attempt has an id of its own besides."""
    workspace.scenarios.add("*", [Outcome(termination_code="CLOUD_FAILURE", retries=[Outcome(logs="done")])])
    run_id = caller.submit(flat_body(max_retries=1))
    workspace.clock.advance("1h")
    run = caller.under(version).run(run_id)
    assert (run["run_id"], run["state"]["result_state"], run["execution_duration"]) == (
        run_id,
        "SUCCESS",
        60_000,
    )
    assert caller.get("runs/get-output", run_id=run_id)["logs"] == "done"
    attempts = caller.run(run_id)["tasks"]
    assert [each["attempt_number"] for each in attempts] == [0, 1]
    alone = caller.run(attempts[1]["run_id"])
    assert (alone["run_id"], alone["job_run_id"]) == (attempts[1]["run_id"], run_id)
