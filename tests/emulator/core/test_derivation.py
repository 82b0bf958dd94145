"""What the state of a job run is, given its task runs."""

from __future__ import annotations

import pytest

from dbx_emulator._core.attempts import terminate
from dbx_emulator._core.derivation import derive_job_run
from dbx_emulator._core.lifecycle import MESSAGES, Event, JobRunState, mirror_task_run
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.states import (
    LifeCycleState,
    QueueCode,
    ResultState,
    TerminationCode,
    TerminationType,
)
from tests.emulator.support import make_runs, submitted_task

L = LifeCycleState

#: A state, perhaps with the code and the result of an end.
_State = tuple[str, str, str]

_OK = ("TERMINATED", "SUCCESS", "")
_FAILED = ("TERMINATED", "RUN_EXECUTION_ERROR", "")
_LOST = ("INTERNAL_ERROR", "CLOUD_FAILURE", "")
_CANCELLED = ("TERMINATED", "USER_CANCELED", "")
_SKIPPED = ("SKIPPED", "SKIPPED", "UPSTREAM_FAILED")
_SKIPPED_BY_A_CANCEL = ("SKIPPED", "SKIPPED", "UPSTREAM_CANCELED")
_EXCLUDED = ("SKIPPED", "SKIPPED", "EXCLUDED")
_DISABLED = ("SKIPPED", "DISABLED", "")
_REFUSED = ("SKIPPED", "MAX_CONCURRENT_RUNS_EXCEEDED", "")

_WORKLOAD_FAILED = "Workload failed, see run output for details"


def _job_run(graph: str, *states: str | _State) -> JobRun:
    """Return a run whose tasks are in the given states; of `a b<a`, the task b depends on a."""
    keys = [each.partition("<") for each in graph.split()]
    job_run, task_runs = make_runs(*(submitted_task(key, *upstream) for key, _, upstream in keys))
    job_run.states.clear()
    for task_run, each in zip(task_runs, states, strict=True):
        state, code, result = (each, "", "") if isinstance(each, str) else each
        task_run.life_cycle_state = L(state)
        job_run.states[task_run.life_cycle_state] = 1
        if code:
            terminate(task_run, TerminationCode(code), result_state=ResultState(result) if result else None)
    return job_run


@pytest.mark.parametrize(
    ("states", "parent"),
    [
        pytest.param(["PENDING"], "PENDING", id="one"),
        pytest.param(["BLOCKED"], "PENDING", id="disabled"),
        pytest.param(["WAITING_FOR_RETRY"], "RUNNING", id="waiting-for-a-retry"),
        pytest.param(["PENDING", "BLOCKED"], "PENDING", id="pending-and-blocked"),
        pytest.param(["QUEUED", "BLOCKED"], "QUEUED", id="queued-and-blocked"),
        pytest.param(["QUEUED", "PENDING"], "PENDING", id="queued-and-pending"),
        pytest.param(["RUNNING", "PENDING", "QUEUED", "BLOCKED"], "RUNNING", id="one-running"),
        pytest.param(["TERMINATING", "BLOCKED"], "RUNNING", id="terminating-and-blocked"),
        pytest.param(["TERMINATED", "PENDING"], "RUNNING", id="terminated-and-pending"),
        pytest.param(["SKIPPED", "QUEUED"], "RUNNING", id="skipped-and-queued"),
        pytest.param(["TERMINATED", "TERMINATING"], "TERMINATING", id="last-is-terminating"),
    ],
)
@pytest.mark.fact("runs.get.parent-pending")
def test_parent_of_active_tasks(states: list[str], parent: str) -> None:
    """A job run is PENDING with its tasks, RUNNING from the first that left setup behind, until all are over."""
    job_run = _job_run(" ".join("abcd"[: len(states)]), *states)
    assert derive_job_run(job_run) == JobRunState(L(parent), message=MESSAGES[L(parent)])


@pytest.mark.parametrize("stop", [Event.CANCEL_REQUESTED, Event.TIMED_OUT])
def test_parent_that_is_being_stopped_is_terminating(stop: Event) -> None:
    """From then on, a job run is TERMINATING until its last task is over."""
    job_run = _job_run("a b", ("TERMINATING", "USER_CANCELED", ""), "RUNNING")
    job_run.stopping = stop
    assert derive_job_run(job_run) == JobRunState(L.TERMINATING)


def test_parent_that_is_held_back_is_queued_whatever_became_of_single_tasks() -> None:
    """A task that was cancelled in the queue does not set the others going."""
    job_run = _job_run("a b", _CANCELLED, "QUEUED")
    job_run.queue_code = QueueCode.MAX_CONCURRENT_RUNS_REACHED
    assert derive_job_run(job_run) == JobRunState(L.QUEUED)


