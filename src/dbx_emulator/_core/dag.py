"""Dependencies between the tasks of a run: whether a graph is sound, and what a blocked task may do.

Source: [runs.depends-on.all-success] documented: Databricks documentation, Configure task dependencies
(a task runs when all of its dependencies have run and succeeded, unless `run_if` says otherwise)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from dbx_emulator._core.states import ResultState

if TYPE_CHECKING:
    from dbx_emulator._core.runs import TaskRun

__all__ = ["UpstreamVerdict", "find_cycle", "judge_upstream"]

#: `wait`, `run`, or the result with which the task is skipped.
UpstreamVerdict: TypeAlias = Literal["wait", "run"] | ResultState

_SUCCEEDED = frozenset({ResultState.SUCCESS, ResultState.SUCCESS_WITH_FAILURES})

_CANCELLED = frozenset({ResultState.CANCELED, ResultState.UPSTREAM_CANCELED})


def judge_upstream(upstream: Iterable[TaskRun]) -> UpstreamVerdict:
    """Return what a task may do, given the task runs it depends on directly."""
    results: list[ResultState | None] = []
    for task_run in upstream:
        if not task_run.is_terminal:
            return "wait"
        results.append(task_run.result_state)
    if all(result in _SUCCEEDED for result in results):
        return "run"
    if any(result in _CANCELLED for result in results):
        return ResultState.UPSTREAM_CANCELED
    return ResultState.UPSTREAM_FAILED


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
