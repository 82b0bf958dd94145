"""How a run begins: it is made, claims its fate, and waits for its turn where its job allows only so many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbx_emulator._core.attempts import make_attempt, place, terminate
from dbx_emulator._core.events import Due
from dbx_emulator._core.jobs import Job
from dbx_emulator._core.lifecycle import Event
from dbx_emulator._core.runs import JobRun, Repair, TaskRun
from dbx_emulator._core.states import LifeCycleState, QueueCode, RunType, TerminationCode, TriggerType
from dbx_emulator._core.submitted import SubmittedRun

if TYPE_CHECKING:
    from dbx_emulator._core.machine import Machine

__all__ = ["Order", "give_way", "launch", "set_going", "skip"]

#: How long a run waits in its job's queue at most. A job that runs itself, one at a time, would wait for ever.
#: Source: [jobs.concurrency.longest-wait] assumed: Databricks documentation, Job queueing, as remembered
_LONGEST_WAIT_MS = 48 * 3_600_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run, and on whose behalf.

    Attributes:
        submitted: The run as it is to be made.
        creator_user_name: Who asked for it.
        job: The job it is a run of; `None` for a submitted run.
        job_parameters: The values of the job's parameters where they are not the defaults.
        overriding_parameters: The legacy parameters of run-now, as JSON; empty if there are none.
        is_queued: Whether it waits for its turn, if it has to, or is skipped; `None` as the job says.
        trigger: What sets it off; `None` for a submitted run.
        triggered_by: The run whose run-job task sets it off; `None` if none does.
        above: That run-job task's run; `None` if there is none.
    """

    submitted: SubmittedRun
    creator_user_name: str
    job: Job | None = None
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding_parameters: bytes = b""
    is_queued: bool | None = None
    trigger: TriggerType | None = None
    triggered_by: JobRun | None = None
    above: TaskRun | None = None


def launch(machine: Machine, order: Order, at_ms: int) -> JobRun:
    """Make a run and set it going, put it in its job's queue, or skip it.

    Source: [jobs.concurrency.zero] sdk: databricks-sdk-py, jobs.py (JobSettings, max_concurrent_runs: 0 skips all)
    """
    job_run = _make(machine, order, at_ms)
    job = order.job
    most = None if job is None else job.settings.max_concurrent_runs
    is_turn = job is None or most is None or len(job.active) < most
    may_wait = job is not None and (job.settings.is_queued if order.is_queued is None else order.is_queued)
    is_queued = may_wait and bool(most) and not is_turn
    if is_queued:
        # Source: [jobs.concurrency.queued] documented: Databricks REST API reference, runs/get (queue_reason)
        job_run.queue_code = QueueCode.MAX_CONCURRENT_RUNS_REACHED
        job_run.queue_message = f"Queued due to reaching maximum concurrent runs of {most}."
    for task in order.submitted.tasks:
        task_run = make_attempt(machine, job_run, task, at_ms)
        task_run.open_upstream = len(task.depends_on)
        place(task_run, is_held=not is_turn)
        for dependency in task.depends_on:
            job_run.downstream.setdefault(dependency.task_key, []).append(task.task_key)
    machine.store.add(job_run)
    for task_run in list(job_run.task_runs):
        machine.enter(job_run, task_run, at_ms)
    if is_turn:
        set_going(machine, job_run, at_ms)
    elif is_queued and job is not None:
        job.waiting.append(job_run)
        machine.heap.schedule(Due(at_ms + _LONGEST_WAIT_MS, job_run, None, Event.SKIP_DECIDED))
    else:
        skip(machine, job_run, at_ms)
    machine.derive(job_run, at_ms)
    return job_run


def set_going(machine: Machine, job_run: JobRun, at_ms: int) -> None:
    """Let a run have its turn, or a repair begin.

    Source: [runs.timeout.from] assumed: a run takes time from when it has its turn, a repair from its beginning
    """
    if job_run.job is not None:
        job_run.job.active.add(job_run.run_id)
    if job_run.submitted.timeout_ms:
        machine.heap.schedule(Due(at_ms + job_run.submitted.timeout_ms, job_run, None, Event.TIMED_OUT))
    for task_run in list(job_run.latest.values()):
        machine.decide(job_run, task_run, at_ms)


def give_way(machine: Machine, job_run: JobRun, at_ms: int) -> None:
    """Let the next run of a job have its turn after one that is over, the oldest first."""
    job = job_run.job
    job_run.queue_code, job_run.queue_message = None, ""
    if job is None:
        return
    job.active.discard(job_run.run_id)
    while job.waiting and len(job.active) < job.settings.max_concurrent_runs:
        following = job.waiting.popleft()
        if following.stopping is None and not following.is_terminal:
            _release(machine, following, at_ms)


def skip(machine: Machine, job_run: JobRun, at_ms: int) -> None:
    """Skip every task of a run that may not begin, or has waited too long.

    Source: [jobs.concurrency.skipped] measured: databricks/cli#257
    """
    most = job_run.job.settings.max_concurrent_runs if job_run.job else 0
    message = f"Skipping this run because the limit of {most} maximum concurrent runs has been reached."
    for task_run in list(job_run.latest.values()):
        if task_run.code is None:
            terminate(task_run, TerminationCode.MAX_CONCURRENT_RUNS_EXCEEDED, message=message)
            machine.apply(job_run, task_run, Event.SKIP_DECIDED, at_ms)


def _make(machine: Machine, order: Order, at_ms: int) -> JobRun:
    submitted, job = order.submitted, order.job
    job_run = JobRun(
        run_id=machine.store.new_run_id(),
        job_id=machine.store.new_job_id() if job is None else job.job_id,
        submitted=submitted,
        start_time_ms=at_ms,
        creator_user_name=order.creator_user_name,
        key=machine.store.new_key(submitted.run_name),
        job=job,
        run_type=RunType.SUBMIT_RUN if job is None else RunType.JOB_RUN,
        trigger=order.trigger,
        triggered_by=order.triggered_by,
        above=order.above,
        job_parameters={**(job.settings.parameters if job else {}), **order.job_parameters},
        overriding_parameters=order.overriding_parameters,
        repairs=[Repair(0, at_ms)],
    )
    if order.above is not None:
        order.above.child = job_run
    claim = machine.scenarios.claim(submitted, job_id=job_run.job_id, key=job_run.key)
    job_run.fates, job_run.on_success, job_run.notes = claim.fates, claim.on_success, claim.notes
    job_run.scenarios, job_run.step = claim.scenarios, "; ".join(claim.scenarios) or None
    return job_run


def _release(machine: Machine, job_run: JobRun, at_ms: int) -> None:
    """Let a run that was held back have its turn."""
    job_run.queue_code, job_run.queue_message, job_run.due = None, "", None
    job_run.queue_duration_ms = at_ms - job_run.start_time_ms
    for task_run in job_run.latest.values():
        if task_run.life_cycle_state is LifeCycleState.QUEUED:
            machine.proceed(job_run, task_run, at_ms)
    set_going(machine, job_run, at_ms)
    machine.derive(job_run, at_ms)
