"""Records to wire JSON, per API version.

Owns the shape and spelling of runs on the wire, and the cache of bytes: a body is rendered once and dropped by
the run's next event, so that polling costs nothing. Absent is absent: no field is ever null.

Source: [runs.get.no-nulls] measured: no recorded payload of the service holds a null
Source: [runs.get.zeros-shown] measured: recorded payloads show durations of 0 and false booleans
"""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec

from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.validation import too_many_tasks
from dbx_emulator._core.lifecycle import STATUS, JobRunState, mirror_task_run
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, QueueCode, ResultState

__all__ = ["Codec", "Version", "read_page_token", "write_page_token"]

Version = Literal["2.0", "2.1", "2.2"]

#: Source: [runs.get.page-size] sdk: databricks-sdk-py, jobs.py (JobsAPI.get_run, arrays paged at 100)
_TASKS_PER_PAGE = 100

_QUEUE_REASON = "Queued due to reaching the maximum number of active runs."

_STOPPED = frozenset({ResultState.CANCELED, ResultState.TIMEDOUT})


class Codec:
    """Renders the runs of one workspace.

    Args:
        url: The workspace's URL, for links.
        workspace_id: The number of the workspace, for links.
    """

    def __init__(self, *, url: str, workspace_id: int) -> None:
        self._url = url
        self._workspace_id = workspace_id

    def get_run(
        self, job_run: JobRun, task_run: TaskRun | None, *, version: Version, page_token: str
    ) -> bytes:
        """Return the body of runs/get for a run, or for one task run of it.

        Raises:
            ApiError: 400 for more than 100 tasks below version 2.2, or for a page token that is none.
        """
        key = version if task_run is None else f"{version}/{task_run.run_id}"
        if not page_token and (rendered := job_run.rendered.get(key)) is not None:
            return rendered
        if task_run is not None:
            run = self._task_run_alone(job_run, task_run)
        else:
            run = self._run(job_run)
            run |= self._tasks_page(job_run, version, page_token)
        body = msgspec.json.encode(run)
        if not page_token:
            job_run.rendered[key] = body
        return body

    def list_item(self, job_run: JobRun, *, expand_tasks: bool) -> bytes:
        """Return an element of `runs` of runs/list."""
        key = "list/tasks" if expand_tasks else "list"
        if (rendered := job_run.rendered.get(key)) is not None:
            return rendered
        run = self._run(job_run)
        if expand_tasks:
            run["tasks"] = [self._task(job_run, task_run) for task_run in job_run.task_runs[:_TASKS_PER_PAGE]]
            if len(job_run.task_runs) > _TASKS_PER_PAGE:
                run["has_more"] = True
        job_run.rendered[key] = msgspec.json.encode(run)
        return job_run.rendered[key]

    def get_run_output(self, job_run: JobRun, task_run: TaskRun | None) -> bytes:
        """Return the body of runs/get-output for a task run; `None` is the latest attempt of a flat run.

        Source: [runs.get-output.shape] sdk: databricks-sdk-py, jobs.py (RunOutput)
        """
        if task_run is None:
            task_run = next(iter(job_run.latest.values()))
            metadata = self._run(job_run) | {"tasks": [self._task(job_run, task_run)]}
        else:
            metadata = self._task_run_alone(job_run, task_run)
        output: dict[str, Any] = {"metadata": metadata}
        spec = msgspec.json.decode(task_run.task.spec)
        outcome = task_run.outcome
        is_over = task_run.is_terminal and task_run.code is outcome.code
        has_said = is_over and task_run.has_worked
        if "notebook_task" in spec:
            exited = has_said and outcome.notebook_output is not None
            output["notebook_output"] = (
                {"result": outcome.notebook_output, "truncated": False} if exited else {}
            )
        elif has_said and outcome.logs is not None:
            output |= {"logs": outcome.logs, "logs_truncated": False}
        if is_over:
            texts = {"error": outcome.error, "error_trace": outcome.error_trace}
            output |= {name: text for name, text in texts.items() if text is not None}
        return msgspec.json.encode(output)

    def _run(self, job_run: JobRun) -> dict[str, Any]:
        """Return what runs/get and runs/list have in common."""
        spec: dict[str, Any] = msgspec.json.decode(job_run.submitted.spec)
        return (
            {
                "job_id": job_run.job_id,
                "run_id": job_run.run_id,
                "creator_user_name": job_run.creator_user_name,
                "number_in_job": job_run.run_id,
                "state": _state(job_run.state),
                "start_time": job_run.start_time_ms,
            }
            | _durations(job_run.only)
            | {"end_time": job_run.end_time_ms}
            | _run_duration(job_run.start_time_ms, job_run.end_time_ms)
            | {
                "run_name": job_run.run_name,
                "run_page_url": self._run_page_url(job_run, job_run.run_id),
                "run_type": "SUBMIT_RUN",
                "format": "SINGLE_TASK" if job_run.is_flat else "MULTI_TASK",
                "status": _status(job_run.state),
            }
            | spec
        )

    def _tasks_page(self, job_run: JobRun, version: Version, page_token: str) -> dict[str, Any]:
        """Return the tasks of a run as the version shows them.

        Source: [runs.get.flat-2-0] measured: amesar/databricks-tests, example/samples (2.0 says `task`)
        Source: [runs.get.flat-task-run-id] measured: flyteorg/flytekit#1935 (2.1 says `tasks`, same run id)
        """
        if version == "2.0" and job_run.is_flat:
            return self._flat_fields(next(iter(job_run.latest.values())))
        if version != "2.2" and len(job_run.task_runs) > _TASKS_PER_PAGE:
            raise too_many_tasks(len(job_run.task_runs))
        start = read_page_token(page_token) if page_token else 0
        end = start + _TASKS_PER_PAGE
        page: dict[str, Any] = {
            "tasks": [self._task(job_run, task_run) for task_run in job_run.task_runs[start:end]]
        }
        if end < len(job_run.task_runs):
            # Source: [runs.get.no-empty-page-token] measured: an empty token makes databricks-sdk-py loop forever
            page["next_page_token"] = write_page_token(end)
        return page

    def _flat_fields(self, task_run: TaskRun) -> dict[str, Any]:
        spec = msgspec.json.decode(task_run.task.spec)
        cluster = ("existing_cluster_id", "new_cluster", "libraries")
        return {
            "task": {name: value for name, value in spec.items() if name.endswith("_task")},
            "cluster_spec": {name: spec[name] for name in cluster if name in spec},
        } | _cluster_instance(task_run)

    def _task(self, job_run: JobRun, task_run: TaskRun) -> dict[str, Any]:
        """Return an element of `tasks`."""
        spec: dict[str, Any] = msgspec.json.decode(task_run.task.spec)
        depends_on = [{"task_key": each.task_key} for each in task_run.task.depends_on]
        state = mirror_task_run(task_run)
        return (
            {"run_id": task_run.run_id, "task_key": task_run.task_key}
            | ({"depends_on": depends_on} if depends_on else {})
            | {"run_if": "ALL_SUCCESS"}
            | spec
            | {
                "state": _state(state),
                "run_page_url": self._run_page_url(job_run, task_run.run_id),
                "start_time": task_run.start_time_ms,
            }
            | _durations(task_run)
            | {"end_time": task_run.end_time_ms}
            | _run_duration(task_run.start_time_ms, task_run.end_time_ms)
            | _cluster_instance(task_run)
            | {"attempt_number": task_run.attempt_number, "status": _status(state)}
        )

    def _task_run_alone(self, job_run: JobRun, task_run: TaskRun) -> dict[str, Any]:
        """Return a task run in the shape of a run.

        Source: [runs.get.task-run] measured: a recorded runs/get-output of API 2.2 (its `metadata`)
        """
        task = self._task(job_run, task_run)
        shared = ("run_id", "state", "start_time", "setup_duration", "execution_duration", "cleanup_duration")
        run = self._run(job_run)
        # A task run that never started took no time, even when the run above it did.
        run.pop("run_duration", None)
        return (
            run
            | {name: task[name] for name in (*shared, "end_time", "run_page_url", "status", "task_key")}
            | _run_duration(task_run.start_time_ms, task_run.end_time_ms)
            | {
                "number_in_job": task_run.run_id,
                "job_run_id": job_run.run_id,
                "parent_run_id": job_run.run_id,
                "tasks": [task],
            }
        )

    def _run_page_url(self, job_run: JobRun, run_id: int) -> str:
        """Return the link to a run's page.

        Source: [runs.get.run-page-url] measured: flyteorg/flytekit#1935 (the fragment form)
        """
        return f"{self._url}/?o={self._workspace_id}#job/{job_run.job_id}/run/{run_id}"


