"""The records: job runs and the task runs below them.

Owns what is known of a run. It decides nothing: the engine changes records, the codec reads them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dbx_emulator._core.events import Due
from dbx_emulator._core.lifecycle import MESSAGES, TERMINAL, Event, JobRunState
from dbx_emulator._core.outcomes import Fate, Outcome, StageTimes
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.scenarios import OnSuccess
from dbx_emulator._core.states import (
    LifeCycleState,
    QueueCode,
    ResultState,
    RunType,
    TerminationCode,
    TerminationType,
    TriggerType,
)
from dbx_emulator._core.submitted import (
    Condition,
    Dependency,
    ForEach,
    RunJob,
    SubmittedRun,
    SubmittedTask,
)
from dbx_emulator._core.terminations import RETRIED

if TYPE_CHECKING:
    from dbx_emulator._core.jobs import Job

__all__ = [
    "Condition",
    "Dependency",
    "ForEach",
    "JobRun",
    "Repair",
    "RunJob",
    "SubmittedRun",
    "SubmittedTask",
    "TaskRun",
    "TimelineEntry",
]


#: How often the service tries again at most, where it was told to do so for ever.
#: Source: [runs.retries.most] assumed: MicrosoftDocs/azure-docs#114136 reports a cap of 5000 retries
_MOST_RETRIES = 5_000


class TimelineEntry(NamedTuple):
    """One change of state.

    Attributes:
        at_ms: When, in epoch milliseconds of virtual time.
        task_key: Which task run changed.
        life_cycle_state: What it became.
        attempt_number: Which attempt of the task it is, from 0.
        iteration_index: Which iteration of a for-each task it belongs to, from 0; `None` if to none.
    """

    at_ms: int
    task_key: str
    life_cycle_state: LifeCycleState
    attempt_number: int = 0
    iteration_index: int | None = None


@dataclass(slots=True, eq=False)
class Repair:
    """A part of a run's life: the original run, or what one repair of it did.

    Attributes:
        repair_id: The id of the repair; 0 for the original run.
        start_time_ms: When it began, in epoch milliseconds.
        end_time_ms: When it ended; 0 before.
        state: The state of the run at its end, or now.
        task_run_ids: The attempts that it made, oldest first.
    """

    repair_id: int
    start_time_ms: int
    end_time_ms: int = 0
    state: JobRunState = field(default_factory=lambda: JobRunState(LifeCycleState.PENDING))
    task_run_ids: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class TaskRun:
    """The run of one task: one attempt of it.

    Attributes:
        run_id: Its own run id; the first attempt of a flat run has the job run's.
        task: What was submitted.
        fate: What happens to the task, attempt by attempt.
        times: How long its stages take.
        attempt_number: Which attempt it is, from 0.
        retry_number: How many attempts came before it in the same repair.
        repair_id: The repair that made it; 0 if it belongs to the original run.
        open_upstream: How many of the tasks it depends on are not over.
        life_cycle_state: Where it is.
        entered_ms: When it came into its state, in epoch milliseconds.
        code: Why it ended; `None` before.
        type: Whose fault it was; `None` before.
        result_state: How it ended; `None` before.
        end_message: The state message it ends with.
        start_time_ms: When its cluster was requested; 0 before.
        end_time_ms: When it ended; 0 before.
        setup_duration_ms: Time until the cluster was ready, in whole seconds; 0 before.
        execution_duration_ms: Time the work took, in whole seconds; 0 before.
        cleanup_duration_ms: Time the clean-up took, in whole seconds; 0 before.
        queue_duration_ms: Time in the queue.
        cluster_id: The cluster it runs on; an empty string if it has none (yet).
        has_worked: Whether its cluster became ready.
        cancel_ms: When it is going to obey a cancel, in epoch milliseconds; `None` if nobody asked.
        timeout_at_ms: When it will have taken too long, in epoch milliseconds; `None` if it has no limit.
        due: Its next event, or `None` if nothing is to come.
        condition_outcome: What a condition task evaluated to; `None` before, and for every other task.
        inputs: What a for-each task iterates over, each as JSON; empty before it is known.
        started_iterations: How many of them have been started.
        open_iterations: How many of those are not over.
        iterations: The task runs of a for-each task: the attempts of its iterations, as they came.
        child: The run that a run-job task has started; `None` before, and for every other task.
        above: The for-each task run that it is an iteration of; `None` if it is none.
        iteration_index: Which iteration it is, from 0; `None` if it is none.
        input: What it is an iteration for, as JSON; an empty string if it is none.
    """

    run_id: int
    task: SubmittedTask
    fate: Fate
    times: StageTimes
    life_cycle_state: LifeCycleState
    entered_ms: int
    attempt_number: int = 0
    retry_number: int = 0
    repair_id: int = 0
    open_upstream: int = 0
    code: TerminationCode | None = None
    type: TerminationType | None = None
    result_state: ResultState | None = None
    end_message: str = ""
    start_time_ms: int = 0
    end_time_ms: int = 0
    setup_duration_ms: int = 0
    execution_duration_ms: int = 0
    cleanup_duration_ms: int = 0
    queue_duration_ms: int = 0
    cluster_id: str = ""
    has_worked: bool = False
    cancel_ms: int | None = None
    timeout_at_ms: int | None = None
    due: Due | None = None
    condition_outcome: bool | None = None
    inputs: tuple[str, ...] = ()
    started_iterations: int = 0
    open_iterations: int = 0
    iterations: list[TaskRun] = field(default_factory=list)
    child: JobRun | None = None
    above: TaskRun | None = None
    iteration_index: int | None = None
    input: str = ""

    def __repr__(self) -> str:
        # Of all fields it would be pages, which an assertion that fails then shows.
        return f"<TaskRun {self.run_id} {self.task_key!r} {_words(self.life_cycle_state, self.result_state)}>"

    @property
    def outcome(self) -> Outcome:
        """What happens to this attempt."""
        return self.fate.of_attempt(self.attempt_number)

    @property
    def task_key(self) -> str:
        """The task's name within the run."""
        return self.task.task_key

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.life_cycle_state in TERMINAL

    @property
    def is_waiting_below(self) -> bool:
        """Whether an iteration of it, or the run that it started, is not over."""
        return self.open_iterations > 0 or (self.child is not None and not self.child.is_terminal)

    @property
    def is_to_be_retried(self) -> bool:
        """Whether it failed and the service is going to try again, unless what is above it is stopped.

        Source: [runs.retries.on-timeout] sdk: databricks-sdk-py, jobs.py (SubmitTask, retry_on_timeout)
        """
        most = self.task.max_retries if self.task.max_retries >= 0 else _MOST_RETRIES
        took_too_long = self.result_state is ResultState.TIMEDOUT and self.task.retry_on_timeout
        is_failure = self.code in RETRIED or took_too_long
        return is_failure and self.retry_number < most and self.cancel_ms is None

    @property
    def state_message(self) -> str:
        """The text that goes with its state."""
        return self.end_message if self.is_terminal else MESSAGES[self.life_cycle_state]


