"""Task runs to wire JSON: an element of `tasks`, with what its type of work adds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from dbx_emulator._api.codec_states import (
    cluster_instance,
    render_state,
    render_status,
    run_duration,
    stage_durations,
)
from dbx_emulator._api.structs_tasks import TASK_TYPES
from dbx_emulator._api.validation_tasks import SERVERLESS_TYPES
from dbx_emulator._core.lifecycle import mirror_task_run
from dbx_emulator._core.references import resolve
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, ResultState
from dbx_emulator._core.submitted import Dependency, SubmittedTask

__all__ = ["render_dependencies", "render_task"]

#: What of each type of work can hold references, as `resolved_values` shows it.
#: Source: [runs.get.resolved-values] sdk: databricks-sdk-py, jobs.py (ResolvedValues)
_RESOLVED = {
    "notebook_task": ("base_parameters",),
    "spark_jar_task": ("parameters",),
    "spark_python_task": ("parameters",),
    "spark_submit_task": ("parameters",),
    "python_wheel_task": ("parameters", "named_parameters"),
    "pipeline_task": ("parameters",),
    "sql_task": ("parameters",),
    "dbt_task": ("commands",),
    "run_job_task": ("job_parameters",),
    "condition_task": ("left", "right"),
}

#: Which legacy parameters take the place of which field of a type of work.
#: Source: [run-now.overrides] sdk: databricks-sdk-py, jobs.py (JobsAPI.run_now)
_OVERRIDES = {
    ("notebook_task", "base_parameters"): "notebook_params",
    ("spark_jar_task", "parameters"): "jar_params",
    ("spark_python_task", "parameters"): "python_params",
    ("spark_submit_task", "parameters"): "spark_submit_params",
    ("python_wheel_task", "parameters"): "python_params",
    ("python_wheel_task", "named_parameters"): "python_named_params",
    ("sql_task", "parameters"): "sql_params",
    ("dbt_task", "commands"): "dbt_commands",
}

_CLUSTERS = frozenset({"existing_cluster_id", "new_cluster", "job_cluster_key"})

#: At most so many error messages are shown of a for-each task.
_MOST_ERRORS = 3


def render_task(
    job_run: JobRun, task_run: TaskRun, *, run_page_url: str, with_resolved_values: bool = False
) -> dict[str, Any]:
    """Return an element of `tasks`.

    Args:
        job_run: The run above.
        task_run: The task run.
        run_page_url: The link to its page.
        with_resolved_values: Whether to show what became of references in its parameters.
    """
    spec: dict[str, Any] = msgspec.json.decode(task_run.task.spec)
    state = mirror_task_run(task_run)
    wire = (
        {"run_id": task_run.run_id, "task_key": task_run.task_key}
        | render_dependencies(task_run.task)
        | {"run_if": task_run.task.run_if}
        | spec
        | _work(spec, task_run)
        | {"state": render_state(state), "run_page_url": run_page_url, "start_time": task_run.start_time_ms}
        | stage_durations(task_run)
        | _queue_duration(task_run)
        | {"end_time": task_run.end_time_ms}
        | run_duration(task_run.start_time_ms, task_run.end_time_ms)
        | cluster_instance(task_run)
        | {"attempt_number": task_run.attempt_number, "status": render_status(state)}
        | _performance_target(job_run, spec)
    )
    if with_resolved_values and (resolved := _resolved_values(job_run, task_run, spec)):
        wire["resolved_values"] = resolved
    return wire


def render_dependencies(task: SubmittedTask) -> dict[str, Any]:
    """Return `depends_on` of a task, or nothing if it depends on nothing."""
    depends_on = [_dependency(each) for each in task.depends_on]
    return {"depends_on": depends_on} if depends_on else {}


def _dependency(dependency: Dependency) -> dict[str, str]:
    wire = {"task_key": dependency.task_key}
    if dependency.outcome is not None:
        wire["outcome"] = str(dependency.outcome).lower()
    return wire


def _queue_duration(task_run: TaskRun) -> dict[str, int]:
    return {"queue_duration": task_run.queue_duration_ms} if task_run.queue_duration_ms else {}


def _performance_target(job_run: JobRun, spec: dict[str, Any]) -> dict[str, Any]:
    """Return how a serverless task is run.

    Source: [runs.get.performance-target] measured: apache/airflow#71374 (PERFORMANCE_OPTIMIZED if left out)
    """
    if _CLUSTERS & spec.keys() or not SERVERLESS_TYPES & spec.keys():
        return {}
    target = msgspec.json.decode(job_run.submitted.spec).get("effective_performance_target")
    return {"effective_performance_target": target or "PERFORMANCE_OPTIMIZED"}


def _work(spec: dict[str, Any], task_run: TaskRun) -> dict[str, Any]:
    """Return what a task that the service does itself shows beside what was submitted for it.

    Source: [runs.get.condition-outcome] sdk: databricks-sdk-py, jobs.py (RunConditionTask)
    Source: [runs.get.for-each-stats] sdk: databricks-sdk-py, jobs.py (RunForEachTask, ForEachStats)
    """
    if task_run.condition_outcome is not None:
        outcome = str(task_run.condition_outcome).lower()
        return {"condition_task": spec["condition_task"] | {"outcome": outcome}}
    if "for_each_task" in spec:
        return {"for_each_task": spec["for_each_task"] | {"stats": _stats(task_run)}}
    return {}


def _stats(task_run: TaskRun) -> dict[str, Any]:
    latest = {each.iteration_index: each for each in task_run.iterations}.values()
    over = [each for each in latest if each.is_terminal]
    succeeded = [each for each in over if each.result_state is ResultState.SUCCESS]
    begun = [each for each in latest if each.life_cycle_state is not LifeCycleState.BLOCKED]
    stats: dict[str, Any] = {
        "task_run_stats": {
            "total_iterations": len(task_run.inputs),
            "scheduled_iterations": len(begun),
            "active_iterations": len(begun) - len(over),
            "completed_iterations": len(over),
            "failed_iterations": len(over) - len(succeeded),
            "succeeded_iterations": len(succeeded),
        }
    }
    errors = Counter((each.state_message, each.code) for each in over if each not in succeeded)
    if errors:
        stats["error_message_stats"] = [
            {"count": count, "error_message": message, "termination_category": code}
            for (message, code), count in errors.most_common(_MOST_ERRORS)
        ]
    return stats


def _resolved_values(job_run: JobRun, task_run: TaskRun, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a task with what run-now gave instead, and with references replaced."""
    overriding = msgspec.json.decode(job_run.overriding_parameters or b"{}")
    resolved: dict[str, Any] = {}
    for task_type in (name for name in TASK_TYPES if name in spec):
        for name in _RESOLVED.get(task_type, ()):
            value = spec[task_type].get(name)
            override = overriding.get(_OVERRIDES.get((task_type, name), ""))
            if override is not None:
                value = value | override if isinstance(value, dict) else override
            if value:
                resolved.setdefault(task_type, {})[name] = _resolve(value, job_run, task_run)
    return resolved


def _resolve(value: Any, job_run: JobRun, task_run: TaskRun) -> Any:
    if isinstance(value, dict):
        return {name: resolve(each, job_run, task_run) for name, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, job_run, task_run) for each in value]
    return resolve(value, job_run, task_run)
