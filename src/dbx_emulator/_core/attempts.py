"""Attempts: how a task run is made, and how it is written down why one ends."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from dbx_emulator._core.lifecycle import initial_state
from dbx_emulator._core.outcomes import Fate, Outcome, StageTimes
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType
from dbx_emulator._core.submitted import SubmittedTask
from dbx_emulator._core.terminations import SKIP_MESSAGES, TERMINATIONS

if TYPE_CHECKING:
    from dbx_emulator._core.machine import Machine

__all__ = ["cluster_id", "draw_for", "make_attempt", "place", "terminate", "terminate_as_planned"]

#: What happens to a task that no scenario takes, and to one whose work the service does itself.
_USUAL = Fate((Outcome(),))

#: Work that the service does itself takes no time of its own.
_NO_TIMES = StageTimes(0, 0, 0, 0)


def make_attempt(
    machine: Machine,
    job_run: JobRun,
    task: SubmittedTask,
    at_ms: int,
    *,
    after: TaskRun | None = None,
    above: TaskRun | None = None,
) -> TaskRun:
    """Make an attempt of a task, which is the latest one from now on. It waits to be told what for.

    Args:
        machine: The simulation.
        job_run: The run above.
        task: The task.
        at_ms: When, in epoch milliseconds.
        after: The attempt that it follows; `None` for the first one.
        above: The for-each task run that it is the next iteration of; `None` if it is none.

    Source: [runs.retries.attempts] measured: apache/airflow#69998 (a further element of `tasks`, same key)
    """
    is_own_run = job_run.is_flat and after is None
    task_run = TaskRun(
        run_id=job_run.run_id if is_own_run else machine.store.new_run_id(),
        task=task,
        fate=_USUAL,
        times=_NO_TIMES,
        life_cycle_state=LifeCycleState.WAITING_FOR_RETRY,
        entered_ms=at_ms,
        attempt_number=after.attempt_number + 1 if after else 0,
        repair_id=job_run.latest_repair_id,
    )
    _make_iteration(task_run, after=after, above=above)
    if task.work is None:
        task_run.fate = _fate_of(job_run, task_run)
        task_run.times = task_run.outcome.timing(machine.timing).draw(
            partial(draw_for, machine, job_run, task_run)
        )
    _keep(job_run, task_run)
    return task_run


def place(task_run: TaskRun, *, is_held: bool) -> None:
    """Put an attempt that follows no failure where it begins.

    Args:
        task_run: The attempt, which knows how many of its dependencies are not over.
        is_held: Whether nothing of its run starts before the run has its turn.
    """
    task_run.life_cycle_state = initial_state(
        is_blocked=task_run.above is None and (bool(task_run.task.depends_on) or task_run.task.is_disabled),
        is_queued=is_held or task_run.times.queue_ms > 0,
    )


def draw_for(machine: Machine, job_run: JobRun, task_run: TaskRun, what: str) -> float:
    """Return the draw for something about one attempt of one task, or of one iteration of it."""
    iteration = () if task_run.iteration_index is None else (task_run.iteration_index,)
    return machine.draws.fraction(*job_run.key, task_run.task_key, *iteration, task_run.attempt_number, what)


def cluster_id(task_run: TaskRun) -> str:
    """Return the id of the cluster a task run has asked for.

    Source: [runs.cluster-instance.id] measured: cluster ids in public records look like 0716-190309-boll22
    """
    if not task_run.task.has_new_cluster:
        return task_run.task.existing_cluster_id
    requested = datetime.fromtimestamp(task_run.start_time_ms // 1_000, tz=timezone.utc)
    return f"{requested:%m%d-%H%M%S}-{task_run.run_id % 16**8:08x}"


def terminate(
    task_run: TaskRun,
    code: TerminationCode,
    *,
    result_state: ResultState | None = None,
    message: str | None = None,
) -> None:
    """Write down why a task run ends.

    Args:
        task_run: The task run.
        code: Why it ends.
        result_state: Its result; `None` takes the usual one for the code.
        message: Its message; `None` takes the usual one for the code and the result.
    """
    termination = TERMINATIONS[code]
    task_run.code = code
    task_run.type = termination.type
    task_run.result_state = result_state or termination.result_state
    usual = SKIP_MESSAGES.get(task_run.result_state, termination.message)
    task_run.end_message = usual if message is None else message


def terminate_as_planned(task_run: TaskRun) -> None:
    """Write down that a task run ends as its outcome says."""
    outcome = task_run.outcome
    terminate(task_run, outcome.code, message=outcome.message)
    if outcome.termination_type is not None:
        task_run.type = TerminationType(outcome.termination_type)
    if outcome.result_state is not None:
        task_run.result_state = ResultState(outcome.result_state) if outcome.result_state else None


def _make_iteration(task_run: TaskRun, *, after: TaskRun | None, above: TaskRun | None) -> None:
    """Make an attempt the next iteration of a for-each task, or the same one as the attempt before it."""
    if above is not None:
        task_run.above, task_run.iteration_index = above, above.started_iterations
        task_run.input = above.inputs[above.started_iterations]
    elif after is not None:
        task_run.above, task_run.iteration_index = after.above, after.iteration_index
        task_run.input = after.input


def _fate_of(job_run: JobRun, task_run: TaskRun) -> Fate:
    fate = job_run.fates.get(task_run.task_key, _USUAL)
    if task_run.iteration_index is None:
        return fate
    return fate.of_iteration(f"{task_run.task_key}/{task_run.iteration_index}")


def _keep(job_run: JobRun, task_run: TaskRun) -> None:
    job_run.repairs[-1].task_run_ids.append(task_run.run_id)
    if job_run.scenarios and task_run.attempt_number:
        task_key = "" if job_run.is_flat else f"{task_run.task_key} "
        job_run.step = f"{'; '.join(job_run.scenarios)}, {task_key}attempt {task_run.attempt_number}"
    if task_run.above is not None:
        task_run.above.iterations.append(task_run)
    else:
        job_run.task_runs.append(task_run)
        job_run.latest[task_run.task_key] = task_run