@dataclass(slots=True, eq=False, repr=False)
class JobRun:
    """A run as a whole.

    Attributes:
        run_id: Its id, unique in the workspace.
        job_id: The id of its job; a submitted run has a hidden one.
        submitted: What was asked for.
        start_time_ms: When it was created.
        creator_user_name: Who asked for it.
        end_time_ms: When it ended; 0 before.
        state: Its state, derived from its task runs at their last event.
        key: Its name and its number among the runs of that name, from 1: what chance depends on.
        task_runs: The task runs: the first attempts in the order of the tasks, then further ones as they came.
        latest: The latest attempt of each task, by task key, in the order of the tasks.
        downstream: The tasks that depend on a task directly, by its task key.
        states: How many of its task runs are in each state that any is in.
        job: The job it is a run of; `None` for a submitted run.
        run_type: Who made it.
        trigger: What set it off; `None` for a submitted run.
        triggered_by: The run whose run-job task set it off; `None` if none did.
        above: That run-job task's run; `None` if there is none.
        job_parameters: The values of the job's parameters in this run.
        overriding_parameters: The legacy parameters of run-now, as JSON; empty if there were none.
        queue_code: Why it is held back in the queue; `None` if it is not.
        queue_message: The same in words; empty if it is not.
        queue_duration_ms: How long it was held back.
        repairs: The original run, then each repair of it.
        is_deleted: Whether somebody deleted it.
        retries_due: How many of its tasks have failed, are not over, and are going to be tried again then.
        is_cancel_requested: Whether a user asked to cancel the whole run.
        stopping: What is stopping the whole run, from when it began to take effect; `None` if nothing is.
        due: The next event of the run as a whole, or `None` if nothing is to come.
        fates: What happens to its tasks, by task key; a task that is not in it goes as usual.
        scenarios: Which scenarios took it, each with the number of the outcome, as in `etl-* #2`.
        step: The same in one text, with the latest attempt that was made after the first ones; `None` if no
            scenario took it.
        on_success: Whom to call when it succeeded.
        notes: What looks like a mistake about it, in words for the author of the test.
        timeline: Every change of state of its task runs, oldest first.
        rendered: Bodies that have been rendered since the last event, by whatever key the renderer uses.
    """

    run_id: int
    job_id: int
    submitted: SubmittedRun
    start_time_ms: int
    creator_user_name: str = Principal.USER.user_name
    state: JobRunState = field(default_factory=lambda: JobRunState(LifeCycleState.PENDING))
    end_time_ms: int = 0
    key: tuple[str, int] = ("", 1)
    task_runs: list[TaskRun] = field(default_factory=list)
    latest: dict[str, TaskRun] = field(default_factory=dict)
    downstream: dict[str, list[str]] = field(default_factory=dict)
    states: dict[LifeCycleState, int] = field(default_factory=dict)
    job: Job | None = None
    run_type: RunType = RunType.SUBMIT_RUN
    trigger: TriggerType | None = None
    triggered_by: JobRun | None = None
    above: TaskRun | None = None
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding_parameters: bytes = b""
    queue_code: QueueCode | None = None
    queue_message: str = ""
    queue_duration_ms: int = 0
    repairs: list[Repair] = field(default_factory=list)
    is_deleted: bool = False
    retries_due: int = 0
    is_cancel_requested: bool = False
    stopping: Event | None = None
    due: Due | None = None
    fates: dict[str, Fate] = field(default_factory=dict)
    scenarios: list[str] = field(default_factory=list)
    step: str | None = None
    on_success: list[OnSuccess] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)
    rendered: dict[Hashable, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<JobRun {self.run_id} {self.run_name!r} {_words(self.life_cycle_state, self.result_state)}>"

    @property
    def run_name(self) -> str:
        """The run's name."""
        return self.submitted.run_name

    @property
    def is_flat(self) -> bool:
        """Whether the run was submitted without `tasks` and is its own only task run."""
        return self.submitted.is_flat

    @property
    def latest_repair_id(self) -> int:
        """The id of its latest repair; 0 if it was never repaired."""
        return self.repairs[-1].repair_id

    @property
    def only(self) -> TaskRun | None:
        """The latest attempt of its only task; `None` if it has several tasks."""
        return next(iter(self.latest.values())) if len(self.latest) == 1 else None

    @property
    def life_cycle_state(self) -> LifeCycleState:
        """The legacy life-cycle state."""
        return self.state.life_cycle_state

    @property
    def result_state(self) -> ResultState | None:
        """The legacy result; `None` while the run is active."""
        return self.state.result_state

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state.life_cycle_state in TERMINAL


def _words(life_cycle_state: LifeCycleState, result_state: ResultState | None) -> str:
    return " ".join(state.value for state in (life_cycle_state, result_state) if state is not None)
