"""The endpoint runs/list: job runs, the newest first, page by page in both directions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from dbx_emulator._api.calls import Call
from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.page_tokens import Page, read_page_token, write_page_token
from dbx_emulator._api.structs_runs import ListRuns
from dbx_emulator._core.runs import JobRun

__all__ = ["list_runs"]

#: Source: [runs.list.limit] documented: Jobs API 2.1 OpenAPI document (1 to 25, 20 if left out)
_LONGEST_PAGE = 25

#: Source: [runs.list.offset] documented: Databricks REST API reference, Jobs, runs/list
_LARGEST_OFFSET = 10_000

_SCOPE = "runs/list"

#: A run and its position in the order of creation.
_Found = tuple[int, JobRun]


def list_runs(call: Call) -> bytes:
    """Answer GET runs/list: job runs, the newest first.

    Source: [runs.list.newest-first] documented: Jobs API 2.1 reference (descending order by start time)
    Source: [runs.list.empty] measured: a recorded answer without runs is {"has_more": false}
    Source: [runs.list.prev-page-token] documented: Databricks REST API reference, Jobs, runs/list
    """
    parameters = call.parameters(ListRuns)
    limit = _page_length(parameters)
    page = read_page_token(parameters.page_token, scope=_SCOPE) if parameters.page_token else None
    if page is not None and page.direction == "prev":
        found = _before(call, parameters, page.position, limit)
        older: int | None = found[-1][0] if found else page.position + 1
        has_newer = bool(found) and next(_newer(call, parameters, found[0][0]), None) is not None
    else:
        found, has_older = _after(call, parameters, None if page is None else page.position, limit)
        older = found[-1][0] if has_older else None
        has_newer = bool(found) and (page is not None or parameters.offset > 0)
    fields = []
    if found:
        codec = call.service.codec
        items = (codec.list_item(job_run, expand_tasks=parameters.expand_tasks) for _, job_run in found)
        fields.append(b'"runs":[%b]' % b",".join(items))
    fields.append(b'"has_more":false' if older is None else b'"has_more":true')
    if older is not None:
        fields.append(b'"next_page_token":"%b"' % _token(Page(older)))
    if has_newer:
        fields.append(b'"prev_page_token":"%b"' % _token(Page(found[0][0], "prev")))
    return b"{%b}" % b",".join(fields)


def _token(page: Page) -> bytes:
    return write_page_token(page, scope=_SCOPE).encode()


def _matching(call: Call, parameters: ListRuns, before: int | None = None) -> Iterator[_Found]:
    """Yield the runs that the caller asked for and may see, from the newest on."""
    runs = call.service.engine.store.newest_first(before=before, active_only=parameters.active_only)
    for position, job_run in runs:
        if _matches(parameters, job_run) and call.principal.may_see(job_run.creator_user_name):
            yield position, job_run


def _after(call: Call, parameters: ListRuns, position: int | None, limit: int) -> tuple[list[_Found], bool]:
    """Return the runs older than the one at a position, and whether there are more."""
    found: list[_Found] = []
    to_skip = parameters.offset
    for each in _matching(call, parameters, position):
        if to_skip:
            to_skip -= 1
        elif len(found) == limit:
            return found, True
        else:
            found.append(each)
    return found, False


def _newer(call: Call, parameters: ListRuns, position: int) -> Iterator[_Found]:
    for each in _matching(call, parameters):
        if each[0] <= position:
            return
        yield each


def _before(call: Call, parameters: ListRuns, position: int, limit: int) -> list[_Found]:
    """Return the runs just newer than the one at a position. It costs what the way there from the newest costs."""
    return list(deque(_newer(call, parameters, position), maxlen=limit))


def _matches(parameters: ListRuns, job_run: JobRun) -> bool:
    """Say whether a run passes the filters of runs/list.

    Source: [runs.list.filters] sdk: databricks-sdk-py, jobs.py (JobsAPI.list_runs)
    """
    return (
        (job_run.is_terminal or not parameters.completed_only)
        and parameters.job_id in (0, job_run.job_id)
        and parameters.run_type in ("", job_run.run_type)
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
