"""The table from Databricks states to Flyte phases."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent import outcome
from dbx_agent.outcome import Outcome, Phase, decide_outcome, is_failed, unknown_values
from dbx_agent.run_snapshot import RunState

# Written out once more, from the public enums, so that the table cannot agree with itself.
LIFE_CYCLES = [
    "QUEUED",
    "PENDING",
    "RUNNING",
    "TERMINATING",
    "TERMINATED",
    "SKIPPED",
    "INTERNAL_ERROR",
    "BLOCKED",
    "WAITING_FOR_RETRY",
]
RESULTS = [
    "SUCCESS",
    "FAILED",
    "TIMEDOUT",
    "CANCELED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "EXCLUDED",
    "SUCCESS_WITH_FAILURES",
    "UPSTREAM_FAILED",
    "UPSTREAM_CANCELED",
    "DISABLED",
]
STATES = ["BLOCKED", "PENDING", "QUEUED", "RUNNING", "TERMINATING", "TERMINATED", "WAITING"]
TYPES = ["SUCCESS", "CLIENT_ERROR", "INTERNAL_ERROR", "CLOUD_FAILURE"]
CODES = [
    "BREAKING_CHANGE",
    "BUDGET_POLICY_LIMIT_EXCEEDED",
    "CANCELED",
    "CLOUD_FAILURE",
    "CLUSTER_ERROR",
    "CLUSTER_REQUEST_LIMIT_EXCEEDED",
    "CLUSTER_TERMINATED_BY_USER",
    "DISABLED",
    "DRIVER_ERROR",
    "FEATURE_DISABLED",
    "INTERNAL_ERROR",
    "INVALID_CLUSTER_REQUEST",
    "INVALID_RUN_CONFIGURATION",
    "LIBRARY_INSTALLATION_ERROR",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
    "MAX_JOB_QUEUE_SIZE_EXCEEDED",
    "MAX_SPARK_CONTEXTS_EXCEEDED",
    "REPOSITORY_CHECKOUT_FAILED",
    "RESOURCE_NOT_FOUND",
    "RUN_EXECUTION_ERROR",
    "SKIPPED",
    "STORAGE_ACCESS_ERROR",
    "SUCCESS",
    "SUCCESS_WITH_FAILURES",
    "UNAUTHORIZED_ERROR",
    "USER_CANCELED",
    "WORKSPACE_RUN_LIMIT_EXCEEDED",
]
INVENTED = ["", "NEW_IN_2030"]


@pytest.mark.fact("agent.outcome.states", "flyte.phase.undefined-is-retry")
def test_every_combination_of_states_has_a_phase() -> None:
    """The full product of all enums, with absent and invented values: a phase, a message, never UNDEFINED."""
    for life_cycle, result, state in product(LIFE_CYCLES + INVENTED, RESULTS + INVENTED, STATES + INVENTED):
        for code, kind in product(["", "NEW", "SUCCESS", "USER_CANCELED", "DRIVER_ERROR"], TYPES + INVENTED):
            decided = decide_outcome(
                RunState(life_cycle, result, "", "", state, code, kind, ""), can_retry=True
            )
            assert decided.phase in Phase
            assert decided.message


@given(
    st.builds(RunState, *[st.sampled_from(values + INVENTED) for values in (LIFE_CYCLES, RESULTS)]),
    st.sampled_from(CODES + INVENTED),
    st.sampled_from(TYPES + INVENTED),
    st.booleans(),
)
def test_a_run_that_is_over_is_never_reported_as_going_on(
    state: RunState,
    code: str,
    kind: str,
    can_retry: bool,  # noqa: FBT001
) -> None:
    """TERMINATED in the newer vocabulary ends it whatever the older says, and locally nothing is retryable."""
    over = RunState(state.life_cycle_state, state.result_state, "", "", "TERMINATED", code, kind, "")
    decided = decide_outcome(over, can_retry=can_retry)
    phase = decided.phase
    assert phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.RETRYABLE_FAILED}
    assert not (not can_retry and phase is Phase.RETRYABLE_FAILED)
    assert decided.is_over
    assert is_failed(over) is decided.is_failure is (phase is not Phase.SUCCEEDED)


def test_tables_hold_every_known_value() -> None:
    """A state that the service documents is decided by a row and not by a fallback."""
    assert set(outcome.ACTIVE) | outcome.OVER == set(LIFE_CYCLES) | set(STATES)
    assert set(outcome.BY_DECISIVE_CODE) | set(outcome.BY_CODE) == set(CODES)
    assert set(outcome.BY_TYPE) == set(TYPES) - {"SUCCESS"}
    assert set(outcome.BY_RESULT) == set(RESULTS)


def test_unknown_values_are_those_in_no_table() -> None:
    """Named with their field, cut; every documented value is known, and so is an absent one."""
    for life_cycle, result, state in product([*LIFE_CYCLES, ""], [*RESULTS, ""], [*STATES, ""]):
        for code, kind in zip([*CODES, ""], [*TYPES, ""] * 6):  # noqa: B905 - each code once, with any type
            assert unknown_values(RunState(life_cycle, result, "", "", state, code, kind, "")) == []
    assert unknown_values(RunState("A", "B", "", "", "C", "D", "E" * 500, "")) == [
        "life_cycle_state A",
        "result_state B",
        "status.state C",
        "termination code D",
        f"termination type {'E' * 99}…",
    ]


@pytest.mark.parametrize(
    ("life_cycle", "phase"),
    [
        ("QUEUED", Phase.QUEUED),
        ("BLOCKED", Phase.QUEUED),
        ("PENDING", Phase.INITIALIZING),
        ("WAITING_FOR_RETRY", Phase.INITIALIZING),
        ("RUNNING", Phase.RUNNING),
        ("TERMINATING", Phase.RUNNING),
    ],
)
def test_active_states_have_their_phase(life_cycle: str, phase: Phase) -> None:
    """With the service's words; either vocabulary is enough, and the newer spells one state in its own way."""
    said = RunState(life_cycle_state=life_cycle, state_message="In run")
    assert decide_outcome(said, can_retry=True) == Outcome(phase, f"{life_cycle}: In run")
    newer = "WAITING" if life_cycle == "WAITING_FOR_RETRY" else life_cycle
    assert decide_outcome(RunState(status_state=newer), can_retry=True) == Outcome(phase, newer)