@pytest.mark.fact("runs.get.parent-leaves", "runs.run-if.disabled")
@pytest.mark.parametrize(
    ("graph", "states", "code"),
    [
        pytest.param("a b", [_OK, _OK], "SUCCESS", id="all-succeeded"),
        pytest.param("a b<a", [_OK, _EXCLUDED], "SUCCESS", id="excluded-leaf"),
        pytest.param("a b", [_DISABLED, _OK], "SUCCESS", id="disabled-task"),
        pytest.param("a b", [_EXCLUDED, _DISABLED], "SUCCESS", id="nothing-executed"),
        pytest.param("a b<a", [_FAILED, _OK], "SUCCESS_WITH_FAILURES", id="failure-above-the-leaf"),
        pytest.param("a b<a", [_CANCELLED, _OK], "SUCCESS_WITH_FAILURES", id="cancelled-above-the-leaf"),
        pytest.param("a b<a c<b", [_FAILED, _SKIPPED, _OK], "SUCCESS_WITH_FAILURES", id="skipped-above"),
        pytest.param("a b<a", [_FAILED, _EXCLUDED], "SUCCESS_WITH_FAILURES", id="leaf-excluded"),
    ],
)
def test_parent_succeeds_with_its_leaves(graph: str, states: list[_State], code: str) -> None:
    """Only tasks that nobody depends on decide; what failed above them is told by the code."""
    assert derive_job_run(_job_run(graph, *states)) == JobRunState(
        L.TERMINATED, TerminationCode(code), TerminationType.SUCCESS, ResultState(code)
    )


@pytest.mark.fact("runs.get.parent-failed", "runs.get.parent-downstream")
@pytest.mark.parametrize(
    ("graph", "states", "code", "message"),
    [
        pytest.param("a b", [_OK, _FAILED], "RUN_EXECUTION_ERROR", f"b {_WORKLOAD_FAILED}.", id="a-leaf"),
        pytest.param(
            "a b", [_SKIPPED, _FAILED], "RUN_EXECUTION_ERROR", f"b {_WORKLOAD_FAILED}.", id="not-below"
        ),
        pytest.param(
            "a b<a",
            [_FAILED, _SKIPPED],
            "RUN_EXECUTION_ERROR",
            f"a {_WORKLOAD_FAILED}. This caused all downstream tasks to get skipped.",
            id="downstream-skipped",
        ),
        pytest.param(
            "a b<a c", [_FAILED, _OK, _LOST], "RUN_EXECUTION_ERROR", f"a {_WORKLOAD_FAILED}.", id="first-key"
        ),
        pytest.param("a b c", [_OK, _LOST, _FAILED], "CLOUD_FAILURE", None, id="first-failure-counts"),
        pytest.param("a b", [_CANCELLED, _FAILED], "RUN_EXECUTION_ERROR", None, id="beside-a-cancelled"),
        pytest.param("a b", [_OK, _SKIPPED], "SKIPPED", None, id="skipped-by-its-outcome"),
    ],
)
def test_parent_of_a_failed_leaf_is_an_internal_error(
    graph: str, states: list[_State], code: str, message: str | None
) -> None:
    """It is INTERNAL_ERROR and FAILED, with the first failing task's code and message."""
    derived = derive_job_run(_job_run(graph, *states))
    assert (derived.life_cycle_state, derived.code, derived.result_state) == (
        L.INTERNAL_ERROR,
        code,
        ResultState.FAILED,
    )
    if message is not None:
        key, text = message[0], message[2:]
        assert derived.message == f"Task {key} failed with message: {text}"


@pytest.mark.parametrize(
    ("graph", "states", "stopping"),
    [
        pytest.param("a b", [_CANCELLED, _CANCELLED], Event.CANCEL_REQUESTED, id="whole-run"),
        pytest.param("a b", [_FAILED, _CANCELLED], Event.CANCEL_REQUESTED, id="whole-run-after-a-failure"),
        pytest.param("a b", [_OK, _CANCELLED], None, id="only-a-task"),
        pytest.param("a b", [_OK, _SKIPPED_BY_A_CANCEL], None, id="only-a-blocked-task"),
    ],
)
def test_parent_of_cancelled_tasks_is_cancelled(
    graph: str, states: list[_State], stopping: Event | None
) -> None:
    """A user's cancel shows on the run, unless a task failed and only another was cancelled."""
    job_run = _job_run(graph, *states)
    job_run.stopping = stopping
    assert derive_job_run(job_run) == JobRunState(
        L.TERMINATED,
        TerminationCode.USER_CANCELED,
        TerminationType.SUCCESS,
        ResultState.CANCELED,
        "Run cancelled by user",
    )


@pytest.mark.fact("runs.timeout.code")
def test_parent_that_took_too_long_is_timed_out() -> None:
    """Whatever its tasks had become by then."""
    job_run = _job_run("a b", _OK, ("TERMINATED", "CANCELED", ""))
    job_run.stopping = Event.TIMED_OUT
    derived = derive_job_run(job_run)
    assert (derived.life_cycle_state, derived.code, derived.result_state) == (
        L.TERMINATED,
        TerminationCode.CANCELED,
        ResultState.TIMEDOUT,
    )


def test_parent_of_tasks_that_all_were_refused_is_skipped() -> None:
    """Where nothing was executed and nothing was right, the run ended as its first such task did."""
    job_run = _job_run("a b", _REFUSED, _REFUSED)
    assert derive_job_run(job_run) == mirror_task_run(job_run.task_runs[0])
