"""Repairs: a run that is over is opened again, and some of its tasks are run anew."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from dbx_emulator._core.attempts import make_attempt, place
from dbx_emulator._core.dag import Weight, weigh
from dbx_emulator._core.launching import set_going
from dbx_emulator._core.runs import JobRun, Repair

if TYPE_CHECKING:
    from dbx_emulator._core.machine import Machine

__all__ = ["failed_task_keys", "repair"]


def repair(
    machine: Machine, job_run: JobRun, task_keys: Set[str], at_ms: int, *, job_parameters: Mapping[str, str]
) -> Repair:
    """Run some tasks of a run anew, under the same run id.

    A task waits for those it depends on that are repaired too; of the others, what became of them counts.

    Source: [runs.repair.attempts] measured: apache/airflow#69998 (attempts are numbered on across repairs)
    Source: [runs.repair.job-parameters] measured: apache/airflow#64828 (those of the run are not taken over)
    """
    job_run.repairs.append(Repair(machine.store.new_repair_id(), at_ms))
    job_run.job_parameters = {**(job_run.job.settings.parameters if job_run.job else {}), **job_parameters}
    job_run.end_time_ms = 0
    job_run.stopping, job_run.is_cancel_requested = None, False
    machine.store.reopened(job_run)
    for task_key, ended in list(job_run.latest.items()):
        if task_key in task_keys:
            attempt = make_attempt(machine, job_run, ended.task, at_ms, after=ended)
            attempt.open_upstream = sum(each.task_key in task_keys for each in ended.task.depends_on)
            place(attempt, is_held=False)
            machine.store.add_task_run(job_run, attempt)
            machine.enter(job_run, attempt, at_ms)
    set_going(machine, job_run, at_ms)
    machine.derive(job_run, at_ms)
    return job_run.repairs[-1]


def failed_task_keys(job_run: JobRun) -> set[str]:
    """Return the tasks that failed, were stopped, or were skipped because others did or were."""
    return {
        task_key
        for task_key, task_run in job_run.latest.items()
        if weigh(task_run.result_state) is Weight.FAILED
    }
