"""What the state of a job run is, given its task runs.

Source: [runs.get.parent-failed] measured: databricks/cli, libs/testserver/jobs.go (terminateRun)
Source: [runs.get.parent-pending] assumed: flyteorg/flytekit#1935 shows a PENDING parent of a PENDING task
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbx_emulator._core.dag import CANCELLED, Weight, weigh
from dbx_emulator._core.lifecycle import MESSAGES, STOPS, TERMINAL, JobRunState, mirror_task_run
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode
from dbx_emulator._core.terminations import TERMINATIONS

if TYPE_CHECKING:
    from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = ["derive_job_run"]

_L = LifeCycleState

#: A job run of `tasks[]` shows the first of these states that fits its task runs.
_ACTIVE_ORDER = (_L.RUNNING, _L.PENDING, _L.QUEUED)

#: States that a task run is only in when it has ended or is about to.
_ENDING = TERMINAL | {_L.TERMINATING}

#: States that a task run is only in when it has ended, is about to, or an earlier attempt has.
_BEGUN = TERMINAL | {_L.TERMINATING, _L.WAITING_FOR_RETRY}

#: Results of tasks that were skipped because of others.
_SKIPPED_FOR_OTHERS = frozenset({ResultState.UPSTREAM_FAILED, ResultState.UPSTREAM_CANCELED})


def derive_job_run(job_run: JobRun) -> JobRunState:
    """Return the state of a job run.

    A flat run is its only task run. One with `tasks[]` is RUNNING as soon as one task run has left its cluster's
    setup behind, and stays so while later ones are blocked or pending. Its end is that of its leaves, the tasks
    that no other one depends on; a failure makes it INTERNAL_ERROR over tasks that are TERMINATED.
    """
    if job_run.is_flat:
        return mirror_task_run(next(iter(job_run.latest.values())))
    states = job_run.states.keys()
    if states <= TERMINAL:
        return _derive_end(job_run)
    if job_run.stopping is not None or (states <= _ENDING and not job_run.retries_due):
        return JobRunState(_L.TERMINATING)
    if job_run.queue_code is not None:
        return JobRunState(_L.QUEUED, message=MESSAGES[_L.QUEUED])
    if states & _BEGUN:
        return JobRunState(_L.RUNNING, message=MESSAGES[_L.RUNNING])
    # Where all are blocked, the first is about to be skipped, because it is disabled.
    active = next((state for state in _ACTIVE_ORDER if state in states), _L.PENDING)
    return JobRunState(active, message=MESSAGES[active])


def _derive_end(job_run: JobRun) -> JobRunState:
    """Return the end of a job run whose tasks are all over.

    Source: [runs.get.parent-leaves] documented: Databricks documentation, View and manage job runs (a run has
    succeeded with failures if some tasks failed and every leaf task succeeded)
    """
    if job_run.stopping is not None:
        return _ended(STOPS[job_run.stopping])
    failed = [each for each in job_run.latest.values() if weigh(each.result_state) is Weight.FAILED]
    if all(task_run.task_key in job_run.downstream for task_run in failed):
        return _ended(TerminationCode.SUCCESS_WITH_FAILURES if failed else TerminationCode.SUCCESS)
    executed = [task_run for task_run in failed if task_run.life_cycle_state is not _L.SKIPPED]
    culprit = next((each for each in executed if each.result_state not in CANCELLED), None)
    if culprit is not None:
        return _failed(job_run, culprit)
    if executed:
        return mirror_task_run(executed[0])
    return _derive_end_without_a_culprit(job_run, failed)


def _derive_end_without_a_culprit(job_run: JobRun, skipped: Sequence[TaskRun]) -> JobRunState:
    """Return the end of a run that has nothing but skipped tasks against it."""
    if any(task_run.result_state in CANCELLED for task_run in skipped):
        return _ended(TerminationCode.USER_CANCELED)
    if all(task_run.life_cycle_state is _L.SKIPPED for task_run in job_run.latest.values()):
        return mirror_task_run(skipped[0])
    return _failed(job_run, skipped[0])


def _ended(code: TerminationCode) -> JobRunState:
    row = TERMINATIONS[code]
    return JobRunState(row.life_cycle_state, code, row.type, row.result_state, row.message)


def _failed(job_run: JobRun, culprit: TaskRun) -> JobRunState:
    """Return the state of a run that failed because of a task.

    Source: [runs.get.parent-downstream] measured: Azure/azure-databricks-client, JobApiClientTest.cs (the second
    sentence; records of 2026 have it only where something was skipped)
    """
    message = f"Task {culprit.task_key} failed with message: {culprit.state_message.rstrip('.')}."
    below = (job_run.latest[task_key] for task_key in job_run.downstream.get(culprit.task_key, ()))
    if any(task_run.result_state in _SKIPPED_FOR_OTHERS for task_run in below):
        message += " This caused all downstream tasks to get skipped."
    return JobRunState(_L.INTERNAL_ERROR, culprit.code, culprit.type, ResultState.FAILED, message)
