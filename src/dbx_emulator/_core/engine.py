"""The simulation: makes runs, moves them along as their events fall due, cancels them.

Owns every change of a record. It does not know HTTP; the workspace holds its lock around each call.
"""

from __future__ import annotations

from datetime import datetime, timezone

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.dag import judge_upstream
from dbx_emulator._core.events import Due, EventHeap
from dbx_emulator._core.lifecycle import (
    STAGES,
    TERMINAL,
    TERMINATIONS,
    Event,
    derive_job_run,
    ends_with,
    initial_state,
    mirror_task_run,
    next_state,
)
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun, SubmittedRun, SubmittedTask, TaskRun, TimelineEntry
from dbx_emulator._core.scenarios import Outcome, Scenarios, StageTimes, Timing
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode
from dbx_emulator._core.store import RunStore

__all__ = ["Engine"]


class Engine:
    """All runs of one workspace and what is to come for them.

    Args:
        clock: The workspace's time.
        timing: How long stages take where no scenario says otherwise.
        scenarios: What happens to runs; consulted when one is created.
    """

    def __init__(self, *, clock: Clock, timing: Timing, scenarios: Scenarios) -> None:
        self.store = RunStore()
        self._timing = timing
        self._clock = clock
        self._scenarios = scenarios
        self._heap = EventHeap()

    def drain(self) -> int:
        """Let everything happen that is due by now, in order, and return what it took for now."""
        now_ms = self._clock.now_ms
        while (due := self._heap.pop_due(now_ms)) is not None:
            self._apply(due.job_run, due.task_run, due.event, due.deadline_ms)
        return now_ms

    def next_deadline_ms(self, job_run: JobRun | None = None) -> int | None:
        """Return when the next event is due, of one run or of all, or `None` if nothing is to come."""
        if job_run is None:
            return self._heap.next_deadline_ms()
        return min((run.due.deadline_ms for run in job_run.task_runs if run.due is not None), default=None)

    def polled(self, job_run: JobRun) -> None:
        """Note that a run was read: `per-poll`, time then moves to its next event, or to the next of any run."""
        if self._clock.policy != "per-poll" or job_run.is_terminal:
            return
        deadline_ms = self.next_deadline_ms(job_run) or self.next_deadline_ms()
        if deadline_ms is not None:
            self._clock.plan_move(deadline_ms, who=f"a poll of run {job_run.run_id}")

    def submit(self, submitted: SubmittedRun, *, principal: Principal = Principal.USER) -> JobRun:
        """Make a run, or return the one that was made with the same idempotency token.

        The body of a repeated submit is not compared: the token wins.

        Source: [runs.submit.idempotency] sdk: databricks-sdk-py, jobs.py (JobsAPI.submit, idempotency_token)
        """
        token = submitted.idempotency_token
        if token and (existing := self.store.find_by_token(token)) is not None:
            return existing
        now_ms = self._clock.tick()
        outcome = self._scenarios.claim(submitted.run_name)
        times = outcome.stage_times(self._timing)
        job_run = JobRun(
            run_id=self.store.new_run_id(),
            job_id=self.store.new_job_id(),
            submitted=submitted,
            creator_user_name=principal.user_name,
            start_time_ms=now_ms,
        )
        job_run.task_runs = [self._make_task_run(job_run, task, outcome, times) for task in submitted.tasks]
        self.store.add(job_run)
        for task_run in job_run.task_runs:
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
        is_whole_run = task_run is None or job_run.is_flat
        job_run.is_cancel_requested |= is_whole_run and not job_run.is_terminal
        for each in job_run.task_runs:
            if (is_whole_run or each is task_run) and each.code is None:
                self._apply(job_run, each, Event.CANCEL_REQUESTED, now_ms)
        self.drain()

    def _make_task_run(
        self, job_run: JobRun, task: SubmittedTask, outcome: Outcome, times: StageTimes
    ) -> TaskRun:
        state = initial_state(is_blocked=bool(task.depends_on), is_queued=times.queue_ms > 0)
        return TaskRun(
            run_id=job_run.run_id if job_run.is_flat else self.store.new_run_id(),
            task=task,
            outcome=outcome,
            times=times,
            life_cycle_state=state,
            entered_ms=job_run.start_time_ms,
        )

    def _apply(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        state = next_state(task_run.life_cycle_state, event)
        self._leave(job_run, task_run, event, at_ms)
        task_run.life_cycle_state = state
        task_run.entered_ms = at_ms
        self._enter(job_run, task_run, at_ms)
        self._derive(job_run, at_ms)

    def _leave(self, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
        """Write down how long the state took that the task run is about to leave, and why it ends.

        Source: [runs.durations.whole-seconds] measured: durations in public records are multiples of 1000
        """
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
            _terminate(task_run, task_run.outcome.code, message=task_run.outcome.message)

    def _enter(self, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
        """Do what goes with the state that the task run came into, and schedule what follows."""
        state = task_run.life_cycle_state
        job_run.timeline.append(TimelineEntry(at_ms, task_run.task_key, state))
        if state in TERMINAL:
            task_run.due = None
            task_run.end_time_ms = at_ms
            self._judge_downstream(job_run, task_run, at_ms)
            return
        if state is LifeCycleState.PENDING:
            task_run.start_time_ms = at_ms
            task_run.cluster_id = _cluster_id(task_run)
        event = ends_with(state, task_run.code or task_run.outcome.code)
        if event is not None:
            deadline_ms = at_ms + getattr(task_run.times, STAGES[state].planned)
            self._heap.schedule(Due(deadline_ms, job_run, task_run, event))

    def _judge(self, job_run: JobRun, task_run: TaskRun) -> object:
        upstream = set(task_run.task.depends_on)
        return judge_upstream(run for run in job_run.task_runs if run.task_key in upstream)

    def _judge_downstream(self, job_run: JobRun, ended: TaskRun, at_ms: int) -> None:
        for task_run in job_run.task_runs:
            if (
                task_run.life_cycle_state is LifeCycleState.BLOCKED
                and ended.task_key in task_run.task.depends_on
                and (verdict := self._judge(job_run, task_run)) != "wait"
            ):
                event = Event.UPSTREAM_MET if verdict == "run" else Event.SKIP_DECIDED
                # Scheduled, not applied: a chain of a thousand skipped tasks must not become a recursion.
                self._heap.schedule(Due(at_ms, job_run, task_run, event))

    def _derive(self, job_run: JobRun, at_ms: int) -> None:
        """Derive the job run's state again and drop the bodies that showed the old one."""
        was_terminal = job_run.is_terminal
        job_run.state = (
            mirror_task_run(job_run.task_runs[0])
            if job_run.is_flat
            else derive_job_run(job_run.task_runs, is_cancel_requested=job_run.is_cancel_requested)
        )
        if job_run.is_terminal and not was_terminal:
            job_run.end_time_ms = at_ms
            self.store.ended(job_run)
        job_run.rendered.clear()


#: Events after which it is settled why a task run ends.
_ENDING = frozenset({Event.WORK_ENDED, Event.PLATFORM_FAILED, Event.SKIP_DECIDED, Event.CANCEL_REQUESTED})


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
