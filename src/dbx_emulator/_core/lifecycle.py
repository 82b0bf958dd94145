"""Which state follows which: the one place that names a next state.

A *task run* is what the service executes. It is created in one of three states, and from there each event
leads to exactly one next state; `TRANSITIONS` is the whole truth about it, and an event that a state does not
list is a mistake of the emulator, never of a client.

    QUEUED ──DEQUEUED──► PENDING ──CLUSTER_READY──► RUNNING ──WORK_ENDED──► TERMINATING
                           ▲  │                                               │      │
    BLOCKED ─UPSTREAM_MET──┘  └─PLATFORM_FAILED─► INTERNAL_ERROR ◄─PLATFORM_FAILED   │
       │                                                                             │
       └─SKIP_DECIDED─► SKIPPED                                    CLEANED_UP ──► TERMINATED

    CANCEL_REQUESTED leads from QUEUED, PENDING and RUNNING to TERMINATING, and from BLOCKED to SKIPPED;
    SKIP_DECIDED leads from QUEUED and PENDING to SKIPPED as well.

How a task run *ended* is a termination code. `TERMINATIONS` says for each code whose fault it was, which pair
of legacy states it shows and whether it strikes while the cluster is being set up or after the work began.

A *job run* executes nothing: its state is derived from its task runs by `derive_job_run`, as the service does
it. A job run that was submitted flat (without `tasks`) *is* its only task run, with the same state.

The service shows each state twice: as `state` (life cycle and result) and as `status` (the newer form).
`STATUS` translates; both are always served.

Source: [runs.lifecycle.task] documented: Databricks REST API reference, Jobs, runs/get (states of a run)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from dbx_emulator._core.states import (
    LifeCycleState,
    ResultState,
    StatusState,
    TerminationCode,
    TerminationType,
)

if TYPE_CHECKING:
    from dbx_emulator._core.runs import TaskRun

__all__ = [
    "ENDINGS",
    "MESSAGES",
    "STAGES",
    "STATUS",
    "TERMINAL",
    "TERMINATIONS",
    "TRANSITIONS",
    "Event",
    "JobRunState",
    "Stage",
    "Strikes",
    "Termination",
    "derive_job_run",
    "ends_with",
    "initial_state",
    "mirror_task_run",
    "next_state",
]

_L = LifeCycleState
_R = ResultState
_C = TerminationCode
_T = TerminationType


class Event(str, Enum):
    """What can happen to a task run."""

    DEQUEUED = "DEQUEUED"
    UPSTREAM_MET = "UPSTREAM_MET"
    SKIP_DECIDED = "SKIP_DECIDED"
    CLUSTER_READY = "CLUSTER_READY"
    WORK_ENDED = "WORK_ENDED"
    CLEANED_UP = "CLEANED_UP"
    PLATFORM_FAILED = "PLATFORM_FAILED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"


TRANSITIONS: dict[LifeCycleState, dict[Event, LifeCycleState]] = {
    _L.BLOCKED: {
        Event.UPSTREAM_MET: _L.PENDING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.CANCEL_REQUESTED: _L.SKIPPED,
    },
    _L.QUEUED: {
        Event.DEQUEUED: _L.PENDING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
    },
    _L.PENDING: {
        Event.CLUSTER_READY: _L.RUNNING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.PLATFORM_FAILED: _L.INTERNAL_ERROR,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
    },
    _L.RUNNING: {
        Event.WORK_ENDED: _L.TERMINATING,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
    },
    _L.TERMINATING: {
        Event.CLEANED_UP: _L.TERMINATED,
        Event.PLATFORM_FAILED: _L.INTERNAL_ERROR,
    },
    # Retries by the service are still to come; until then nothing enters this state.
    _L.WAITING_FOR_RETRY: {},
    _L.TERMINATED: {},
    _L.SKIPPED: {},
    _L.INTERNAL_ERROR: {},
}

#: The event that brings a run to each of its ends.
ENDINGS: dict[LifeCycleState, Event] = {
    _L.TERMINATED: Event.CLEANED_UP,
    _L.INTERNAL_ERROR: Event.PLATFORM_FAILED,
    _L.SKIPPED: Event.SKIP_DECIDED,
}

#: States that nothing follows.
TERMINAL = frozenset({_L.TERMINATED, _L.SKIPPED, _L.INTERNAL_ERROR})

#: The newer `status.state` for each legacy life-cycle state.
#: Source: [runs.status.from-life-cycle] sdk: databricks-sdk-py, jobs.py (RunLifecycleStateV2State)
STATUS: dict[LifeCycleState, StatusState] = {
    _L.QUEUED: StatusState.QUEUED,
    _L.PENDING: StatusState.PENDING,
    _L.RUNNING: StatusState.RUNNING,
    _L.TERMINATING: StatusState.TERMINATING,
    _L.TERMINATED: StatusState.TERMINATED,
    _L.SKIPPED: StatusState.TERMINATED,
    _L.INTERNAL_ERROR: StatusState.TERMINATED,
    _L.BLOCKED: StatusState.BLOCKED,
    _L.WAITING_FOR_RETRY: StatusState.WAITING,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A state that takes time.

    Attributes:
        planned: The field of `StageTimes` that says how long it takes.
        recorded: The field of `TaskRun` that says afterwards how long it took.
        ends_with: The event that ends it when nothing goes wrong; `None` where the termination decides.
    """

    planned: Literal["queue_ms", "cluster_ms", "run_ms", "terminating_ms"]
    recorded: Literal[
        "queue_duration_ms", "setup_duration_ms", "execution_duration_ms", "cleanup_duration_ms"
    ]
    ends_with: Event | None


