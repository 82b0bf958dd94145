"""The endpoints of jobs, as far as runs need them: create, get, run-now."""

from __future__ import annotations

from dbx_emulator._api.calls import Call
from dbx_emulator._api.codec_jobs import render_job
from dbx_emulator._api.errors import job_does_not_exist, permission_denied
from dbx_emulator._api.runs import token_of_deleted_run
from dbx_emulator._api.structs_jobs import CreateJob, GetJob, RunNow
from dbx_emulator._api.validation_jobs import encode_legacy_parameters, validate_create, validate_run_now
from dbx_emulator._core.errors import TokenOfDeletedRun
from dbx_emulator._core.faults import FaultCall
from dbx_emulator._core.jobs import Job

__all__ = ["create_job", "get_job", "run_now", "run_of_a_job"]


def create_job(call: Call) -> bytes:
    """Answer POST jobs/create."""
    settings = validate_create(call.body(CreateJob), version=call.version, rules=call.service.rules)
    job = call.service.engine.create_job(settings, principal=call.principal)
    return b'{"job_id":%d}' % job.job_id


def get_job(call: Call) -> bytes:
    """Answer GET jobs/get."""
    parameters = call.parameters(GetJob)
    job = _find(call, parameters.job_id)
    page_token = parameters.page_token if call.version == "2.2" else ""
    return render_job(job, version=call.version, page_token=page_token)


def run_now(call: Call) -> bytes:
    """Answer POST jobs/run-now.

    Source: [run-now.number-in-job] measured: flyteorg/flytekit#1935 (it is the run id)
    """
    body = call.body(RunNow)
    job = _find(call, body.job_id)
    submitted = validate_run_now(body, job)
    try:
        call.job_run = call.service.engine.run_now(
            job,
            submitted,
            principal=call.principal,
            job_parameters=body.job_parameters or {},
            overriding_parameters=encode_legacy_parameters(body),
            # Source: [run-now.queue] sdk: databricks-sdk-py, jobs.py (JobsAPI.run_now, queue: of this run)
            is_queued=body.queue["enabled"] if body.queue else None,
        )
    except TokenOfDeletedRun:
        raise token_of_deleted_run() from None
    call.notes = [*call.notes, *call.job_run.notes]
    run_id = call.job_run.run_id
    return b'{"run_id":%d,"number_in_job":%d}' % (run_id, run_id)


def run_of_a_job(call: Call, seen: FaultCall) -> None:
    """Note the name that a run of a job is going to have."""
    job = call.service.engine.find_job(call.body(RunNow).job_id)
    if job is not None:
        seen.run_name = job.settings.name
        seen.run_key = (seen.run_name, 0)


def _find(call: Call, job_id: int) -> Job:
    """Return a job.

    Raises:
        ApiError: 400, there is no such job; 403, it is another's and the caller a guest.
    """
    job = call.service.engine.find_job(job_id)
    if job is None:
        raise job_does_not_exist(job_id)
    if not call.principal.may_see(job.creator_user_name):
        raise permission_denied(call.principal.user_name, job_id)
    return job
