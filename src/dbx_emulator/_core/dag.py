"""Dependencies between the tasks of a run: whether a graph is sound, and what a blocked task may do.

What became of a task has one of three weights for those that depend on it: it succeeded, it failed, or it was
*excluded*, which counts for nothing. `RUN_IF` is the truth table over them.

Source: [runs.depends-on.all-success] documented: Databricks documentation, Configure task dependencies
(a task runs when all of its dependencies have run and succeeded, unless `run_if` says otherwise)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from dbx_emulator._core.states import ResultState, RunIf

if TYPE_CHECKING:
    from dbx_emulator._core.runs import TaskRun
    from dbx_emulator._core.submitted import SubmittedTask

__all__ = ["CANCELLED", "RUN_IF", "Weight", "dependents", "find_cycle", "judge_upstream", "weigh"]


class Weight(Enum):
    """What the end of a task means to those that depend on it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXCLUDED = "excluded"


#: Results that weigh something else than a failure.
#: Source: [runs.run-if.disabled] assumed: nobody has recorded what becomes of a task below a disabled one
_WEIGHTS = {
    ResultState.SUCCESS: Weight.SUCCEEDED,
    ResultState.SUCCESS_WITH_FAILURES: Weight.SUCCEEDED,
    ResultState.EXCLUDED: Weight.EXCLUDED,
    ResultState.DISABLED: Weight.EXCLUDED,
}

#: Results of tasks that a user stopped, directly or above them.
CANCELLED = frozenset({ResultState.CANCELED, ResultState.UPSTREAM_CANCELED})

#: `run_if` → whether the task runs, given how many of its dependencies have each weight; and the result with which
#: it is skipped if not. That every dependency was excluded excludes it under each of them.
#: Source: [runs.run-if.truth-table] documented: Databricks documentation, Configure task dependencies (Run if)
RUN_IF: dict[RunIf, tuple[Callable[[Counter[Weight]], bool], ResultState]] = {
    RunIf.ALL_SUCCESS: (lambda count: not count[Weight.FAILED], ResultState.UPSTREAM_FAILED),
    RunIf.AT_LEAST_ONE_SUCCESS: (lambda count: count[Weight.SUCCEEDED] > 0, ResultState.UPSTREAM_FAILED),
    RunIf.NONE_FAILED: (lambda count: not count[Weight.FAILED], ResultState.UPSTREAM_FAILED),
    RunIf.ALL_DONE: (lambda _count: True, ResultState.UPSTREAM_FAILED),
    RunIf.AT_LEAST_ONE_FAILED: (lambda count: count[Weight.FAILED] > 0, ResultState.EXCLUDED),
    RunIf.ALL_FAILED: (lambda count: set(+count) == {Weight.FAILED}, ResultState.EXCLUDED),
}


def weigh(result_state: ResultState | None) -> Weight:
    """Return what a result at the end means to those that depend on it."""
    return Weight.FAILED if result_state is None else _WEIGHTS.get(result_state, Weight.FAILED)


def judge_upstream(task: SubmittedTask, latest: Mapping[str, TaskRun]) -> ResultState | None:
    """Return the result with which a task is skipped, or `None` if it may run.

    Args:
        task: The task; all it depends on is over.
        latest: The latest attempt of each task of its run.

    Source: [runs.depends-on.outcome] documented: Databricks documentation, Add branching logic to a job
    (a task on the branch that was not taken is excluded)
    """
    if task.is_disabled:
        return ResultState.DISABLED
    count: Counter[Weight] = Counter()
    is_cancelled = False
    for dependency in task.depends_on:
        upstream = latest[dependency.task_key]
        weight = weigh(upstream.result_state)
        is_branch = weight is Weight.SUCCEEDED and dependency.outcome is not None
        if is_branch and upstream.condition_outcome is not dependency.outcome:
            return ResultState.EXCLUDED
        count[weight] += 1
        is_cancelled |= upstream.result_state in CANCELLED
    if set(count) == {Weight.EXCLUDED}:
        return ResultState.EXCLUDED
    may_run, otherwise = RUN_IF[task.run_if]
    if not task.depends_on or may_run(count):
        return None
    if otherwise is ResultState.UPSTREAM_FAILED and is_cancelled:
        return ResultState.UPSTREAM_CANCELED
    return otherwise


def dependents(downstream: Mapping[str, Sequence[str]], task_keys: Iterable[str]) -> set[str]:
    """Return every task that depends on one of some tasks, directly or through others.

    Args:
        downstream: The tasks that depend on a task directly, by its task key.
        task_keys: The tasks to begin with.
    """
    found: set[str] = set()
    to_visit = list(task_keys)
    while to_visit:
        for task_key in downstream.get(to_visit.pop(), ()):
            if task_key not in found:
                found.add(task_key)
                to_visit.append(task_key)
    return found


def find_cycle(depends_on: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the task keys of one cycle in the graph, or an empty list if it has none."""
    is_done: dict[str, bool] = {}
    for root in depends_on:
        if root in is_done:
            continue
        path: list[str] = [root]
        branches = [iter(depends_on[root])]
        is_done[root] = False
        while branches:
            task_key = next(branches[-1], None)
            if task_key is None:
                branches.pop()
                is_done[path.pop()] = True
            elif task_key not in is_done:
                is_done[task_key] = False
                path.append(task_key)
                branches.append(iter(depends_on[task_key]))
            elif not is_done[task_key]:
                return path[path.index(task_key) :]
    return []
