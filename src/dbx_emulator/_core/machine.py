"""The machine: moves task runs from state to state as their events fall due, and the job runs above with them.

Every change of a record that exists goes through `Machine.apply`. What an event means beyond the state itself is
told by the modules that the machine asks: `special_tasks` for what is below a task run, `stopping` for what a stop
reaches, `launching` for whose turn it is when a run of a job ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from dbx_emulator._core import launching, special_tasks, stopping
from dbx_emulator._core.attempts import cluster_id, make_attempt, terminate, terminate_as_planned
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.dag import judge_upstream
from dbx_emulator._core.derivation import derive_job_run
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.events import Due, EventHeap
from dbx_emulator._core.lifecycle import STAGES, STOPS, TERMINAL, Event, ends_with, next_state
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.runs import JobRun, TaskRun, TimelineEntry
from dbx_emulator._core.scenarios import OnSuccess, Scenarios
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode
from dbx_emulator._core.store import RunStore

__all__ = ["Machine"]


class Machine:
    """All runs of one workspace and what is to come for them.

    Args:
        clock: The workspace's time.
        timing: How long stages take where no scenario says otherwise.
        scenarios: What happens to runs; consulted when one is created.
        draws: Where chance comes from.

    Attributes:
        store: The jobs and runs.
        heap: What is to come.
        to_call: Whom somebody has to call, with which run, because the run succeeded; oldest first.
    """

    #: A snapshot holds its store and heap, each by itself. What is to be called is code, which it cannot hold.
    STATE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, clock: Clock, timing: Timing, scenarios: Scenarios, draws: Draws) -> None:
        self.clock = clock
        self.timing = timing
        self.scenarios = scenarios
        self.draws = draws
        self.store = RunStore()
        self.heap = EventHeap()
        self.to_call: deque[tuple[OnSuccess, JobRun]] = deque()

    def settled(self) -> None:
        """Take notice that the runs are others: nobody is to be called about the old ones."""
        self.to_call.clear()

    def drain(self, *, now_ms: int | None = None) -> int:
        """Let everything happen that is due by now, in order, and return what it took for now."""
        now_ms = self.clock.now_ms if now_ms is None else now_ms
        while (due := self.heap.pop_due(now_ms)) is not None:
            if due.task_run is not None:
                self.apply(due.job_run, due.task_run, due.event, due.deadline_ms)
            else:
                _OF_JOB_RUNS[due.event](self, due.job_run, due.deadline_ms)
        return now_ms

    def apply(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        """Let an event happen to a task run.

        Raises:
            RuntimeError: The event cannot happen in its state, which is a defect of the emulator.
        """
        state = next_state(task_run.life_cycle_state, event)
        self._leave(job_run, task_run, event, at_ms)
        task_run.life_cycle_state = state
        task_run.entered_ms = at_ms
        if event is Event.CANCEL_REQUESTED and job_run.is_cancel_requested and job_run.stopping is None:
            job_run.stopping = event
        self.enter(job_run, task_run, at_ms)
        if event in STOPS and task_run.is_waiting_below:
            stopping.stop_below(self, job_run, task_run, event, at_ms)
        self.derive(job_run, at_ms)

    def _leave(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        """Write down how long the state took that the task run is about to leave, and why it ends.

        Source: [runs.durations.whole-seconds] measured: durations in public records are multiples of 1000
        """
        if task_run.above is None:
            _count(job_run, task_run.life_cycle_state, -1)
        task_run.has_worked |= event is Event.CLUSTER_READY
        stage = STAGES.get(task_run.life_cycle_state)
        if stage is not None and not (event in STOPS and stage.recorded == "setup_duration_ms"):
            setattr(task_run, stage.recorded, (at_ms - task_run.entered_ms) // 1_000 * 1_000)
        if task_run.code is None and event in _ENDING:
            _settle(job_run, task_run, event)
            job_run.retries_due += task_run.above is None and task_run.is_to_be_retried

    def enter(self, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
        """Do what goes with the state that a task run came into, and schedule what follows."""
        state = task_run.life_cycle_state
        if task_run.above is None:
            _count(job_run, state, 1)
        job_run.timeline.append(
            TimelineEntry(at_ms, task_run.task_key, state, task_run.attempt_number, task_run.iteration_index)
        )
        if state in TERMINAL:
            task_run.due = None
            task_run.end_time_ms = at_ms
            if not self._retry(job_run, task_run, at_ms):
                self._over(job_run, task_run, at_ms)
            return
        if state is LifeCycleState.PENDING:
            task_run.start_time_ms = at_ms
            task_run.cluster_id = cluster_id(task_run)
            if task_run.task.timeout_ms:
                task_run.timeout_at_ms = at_ms + task_run.task.timeout_ms
        if state is LifeCycleState.RUNNING and (work := task_run.task.work) is not None:
            special_tasks.begin(self, work, job_run, task_run, at_ms)
        self.proceed(job_run, task_run, at_ms)

    def proceed(self, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
        """Schedule what ends the state that a task run is in, unless that waits for something else."""
        state = task_run.life_cycle_state
        event = ends_with(state, task_run.code or task_run.outcome.code)
        is_held = job_run.queue_code is not None and state is LifeCycleState.QUEUED
        if event is None or is_held or task_run.is_waiting_below:
            self.schedule(job_run, task_run, None, at_ms)
        else:
            planned_ms: int = getattr(task_run.times, STAGES[state].planned)
            self.schedule(job_run, task_run, event, at_ms + planned_ms)

    def schedule(self, job_run: JobRun, task_run: TaskRun, event: Event | None, deadline_ms: int) -> None:
        """Make `event` the next of a task run, unless something stops it before; `None` is only what stops it."""
        stops = ((Event.CANCEL_REQUESTED, task_run.cancel_ms), (Event.TIMED_OUT, task_run.timeout_at_ms))
        for stop, stop_ms in stops if task_run.code is None else ():
            if stop_ms is not None and (event is None or stop_ms < deadline_ms):
                event, deadline_ms = stop, stop_ms
        if event is None:
            task_run.due = None
        else:
            self.heap.schedule(Due(deadline_ms, job_run, task_run, event))

    def decide(self, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
        """Let a blocked task run go or be skipped if all it depends on is over and its run has its turn."""
        is_blocked = task_run.life_cycle_state is LifeCycleState.BLOCKED
        if not is_blocked or task_run.open_upstream or job_run.queue_code is not None:
            return
        is_met = judge_upstream(task_run.task, job_run.latest) is None
        # Scheduled, not applied: a chain of a thousand skipped tasks must not become a recursion.
        self.schedule(job_run, task_run, Event.UPSTREAM_MET if is_met else Event.SKIP_DECIDED, at_ms)

    def derive(self, job_run: JobRun, at_ms: int) -> None:
        """Derive the job run's state again and drop the bodies that showed the old one."""
        was_terminal = job_run.is_terminal
        job_run.repairs[-1].state = job_run.state = derive_job_run(job_run)
        if job_run.is_terminal and not was_terminal:
            self._ended(job_run, at_ms)
        job_run.rendered.clear()

    def _retry(self, job_run: JobRun, ended: TaskRun, at_ms: int) -> bool:
        """Make the next attempt of a task whose attempt has ended, if it has one left, and say whether it has.

        Source: [runs.retries.interval] sdk: databricks-sdk-py, jobs.py (SubmitTask, min_retry_interval_millis:
        counted from the start of the failed attempt)
        """
        job_run.retries_due -= ended.above is None and ended.is_to_be_retried
        is_stopped = job_run.stopping is not None or (
            ended.above is not None and ended.above.code is not None
        )
        if is_stopped or not ended.is_to_be_retried:
            return False
        attempt = make_attempt(self, job_run, ended.task, at_ms, after=ended)
        attempt.retry_number = ended.retry_number + 1
        self.store.add_task_run(job_run, attempt)
        self.enter(job_run, attempt, at_ms)
        due_ms = max(at_ms, ended.start_time_ms + ended.task.min_retry_interval_ms)
        self.schedule(job_run, attempt, Event.RETRY_DUE, due_ms)
        return True

    def _over(self, job_run: JobRun, ended: TaskRun, at_ms: int) -> None:
        """Tell those that waited for a task run that it is over for good."""
        if ended.above is not None:
            special_tasks.iteration_over(self, job_run, ended, at_ms)
            return
        for task_key in job_run.downstream.get(ended.task_key, ()):
            task_run = job_run.latest[task_key]
            task_run.open_upstream -= 1
            self.decide(job_run, task_run, at_ms)

    def _ended(self, job_run: JobRun, at_ms: int) -> None:
        job_run.due = None
        job_run.end_time_ms = job_run.repairs[-1].end_time_ms = at_ms
        self.store.ended(job_run)
        if job_run.result_state is ResultState.SUCCESS:
            self.to_call.extend((call, job_run) for call in job_run.on_success)
        launching.give_way(self, job_run, at_ms)
        special_tasks.child_over(self, job_run, at_ms)


