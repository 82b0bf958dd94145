"""The text that tells a user why a run failed: which tasks, the exception, the end of the traceback; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dbx_agent.error_body import shorten
from dbx_agent.outcome import is_failed
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, TaskSnapshot

__all__ = ["TASKS_SHOWN", "failed_tasks", "write_report"]

TASKS_SHOWN = 3
"""Failed tasks that are described; the others are counted."""

_ERROR_CHARACTERS = 500
_TRACE_CHARACTERS = 1500
_NO_OUTPUT = RunOutput()
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def failed_tasks(snapshot: RunSnapshot) -> list[TaskSnapshot]:
    """Choose the task runs to blame: of each failed task its last attempt, in the run's order."""
    last: dict[str, TaskSnapshot] = {}
    for task in snapshot.tasks:
        if task.task_key not in last or task.attempt_number >= last[task.task_key].attempt_number:
            last[task.task_key] = task
    return [task for task in last.values() if is_failed(task.state)]


def write_report(headline: str, tasks: Sequence[TaskSnapshot], outputs: Mapping[int, RunOutput]) -> str:
    """Write the message of a failed run.

    A task that has nothing to add to what is known of the whole run, as the only one of a flat run that lost its
    machine, is left out.

    Args:
        headline: What is known of the run as a whole.
        tasks: All failed task runs.
        outputs: The outputs that could be read, by task run id.
    """
    parts = [headline]
    for task in tasks[:TASKS_SHOWN]:
        output = outputs.get(task.run_id, _NO_OUTPUT) if task.run_id is not None else _NO_OUTPUT
        if output.error or output.error_trace or _said(task) not in headline:
            parts.append(_describe(task, output))
    if len(tasks) > TASKS_SHOWN:
        parts.append(f"… and {len(tasks) - TASKS_SHOWN} more failed tasks")
    return "\n".join(parts)


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