def _over(code: str = "", kind: str = "", *, life_cycle: str = "TERMINATED", result: str = "") -> RunState:
    return RunState(
        life_cycle_state=life_cycle,
        result_state=result,
        status_state="TERMINATED",
        termination_code=code,
        termination_type=kind,
        termination_message="words",
    )


@pytest.mark.fact("agent.outcome.type-first")
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(
            _over("SUCCESS", "SUCCESS", result="SUCCESS"),
            Outcome(Phase.SUCCEEDED, "SUCCESS: words"),
            id="success",
        ),
        pytest.param(
            _over("SUCCESS_WITH_FAILURES", "SUCCESS", result="SUCCESS_WITH_FAILURES"),
            Outcome(
                Phase.SUCCEEDED,
                "SUCCESS_WITH_FAILURES (SUCCESS): warning: the run succeeded although some of its tasks "
                "failed: words",
            ),
            id="success-with-failures",
        ),
        pytest.param(
            _over("RUN_EXECUTION_ERROR", "CLIENT_ERROR", life_cycle="INTERNAL_ERROR", result="FAILED"),
            Outcome(Phase.FAILED, "RUN_EXECUTION_ERROR (CLIENT_ERROR): words"),
            id="user-error-under-internal-error",
        ),
        pytest.param(
            _over("CLOUD_FAILURE", "CLOUD_FAILURE", life_cycle="INTERNAL_ERROR", result="FAILED"),
            Outcome(Phase.RETRYABLE_FAILED, "CLOUD_FAILURE: words"),
            id="cloud-failure",
        ),
        pytest.param(
            _over("DRIVER_ERROR", "INTERNAL_ERROR", result="FAILED"),
            Outcome(Phase.RETRYABLE_FAILED, "DRIVER_ERROR (INTERNAL_ERROR): words"),
            id="type-over-code",
        ),
        pytest.param(
            _over("DRIVER_ERROR", result="FAILED"),
            Outcome(Phase.FAILED, "DRIVER_ERROR: words"),
            id="code-alone",
        ),
        pytest.param(
            _over("NEW", "CLOUD_FAILURE"),
            Outcome(Phase.RETRYABLE_FAILED, "NEW (CLOUD_FAILURE): words"),
            id="new-code",
        ),
        pytest.param(
            _over("NEW", "NEW", result="SUCCESS"),
            Outcome(Phase.SUCCEEDED, "NEW: words"),
            id="result-decides",
        ),
        pytest.param(
            _over(life_cycle="SKIPPED"), Outcome(Phase.FAILED, "SKIPPED: words"), id="skipped-without-result"
        ),
        pytest.param(
            _over(life_cycle="INTERNAL_ERROR"),
            Outcome(Phase.RETRYABLE_FAILED, "INTERNAL_ERROR: words"),
            id="internal-error-alone",
        ),
        pytest.param(
            _over(life_cycle="INTERNAL_ERROR", result="FAILED"),
            Outcome(Phase.FAILED, "INTERNAL_ERROR/FAILED: words"),
            id="old-workspace",
        ),
        pytest.param(_over(), Outcome(Phase.FAILED, "TERMINATED: words"), id="terminated-without-result"),
        pytest.param(
            _over(result="NEW"),
            Outcome(Phase.FAILED, "TERMINATED/NEW: words"),
            id="terminated-with-new-result",
        ),
        pytest.param(
            _over("CANCELED", "CLIENT_ERROR", result="TIMEDOUT"),
            Outcome(
                Phase.FAILED,
                "CANCELED (CLIENT_ERROR): the run took longer than its timeout_seconds: words",
            ),
            id="timed-out",
        ),
    ],
)
def test_over_is_judged_by_type_then_code_then_result_then_life_cycle(
    state: RunState, expected: Outcome
) -> None:
    """One row per way to end, with the service's words."""
    assert decide_outcome(state, can_retry=True) == expected


