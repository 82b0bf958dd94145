"""Which state follows which."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.lifecycle import (
    ENDINGS,
    MESSAGES,
    STAGES,
    STATUS,
    TERMINAL,
    TRANSITIONS,
    Event,
    JobRunState,
    derive_job_run,
    ends_with,
    initial_state,
    mirror_task_run,
    next_state,
)
from dbx_emulator._core.runs import TaskRun
from dbx_emulator._core.states import (
    LifeCycleState,
    ResultState,
    StatusState,
    TerminationCode,
    TerminationType,
)
from dbx_emulator._core.terminations import TERMINATIONS
from tests.emulator.support import make_runs, submitted_task

L = LifeCycleState

#: The documented diagram of a task run, written down a second time: from → to.
_DOCUMENTED = {
    L.BLOCKED: {L.PENDING, L.SKIPPED},
    L.QUEUED: {L.PENDING, L.SKIPPED, L.TERMINATING},
    L.PENDING: {L.RUNNING, L.SKIPPED, L.INTERNAL_ERROR, L.TERMINATING},
    L.RUNNING: {L.TERMINATING},
    L.TERMINATING: {L.TERMINATED, L.INTERNAL_ERROR},
    L.TERMINATED: set[L](),
    L.SKIPPED: set[L](),
    L.INTERNAL_ERROR: set[L](),
    L.WAITING_FOR_RETRY: {L.PENDING, L.TERMINATING},
}


@pytest.mark.fact("runs.lifecycle.task")
def test_transitions_are_the_documented_ones() -> None:
    """Every state has its row, and each row leads where the diagram leads."""
    assert {state: set(row.values()) for state, row in TRANSITIONS.items()} == _DOCUMENTED


@pytest.mark.fact("runs.lifecycle.task")
def test_terminal_states_are_the_dead_ends() -> None:
    """Nothing follows a terminal state, and something follows every state that a run can come into."""
    dead_ends = {state for state, row in TRANSITIONS.items() if not row}
    assert dead_ends - {L.WAITING_FOR_RETRY} == TERMINAL == {L.TERMINATED, L.SKIPPED, L.INTERNAL_ERROR}


@pytest.mark.parametrize("state", LifeCycleState)
@pytest.mark.parametrize("event", Event)
def test_next_state_is_the_table_or_a_defect(state: LifeCycleState, event: Event) -> None:
    """An event that a state does not list is an error that names both."""
    if event in TRANSITIONS[state]:
        assert next_state(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(RuntimeError, match=f"{event.value} cannot happen .* {state.value}"):
            next_state(state, event)


@settings(derandomize=True, deadline=None)
@given(
    is_blocked=st.booleans(),
    is_queued=st.booleans(),
    events=st.lists(st.sampled_from(list(Event)), max_size=30),
)
def test_no_order_of_events_reaches_an_illegal_state(
    is_blocked: bool,  # noqa: FBT001 - drawn by name
    is_queued: bool,  # noqa: FBT001
    events: list[Event],
) -> None:
    """From creation on, any events in any order keep to the diagram, and a refused one changes nothing."""
    state = initial_state(is_blocked=is_blocked, is_queued=is_queued)
    for event in events:
        try:
            followed = next_state(state, event)
        except RuntimeError:
            assert event not in TRANSITIONS[state]
            continue
        assert state not in TERMINAL
        assert followed in _DOCUMENTED[state]
        state = followed


@pytest.mark.parametrize(
    ("is_blocked", "is_queued", "state"),
    [
        pytest.param(False, False, L.PENDING, id="plain"),
        pytest.param(False, True, L.QUEUED, id="queued"),
        pytest.param(True, False, L.BLOCKED, id="blocked"),
        pytest.param(True, True, L.BLOCKED, id="blocked-outranks-queued"),
    ],
)
def test_initial_state_depends_on_upstream_and_queue(
    *, is_blocked: bool, is_queued: bool, state: LifeCycleState
) -> None:
    """Waiting for an upstream task outranks the queue."""
    assert initial_state(is_blocked=is_blocked, is_queued=is_queued) is state


@pytest.mark.fact("runs.status.from-life-cycle")
def test_status_is_total_and_says_what_the_api_says() -> None:
    """Each life-cycle state has its newer name; all three ends are TERMINATED."""
    same = (L.QUEUED, L.PENDING, L.RUNNING, L.TERMINATING, L.BLOCKED)
    assert {
        **{state: StatusState(state.value) for state in same},
        L.TERMINATED: StatusState.TERMINATED,
        L.SKIPPED: StatusState.TERMINATED,
        L.INTERNAL_ERROR: StatusState.TERMINATED,
        L.WAITING_FOR_RETRY: StatusState.WAITING,
    } == STATUS


@pytest.mark.fact("runs.termination.codes")
def test_terminations_are_total() -> None:
    """Every termination code has a row, and every row ends in a state that is an end."""
    assert set(TERMINATIONS) == set(TerminationCode)
    assert {row.life_cycle_state for row in TERMINATIONS.values()} <= TERMINAL
    assert {row.life_cycle_state for row in TERMINATIONS.values()} <= set(ENDINGS)


@pytest.mark.fact("runs.termination.codes")
@pytest.mark.parametrize(
    ("code", "type_", "life_cycle_state", "result_state"),
    [
        ("SUCCESS", "SUCCESS", "TERMINATED", "SUCCESS"),
        ("SUCCESS_WITH_FAILURES", "SUCCESS", "TERMINATED", "SUCCESS_WITH_FAILURES"),
        ("RUN_EXECUTION_ERROR", "CLIENT_ERROR", "TERMINATED", "FAILED"),
        ("INTERNAL_ERROR", "INTERNAL_ERROR", "INTERNAL_ERROR", "FAILED"),
        ("CLOUD_FAILURE", "CLOUD_FAILURE", "INTERNAL_ERROR", "FAILED"),
        ("INVALID_CLUSTER_REQUEST", "CLIENT_ERROR", "INTERNAL_ERROR", "FAILED"),
        ("LIBRARY_INSTALLATION_ERROR", "CLIENT_ERROR", "INTERNAL_ERROR", "FAILED"),
        ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR", "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED"),
        ("BREAKING_CHANGE", "INTERNAL_ERROR", "INTERNAL_ERROR", "FAILED"),
    ],
)
def test_termination_says_whose_fault_it_was(
    code: str, type_: str, life_cycle_state: str, result_state: str
) -> None:
    """The rows that public sources settle."""
    row = TERMINATIONS[TerminationCode(code)]
    assert (row.type, row.life_cycle_state, row.result_state) == (type_, life_cycle_state, result_state)


@pytest.mark.fact("runs.cancel.user-canceled")
def test_termination_by_a_user_is_no_error() -> None:
    """A cancel by a user is of type SUCCESS, the run is CANCELED, and the message says by whom."""
    row = TERMINATIONS[TerminationCode.USER_CANCELED]
    assert (row.type, row.life_cycle_state, row.result_state, row.message) == (
        TerminationType.SUCCESS,
        L.TERMINATED,
        ResultState.CANCELED,
        "Run cancelled by user",
    )


@pytest.mark.parametrize("code", TerminationCode)
def test_every_termination_reaches_its_end_from_every_start(code: TerminationCode) -> None:
    """Following the stages from creation on, a task run comes to the end that its code names."""
    for start in (L.PENDING, L.QUEUED):
        state, visited = start, [start]
        while (event := ends_with(state, code)) is not None:
            state = next_state(state, event)
            visited.append(state)
            assert len(visited) <= len(L)
        assert state is TERMINATIONS[code].life_cycle_state
        assert (L.RUNNING in visited) == (TERMINATIONS[code].strikes == "work")


@pytest.mark.parametrize("state", [pytest.param(state, id=state.value) for state in L if state not in STAGES])
def test_states_without_a_stage_do_not_end_by_themselves(state: LifeCycleState) -> None:
    """Only stages take time; a blocked run waits for others and an end is an end."""
    assert ends_with(state, TerminationCode.SUCCESS) is None
    assert state in TERMINAL | {L.BLOCKED, L.WAITING_FOR_RETRY}


@pytest.mark.fact("runs.state-message.active")
def test_messages_of_active_states() -> None:
    """PENDING waits for its cluster and RUNNING is in run; every other state that is no end says nothing."""
    assert MESSAGES[L.PENDING] == "Waiting for cluster"
    assert MESSAGES[L.RUNNING] == "In run"
    assert set(MESSAGES) == set(L) - TERMINAL
    assert {MESSAGES[state] for state in set(MESSAGES) - {L.PENDING, L.RUNNING}} == {""}


def _task_runs(*states: tuple[str, str]) -> Sequence[TaskRun]:
    """Return task runs named a, b, … in the given states; a termination code goes with an end."""
    _, task_runs = make_runs(*(submitted_task(chr(ord("a") + index)) for index, _ in enumerate(states)))
    for task_run, (state, code) in zip(task_runs, states, strict=True):
        task_run.life_cycle_state = L(state)
        if code:
            task_run.code = TerminationCode(code)
            row = TERMINATIONS[task_run.code]
            task_run.type, task_run.result_state, task_run.end_message = (
                row.type,
                row.result_state,
                row.message,
            )
    return task_runs


def _derive(task_runs: Sequence[TaskRun], *, is_cancelling: bool = False) -> JobRunState:
    states = {task_run.life_cycle_state for task_run in task_runs}
    return derive_job_run(task_runs, states, is_cancelling=is_cancelling)


@pytest.mark.parametrize(
    ("states", "parent"),
    [
        pytest.param(["PENDING"], "PENDING", id="one"),
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
    derived = _derive(_task_runs(*((state, "") for state in states)), is_cancelling=False)
    assert derived == JobRunState(L(parent), message=MESSAGES[L(parent)])


def test_parent_that_is_to_be_cancelled_is_terminating() -> None:
    """From the request on, a job run is TERMINATING until its last task is over."""
    derived = _derive(_task_runs(("TERMINATING", "USER_CANCELED"), ("RUNNING", "")), is_cancelling=True)
    assert derived == JobRunState(L.TERMINATING)


_OK = ("TERMINATED", "SUCCESS")
_FAILED = ("TERMINATED", "RUN_EXECUTION_ERROR")
_LOST = ("INTERNAL_ERROR", "CLOUD_FAILURE")
_SKIPPED = ("SKIPPED", "SKIPPED")
_CANCELLED = ("TERMINATED", "USER_CANCELED")


@pytest.mark.fact("runs.get.parent-failed")
@pytest.mark.parametrize(
    ("tasks", "code", "type_", "message"),
    [
        pytest.param(
            [_OK, _FAILED],
            "RUN_EXECUTION_ERROR",
            "CLIENT_ERROR",
            "Task b failed with message: Workload failed, see run output for details.",
            id="task-failed",
        ),
        pytest.param(
            [_FAILED, _SKIPPED],
            "RUN_EXECUTION_ERROR",
            "CLIENT_ERROR",
            "Task a failed with message: Workload failed, see run output for details."
            " This caused all downstream tasks to get skipped.",
            id="downstream-skipped",
        ),
        pytest.param(
            [_OK, _LOST, _FAILED], "CLOUD_FAILURE", "CLOUD_FAILURE", None, id="first-failure-counts"
        ),
        pytest.param(
            [_CANCELLED, _FAILED], "RUN_EXECUTION_ERROR", "CLIENT_ERROR", None, id="beside-a-cancelled"
        ),
    ],
)
def test_parent_of_a_failed_task_is_an_internal_error(
    tasks: list[tuple[str, str]], code: str, type_: str, message: str | None
) -> None:
    """One failed task makes the run INTERNAL_ERROR and FAILED over tasks that are TERMINATED."""
    derived = _derive(_task_runs(*tasks), is_cancelling=False)
    expected = (L.INTERNAL_ERROR, code, type_, ResultState.FAILED)
    assert (derived.life_cycle_state, derived.code, derived.type, derived.result_state) == expected
    if message is not None:
        assert derived.message == message


@pytest.mark.parametrize(
    ("tasks", "is_cancelling"),
    [
        pytest.param([_CANCELLED, _CANCELLED], True, id="whole-run"),
        pytest.param([_FAILED, _CANCELLED], True, id="whole-run-after-a-failure"),
        pytest.param([_OK, _CANCELLED], False, id="only-a-task"),
    ],
)
def test_parent_of_cancelled_tasks_is_cancelled(*, tasks: list[tuple[str, str]], is_cancelling: bool) -> None:
    """A user's cancel shows on the run, unless a task failed and only another was cancelled."""
    assert _derive(_task_runs(*tasks), is_cancelling=is_cancelling) == JobRunState(
        L.TERMINATED,
        TerminationCode.USER_CANCELED,
        TerminationType.SUCCESS,
        ResultState.CANCELED,
        "Run cancelled by user",
    )


