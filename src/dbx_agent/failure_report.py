"""The text that tells a user why a run failed: which tasks, the exception, the end of the traceback; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dbx_agent.error_body import shorten
from dbx_agent.outcome import is_failed
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, TaskSnapshot

__all__ = ["TASKS_SHOWN", "failed_iterations", "failed_tasks", "unrun_tasks", "write_report"]

TASKS_SHOWN = 3
"""Failed tasks that are described; the others are named."""

_ERROR_CHARACTERS = 500
_TRACE_CHARACTERS = 1500
_NAMES_CHARACTERS = 300
_NO_OUTPUT = RunOutput()
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

#: Results of tasks that did not run because of what others did.
_CONSEQUENCES = frozenset({"UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED", "DISABLED"})


def failed_tasks(run: RunSnapshot) -> list[TaskSnapshot]:
    """Choose the task runs to blame: of each failed task its last attempt, in the run's order."""
    return [task for task in _last_failures(run) if not _is_consequence(task)]


def unrun_tasks(run: RunSnapshot) -> list[TaskSnapshot]:
    """Choose the tasks that did not run because of what others did, in the run's order."""
    return [task for task in _last_failures(run) if _is_consequence(task)]


def failed_iterations(run: RunSnapshot, *, of: TaskSnapshot) -> list[TaskSnapshot]:
    """Choose the iterations to blame from the run of a for-each task, under the names of both tasks."""
    return [
        replace(iteration, task_key=f"{of.task_key}/{iteration.task_key}")
        for iteration in run.iterations
        if is_failed(iteration.state)
    ]


def write_report(
    headline: str,
    failed: Sequence[TaskSnapshot],
    outputs: Mapping[int, RunOutput],
    *,
    unrun: Sequence[TaskSnapshot] = (),
    is_complete: bool = True,
) -> str:
    """Write the message of a failed run, of at most some 9,000 characters.

    An only task that has nothing to add to what is known of the whole run, as that of a flat run which lost its
    machine, is left out.

    Args:
        headline: What is known of the run as a whole.
        failed: All failed task runs.
        outputs: The outputs that could be read, by task run id.
        unrun: The tasks that did not run because of what others did.
        is_complete: Whether all tasks of the run could be read.
    """
    parts = [headline]
    for task in failed[:TASKS_SHOWN]:
        output = outputs.get(task.run_id, _NO_OUTPUT) if task.run_id is not None else _NO_OUTPUT
        if output.error or output.error_trace or len(failed) > 1 or _said(task) not in headline:
            parts.append(_describe(task, output))
    further = failed[TASKS_SHOWN:]
    if further:
        parts.append(f"… and {len(further)} more failed tasks: {_names(further)}")
    if unrun:
        parts.append(f"did not run because of that: {_names(unrun)}")
    if not is_complete:
        parts.append("(not all tasks of the run could be read)")
    return "\n".join(parts)


def _last_failures(run: RunSnapshot) -> Iterator[TaskSnapshot]:
    last: dict[str, TaskSnapshot] = {}
    for task in run.tasks:
        if task.task_key not in last or task.attempt_number >= last[task.task_key].attempt_number:
            last[task.task_key] = task
    return (task for task in last.values() if is_failed(task.state))


def _is_consequence(task: TaskSnapshot) -> bool:
    return task.state.result_state in _CONSEQUENCES or task.state.life_cycle_state == "SKIPPED"


def _names(tasks: Sequence[TaskSnapshot]) -> str:
    return shorten(", ".join(task.task_key[:100] or "?" for task in tasks), _NAMES_CHARACTERS)


def _describe(task: TaskSnapshot, output: RunOutput) -> str:
    said = _plain(output.error) or _said(task)
    text = (
        f"task {shorten(task.task_key, 100) or '?'} (run {task.run_id}): {shorten(said, _ERROR_CHARACTERS)}"
    )
    trace = _plain(output.error_trace).strip()
    return f"{text}\n{_tail(trace)}" if trace else text


def _said(task: TaskSnapshot) -> str:
    return task.state.termination_message or task.state.state_message or "failed"


def _plain(text: str) -> str:
    return _COLOUR.sub("", text)


def _tail(trace: str) -> str:
    if len(trace) <= _TRACE_CHARACTERS:
        return trace
    end = trace[-_TRACE_CHARACTERS:]
    # Begin with a whole line, unless it is all one line.
    return "…\n" + (end.partition("\n")[2] or end)
