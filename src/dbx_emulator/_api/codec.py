"""Job runs to wire JSON, per API version.

Owns the shape and spelling of runs on the wire, and the cache of bytes: a body is rendered once and dropped by
the run's next event, so that polling costs nothing. Absent is absent: no field is ever null.

Source: [runs.get.no-nulls] measured: no recorded payload of the service holds a null
Source: [runs.get.zeros-shown] measured: recorded payloads show durations of 0 and false booleans
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from dbx_emulator._api.codec_output import render_output, render_views
from dbx_emulator._api.codec_states import (
    cluster_instance,
    queue_of,
    render_state,
    render_status,
    run_duration,
    stage_durations,
)
from dbx_emulator._api.codec_tasks import render_task
from dbx_emulator._api.page_tokens import Page, read_page_token, write_page_token
from dbx_emulator._api.validation_tasks import too_many_tasks
from dbx_emulator._core.runs import JobRun, Repair, TaskRun

__all__ = ["PAGE_LENGTH", "Codec", "Version", "View", "page_of"]

Version = Literal["2.0", "2.1", "2.2"]

#: Source: [runs.get.page-size] sdk: databricks-sdk-py, jobs.py (JobsAPI.get_run, arrays paged at 100)
PAGE_LENGTH = 100

#: What of a submitted run's fields is shown in pieces.
_PAGED_FIELDS = ("job_clusters",)


class View(Struct, frozen=True):
    """How a run is to be shown.

    Attributes:
        version: The API version.
        with_history: Whether to show its repairs.
        with_resolved_values: Whether to show what became of references in parameters.
        page_token: Which page of its arrays to show; empty for the first. Below 2.2 it means nothing.
    """

    version: Version = "2.2"
    with_history: bool = False
    with_resolved_values: bool = False
    page_token: str = ""


class Codec:
    """Renders the runs of one workspace.

    Args:
        url: The workspace's URL, for links.
        workspace_id: The number of the workspace, for links.
    """

    def __init__(self, *, url: str, workspace_id: int) -> None:
        self._url = url
        self._workspace_id = workspace_id

    def get_run(self, job_run: JobRun, task_run: TaskRun | None, view: View) -> bytes:
        """Return the body of runs/get for a run, or for one task run of it.

        Raises:
            ApiError: 400 for more than 100 tasks below version 2.2, or for a page token that is none.
        """
        if view.page_token and view.version != "2.2":
            view = msgspec.structs.replace(view, page_token="")
        run_id = job_run.run_id if task_run is None else task_run.run_id
        key = (run_id, view)
        if (rendered := job_run.rendered.get(key)) is not None:
            return rendered
        if task_run is not None:
            run = self._task_run_alone(job_run, task_run, view)
        else:
            run = self._run(job_run) | self._arrays(job_run, view)
        body = msgspec.json.encode(run)
        if not view.page_token:
            job_run.rendered[key] = body
        return body

    def list_item(self, job_run: JobRun, *, expand_tasks: bool) -> bytes:
        """Return an element of `runs` of runs/list.

        Source: [runs.list.expand-tasks] sdk: databricks-sdk-py, jobs.py (JobsAPI.list_runs: the first 100)
        """
        key = "list/tasks" if expand_tasks else "list"
        if (rendered := job_run.rendered.get(key)) is not None:
            return rendered
        run = self._run(job_run)
        if expand_tasks:
            arrays = self._all_arrays(job_run, View())
            run |= {name: values[:PAGE_LENGTH] for name, values in arrays.items() if values}
            if any(len(values) > PAGE_LENGTH for values in arrays.values()):
                run["has_more"] = True
        job_run.rendered[key] = msgspec.json.encode(run)
        return job_run.rendered[key]

    def get_run_output(self, job_run: JobRun, task_run: TaskRun | None) -> bytes:
        """Return the body of runs/get-output for a task run; `None` is the latest attempt of a flat run."""
        if task_run is None:
            task_run = next(iter(job_run.latest.values()))
            metadata = self._run(job_run) | {"tasks": [self._task(job_run, task_run)]}
        else:
            metadata = self._task_run_alone(job_run, task_run, View())
            metadata.pop("iterations", None)
            metadata.pop("next_page_token", None)
        return msgspec.json.encode({"metadata": metadata} | render_output(task_run, url=self._url))

    def export_run(self, task_run: TaskRun, views_to_export: str) -> bytes:
        """Return the body of runs/export for the run of a notebook task."""
        return msgspec.json.encode(render_views(task_run, views_to_export))

    def _run(self, job_run: JobRun) -> dict[str, Any]:
        """Return what runs/get and runs/list have in common."""
        spec: dict[str, Any] = msgspec.json.decode(job_run.submitted.spec)
        queue = queue_of(job_run)
        only = job_run.only
        return (
            {
                "job_id": job_run.job_id,
                "run_id": job_run.run_id,
                "creator_user_name": job_run.creator_user_name,
                "number_in_job": job_run.run_id,
                "state": render_state(job_run.state, queue),
                "start_time": job_run.start_time_ms,
            }
            | _provenance(job_run)
            | stage_durations(only)
            | _queue_duration(job_run)
            | {"end_time": job_run.end_time_ms}
            | run_duration(job_run.start_time_ms, job_run.end_time_ms)
            | {
                "run_name": job_run.run_name,
                "run_page_url": self._run_page_url(job_run, job_run.run_id),
                "run_type": job_run.run_type,
                "format": "SINGLE_TASK" if job_run.is_flat else "MULTI_TASK",
                "status": render_status(job_run.state, queue),
            }
            | ({"attempt_number": only.attempt_number} if job_run.is_flat and only is not None else {})
            | {name: value for name, value in spec.items() if name not in _PAGED_FIELDS}
        )

    def _arrays(self, job_run: JobRun, view: View) -> dict[str, Any]:
        """Return one page of the arrays of a run, as the version shows them.

        Source: [runs.get.flat-2-0] measured: amesar/databricks-tests, example/samples (2.0 says `task`)
        Source: [runs.get.flat-task-run-id] measured: flyteorg/flytekit#1935 (2.1 says `tasks`, same run id)
        """
        if view.version == "2.0" and job_run.is_flat:
            return _flat_fields(next(iter(job_run.latest.values())))
        if view.version != "2.2" and len(job_run.task_runs) > PAGE_LENGTH:
            raise too_many_tasks(len(job_run.task_runs))
        return page_of(self._all_arrays(job_run, view), view.page_token, scope=f"run/{job_run.run_id}")

    def _all_arrays(self, job_run: JobRun, view: View) -> dict[str, list[Any]]:
        """Return the arrays of a run that are paged, whole.

        Source: [runs.get.paged-arrays] sdk: databricks-sdk-py, jobs.py (JobsAPI.get_run)
        """
        spec: dict[str, Any] = msgspec.json.decode(job_run.submitted.spec)
        return {
            "tasks": [self._task(job_run, task_run, view) for task_run in job_run.task_runs],
            "job_parameters": _job_parameters(job_run),
            "repair_history": [_repair(each) for each in job_run.repairs] if view.with_history else [],
        } | {name: spec.get(name, []) for name in _PAGED_FIELDS}

    def _task(self, job_run: JobRun, task_run: TaskRun, view: View = View()) -> dict[str, Any]:  # noqa: B008
        return render_task(
            job_run,
            task_run,
            run_page_url=self._run_page_url(job_run, task_run.run_id),
            with_resolved_values=view.with_resolved_values,
        )

    def _task_run_alone(self, job_run: JobRun, task_run: TaskRun, view: View) -> dict[str, Any]:
        """Return a task run in the shape of a run.

        Source: [runs.get.task-run] measured: a recorded runs/get-output of API 2.2 (its `metadata`)
        """
        task = self._task(job_run, task_run, view)
        run = self._run(job_run)
        for name in _OF_THE_WHOLE:
            run.pop(name, None)
        run |= {name: task[name] for name in _OF_THE_TASK if name in task}
        if "original_attempt_run_id" in run:
            run["original_attempt_run_id"] = _first_attempt(job_run, task_run).run_id
        return (
            run
            | {
                "number_in_job": task_run.run_id,
                "job_run_id": job_run.run_id,
                "parent_run_id": job_run.run_id,
                "tasks": [task],
            }
            | self._iterations(job_run, task_run, view)
        )

    def _iterations(self, job_run: JobRun, task_run: TaskRun, view: View) -> dict[str, Any]:
        """Return one page of the iterations of a for-each task run.

        Source: [runs.get.iterations] sdk: databricks-sdk-py, jobs.py (Run.iterations)
        """
        iterations = [self._task(job_run, each, view) for each in task_run.iterations]
        page = page_of({"iterations": iterations}, view.page_token, scope=f"run/{task_run.run_id}")
        if view.version != "2.2":
            page.pop("next_page_token", None)
        return page

    def _run_page_url(self, job_run: JobRun, run_id: int) -> str:
        """Return the link to a run's page.

        Source: [runs.get.run-page-url] measured: flyteorg/flytekit#1935 (the fragment form)
        """
        return f"{self._url}/?o={self._workspace_id}#job/{job_run.job_id}/run/{run_id}"


#: What a task run does not show of the run above, as it may lack it itself: one that never started took no time,
#: even when the run above it did.
_OF_THE_WHOLE = ("run_duration", "queue_duration", "effective_performance_target")

#: What a task run shows of itself where the run above shows the whole.
_OF_THE_TASK = (
    "run_id",
    "state",
    "start_time",
    "setup_duration",
    "execution_duration",
    "cleanup_duration",
    "queue_duration",
    "run_duration",
    "end_time",
    "run_page_url",
    "status",
    "task_key",
    "attempt_number",
    "effective_performance_target",
)


def page_of(arrays: dict[str, list[Any]], page_token: str, *, scope: str) -> dict[str, Any]:
    """Return one page of several arrays together, and the token of the next page if there is one.

    An array that has ended is left out, and so is the token on the last page.

    Source: [runs.get.no-empty-page-token] measured: an empty token makes databricks-sdk-py loop forever

    Raises:
        ApiError: 400 for a page token that is none.
    """
    start = read_page_token(page_token, scope=scope).position if page_token else 0
    end = start + PAGE_LENGTH
    page: dict[str, Any] = {name: found for name, values in arrays.items() if (found := values[start:end])}
    if any(len(values) > end for values in arrays.values()):
        page["next_page_token"] = write_page_token(Page(end), scope=scope)
    return page


def _provenance(job_run: JobRun) -> dict[str, Any]:
    """Return how a run of a job came about; a submitted run does not say.

    Source: [runs.get.trigger] measured: runs of jobs in public records say ONE_TIME, submitted ones say nothing
    Source: [runs.get.original-attempt] measured: it is in public records of runs of jobs, and in no other
    """
    if job_run.trigger is None:
        return {}
    wire: dict[str, Any] = {"original_attempt_run_id": job_run.run_id, "trigger": job_run.trigger}
    if job_run.triggered_by is not None:
        # Source: [runs.get.trigger-info] sdk: databricks-sdk-py, jobs.py (TriggerInfo: the run above)
        wire["trigger_info"] = {"run_id": job_run.triggered_by.run_id}
    if job_run.overriding_parameters:
        wire["overriding_parameters"] = msgspec.json.decode(job_run.overriding_parameters)
    return wire


def _queue_duration(job_run: JobRun) -> dict[str, int]:
    only = job_run.only
    queue_duration_ms = job_run.queue_duration_ms or (0 if only is None else only.queue_duration_ms)
    return {"queue_duration": queue_duration_ms} if queue_duration_ms else {}


def _job_parameters(job_run: JobRun) -> list[dict[str, str]]:
    """Return the parameters of a run's job with their values in this run.

    Source: [runs.get.job-parameters] measured: databricks/cli, libs/testserver/jobs.go (all of them, resolved)
    """
    defaults = job_run.job.settings.parameters if job_run.job is not None else {}
    return [
        {"name": name, "default": default, "value": job_run.job_parameters.get(name, default)}
        for name, default in defaults.items()
    ]


def _repair(repair: Repair) -> dict[str, Any]:
    """Return an element of `repair_history`.

    Source: [runs.get.repair-history] sdk: databricks-sdk-py, jobs.py (RepairHistoryItem)
    Source: [runs.get.repair-history-original] measured: astronomer/astronomer-cosmos#163 (one if never repaired)
    """
    return (
        {"type": "REPAIR" if repair.repair_id else "ORIGINAL"}
        | ({"id": repair.repair_id} if repair.repair_id else {})
        | {
            "start_time": repair.start_time_ms,
            "end_time": repair.end_time_ms,
            "state": render_state(repair.state),
            "status": render_status(repair.state),
            "task_run_ids": repair.task_run_ids,
        }
    )


def _first_attempt(job_run: JobRun, task_run: TaskRun) -> TaskRun:
    siblings = job_run.task_runs if task_run.above is None else task_run.above.iterations
    return next(
        each
        for each in siblings
        if each.task_key == task_run.task_key and each.iteration_index == task_run.iteration_index
    )


def _flat_fields(task_run: TaskRun) -> dict[str, Any]:
    spec = msgspec.json.decode(task_run.task.spec)
    cluster = ("existing_cluster_id", "new_cluster", "libraries")
    return {
        "task": {name: value for name, value in spec.items() if name.endswith("_task")},
        "cluster_spec": {name: spec[name] for name in cluster if name in spec},
    } | cluster_instance(task_run)