def _state(state: JobRunState) -> dict[str, Any]:
    """Return the legacy `state` object."""
    wire: dict[str, Any] = {"life_cycle_state": state.life_cycle_state}
    if state.result_state is not None:
        wire["result_state"] = state.result_state
    wire["state_message"] = state.message
    wire["user_cancelled_or_timedout"] = state.result_state in _STOPPED
    if state.life_cycle_state is LifeCycleState.QUEUED:
        wire["queue_reason"] = _QUEUE_REASON
    return wire


def _status(state: JobRunState) -> dict[str, Any]:
    """Return the newer `status` object.

    Source: [runs.get.status-shape] sdk: databricks-sdk-py, jobs.py (RunStatus)
    """
    wire: dict[str, Any] = {"state": STATUS[state.life_cycle_state]}
    if state.life_cycle_state is LifeCycleState.QUEUED:
        wire["queue_details"] = {"code": QueueCode.ACTIVE_RUNS_LIMIT_REACHED, "message": _QUEUE_REASON}
    if state.code is not None:
        wire["termination_details"] = {"code": state.code, "type": state.type, "message": state.message}
    return wire


def _durations(task_run: TaskRun | None) -> dict[str, int]:
    """Return the durations of a task run; of several together, zeros.

    Source: [runs.durations.parent-zero] measured: databricks/databricks-sdk-py#375
    """
    if task_run is None:
        return {"setup_duration": 0, "execution_duration": 0, "cleanup_duration": 0}
    return {
        "setup_duration": task_run.setup_duration_ms,
        "execution_duration": task_run.execution_duration_ms,
        "cleanup_duration": task_run.cleanup_duration_ms,
    } | ({"queue_duration": task_run.queue_duration_ms} if task_run.queue_duration_ms else {})


