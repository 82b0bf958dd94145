"""Jobs to wire JSON, per API version."""

from __future__ import annotations

from typing import Any

import msgspec

from dbx_emulator._api.codec import PAGE_LENGTH, Version, page_of
from dbx_emulator._api.codec_tasks import render_dependencies
from dbx_emulator._api.validation_tasks import too_many_tasks
from dbx_emulator._core.jobs import Job
from dbx_emulator._core.submitted import SubmittedTask

__all__ = ["render_job"]

#: Source: [jobs.get.paged-arrays] sdk: databricks-sdk-py, jobs.py (JobsAPI.get)
_PAGED_FIELDS = ("tasks", "job_clusters", "environments", "parameters")


def render_job(job: Job, *, version: Version, page_token: str) -> bytes:
    """Return the body of jobs/get.

    Source: [jobs.get.shape] sdk: databricks-sdk-py, jobs.py (Job)
    Source: [jobs.get.format] documented: Databricks documentation, Updating from Jobs API 2.0 to 2.1

    Raises:
        ApiError: 400 for more than 100 tasks below version 2.2, or for a page token that is none.
    """
    settings: dict[str, Any] = msgspec.json.decode(job.settings.spec)
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "creator_user_name": job.creator_user_name,
        "run_as_user_name": job.creator_user_name,
        "created_time": job.created_time_ms,
    }
    if version == "2.0" and settings["format"] == "SINGLE_TASK":
        return msgspec.json.encode(body | {"settings": settings | _flat(job.settings.tasks[0])})
    if version != "2.2" and len(job.settings.tasks) > PAGE_LENGTH:
        raise too_many_tasks(len(job.settings.tasks))
    settings["format"] = "MULTI_TASK"
    settings["tasks"] = [_task(task) for task in job.settings.tasks]
    arrays = {name: settings.pop(name, []) for name in _PAGED_FIELDS}
    page = page_of(arrays, page_token, scope=f"job/{job.job_id}")
    next_page_token = page.pop("next_page_token", None)
    body["settings"] = settings | page
    if next_page_token is not None:
        body |= {"has_more": True, "next_page_token": next_page_token}
    return msgspec.json.encode(body)


def _task(task: SubmittedTask) -> dict[str, Any]:
    """Return an element of `tasks` of a job's settings."""
    defaults = {"run_if": task.run_if, "timeout_seconds": 0, "email_notifications": {}}
    spec: dict[str, Any] = msgspec.json.decode(task.spec)
    return {"task_key": task.task_key} | render_dependencies(task) | defaults | spec


def _flat(task: SubmittedTask) -> dict[str, Any]:
    """Return a task as the settings of a job of API 2.0 show it, at their root."""
    spec: dict[str, Any] = msgspec.json.decode(task.spec)
    return spec
