"""How a state, its times and its cluster look on the wire, the same for job runs, task runs and repairs."""

from __future__ import annotations

from typing import Any

from dbx_emulator._core.lifecycle import STATUS, JobRunState
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, QueueCode, ResultState

__all__ = [
    "cluster_instance",
    "queue_of",
    "render_state",
    "render_status",
    "run_duration",
    "stage_durations",
]

#: Why something is QUEUED and in words.
Queue = tuple[QueueCode, str]

#: What a run is told that a scenario holds in the queue.
_BUSY: Queue = (
    QueueCode.ACTIVE_RUNS_LIMIT_REACHED,
    "Queued due to reaching the maximum number of active runs.",
)

_STOPPED = frozenset({ResultState.CANCELED, ResultState.TIMEDOUT})


def queue_of(job_run: JobRun) -> Queue:
    """Return why a run that is QUEUED is so."""
    return (job_run.queue_code, job_run.queue_message) if job_run.queue_code is not None else _BUSY


def render_state(state: JobRunState, queue: Queue = _BUSY) -> dict[str, Any]:
    """Return the legacy `state` object."""
    wire: dict[str, Any] = {"life_cycle_state": state.life_cycle_state}
    if state.result_state is not None:
        wire["result_state"] = state.result_state
    wire["state_message"] = state.message
    wire["user_cancelled_or_timedout"] = state.result_state in _STOPPED
    if state.life_cycle_state is LifeCycleState.QUEUED:
        wire["queue_reason"] = queue[1]
    return wire


def render_status(state: JobRunState, queue: Queue = _BUSY) -> dict[str, Any]:
    """Return the newer `status` object.

    Source: [runs.get.status-shape] sdk: databricks-sdk-py, jobs.py (RunStatus)
    """
    wire: dict[str, Any] = {"state": STATUS[state.life_cycle_state]}
    if state.life_cycle_state is LifeCycleState.QUEUED:
        wire["queue_details"] = {"code": queue[0], "message": queue[1]}
    if state.code is not None:
        wire["termination_details"] = {"code": state.code, "type": state.type, "message": state.message}
    return wire


def stage_durations(task_run: TaskRun | None) -> dict[str, int]:
    """Return the durations of a task run; of several together, zeros.

    Source: [runs.durations.parent-zero] measured: databricks/databricks-sdk-py#375
    """
    if task_run is None:
        return {"setup_duration": 0, "execution_duration": 0, "cleanup_duration": 0}
    return {
        "setup_duration": task_run.setup_duration_ms,
        "execution_duration": task_run.execution_duration_ms,
        "cleanup_duration": task_run.cleanup_duration_ms,
    }


def run_duration(start_time_ms: int, end_time_ms: int) -> dict[str, int]:
    """Return how long something took that is over; nothing before, or if it never started.

    Source: [runs.durations.run] measured: a public record of a run of 2026 (40469 ms, its end less its start)
    """
    return {"run_duration": end_time_ms - start_time_ms} if end_time_ms and start_time_ms else {}


def cluster_instance(task_run: TaskRun) -> dict[str, Any]:
    """Return the cluster a task run is on, with its context once the work has begun.

    Source: [runs.cluster-instance.phases] measured: amesar/databricks-tests, example/samples
    """
    if not task_run.cluster_id:
        return {}
    instance = {"cluster_id": task_run.cluster_id}
    if task_run.has_worked:
        instance["spark_context_id"] = str(4_000_000_000_000_000_000 + task_run.run_id)
    return {"cluster_instance": instance}
