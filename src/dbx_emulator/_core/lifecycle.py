"""Which state follows which: the one place that names a next state.

A *task run* is what the service executes. It is created in one of four states, and from there each event
leads to exactly one next state; `TRANSITIONS` is the whole truth about it, and an event that a state does not
list is a mistake of the emulator, never of a client.

    QUEUED ──DEQUEUED──► PENDING ──CLUSTER_READY──► RUNNING ──WORK_ENDED──► TERMINATING
                           ▲  │                                               │      │
    BLOCKED ─UPSTREAM_MET──┘  └─PLATFORM_FAILED─► INTERNAL_ERROR ◄─PLATFORM_FAILED   │
       │                                                                             │
       └─SKIP_DECIDED─► SKIPPED                                    CLEANED_UP ──► TERMINATED

    CANCEL_REQUESTED leads from QUEUED, PENDING, RUNNING and WAITING_FOR_RETRY to TERMINATING, and from BLOCKED to
    SKIPPED; so does TIMED_OUT. SKIP_DECIDED leads from QUEUED and PENDING to SKIPPED as well.

A task run that failed and has a retry left is followed by another task run of the same task, its next *attempt*,
which is created WAITING_FOR_RETRY and becomes PENDING on RETRY_DUE.

How a task run *ended* is a termination code; the table in `terminations` says what each one means.

A task whose work the service does itself (`submitted.Work`) passes the same states in no time of its own: it is
RUNNING until what is below it is over, its iterations or the run that it started.

A *job run* executes nothing: its state is derived from its task runs (`derivation`). A job run that was submitted
flat (without `tasks`) *is* its only task run, with the same state.

The service shows each state twice: as `state` (life cycle and result) and as `status` (the newer form).
`STATUS` translates; both are always served.

Source: [runs.lifecycle.task] documented: Databricks REST API reference, Jobs, runs/get (states of a run)
"""

from __future__ import annotations

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
from dbx_emulator._core.terminations import TERMINATIONS

if TYPE_CHECKING:
    from dbx_emulator._core.runs import TaskRun

__all__ = [
    "ENDINGS",
    "MESSAGES",
    "STAGES",
    "STATUS",
    "STOPS",
    "TERMINAL",
    "TRANSITIONS",
    "Event",
    "JobRunState",
    "Stage",
    "ends_with",
    "initial_state",
    "mirror_task_run",
    "next_state",
]

_L = LifeCycleState
_R = ResultState
_C = TerminationCode


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
    TIMED_OUT = "TIMED_OUT"
    RETRY_DUE = "RETRY_DUE"


TRANSITIONS: dict[LifeCycleState, dict[Event, LifeCycleState]] = {
    _L.BLOCKED: {
        Event.UPSTREAM_MET: _L.PENDING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.CANCEL_REQUESTED: _L.SKIPPED,
        Event.TIMED_OUT: _L.SKIPPED,
    },
    _L.QUEUED: {
        Event.DEQUEUED: _L.PENDING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
        Event.TIMED_OUT: _L.TERMINATING,
    },
    _L.PENDING: {
        Event.CLUSTER_READY: _L.RUNNING,
        Event.SKIP_DECIDED: _L.SKIPPED,
        Event.PLATFORM_FAILED: _L.INTERNAL_ERROR,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
        Event.TIMED_OUT: _L.TERMINATING,
    },
    _L.RUNNING: {
        Event.WORK_ENDED: _L.TERMINATING,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
        Event.TIMED_OUT: _L.TERMINATING,
    },
    _L.TERMINATING: {
        Event.CLEANED_UP: _L.TERMINATED,
        Event.PLATFORM_FAILED: _L.INTERNAL_ERROR,
    },
    _L.WAITING_FOR_RETRY: {
        Event.RETRY_DUE: _L.PENDING,
        Event.CANCEL_REQUESTED: _L.TERMINATING,
        Event.TIMED_OUT: _L.TERMINATING,
    },
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

#: The events that stop a task run before its time, and the code with which it ends then.
#: Source: [runs.timeout.code] sdk: databricks-sdk-py, jobs.py (TerminationCodeCode, CANCELED: the service canceled
#: the run, for instance because it took longer than it may)
STOPS: dict[Event, TerminationCode] = {
    Event.CANCEL_REQUESTED: _C.USER_CANCELED,
    Event.TIMED_OUT: _C.CANCELED,
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


def mirror_task_run(task_run: TaskRun) -> JobRunState:
    """Return the state of a task run, which for a flat job run is the state of the run itself."""
    return JobRunState(
        task_run.life_cycle_state,
        task_run.code,
        task_run.type,
        task_run.result_state if task_run.life_cycle_state in TERMINAL else None,
        task_run.state_message,
    )
