"""What a Databricks state means to Flyte: one total table, pure.

Databricks tells a run's state in two vocabularies. The older, `state`, has a life cycle and a result; the
newer, `status`, has a state and *termination details*: a code that says what ended the run, and a type that
says whose doing it was. Only the type tells a user's mistake from a lost machine: the life cycle
INTERNAL_ERROR is also how the service reports that a task of the run raised. So a run that is over is judged
by

1. the termination code, where the code alone decides (success, cancelled by a person);
2. the termination type;
3. the termination code, where the type is missing or new;
4. the result state;
5. the life cycle state.

Whether it is over is judged by `status.state`, then by the life cycle: a run in TERMINATING already has a
result and still holds its cluster. A state that nobody here has heard of means *not over*: a wrong guess then
costs a poll, where the other guess would lose the run.

A person's cancel is FAILED and not ABORTED. Flyte's engine treats both as a permanent failure, but for
ABORTED it replaces the message by a fixed text, and the message is where the user learns that somebody
cancelled the run.

A value that is in no table is worth a line in the log, once: `unknown_values` names it.

Source: [agent.outcome.type-first] measured: databricks/cli, acceptance/bundle/resources/job_runs/failed_run
Source: [agent.outcome.states] sdk: databricks-sdk-py, databricks/sdk/service/jobs.py, the enums of run states
Source: [flyte.phase.aborted-drops-message] documented: flyteorg/flyte, flyteplugins, webapi connector plugin
Source: [flyte.phase.undefined-is-retry] documented: flyteorg/flyte, flyteplugins, webapi connector plugin
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dbx_agent.error_body import shorten
from dbx_agent.run_snapshot import RunState

__all__ = ["Outcome", "Phase", "decide_outcome", "is_failed", "unknown_values"]


class Phase(Enum):
    """The phases of Flyte's `TaskExecution` that the agent uses, by name; UNDEFINED is none of them."""

    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRYABLE_FAILED = "RETRYABLE_FAILED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Flyte is told.

    Attributes:
        phase: The phase.
        message: Why, in the service's words where it has some; never empty.
    """

    phase: Phase
    message: str

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return self.is_failure or self.phase is Phase.SUCCEEDED

    @property
    def is_failure(self) -> bool:
        """Whether the run is over and did not succeed."""
        return self.phase in {Phase.FAILED, Phase.RETRYABLE_FAILED}


#: `status.state` or `state.life_cycle_state` → phase, while the run goes on.
ACTIVE: dict[str, Phase] = {
    "QUEUED": Phase.QUEUED,
    "BLOCKED": Phase.QUEUED,
    "PENDING": Phase.INITIALIZING,
    "WAITING": Phase.INITIALIZING,
    "WAITING_FOR_RETRY": Phase.INITIALIZING,
    "RUNNING": Phase.RUNNING,
    "TERMINATING": Phase.RUNNING,
}

#: The states that nothing follows.
OVER = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})

#: Termination codes that decide whatever their type is; USER_CANCELED has the type SUCCESS.
BY_DECISIVE_CODE: dict[str, Phase] = {
    "SUCCESS": Phase.SUCCEEDED,
    "SUCCESS_WITH_FAILURES": Phase.SUCCEEDED,
    "USER_CANCELED": Phase.FAILED,
    "DISABLED": Phase.FAILED,
}

#: Termination types: whose doing it was.
BY_TYPE: dict[str, Phase] = {
    "CLIENT_ERROR": Phase.FAILED,
    "CLOUD_FAILURE": Phase.RETRYABLE_FAILED,
    "INTERNAL_ERROR": Phase.RETRYABLE_FAILED,
}

#: The other termination codes, for an answer without a type that we know.
BY_CODE: dict[str, Phase] = {
    "BREAKING_CHANGE": Phase.RETRYABLE_FAILED,
    "BUDGET_POLICY_LIMIT_EXCEEDED": Phase.FAILED,
    "CANCELED": Phase.FAILED,
    "CLOUD_FAILURE": Phase.RETRYABLE_FAILED,
    "CLUSTER_ERROR": Phase.FAILED,
    "CLUSTER_REQUEST_LIMIT_EXCEEDED": Phase.FAILED,
    "CLUSTER_TERMINATED_BY_USER": Phase.FAILED,
    "DRIVER_ERROR": Phase.FAILED,
    "FEATURE_DISABLED": Phase.FAILED,
    "INTERNAL_ERROR": Phase.RETRYABLE_FAILED,
    "INVALID_CLUSTER_REQUEST": Phase.FAILED,
    "INVALID_RUN_CONFIGURATION": Phase.FAILED,
    "LIBRARY_INSTALLATION_ERROR": Phase.FAILED,
    "MAX_CONCURRENT_RUNS_EXCEEDED": Phase.FAILED,
    "MAX_JOB_QUEUE_SIZE_EXCEEDED": Phase.FAILED,
    "MAX_SPARK_CONTEXTS_EXCEEDED": Phase.FAILED,
    "REPOSITORY_CHECKOUT_FAILED": Phase.FAILED,
    "RESOURCE_NOT_FOUND": Phase.FAILED,
    "RUN_EXECUTION_ERROR": Phase.FAILED,
    "SKIPPED": Phase.FAILED,
    "STORAGE_ACCESS_ERROR": Phase.FAILED,
    "UNAUTHORIZED_ERROR": Phase.FAILED,
    "WORKSPACE_RUN_LIMIT_EXCEEDED": Phase.FAILED,
}

#: `state.result_state`, for a workspace that gives no termination details.
BY_RESULT: dict[str, Phase] = {
    "SUCCESS": Phase.SUCCEEDED,
    "SUCCESS_WITH_FAILURES": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMEDOUT": Phase.FAILED,
    "CANCELED": Phase.FAILED,
    "MAXIMUM_CONCURRENT_RUNS_REACHED": Phase.FAILED,
    "EXCLUDED": Phase.FAILED,
    "UPSTREAM_FAILED": Phase.FAILED,
    "UPSTREAM_CANCELED": Phase.FAILED,
    "DISABLED": Phase.FAILED,
}

#: The life cycle alone: by its documented meaning INTERNAL_ERROR is the Jobs service's own failure.
BY_LIFE_CYCLE: dict[str, Phase] = {
    "SKIPPED": Phase.FAILED,
    "INTERNAL_ERROR": Phase.RETRYABLE_FAILED,
}

#: Termination code or result state → what its bare name does not say.
REMARKS: dict[str, str] = {
    "SUCCESS_WITH_FAILURES": "warning: the run succeeded although some of its tasks failed",
    "TIMEDOUT": "the run took longer than its timeout_seconds",
    "USER_CANCELED": "the run was cancelled in Databricks",
}


def decide_outcome(state: RunState, *, can_retry: bool) -> Outcome:
    """Choose the phase and the message for a run's state; total, never UNDEFINED.

    Where nobody retries, RETRYABLE_FAILED becomes FAILED: in local execution older releases take it for a phase
    that will change and poll for ever, and an engine that has never heard of it reports a system error.

    Source: [flyte.local.retryable-loops] measured: flytekit 1.16.4 to 1.16.26, is_terminal_phase
    Source: [flyte.phase.retryable-unknown] documented: flyteorg/flyte pull request 6486, which taught it

    Args:
        state: What `runs/get` said.
        can_retry: Whether the engine knows RETRYABLE_FAILED and acts on it.
    """
    if not _is_over(state):
        return _decide_active(state)
    phase = _decide_over(state)
    if phase is Phase.RETRYABLE_FAILED and not can_retry:
        phase = Phase.FAILED
    return Outcome(phase, _describe_over(state))


def is_failed(state: RunState) -> bool:
    """Tell whether a run or task run is over and did not succeed."""
    return _is_over(state) and _decide_over(state) is not Phase.SUCCEEDED


def unknown_values(state: RunState) -> list[str]:
    """Name the values of a state that no table here holds, such as `result_state NEW`; bounded in length."""
    known = (
        ("life_cycle_state", state.life_cycle_state, OVER | ACTIVE.keys()),
        ("result_state", state.result_state, BY_RESULT.keys()),
        ("status.state", state.status_state, OVER | ACTIVE.keys()),
        ("termination code", state.termination_code, BY_DECISIVE_CODE.keys() | BY_CODE.keys()),
        ("termination type", state.termination_type, BY_TYPE.keys() | {"SUCCESS"}),
    )
    return [f"{name} {shorten(value, 100)}" for name, value, values in known if value and value not in values]


def _is_over(state: RunState) -> bool:
    for name in (state.status_state, state.life_cycle_state):
        if name in OVER or name in ACTIVE:
            return name in OVER
    return False


def _decide_active(state: RunState) -> Outcome:
    names = [name for name in (state.life_cycle_state, state.status_state) if name]
    known = next((name for name in names if name in ACTIVE), None)
    if known is None:
        said = " ".join(names) or "no state"
        return Outcome(Phase.RUNNING, _join(f"Databricks says {shorten(said, 100)}; taken as running", state))
    return Outcome(ACTIVE[known], _join(known, state))


def _decide_over(state: RunState) -> Phase:
    choices = (
        BY_DECISIVE_CODE.get(state.termination_code),
        BY_TYPE.get(state.termination_type),
        BY_CODE.get(state.termination_code),
        BY_RESULT.get(state.result_state),
        None if state.result_state else BY_LIFE_CYCLE.get(state.life_cycle_state),
    )
    return next((phase for phase in choices if phase is not None), Phase.FAILED)


def _describe_over(state: RunState) -> str:
    code, kind = state.termination_code, state.termination_type
    modern = shorten(code, 100)
    if code and kind and kind != code:
        modern += f" ({shorten(kind, 100)})"
    legacy = "/".join(shorten(name, 100) for name in (state.life_cycle_state, state.result_state) if name)
    label = modern or legacy or state.status_state
    remark = REMARKS.get(state.termination_code) or REMARKS.get(state.result_state)
    return _join(f"{label}: {remark}" if remark else label, state)


def _join(label: str, state: RunState) -> str:
    said = state.termination_message or state.state_message or state.queue_reason
    return f"{label}: {shorten(said)}" if said else label
