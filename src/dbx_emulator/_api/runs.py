"""The endpoints of single runs: submit, get, get-output, export, cancel, cancel-all, delete, repair."""

from __future__ import annotations

import msgspec

from dbx_emulator._api.calls import Call
from dbx_emulator._api.codec import View
from dbx_emulator._api.errors import (
    conflict,
    invalid_parameter,
    invalid_state,
    job_does_not_exist,
    permission_denied,
    run_does_not_exist,
)
from dbx_emulator._api.structs_runs import (
    CancelAllRuns,
    CancelRun,
    DeleteRun,
    ExportRun,
    GetRun,
    GetRunOutput,
    RepairRun,
    SubmitRun,
)
from dbx_emulator._api.validation import validate_submit
from dbx_emulator._api.validation_jobs import (
    check_job_parameters,
    check_legacy_parameters,
    encode_legacy_parameters,
)
from dbx_emulator._core.errors import ApiError, TokenOfDeletedRun
from dbx_emulator._core.faults import FaultCall
from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = [
    "cancel_all_runs",
    "cancel_run",
    "delete_run",
    "export_run",
    "find_run",
    "get_run",
    "get_run_output",
    "repair_run",
    "run_in_body",
    "run_in_query",
    "submit_run",
    "submitted_run",
    "token_of_deleted_run",
]


def submit_run(call: Call) -> bytes:
    """Answer POST runs/submit."""
    body = call.body(SubmitRun)
    submitted = validate_submit(body, version=call.version, rules=call.service.rules)
    try:
        call.job_run = call.service.engine.submit(submitted, principal=call.principal)
    except TokenOfDeletedRun:
        raise token_of_deleted_run() from None
    call.notes = [*call.notes, *call.job_run.notes]
    return b'{"run_id":%d}' % call.job_run.run_id


def token_of_deleted_run() -> ApiError:
    """Return the error for an idempotency token whose run was deleted.

    Source: [runs.submit.token-of-deleted-run] sdk: databricks-sdk-py, jobs.py (JobsAPI.submit: it is an error)
    """
    return invalid_state("The run of this idempotency_token has been deleted.")


def get_run(call: Call) -> bytes:
    """Answer GET runs/get, for the id of a job run or of a task run."""
    parameters = call.parameters(GetRun)
    job_run, task_run = find_run(call, parameters.run_id)
    view = View(
        call.version, parameters.include_history, parameters.include_resolved_values, parameters.page_token
    )
    if call.service.engine.is_moved_by_polls:
        call.service.engine.polled(job_run)
    return call.service.codec.get_run(job_run, task_run, view)


def get_run_output(call: Call) -> bytes:
    """Answer GET runs/get-output, for the id of a task run.

    Source: [runs.get-output.parent] measured: databricks/databricks-sdk-py#997
    """
    job_run, task_run = find_run(call, call.parameters(GetRunOutput).run_id)
    if task_run is None and not job_run.is_flat:
        raise invalid_parameter(
            "Retrieving the output of runs with multiple tasks is not supported. "
            "Please retrieve the output of each individual task run instead."
        )
    return call.service.codec.get_run_output(job_run, task_run)


def export_run(call: Call) -> bytes:
    """Answer GET runs/export, for the id of a run of a notebook task.

    Source: [runs.export.notebooks-only] sdk: databricks-sdk-py, jobs.py (JobsAPI.export_run)
    """
    parameters = call.parameters(ExportRun)
    job_run, task_run = find_run(call, parameters.run_id)
    if task_run is None and job_run.is_flat:
        task_run = job_run.only
    if task_run is None or "notebook_task" not in msgspec.json.decode(task_run.task.spec):
        raise invalid_parameter("Only runs of notebook tasks can be exported.")
    return call.service.codec.export_run(task_run, parameters.views_to_export)


def cancel_run(call: Call) -> bytes:
    """Answer POST runs/cancel, for the id of a job run or of a task run.

    Source: [runs.cancel.empty-object] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_run)
    """
    job_run, task_run = find_run(call, call.body(CancelRun).run_id)
    call.service.engine.cancel(job_run, task_run)
    return b"{}"


def cancel_all_runs(call: Call) -> bytes:
    """Answer POST runs/cancel-all: the active runs of a job, or only those in the queue, of one or of every job.

    Source: [runs.cancel-all.scope] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_all_runs)
    """
    body = call.body(CancelAllRuns)
    if not body.job_id and not body.all_queued_runs:
        raise job_does_not_exist(0)
    if body.job_id and call.service.engine.find_job(body.job_id) is None:
        raise job_does_not_exist(body.job_id)
    call.service.engine.cancel_all(job_id=body.job_id or None, is_queued_only=body.all_queued_runs)
    return b"{}"


def submitted_run(call: Call, seen: FaultCall) -> None:
    """Note the name that a submit gives its run."""
    seen.run_name = call.body(SubmitRun).run_name
    seen.run_key = (seen.run_name, 0)