def test_parent_whose_cancel_came_too_late_keeps_its_outcome() -> None:
    """A cancel that no task felt changes nothing."""
    assert _derive(_task_runs(_OK, _OK), is_cancelling=True) == JobRunState(
        L.TERMINATED, TerminationCode.SUCCESS, TerminationType.SUCCESS, ResultState.SUCCESS
    )


def test_parent_of_tasks_that_all_were_skipped_is_skipped() -> None:
    """Where nothing was executed, the run ended as its first task did."""
    task_runs = _task_runs(("SKIPPED", "MAX_CONCURRENT_RUNS_EXCEEDED"), _SKIPPED)
    assert _derive(task_runs) == mirror_task_run(task_runs[0])


@pytest.mark.parametrize("first", [_OK, _FAILED, _LOST, _SKIPPED, _CANCELLED])
@pytest.mark.parametrize("second", [_OK, _FAILED, _LOST, _CANCELLED])
def test_parent_succeeds_only_if_all_tasks_do(first: tuple[str, str], second: tuple[str, str]) -> None:
    """A run over which something failed or was cancelled is no success; what was skipped alone spoils none."""
    derived = _derive(_task_runs(first, second), is_cancelling=False)
    assert (derived.result_state is ResultState.SUCCESS) is ({first, second} <= {_OK, _SKIPPED})


def test_mirror_shows_no_result_before_the_end() -> None:
    """A flat run that is TERMINATING knows its code and does not show a result yet."""
    [task_run] = _task_runs(("TERMINATING", "RUN_EXECUTION_ERROR"))
    assert mirror_task_run(task_run) == JobRunState(
        L.TERMINATING, TerminationCode.RUN_EXECUTION_ERROR, TerminationType.CLIENT_ERROR, None, ""
    )
