"""The simulation: makes runs, moves them along as their events fall due, cancels them.

Owns every change of a record. It does not know HTTP; the workspace holds its lock around each call.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime, timezone
from functools import partial

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.dag import judge_upstream
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.durations import draw_ms
from dbx_emulator._core.events import Due, EventHeap
from dbx_emulator._core.lifecycle import (
    STAGES,
    TERMINAL,
    Event,
    derive_job_run,
    ends_with,
    initial_state,
    mirror_task_run,
    next_state,
)
from dbx_emulator._core.outcomes import Fate, OnCancel, Outcome, Timing
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun, TaskRun, TimelineEntry
from dbx_emulator._core.scenarios import OnSuccess, Scenarios
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType
from dbx_emulator._core.store import RunStore
from dbx_emulator._core.submitted import SubmittedRun, SubmittedTask
from dbx_emulator._core.terminations import TERMINATIONS

__all__ = ["Engine"]

#: What happens to a task that no scenario takes.
_USUAL = Fate((Outcome(),))


class Engine:
    """All runs of one workspace and what is to come for them.

    Args:
        clock: The workspace's time.
        timing: How long stages take where no scenario says otherwise.
        scenarios: What happens to runs; consulted when one is created.
        draws: Where chance comes from.

    Attributes:
        store: The runs.
        to_call: Whom somebody has to call, with which run, because the run succeeded; oldest first.
    """

    def __init__(
        self, *, clock: Clock, timing: Timing, scenarios: Scenarios, draws: Draws | None = None
    ) -> None:
        self.store = RunStore()
        self._timing = timing
        self._clock = clock
        self._scenarios = scenarios
        self._draws = draws or Draws()
        self._heap = EventHeap()
        self._names: Counter[str] = Counter()
        self.to_call: deque[tuple[OnSuccess, JobRun]] = deque()

    def drain(self) -> int:
        """Let everything happen that is due by now, in order, and return what it took for now."""
        now_ms = self._clock.now_ms
        while (due := self._heap.pop_due(now_ms)) is not None:
            self._apply(due.job_run, due.task_run, due.event, due.deadline_ms)
        return now_ms

    def next_deadline_ms(self, job_run: JobRun | None = None) -> int | None:
        """Return when the next event is due, of one run or of any, or `None` if nothing is to come."""
        if job_run is None:
            return self._heap.next_deadline_ms()
        due = (task_run.due for task_run in job_run.latest.values())
        return min((each.deadline_ms for each in due if each is not None), default=None)

    def submit(self, submitted: SubmittedRun, *, principal: Principal = Principal.USER) -> JobRun:
        """Make a run, or return the one that was made with the same idempotency token.

        The body of a repeated submit is not compared: the token wins.

        Source: [runs.submit.idempotency] sdk: databricks-sdk-py, jobs.py (JobsAPI.submit, idempotency_token)
        """
        token = submitted.idempotency_token
        if token and (existing := self.store.find_by_token(token)) is not None:
            return existing
        now_ms = self._clock.tick()
        self._names[submitted.run_name] += 1
        job_run = JobRun(
            run_id=self.store.new_run_id(),
            job_id=self.store.new_job_id(),
            submitted=submitted,
            creator_user_name=principal.user_name,
            start_time_ms=now_ms,
            key=(submitted.run_name, self._names[submitted.run_name]),
        )
        claim = self._scenarios.claim(submitted, job_id=job_run.job_id, key=job_run.key)
        job_run.on_success, job_run.notes = claim.on_success, claim.notes
        for task in submitted.tasks:
            for upstream in task.depends_on:
                job_run.downstream.setdefault(upstream.task_key, []).append(task.task_key)
            self._make_attempt(job_run, task, claim.fates.get(task.task_key, _USUAL), now_ms)
        self.store.add(job_run)
        for task_run in list(job_run.task_runs):
            self._enter(job_run, task_run, now_ms)
        self._derive(job_run, now_ms)
        return job_run

    def cancel(self, job_run: JobRun, task_run: TaskRun | None) -> None:
        """Ask a run to stop, or only one task run of it. It stops later; what is over keeps its outcome.

        Source: [runs.cancel.asynchronous] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_run)
        Source: [runs.cancel.terminal-noop] measured: databricks/cli, libs/testserver/jobs.go
        Source: [runs.cancel.task-only] measured: apache/airflow#69442
        """
        # What is due comes first, at the same moment: a clock that runs by itself may have moved meanwhile.
        now_ms = self.drain()
        is_whole_run = task_run is None
        job_run.is_cancel_requested |= is_whole_run and not job_run.is_terminal
        for each in list(job_run.latest.values()):
            if (is_whole_run or each is task_run) and each.code is None and each.cancel_ms is None:
                self._ask_to_stop(job_run, each, now_ms)
        self.drain()

    def _ask_to_stop(self, job_run: JobRun, task_run: TaskRun, now_ms: int) -> None:
        """Do what the task run's outcome says about a cancel."""
        outcome = task_run.outcome
        if outcome.on_cancel is OnCancel.IGNORES:
            return
        if outcome.on_cancel is OnCancel.FINISHES and task_run.life_cycle_state is LifeCycleState.RUNNING:
            self._apply(job_run, task_run, Event.WORK_ENDED, now_ms)
            return
        fraction = partial(self._fraction, job_run, task_run, "cancel_after")
        task_run.cancel_ms = now_ms + draw_ms(outcome.cancel_after, name="cancel_after", fraction=fraction)
        if task_run.cancel_ms == now_ms:
            self._apply(job_run, task_run, Event.CANCEL_REQUESTED, now_ms)
        elif task_run.due is None or task_run.due.deadline_ms > task_run.cancel_ms:
            self._heap.schedule(Due(task_run.cancel_ms, job_run, task_run, Event.CANCEL_REQUESTED))

    def _make_attempt(
        self, job_run: JobRun, task: SubmittedTask, fate: Fate, at_ms: int, *, attempt_number: int = 0
    ) -> TaskRun:
        """Make the first or a further attempt of a task, which is the latest one from now on."""
        is_own_run = job_run.is_flat and not attempt_number
        task_run = TaskRun(
            run_id=job_run.run_id if is_own_run else self.store.new_run_id(),
            task=task,
            fate=fate,
            times=_NO_TIMES,
            life_cycle_state=LifeCycleState.WAITING_FOR_RETRY,
            entered_ms=at_ms,
            attempt_number=attempt_number,
            open_upstream=len(task.depends_on),
        )
        timing = task_run.outcome.timing(self._timing)
        task_run.times = timing.draw(partial(self._fraction, job_run, task_run))
        if not attempt_number:
            task_run.life_cycle_state = initial_state(
                is_blocked=bool(task.depends_on), is_queued=task_run.times.queue_ms > 0
            )
        job_run.task_runs.append(task_run)
        job_run.latest[task.task_key] = task_run
        return task_run

    def _fraction(self, job_run: JobRun, task_run: TaskRun, what: str) -> float:
        """Return the draw for something about one attempt of one task."""
        return self._draws.fraction(*job_run.key, task_run.task_key, task_run.attempt_number, what)

    def _apply(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        state = next_state(task_run.life_cycle_state, event)
        self._leave(job_run, task_run, event, at_ms)
        task_run.life_cycle_state = state
        task_run.entered_ms = at_ms
        job_run.is_cancelling |= event is Event.CANCEL_REQUESTED and job_run.is_cancel_requested
        self._enter(job_run, task_run, at_ms)
        self._derive(job_run, at_ms)

    def _leave(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        """Write down how long the state took that the task run is about to leave, and why it ends.

        Source: [runs.durations.whole-seconds] measured: durations in public records are multiples of 1000
        """
        _count(job_run, task_run.life_cycle_state, -1)
        task_run.has_worked |= event is Event.CLUSTER_READY
        stage = STAGES.get(task_run.life_cycle_state)
        is_cancel = event is Event.CANCEL_REQUESTED
        if stage is not None and not (is_cancel and stage.recorded == "setup_duration_ms"):
            setattr(task_run, stage.recorded, (at_ms - task_run.entered_ms) // 1_000 * 1_000)
        if task_run.code is not None or event not in _ENDING:
            return
        if task_run.life_cycle_state is LifeCycleState.BLOCKED:
            verdict = ResultState.UPSTREAM_CANCELED if is_cancel else self._judge(job_run, task_run)
            assert isinstance(verdict, ResultState), "a blocked task run is skipped because of its upstream"
            _terminate(task_run, TerminationCode.SKIPPED, result_state=verdict)
        elif is_cancel:
            _terminate(task_run, TerminationCode.USER_CANCELED)
        else:
            _terminate_as_planned(task_run)

    def _enter(self, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
        """Do what goes with the state that the task run came into, and schedule what follows."""
        state = task_run.life_cycle_state
        _count(job_run, state, 1)
        job_run.timeline.append(TimelineEntry(at_ms, task_run.task_key, state, task_run.attempt_number))
        if state in TERMINAL:
            task_run.due = None
            task_run.end_time_ms = at_ms
            if not self._retry(job_run, task_run, at_ms):
                self._judge_downstream(job_run, task_run, at_ms)
            return
        if state is LifeCycleState.PENDING:
            task_run.start_time_ms = at_ms
            task_run.cluster_id = _cluster_id(task_run)
        event = ends_with(state, task_run.code or task_run.outcome.code)
        if event is not None:
            deadline_ms = at_ms + getattr(task_run.times, STAGES[state].planned)
            self._schedule(job_run, task_run, event, deadline_ms)

    def _schedule(self, job_run: JobRun, task_run: TaskRun, event: Event, deadline_ms: int) -> None:
        """Make `event` the next of a task run, unless it obeys a cancel before."""
        cancel_ms = task_run.cancel_ms
        if cancel_ms is not None and task_run.code is None and cancel_ms < deadline_ms:
            event, deadline_ms = Event.CANCEL_REQUESTED, cancel_ms
        self._heap.schedule(Due(deadline_ms, job_run, task_run, event))

    def _retry(self, job_run: JobRun, ended: TaskRun, at_ms: int) -> bool:
        """Make the next attempt of a task whose attempt has ended, if it has one left, and say whether it has.

        Source: [runs.retries.attempts] measured: apache/airflow#69998 (a further element of `tasks`, same key)
        Source: [runs.retries.interval] sdk: databricks-sdk-py, jobs.py (SubmitTask, min_retry_interval_millis:
        counted from the start of the failed attempt)
        """
        if job_run.is_cancelling or not ended.is_to_be_retried:
            return False
        attempt = self._make_attempt(
            job_run, ended.task, ended.fate, at_ms, attempt_number=ended.attempt_number + 1
        )
        self.store.add_task_run(job_run, attempt)
        self._enter(job_run, attempt, at_ms)
        due_ms = max(at_ms, ended.start_time_ms + ended.task.min_retry_interval_ms)
        self._schedule(job_run, attempt, Event.RETRY_DUE, due_ms)
        return True

    def _judge(self, job_run: JobRun, task_run: TaskRun) -> object:
        return judge_upstream(job_run.latest[each.task_key] for each in task_run.task.depends_on)

    def _judge_downstream(self, job_run: JobRun, ended: TaskRun, at_ms: int) -> None:
        for task_key in job_run.downstream.get(ended.task_key, ()):
            task_run = job_run.latest[task_key]
            task_run.open_upstream -= 1
            if task_run.life_cycle_state is LifeCycleState.BLOCKED and not task_run.open_upstream:
                is_met = self._judge(job_run, task_run) == "run"
                # Scheduled, not applied: a chain of a thousand skipped tasks must not become a recursion.
                event = Event.UPSTREAM_MET if is_met else Event.SKIP_DECIDED
                self._schedule(job_run, task_run, event, at_ms)

    def _derive(self, job_run: JobRun, at_ms: int) -> None:
        """Derive the job run's state again and drop the bodies that showed the old one."""
        was_terminal = job_run.is_terminal
        if job_run.is_flat:
            job_run.state = mirror_task_run(next(iter(job_run.latest.values())))
        else:
            job_run.state = derive_job_run(
                job_run.latest.values(), job_run.states.keys(), is_cancelling=job_run.is_cancelling
            )
        if job_run.is_terminal and not was_terminal:
            job_run.end_time_ms = at_ms
            self.store.ended(job_run)
            if job_run.result_state is ResultState.SUCCESS:
                self.to_call.extend((call, job_run) for call in job_run.on_success)
        job_run.rendered.clear()


#: Times before they are drawn.
_NO_TIMES = Timing(0, 0, 0, 0).draw(lambda _stage: 0.5)

#: Events after which it is settled why a task run ends.
_ENDING = frozenset({Event.WORK_ENDED, Event.PLATFORM_FAILED, Event.SKIP_DECIDED, Event.CANCEL_REQUESTED})


def _count(job_run: JobRun, state: LifeCycleState, change: int) -> None:
    """Count a task run that comes into a state or leaves it; a state that none is in has no entry."""
    count = job_run.states.get(state, 0) + change
    if count:
        job_run.states[state] = count
    else:
        del job_run.states[state]


def _terminate_as_planned(task_run: TaskRun) -> None:
    outcome = task_run.outcome
    _terminate(task_run, outcome.code, message=outcome.message)
    if outcome.termination_type is not None:
        task_run.type = TerminationType(outcome.termination_type)
    if outcome.result_state is not None:
        task_run.result_state = ResultState(outcome.result_state) if outcome.result_state else None


def _terminate(
    task_run: TaskRun,
    code: TerminationCode,
    *,
    result_state: ResultState | None = None,
    message: str | None = None,
) -> None:
    termination = TERMINATIONS[code]
    task_run.code = code
    task_run.type = termination.type
    task_run.result_state = result_state or termination.result_state
    task_run.end_message = termination.message if message is None else message


def _cluster_id(task_run: TaskRun) -> str:
    """Return the id of the cluster a task run has asked for.

    Source: [runs.cluster-instance.id] measured: cluster ids in public records look like 0716-190309-boll22
    """
    if not task_run.task.has_new_cluster:
        return task_run.task.existing_cluster_id
    requested = datetime.fromtimestamp(task_run.start_time_ms // 1_000, tz=timezone.utc)
    return f"{requested:%m%d-%H%M%S}-{task_run.run_id % 16**8:08x}"