STAGES: dict[LifeCycleState, Stage] = {
    _L.QUEUED: Stage("queue_ms", "queue_duration_ms", Event.DEQUEUED),
    _L.PENDING: Stage("cluster_ms", "setup_duration_ms", Event.CLUSTER_READY),
    _L.RUNNING: Stage("run_ms", "execution_duration_ms", Event.WORK_ENDED),
    _L.TERMINATING: Stage("terminating_ms", "cleanup_duration_ms", None),
}

#: When a termination strikes: instead of the cluster becoming ready, or after the work began.
Strikes = Literal["setup", "work"]


@dataclass(frozen=True, slots=True)
class Termination:
    """How a task run ends under one termination code.

    Attributes:
        type: Whose fault it was.
        life_cycle_state: The legacy life-cycle state at the end.
        result_state: The legacy result at the end.
        strikes: `setup` if instead of the cluster becoming ready, `work` if after the work began.
        message: The state message unless a scenario gives another.
    """

    type: TerminationType
    life_cycle_state: LifeCycleState
    result_state: ResultState
    strikes: Strikes = "work"
    message: str = ""


def _platform(
    message: str,
    *,
    strikes: Strikes = "setup",
    type: TerminationType = _T.CLIENT_ERROR,  # noqa: A002 - the API's word
) -> Termination:
    return Termination(type, _L.INTERNAL_ERROR, _R.FAILED, strikes, message)


