"""Which state follows which."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.attempts import terminate
from dbx_emulator._core.lifecycle import (
    ENDINGS,
    MESSAGES,
    STAGES,
    STATUS,
    TERMINAL,
    TRANSITIONS,
    Event,
    JobRunState,
    ends_with,
    initial_state,
    mirror_task_run,
    next_state,
)
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


def test_mirror_shows_no_result_before_the_end() -> None:
    """A flat run that is TERMINATING knows its code and does not show a result yet."""
    _, [task_run] = make_runs(submitted_task())
    task_run.life_cycle_state = L.TERMINATING
    terminate(task_run, TerminationCode.RUN_EXECUTION_ERROR)
    assert mirror_task_run(task_run) == JobRunState(
        L.TERMINATING, TerminationCode.RUN_EXECUTION_ERROR, TerminationType.CLIENT_ERROR, None, ""
    )