def _run_duration(start_time_ms: int, end_time_ms: int) -> dict[str, int]:
    return {"run_duration": end_time_ms - start_time_ms} if end_time_ms and start_time_ms else {}


def _cluster_instance(task_run: TaskRun) -> dict[str, Any]:
    """Return the cluster a task run is on, with its context once the work has begun.

    Source: [runs.cluster-instance.phases] measured: amesar/databricks-tests, example/samples
    """
    if not task_run.cluster_id:
        return {}
    instance = {"cluster_id": task_run.cluster_id}
    if task_run.has_worked:
        instance["spark_context_id"] = str(4_000_000_000_000_000_000 + task_run.run_id)
    return {"cluster_instance": instance}


def write_page_token(position: int) -> str:
    """Return an opaque page token for a position."""
    return base64.urlsafe_b64encode(f"page:{position}".encode()).decode()


def read_page_token(page_token: str) -> int:
    """Return the position that a page token stands for.

    Raises:
        ApiError: 400 for a token that this emulator did not write.
    """
    try:
        prefix, _, position = base64.urlsafe_b64decode(page_token.encode()).decode().partition(":")
        if prefix == "page" and position.isdecimal():
            return int(position)
    except ValueError:
        pass  # no base64, no UTF-8, or more digits than an int takes
    raise invalid_parameter("Invalid value for parameter page_token")
