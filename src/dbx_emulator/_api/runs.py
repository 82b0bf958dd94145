"""The endpoints of runs: submit, get, list, cancel, get-output."""

from __future__ import annotations

from dbx_emulator._api.calls import Call
from dbx_emulator._api.codec import read_page_token, write_page_token
from dbx_emulator._api.errors import invalid_parameter, permission_denied, run_does_not_exist
from dbx_emulator._api.structs import CancelRun, GetRun, GetRunOutput, ListRuns, SubmitRun
from dbx_emulator._api.validation import validate_submit
from dbx_emulator._core.faults import FaultCall
from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = [
    "cancel_run",
    "get_run",
    "get_run_output",
    "list_runs",
    "run_in_body",
    "run_in_query",
    "submit_run",
    "submitted_run",
]

#: Source: [runs.list.limit] documented: Jobs API 2.1 OpenAPI document (1 to 25, 20 if left out)
_LONGEST_PAGE = 25

#: Source: [runs.list.offset] documented: Databricks REST API reference, Jobs, runs/list
_LARGEST_OFFSET = 10_000


def submit_run(call: Call) -> bytes:
    """Answer POST runs/submit."""
    body = call.body(SubmitRun)
    submitted = validate_submit(body, version=call.version)
    call.job_run = call.service.engine.submit(submitted, principal=call.principal)
    return b'{"run_id":%d}' % call.job_run.run_id


def get_run(call: Call) -> bytes:
    """Answer GET runs/get, for the id of a job run or of a task run."""
    parameters = call.parameters(GetRun)
    job_run, task_run = _find(call, parameters.run_id)
    page_token = parameters.page_token if call.version == "2.2" else ""
    call.service.engine.polled(job_run)
    return call.service.codec.get_run(job_run, task_run, version=call.version, page_token=page_token)


def get_run_output(call: Call) -> bytes:
    """Answer GET runs/get-output, for the id of a task run.

    Source: [runs.get-output.parent] measured: databricks/databricks-sdk-py#997
    """
    job_run, task_run = _find(call, call.parameters(GetRunOutput).run_id)
    if task_run is None and not job_run.is_flat:
        raise invalid_parameter(
            "Retrieving the output of runs with multiple tasks is not supported. "
            "Please retrieve the output of each individual task run instead."
        )
    return call.service.codec.get_run_output(job_run, task_run)


def cancel_run(call: Call) -> bytes:
    """Answer POST runs/cancel, for the id of a job run or of a task run.

    Source: [runs.cancel.empty-object] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_run)
    """
    job_run, task_run = _find(call, call.body(CancelRun).run_id)
    call.service.engine.cancel(job_run, task_run)
    return b"{}"


def list_runs(call: Call) -> bytes:
    """Answer GET runs/list: job runs, the newest first.

    Source: [runs.list.newest-first] documented: Jobs API 2.1 reference (descending order by start time)
    Source: [runs.list.empty] measured: a recorded answer without runs is {"has_more": false}
    """
    parameters = call.parameters(ListRuns)
    limit = _page_length(parameters)
    before = read_page_token(parameters.page_token) if parameters.page_token else None
    to_skip = parameters.offset
    items: list[bytes] = []
    runs = call.service.engine.store.newest_first(before=before, active_only=parameters.active_only)
    for position, job_run in runs:
        if not (_matches(parameters, job_run) and call.principal.may_see(job_run.creator_user_name)):
            continue
        if to_skip:
            to_skip -= 1
            continue
        if len(items) == limit:
            next_page_token = write_page_token(position + 1).encode()
            return b'{"runs":[%b],"has_more":true,"next_page_token":"%b"}' % (
                b",".join(items),
                next_page_token,
            )
        items.append(call.service.codec.list_item(job_run, expand_tasks=parameters.expand_tasks))
    runs_field = b'"runs":[%b],' % b",".join(items) if items else b""
    return b'{%b"has_more":false}' % runs_field


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


def _matches(parameters: ListRuns, job_run: JobRun) -> bool:
    """Say whether a run passes the filters of runs/list.

    Source: [runs.list.filters] sdk: databricks-sdk-py, jobs.py (JobsAPI.list_runs)
    """
    return (
        (job_run.is_terminal or not parameters.completed_only)
        and parameters.job_id in (0, job_run.job_id)
        and parameters.run_type in ("", "SUBMIT_RUN")
        and parameters.start_time_from <= job_run.start_time_ms <= parameters.start_time_to
    )


def _page_length(parameters: ListRuns) -> int:
    if parameters.active_only and parameters.completed_only:
        raise invalid_parameter("active_only and completed_only cannot both be true.")
    if not 0 <= parameters.limit <= _LONGEST_PAGE:
        raise invalid_parameter("Invalid value for parameter limit")
    if not 0 <= parameters.offset <= _LARGEST_OFFSET:
        raise invalid_parameter("Invalid value for parameter offset")
    return parameters.limit or _LONGEST_PAGE


def _find(call: Call, run_id: int) -> tuple[JobRun, TaskRun | None]:
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
    call.state_before = found[0].life_cycle_state
    return found