#: Source: [runs.termination.codes] sdk: databricks-sdk-py, jobs.py (TerminationCodeCode, docstrings)
TERMINATIONS: dict[TerminationCode, Termination] = {
    _C.SUCCESS: Termination(_T.SUCCESS, _L.TERMINATED, _R.SUCCESS),
    _C.SUCCESS_WITH_FAILURES: Termination(_T.SUCCESS, _L.TERMINATED, _R.SUCCESS_WITH_FAILURES),
    # Source: [runs.cancel.user-canceled] measured: Azure/azure-databricks-client, JobApiClientTest.cs
    _C.USER_CANCELED: Termination(_T.SUCCESS, _L.TERMINATED, _R.CANCELED, message="Run cancelled by user"),
    _C.CANCELED: Termination(_T.CLIENT_ERROR, _L.TERMINATED, _R.TIMEDOUT, message="Run timed out"),
    _C.SKIPPED: Termination(
        _T.CLIENT_ERROR, _L.SKIPPED, _R.UPSTREAM_FAILED, "setup", "An upstream task failed."
    ),
    _C.DISABLED: Termination(_T.SUCCESS, _L.SKIPPED, _R.DISABLED, "setup", "Task is disabled"),
    _C.INTERNAL_ERROR: _platform("An internal error occurred", strikes="work", type=_T.INTERNAL_ERROR),
    _C.DRIVER_ERROR: _platform("Could not reach driver of cluster", strikes="work", type=_T.INTERNAL_ERROR),
    _C.CLUSTER_ERROR: _platform("Unexpected failure while waiting for the cluster to be ready"),
    _C.CLUSTER_TERMINATED_BY_USER: _platform("The cluster was terminated by a user", strikes="work"),
    _C.REPOSITORY_CHECKOUT_FAILED: _platform("Failed to checkout Git repository"),
    _C.INVALID_CLUSTER_REQUEST: _platform("The cluster request is invalid"),
    _C.INVALID_RUN_CONFIGURATION: _platform("The run configuration is invalid"),
    _C.RESOURCE_NOT_FOUND: _platform("A resource that the run needs does not exist"),
    # Source: [runs.get.user-error] measured: databricks/cli, libs/testserver/jobs.go
    _C.RUN_EXECUTION_ERROR: Termination(
        _T.CLIENT_ERROR, _L.TERMINATED, _R.FAILED, message="Workload failed, see run output for details"
    ),
    _C.LIBRARY_INSTALLATION_ERROR: _platform("Library installation failed for library due to user error."),
    _C.UNAUTHORIZED_ERROR: _platform("The run is not authorized to access a resource"),
    _C.STORAGE_ACCESS_ERROR: _platform("The storage of the run cannot be accessed"),
    _C.FEATURE_DISABLED: _platform("A feature that the run needs is disabled"),
    _C.CLOUD_FAILURE: _platform(
        "The cloud provider terminated the instances of the run", strikes="work", type=_T.CLOUD_FAILURE
    ),
    _C.CLUSTER_REQUEST_LIMIT_EXCEEDED: _platform("Too many cluster requests"),
    _C.WORKSPACE_RUN_LIMIT_EXCEEDED: _platform("The workspace has reached its limit of active runs"),
    _C.MAX_CONCURRENT_RUNS_EXCEEDED: Termination(
        _T.CLIENT_ERROR,
        _L.SKIPPED,
        _R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        "setup",
        "Skipping this run because the limit of 1 maximum concurrent runs has been reached.",
    ),
    _C.MAX_JOB_QUEUE_SIZE_EXCEEDED: Termination(
        _T.CLIENT_ERROR,
        _L.SKIPPED,
        _R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        "setup",
        "The queue of the job is full",
    ),
    _C.MAX_SPARK_CONTEXTS_EXCEEDED: _platform("The cluster has too many execution contexts"),
    _C.BREAKING_CHANGE: _platform("A breaking change of Spark", strikes="work", type=_T.INTERNAL_ERROR),
    _C.BUDGET_POLICY_LIMIT_EXCEEDED: _platform("The limit of the budget policy is exceeded"),
}


@dataclass(frozen=True, slots=True)
class JobRunState:
    """The state of a job run, as derived from its task runs.

    Attributes:
        life_cycle_state: The legacy life-cycle state.
        code: Why the run ended; `None` while nothing has ended it.
        type: Whose fault it was; `None` together with `code`.
        result_state: The legacy result; `None` until the run is over.
        message: The state message.
    """

    life_cycle_state: LifeCycleState
    code: TerminationCode | None = None
    type: TerminationType | None = None
    result_state: ResultState | None = None
    message: str = ""


def initial_state(*, is_blocked: bool, is_queued: bool) -> LifeCycleState:
    """Return the state in which a task run is created; waiting for an upstream task outranks the queue."""
    if is_blocked:
        return _L.BLOCKED
    return _L.QUEUED if is_queued else _L.PENDING


