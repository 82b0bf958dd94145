"""How runs are stopped before their time: by a user, or because they take too long."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dbx_emulator._core.attempts import draw_for
from dbx_emulator._core.durations import draw_ms
from dbx_emulator._core.events import Due
from dbx_emulator._core.lifecycle import Event
from dbx_emulator._core.outcomes import OnCancel
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState

if TYPE_CHECKING:
    from dbx_emulator._core.machine import Machine

__all__ = ["cancel", "stop_below", "time_out"]


def cancel(machine: Machine, job_run: JobRun, task_run: TaskRun | None, at_ms: int) -> None:
    """Ask a run to stop, or only one task run of it. What is over keeps its outcome."""
    job_run.is_cancel_requested |= task_run is None and not job_run.is_terminal
    for each in list(job_run.latest.values()) if task_run is None else [task_run]:
        if each.code is None and each.cancel_ms is None:
            _ask_to_stop(machine, job_run, each, at_ms)


def time_out(machine: Machine, job_run: JobRun, at_ms: int) -> None:
    """Stop a run that has taken longer than it may.

    Source: [runs.timeout.whole-run] sdk: databricks-sdk-py, jobs.py (SubmitRun, timeout_seconds: for each run)
    """
    tasks = list(job_run.latest.values())
    if job_run.stopping is None and any(task_run.code is None for task_run in tasks):
        job_run.stopping = Event.TIMED_OUT
    for task_run in tasks:
        _time_out(machine, job_run, task_run, at_ms)


def stop_below(machine: Machine, job_run: JobRun, task_run: TaskRun, event: Event, at_ms: int) -> None:
    """Let what stopped a task run reach what is below it: its iterations, or the run that it started.

    Source: [runs.run-job.stopped] assumed: the run that a run-job task started is cancelled with it
    """
    for iteration in list(task_run.iterations):
        if event is Event.TIMED_OUT:
            _time_out(machine, job_run, iteration, at_ms)
        elif iteration.code is None and iteration.cancel_ms is None:
            _ask_to_stop(machine, job_run, iteration, at_ms)
    if task_run.child is not None:
        cancel(machine, task_run.child, None, at_ms)


def _time_out(machine: Machine, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
    """Stop a task run, or what is below it if that is all it waits for."""
    if task_run.code is None:
        machine.apply(job_run, task_run, Event.TIMED_OUT, at_ms)
    elif task_run.is_waiting_below:
        stop_below(machine, job_run, task_run, Event.TIMED_OUT, at_ms)


def _ask_to_stop(machine: Machine, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
    """Do what the task run's outcome says about a cancel."""
    outcome = task_run.outcome
    if outcome.on_cancel is OnCancel.IGNORES:
        return
    if outcome.on_cancel is OnCancel.FINISHES and task_run.life_cycle_state is LifeCycleState.RUNNING:
        machine.apply(job_run, task_run, Event.WORK_ENDED, at_ms)
        return
    fraction = partial(draw_for, machine, job_run, task_run, "cancel_after")
    task_run.cancel_ms = at_ms + draw_ms(outcome.cancel_after, name="cancel_after", fraction=fraction)
    if task_run.cancel_ms == at_ms:
        machine.apply(job_run, task_run, Event.CANCEL_REQUESTED, at_ms)
    elif task_run.due is None or task_run.due.deadline_ms > task_run.cancel_ms:
        machine.heap.schedule(Due(task_run.cancel_ms, job_run, task_run, Event.CANCEL_REQUESTED))