def run_in_query(call: Call, seen: FaultCall) -> None:
    """Note the run that a GET asks for."""
    _note_run(call, seen, call.parameters(GetRunOutput).run_id)


def run_in_body(call: Call, seen: FaultCall) -> None:
    """Note the run that a POST names."""
    _note_run(call, seen, call.body(CancelRun).run_id)


def _note_run(call: Call, seen: FaultCall, run_id: int) -> None:
    found = call.service.engine.store.find(run_id)
    if found is not None:
        job_run = found[0]
        seen.run_id = job_run.run_id
        seen.run_name = job_run.run_name
        seen.run_key = job_run.key
        seen.state = job_run.life_cycle_state.value


def delete_run(call: Call) -> bytes:
    """Answer POST runs/delete: a run that is over is no longer there.

    Source: [runs.delete.active] sdk: databricks-sdk-py, jobs.py (JobsAPI.delete_run: an active run is an error)
    """
    job_run, task_run = find_run(call, call.body(DeleteRun).run_id)
    if task_run is not None:
        raise run_does_not_exist(task_run.run_id)
    if not job_run.is_terminal:
        raise invalid_state(f"Run {job_run.run_id} is active and cannot be deleted.")
    call.service.engine.delete(job_run)
    return b"{}"


def repair_run(call: Call) -> bytes:
    """Answer POST runs/repair: tasks of a run that is over are run again, under the run's own id."""
    body = call.body(RepairRun)
    job_run, task_run = find_run(call, body.run_id)
    if task_run is not None:
        raise run_does_not_exist(task_run.run_id)
    _check_repairable(job_run, body.latest_repair_id)
    check_legacy_parameters(body)
    defined = job_run.job.settings.parameters if job_run.job is not None else {}
    job_parameters = check_job_parameters(body.job_parameters or {}, defined)
    task_keys = _tasks_to_repair(call, job_run, body)
    repair = call.service.engine.repair(
        job_run,
        task_keys,
        job_parameters=job_parameters,
        overriding_parameters=encode_legacy_parameters(body),
    )
    return b'{"repair_id":%d}' % repair.repair_id


def _check_repairable(job_run: JobRun, latest_repair_id: int) -> None:
    """Refuse a repair of an active run, and one that does not know the last repair.

    Source: [runs.repair.active] sdk: databricks-sdk-py, jobs.py (JobsAPI.repair_run: not in progress)
    Source: [runs.repair.latest-repair-id] measured: databricks/databricks-sdk-py#157
    Source: [runs.repair.stale-repair-id] assumed: that it is refused follows from the field; how is not recorded
    """
    if not job_run.is_terminal:
        raise invalid_state(f"Run {job_run.run_id} is active and cannot be repaired.")
    latest = job_run.repairs[-1].repair_id
    if latest and not latest_repair_id:
        raise invalid_parameter("The latest repair ID needs to be provided in order to create a new repair")
    if latest != latest_repair_id:
        raise conflict(f"The latest repair of run {job_run.run_id} is not {latest_repair_id}.")


def _tasks_to_repair(call: Call, job_run: JobRun, body: RepairRun) -> set[str]:
    """Return the keys of the tasks that a repair runs again.

    Source: [runs.repair.tasks] sdk: databricks-sdk-py, jobs.py (JobsAPI.repair_run)
    Source: [runs.repair.duplicate-keys] measured: apache/airflow#69998
    """
    named = body.rerun_tasks or []
    if bool(named) == body.rerun_all_failed_tasks:
        raise invalid_parameter("Exactly one of rerun_tasks and rerun_all_failed_tasks must be specified.")
    if len(set(named)) < len(named):
        raise invalid_parameter("rerun_tasks cannot contain duplicate task keys.")
    for task_key in named:
        if task_key not in job_run.latest:
            raise invalid_parameter(f"Run {job_run.run_id} has no task '{task_key}'.")
    engine = call.service.engine
    task_keys = set(named) or engine.failed_task_keys(job_run)
    if not task_keys:
        raise invalid_parameter(f"Run {job_run.run_id} has no failed task.")
    return task_keys | engine.dependents(job_run, task_keys) if body.rerun_dependent_tasks else task_keys


def find_run(call: Call, run_id: int) -> tuple[JobRun, TaskRun | None]:
    """Return the runs with that id and note it for the journal.

    Raises:
        ApiError: 400, there is no such run; 403, it is another's and the caller a guest.
    """
    found = call.service.engine.store.find(run_id)
    if found is None:
        raise run_does_not_exist(run_id)
    if not call.principal.may_see(found[0].creator_user_name):
        raise permission_denied(call.principal.user_name, found[0].job_id)
    call.job_run = found[0]
    call.state_before = found[0].state.life_cycle_state
    return found