def next_state(state: LifeCycleState, event: Event) -> LifeCycleState:
    """Return the state that follows `state` on `event`.

    Raises:
        RuntimeError: The event cannot happen in that state, which is a defect of the emulator.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise RuntimeError(f"{event.value} cannot happen to a task run that is {state.value}") from None


def ends_with(state: LifeCycleState, code: TerminationCode) -> Event | None:
    """Return the event that ends `state` for a task run that is to end with `code`.

    `None` means that the state does not end by itself.
    """
    stage = STAGES.get(state)
    if stage is None:
        return None
    termination = TERMINATIONS[code]
    if stage.ends_with is None or (state is _L.PENDING and termination.strikes == "setup"):
        return ENDINGS[termination.life_cycle_state]
    return stage.ends_with


#: A job run of `tasks[]` shows the first of these states that fits its task runs.
_ACTIVE_ORDER = (_L.RUNNING, _L.PENDING, _L.QUEUED)


def derive_job_run(task_runs: Sequence[TaskRun], *, is_cancel_requested: bool) -> JobRunState:
    """Return the state of a job run with `tasks[]`.

    It is RUNNING as soon as one task run has left its cluster's setup behind, and stays so while later ones
    are blocked or pending. At the end one failed task makes it INTERNAL_ERROR over tasks that are TERMINATED.

    Source: [runs.get.parent-failed] measured: databricks/cli, libs/testserver/jobs.go (terminateRun)
    Source: [runs.get.parent-pending] assumed: flyteorg/flytekit#1935 shows a PENDING parent of a PENDING task
    """
    states = [task_run.life_cycle_state for task_run in task_runs]
    if all(state in TERMINAL for state in states):
        return _derive_end(task_runs, is_cancel_requested=is_cancel_requested)
    if is_cancel_requested or all(state in TERMINAL or state is _L.TERMINATING for state in states):
        return JobRunState(_L.TERMINATING)
    if any(state in TERMINAL or state is _L.TERMINATING for state in states):
        return JobRunState(_L.RUNNING, message="In run")
    active = next(state for state in _ACTIVE_ORDER if state in states)
    return JobRunState(active, message=MESSAGES[active])


#: State messages of runs that have not ended.
#: Source: [runs.state-message.active] measured: amesar/databricks-tests, example/samples
MESSAGES: dict[LifeCycleState, str] = {
    _L.BLOCKED: "",
    _L.QUEUED: "",
    _L.PENDING: "Waiting for cluster",
    _L.RUNNING: "In run",
    _L.TERMINATING: "",
    _L.WAITING_FOR_RETRY: "",
}


#: Results of task runs that a user stopped, directly or above them.
_CANCELLED = frozenset({_R.CANCELED, _R.UPSTREAM_CANCELED})


def _derive_end(task_runs: Sequence[TaskRun], *, is_cancel_requested: bool) -> JobRunState:
    executed = [task_run for task_run in task_runs if task_run.life_cycle_state is not _L.SKIPPED]
    failed = next((task_run for task_run in executed if task_run.type is not _T.SUCCESS), None)
    is_cancelled = any(task_run.result_state in _CANCELLED for task_run in task_runs)
    if is_cancelled and (is_cancel_requested or failed is None):
        ended = TERMINATIONS[_C.USER_CANCELED]
        return JobRunState(_L.TERMINATED, _C.USER_CANCELED, ended.type, ended.result_state, ended.message)
    if failed is not None:
        message = f"Task {failed.task_key} failed with message: {failed.state_message.rstrip('.')}."
        if len(executed) < len(task_runs):
            message += " This caused all downstream tasks to get skipped."
        return JobRunState(_L.INTERNAL_ERROR, failed.code, failed.type, _R.FAILED, message)
    if not executed:
        return mirror_task_run(task_runs[0])
    return JobRunState(_L.TERMINATED, _C.SUCCESS, _T.SUCCESS, _R.SUCCESS)


def mirror_task_run(task_run: TaskRun) -> JobRunState:
    """Return the state of a task run, which for a flat job run is the state of the run itself."""
    return JobRunState(
        task_run.life_cycle_state,
        task_run.code,
        task_run.type,
        task_run.result_state if task_run.life_cycle_state in TERMINAL else None,
        task_run.state_message,
    )