#: What happens to a run as a whole.
_OF_JOB_RUNS: dict[Event, Callable[[Machine, JobRun, int], None]] = {
    Event.TIMED_OUT: stopping.time_out,
    Event.SKIP_DECIDED: launching.skip,
}

#: Events after which it is settled why a task run ends.
_ENDING = frozenset({Event.WORK_ENDED, Event.PLATFORM_FAILED, Event.SKIP_DECIDED, *STOPS})

#: What becomes of a blocked task run that is stopped.
#: Source: [runs.cancel.blocked] assumed: the service documents UPSTREAM_CANCELED, and not for which tasks
#: Source: [runs.timeout.blocked] assumed: what is upstream has failed, because it took too long
_SKIPPED_BY = {
    Event.CANCEL_REQUESTED: ResultState.UPSTREAM_CANCELED,
    Event.TIMED_OUT: ResultState.UPSTREAM_FAILED,
}


def _settle(job_run: JobRun, task_run: TaskRun, event: Event) -> None:
    """Write down why a task run ends that `event` brings to its end, or near it."""
    if task_run.life_cycle_state is LifeCycleState.BLOCKED:
        verdict = _SKIPPED_BY.get(event) or judge_upstream(task_run.task, job_run.latest)
        is_disabled = verdict is ResultState.DISABLED
        code = TerminationCode.DISABLED if is_disabled else TerminationCode.SKIPPED
        terminate(task_run, code, result_state=verdict)
    elif event in STOPS:
        terminate(task_run, STOPS[event])
    else:
        terminate_as_planned(task_run)


def _count(job_run: JobRun, state: LifeCycleState, change: int) -> None:
    """Count a task run that comes into a state or leaves it; a state that none is in has no entry."""
    count = job_run.states.get(state, 0) + change
    if count:
        job_run.states[state] = count
    else:
        del job_run.states[state]