@pytest.mark.fact("flyte.phase.aborted-drops-message")
def test_a_persons_cancel_fails_with_the_words() -> None:
    """Its type is SUCCESS, which it is not; and ABORTED would lose the message."""
    assert decide_outcome(_over("USER_CANCELED", "SUCCESS", result="CANCELED"), can_retry=True) == Outcome(
        Phase.FAILED, "USER_CANCELED (SUCCESS): the run was cancelled in Databricks: words"
    )


@pytest.mark.fact("flyte.local.retryable-loops", "flyte.phase.retryable-unknown")
def test_locally_nothing_is_retryable() -> None:
    """Older flytekit polls for ever on RETRYABLE_FAILED, and nobody retries there."""
    assert decide_outcome(_over("CLOUD_FAILURE", "CLOUD_FAILURE"), can_retry=False) == Outcome(
        Phase.FAILED, "CLOUD_FAILURE: words"
    )


def test_terminating_with_a_result_is_not_the_end() -> None:
    """The cluster is still held, and the result may not be the last word."""
    state = RunState("TERMINATING", "SUCCESS", "", "", "TERMINATING", "SUCCESS", "SUCCESS", "")
    assert decide_outcome(state, can_retry=True) == Outcome(Phase.RUNNING, "TERMINATING")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        pytest.param(RunState("NEW"), "Databricks says NEW; taken as running", id="unknown"),
        pytest.param(RunState(), "Databricks says no state; taken as running", id="nothing"),
        pytest.param(
            RunState("NEW", status_state="NEWER", queue_reason="q"),
            "Databricks says NEW NEWER; taken as running: q",
            id="both",
        ),
    ],
)
def test_a_state_nobody_knows_is_taken_as_running(state: RunState, message: str) -> None:
    """A wrong guess costs a poll; the other guess would lose the run."""
    assert decide_outcome(state, can_retry=True) == Outcome(Phase.RUNNING, message)
    assert not is_failed(state)


def test_long_words_are_cut() -> None:
    """The message goes into Flyte's event; the service's can be a whole log."""
    message = decide_outcome(RunState("TERMINATED", "X" * 5000, "y" * 5000), can_retry=True).message
    assert len(message) < 1500
