"""Tasks whose work the service does itself: what is below them, and how they end when that is over.

A condition is over at once. A for-each task has its iterations below it, a run-job task the run that it started;
both are RUNNING until what is below them is over, and TERMINATING if somebody stops them before.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbx_emulator._core import launching
from dbx_emulator._core.attempts import make_attempt, place
from dbx_emulator._core.dag import CANCELLED, Weight, weigh
from dbx_emulator._core.outcomes import Fate, Outcome
from dbx_emulator._core.references import resolve
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import ConditionOp, LifeCycleState, TerminationCode, TriggerType
from dbx_emulator._core.submitted import Condition, ForEach, RunJob, Work
from dbx_emulator._core.terminations import TERMINATIONS

if TYPE_CHECKING:
    from dbx_emulator._core.machine import Machine

__all__ = ["begin", "child_over", "iteration_over"]

#: Source: [runs.for-each.most] assumed: Databricks documentation, For each, as remembered
_MOST_ITERATIONS = 5_000

#: How many run-job tasks may stand above a run.
#: Source: [runs.run-job.depth] assumed: Databricks documentation, Run Job task, as remembered
_DEEPEST = 3

_COMPARE_TEXTS: dict[ConditionOp, Callable[[str, str], bool]] = {
    ConditionOp.EQUAL_TO: operator.eq,
    ConditionOp.NOT_EQUAL: operator.ne,
}

_COMPARE_NUMBERS: dict[ConditionOp, Callable[[float, float], bool]] = {
    ConditionOp.GREATER_THAN: operator.gt,
    ConditionOp.GREATER_THAN_OR_EQUAL: operator.ge,
    ConditionOp.LESS_THAN: operator.lt,
    ConditionOp.LESS_THAN_OR_EQUAL: operator.le,
}


def begin(machine: Machine, work: Work, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
    """Begin the work of a task run that has come to RUNNING."""
    if isinstance(work, Condition):
        _evaluate(work, job_run, task_run)
    elif isinstance(work, ForEach):
        _begin_for_each(machine, work, job_run, task_run, at_ms)
    else:
        _begin_run_job(machine, work, job_run, task_run, at_ms)


def iteration_over(machine: Machine, job_run: JobRun, iteration: TaskRun, at_ms: int) -> None:
    """Go on with a for-each task, one iteration of which is over for good."""
    above, work = iteration.above, iteration.above and iteration.above.task.work
    assert above is not None
    assert isinstance(work, ForEach), "an iteration is one of a for-each task"
    above.open_iterations -= 1
    if above.code is None:
        _start_iterations(machine, work, job_run, above, at_ms)
    _below_is_over(machine, job_run, above, at_ms)


def child_over(machine: Machine, child: JobRun, at_ms: int) -> None:
    """Go on with the run-job task that started a run which is over, if one did."""
    task_run, job_run = child.above, child.triggered_by
    if task_run is not None and job_run is not None:
        _below_is_over(machine, job_run, task_run, at_ms)


def _below_is_over(machine: Machine, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
    """Let a task run go on to its end if all that is below it is over."""
    if task_run.is_waiting_below:
        return
    if task_run.life_cycle_state is LifeCycleState.RUNNING:
        _decide_end(task_run, _sum_up(task_run) if task_run.child is None else _mirror(task_run.child))
    machine.proceed(job_run, task_run, at_ms)


def _decide_end(task_run: TaskRun, outcome: Outcome) -> None:
    """Write down how the task run is going to end, which nobody knew when it was made."""
    task_run.fate = Fate((outcome,))


def _fail(task_run: TaskRun, code: TerminationCode, message: str) -> None:
    _decide_end(task_run, Outcome(termination_code=code, message=message))


def _evaluate(condition: Condition, job_run: JobRun, task_run: TaskRun) -> None:
    """Compare the operands of a condition.

    Source: [runs.condition.compare] sdk: databricks-sdk-py, jobs.py (ConditionTask, op: the first two compare
    texts, so that "12.0" is not "12", the others numbers)
    """
    left, right = (resolve(each, job_run, task_run) for each in (condition.left, condition.right))
    if condition.op in _COMPARE_TEXTS:
        task_run.condition_outcome = _COMPARE_TEXTS[condition.op](left, right)
        return
    try:
        task_run.condition_outcome = _COMPARE_NUMBERS[condition.op](float(left), float(right))
    except ValueError:
        message = f"The operands of {condition.op.value} are not both numbers: {left!r} and {right!r}"
        _fail(task_run, TerminationCode.INVALID_RUN_CONFIGURATION, message)


def _begin_for_each(
    machine: Machine, for_each: ForEach, job_run: JobRun, task_run: TaskRun, at_ms: int
) -> None:
    inputs = _read_inputs(resolve(for_each.inputs, job_run, task_run))
    if isinstance(inputs, str):
        _fail(task_run, TerminationCode.INVALID_RUN_CONFIGURATION, inputs)
        return
    task_run.inputs = tuple(json.dumps(each, separators=(",", ":")) for each in inputs)
    _start_iterations(machine, for_each, job_run, task_run, at_ms)


def _read_inputs(text: str) -> list[Any] | str:
    """Return the elements of a JSON array, or what is wrong with it."""
    try:
        inputs = json.loads(text)
    except ValueError:
        inputs = None
    if not isinstance(inputs, list):
        return f"The inputs of the for-each task are no JSON array: {text[:100]}"
    if len(inputs) > _MOST_ITERATIONS:
        return f"The for-each task has {len(inputs)} inputs, and at most {_MOST_ITERATIONS} are possible"
    return inputs


def _start_iterations(
    machine: Machine, for_each: ForEach, job_run: JobRun, above: TaskRun, at_ms: int
) -> None:
    """Start as many further iterations as may run at the same time."""
    while above.open_iterations < for_each.concurrency and above.started_iterations < len(above.inputs):
        iteration = make_attempt(machine, job_run, for_each.task, at_ms, above=above)
        place(iteration, is_held=False)
        above.started_iterations += 1
        above.open_iterations += 1
        machine.store.add_task_run(job_run, iteration)
        machine.enter(job_run, iteration, at_ms)


def _sum_up(task_run: TaskRun) -> Outcome:
    """Return how a for-each task ends whose iterations are over.

    Source: [runs.for-each.one-failed] assumed: every iteration is run, and one that fails is enough
    """
    last = {each.iteration_index: each.result_state for each in task_run.iterations}
    failed = [result for result in last.values() if weigh(result) is Weight.FAILED]
    if not failed:
        return Outcome()
    if all(result in CANCELLED for result in failed):
        return Outcome(termination_code=TerminationCode.USER_CANCELED)
    message = f"{len(failed)} of {len(last)} iterations failed"
    return Outcome(termination_code=TerminationCode.RUN_EXECUTION_ERROR, message=message)


def _begin_run_job(machine: Machine, run_job: RunJob, job_run: JobRun, task_run: TaskRun, at_ms: int) -> None:
    job = machine.store.find_job(run_job.job_id)
    if job is None:
        _fail(task_run, TerminationCode.RESOURCE_NOT_FOUND, f"Job {run_job.job_id} does not exist.")
    elif _depth(job_run) >= _DEEPEST:
        message = f"A run can be started through at most {_DEEPEST} run-job tasks"
        _fail(task_run, TerminationCode.INVALID_RUN_CONFIGURATION, message)
    else:
        values = {name: resolve(value, job_run, task_run) for name, value in run_job.job_parameters.items()}
        order = launching.Order(
            job.settings.to_run(),
            job_run.creator_user_name,
            job=job,
            job_parameters=values,
            trigger=TriggerType.RUN_JOB_TASK,
            triggered_by=job_run,
            above=task_run,
        )
        launching.launch(machine, order, at_ms)


def _depth(job_run: JobRun) -> int:
    """Return how many run-job tasks stand above a run."""
    depth = 0
    while job_run.triggered_by is not None:
        depth, job_run = depth + 1, job_run.triggered_by
    return depth


def _mirror(child: JobRun) -> Outcome:
    """Return how a run-job task ends whose run is over: the same way.

    Source: [runs.run-job.mirror] assumed: a run that was skipped is a failure of the task that asked for it
    """
    code = child.state.code
    assert code is not None, "a run that is over says why"
    usual = TERMINATIONS[code]
    if usual.life_cycle_state is LifeCycleState.SKIPPED or usual.result_state is not child.result_state:
        code = TerminationCode.RUN_EXECUTION_ERROR
    return Outcome(termination_code=code, message=child.state.message)
