"""The endpoints of runs."""

from __future__ import annotations

import pytest
from dirty_equals import IsPartialDict

from tests.emulator.support import NEW_CLUSTER, Caller, flat_body, graph_body, task

_NO_OUTPUT = (
    "Retrieving the output of runs with multiple tasks is not supported. "
    "Please retrieve the output of each individual task run instead."
)


def _submit_many(caller: Caller, count: int) -> list[int]:
    """Submit runs and return their ids, the newest first."""
    return [caller.submit(flat_body(f"run {index}")) for index in range(count)][::-1]


def _listed(caller: Caller, **parameters: object) -> list[int]:
    return [run["run_id"] for run in caller.get("runs/list", **parameters).get("runs", [])]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_submit_answers_with_the_run_id_alone(caller: Caller, version: str) -> None:
    """Flat or with tasks, the answer is one number."""
    caller = caller.under(version)
    assert caller.post("runs/submit", flat_body()) == {"run_id": 400_000_000_000_001}
    assert caller.post("runs/submit", graph_body(task("a"))) == {"run_id": 400_000_000_000_002}


@pytest.mark.parameter("runs/submit", "idempotency_token")
@pytest.mark.fact("runs.submit.idempotency")
def test_submit_with_a_known_token_answers_with_the_same_run(caller: Caller) -> None:
    """The second submit makes nothing, whatever version it comes under."""
    first = caller.submit(flat_body(idempotency_token="t"))
    assert caller.under("2.2").submit(flat_body("another", idempotency_token="t")) == first
    assert len(caller.workspace.runs) == 1


@pytest.mark.fact("runs.get.unknown-run", "requests.missing-int64")
@pytest.mark.parametrize(
    ("method", "endpoint"), [("GET", "runs/get"), ("GET", "runs/get-output"), ("POST", "runs/cancel")]
)
def test_unknown_run_is_an_invalid_parameter(caller: Caller, method: str, endpoint: str) -> None:
    """A run that is not there, and one that was not named, are told by their number."""
    named = {"run_id": 77}
    refusal = caller.refusal(method, endpoint, **({"body": named} if method == "POST" else named))
    assert (refusal.status_code, refusal.error_code, refusal.message) == (
        400,
        "INVALID_PARAMETER_VALUE",
        "Run 77 does not exist.",
    )
    assert caller.refusal(method, endpoint).message == "Run 0 does not exist."


@pytest.mark.fact("runs.get-output.parent")
@pytest.mark.parametrize("count", [1, 2])
def test_output_of_a_run_with_tasks_is_refused(caller: Caller, count: int) -> None:
    """Even with one task, only the task's own run has an output."""
    run_id = caller.submit(graph_body(*(task(f"t{index}") for index in range(count))))
    refusal = caller.refusal("GET", "runs/get-output", run_id=run_id)
    assert (refusal.status_code, refusal.error_code, refusal.message) == (
        400,
        "INVALID_PARAMETER_VALUE",
        _NO_OUTPUT,
    )


@pytest.mark.fact("runs.cancel.empty-object", "runs.cancel.asynchronous")
def test_cancel_answers_with_an_empty_object_before_the_run_is_over(caller: Caller) -> None:
    """The answer says that it was asked, not that it was done."""
    run_id = caller.submit()
    assert caller.reply("POST", "runs/cancel", {"run_id": run_id}).body == b"{}"
    assert caller.run(run_id)["state"] == IsPartialDict(life_cycle_state="TERMINATING")
    caller.workspace.clock.advance("2s")
    assert caller.run(run_id)["state"] == IsPartialDict(result_state="CANCELED")


@pytest.mark.fact("runs.cancel.terminal-noop", "runs.cancel.empty-object")
def test_cancel_of_a_run_that_is_over_is_accepted(caller: Caller) -> None:
    """It is no error and changes nothing."""
    run_id = caller.submit()
    caller.workspace.clock.advance("1d")
    before = caller.run(run_id)
    assert caller.post("runs/cancel", {"run_id": run_id}) == {}
    assert caller.run(run_id) == before


@pytest.mark.fact("runs.cancel.task-only")
def test_cancel_of_a_task_run_stops_that_task(caller: Caller) -> None:
    """By a task's own run id only the task is cancelled."""
    run_id = caller.submit(graph_body(task("a"), task("b")))
    a, b = (each["run_id"] for each in caller.run(run_id)["tasks"])
    caller.post("runs/cancel", {"run_id": a})
    caller.workspace.clock.advance("1d")
    results = [caller.run(each)["state"]["result_state"] for each in (a, b, run_id)]
    assert results == ["CANCELED", "SUCCESS", "CANCELED"]


@pytest.mark.fact("runs.list.empty")
def test_list_of_nothing_has_no_runs_field(caller: Caller) -> None:
    """An empty list is left out."""
    assert caller.reply("GET", "runs/list").body == b'{"has_more":false}'


@pytest.mark.fact("runs.list.newest-first")
def test_list_has_job_runs_the_newest_first(caller: Caller) -> None:
    """Task runs are no items; an item is what runs/get shows, without its tasks unless they are asked for."""
    older, newer = caller.submit(flat_body()), caller.submit(graph_body(task("a"), task("b")))
    assert _listed(caller) == [newer, older]
    item = caller.get("runs/list")["runs"][0]
    shown = caller.run(newer)
    assert item == {name: value for name, value in shown.items() if name != "tasks"}
    assert caller.get("runs/list", expand_tasks="true")["runs"][0] == shown


@pytest.mark.fact("runs.list.limit")
@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        pytest.param({}, 20, id="default"),
        pytest.param({"limit": 1}, 1, id="shortest"),
        pytest.param({"limit": 25}, 25, id="longest"),
        pytest.param({"limit": 0}, 25, id="zero-is-the-longest"),
    ],
)
def test_list_page_has_its_length(caller: Caller, parameters: dict[str, object], count: int) -> None:
    """20 unless told otherwise, 1 to 25."""
    run_ids = _submit_many(caller, 26)
    assert _listed(caller, **parameters) == run_ids[:count]
    assert caller.get("runs/list", **parameters)["has_more"] is True


@pytest.mark.fact("runs.list.limit", "runs.list.offset")
@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"limit": -1}, id="negative-limit"),
        pytest.param({"limit": 26}, id="long-limit"),
        pytest.param({"offset": -1}, id="negative-offset"),
        pytest.param({"offset": 10_001}, id="far-offset"),
        pytest.param({"page_token": "garbage"}, id="page-token"),
        pytest.param({"active_only": "true", "completed_only": "true"}, id="contradiction"),
    ],
)
def test_list_refuses_what_is_out_of_range(caller: Caller, parameters: dict[str, object]) -> None:
    """Limits, offsets and tokens that cannot be are invalid values."""
    refusal = caller.refusal("GET", "runs/list", **parameters)
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.fact("runs.list.offset")
def test_list_offset_skips_the_newest(caller: Caller) -> None:
    """An offset counts from the newest run on, up to 10,000."""
    run_ids = _submit_many(caller, 5)
    assert _listed(caller, offset=2) == run_ids[2:]
    assert _listed(caller, offset=2, limit=2) == run_ids[2:4]
    assert _listed(caller, offset=10_000) == []


@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_list_pages_hold_every_run_once(caller: Caller, count: int) -> None:
    """Following the tokens gives every run, and runs that come meanwhile move nothing."""
    run_ids = _submit_many(caller, count)
    found: list[int] = []
    page = caller.get("runs/list", limit=3)
    while True:
        found += [run["run_id"] for run in page.get("runs", [])]
        assert page["has_more"] is ("next_page_token" in page)
        if not page["has_more"]:
            break
        caller.submit(flat_body("meanwhile"))
        page = caller.get("runs/list", limit=3, page_token=page["next_page_token"])
    assert found == run_ids


@pytest.mark.parameter("runs/list", "active_only", "completed_only")
def test_list_tells_active_from_completed_runs(caller: Caller) -> None:
    """Each run is in exactly one of the two lists, cancelled ones as soon as they are over."""
    ended = caller.submit()
    caller.workspace.clock.advance("1h")
    active, cancelled = caller.submit(), caller.submit()
    caller.post("runs/cancel", {"run_id": cancelled})
    assert _listed(caller, active_only="true") == [cancelled, active]
    assert _listed(caller, completed_only="true") == [ended]
    caller.workspace.clock.advance("5s")
    assert _listed(caller, active_only="true") == [active]
    assert _listed(caller, completed_only="true") == [cancelled, ended]
    assert _listed(caller, active_only="false", completed_only="false") == [cancelled, active, ended]


def test_list_of_active_runs_is_paged_like_any_other(caller: Caller) -> None:
    """Page tokens work under a filter too."""
    run_ids = _submit_many(caller, 3)
    first = caller.get("runs/list", active_only="true", limit=2)
    assert [run["run_id"] for run in first["runs"]] == run_ids[:2]
    assert _listed(caller, active_only="true", limit=2, page_token=first["next_page_token"]) == run_ids[2:]


@pytest.mark.parameter("runs/list", "page_token", "limit", "offset")
@pytest.mark.fact("runs.list.prev-page-token")
def test_list_pages_lead_back(caller: Caller) -> None:
    """From any page but the first a token leads to the one before, by whatever filter both are listed."""
    run_ids = _submit_many(caller, 7)
    first = caller.get("runs/list", limit=3, active_only="true")
    assert "prev_page_token" not in first
    second = caller.get("runs/list", limit=3, active_only="true", page_token=first["next_page_token"])
    third = caller.get("runs/list", limit=3, active_only="true", page_token=second["next_page_token"])
    assert ("prev_page_token" in third, "next_page_token" in third) == (True, False)
    back = caller.get("runs/list", limit=3, active_only="true", page_token=third["prev_page_token"])
    assert [run["run_id"] for run in back["runs"]] == run_ids[3:6]
    assert (back["has_more"], back["next_page_token"]) == (True, second["next_page_token"])
    front = caller.get("runs/list", limit=3, active_only="true", page_token=back["prev_page_token"])
    assert front == first
    assert "prev_page_token" in caller.get("runs/list", limit=3, offset=1)


@pytest.mark.fact("runs.list.prev-page-token")
def test_list_page_before_nothing_is_empty(caller: Caller) -> None:
    """A token that leads back to runs that no longer pass the filter still leads forward again."""
    _submit_many(caller, 3)
    first = caller.get("runs/list", limit=1)
    second = caller.get("runs/list", limit=1, page_token=first["next_page_token"])
    parameters = {"limit": 1, "completed_only": "true", "page_token": second["prev_page_token"]}
    assert caller.get("runs/list", **parameters).keys() == {"has_more", "next_page_token"}


@pytest.mark.parameter("runs/list", "job_id", "run_type", "start_time_from", "start_time_to")
@pytest.mark.fact("runs.list.filters")
def test_list_filters(caller: Caller) -> None:
    """By job, by type, and by a window of start times whose ends are inside."""
    job_id = caller.post("create", {"tasks": [task("a")]})["job_id"]
    submitted = caller.submit()
    caller.workspace.clock.advance("1h")
    of_job = caller.post("run-now", {"job_id": job_id})["run_id"]
    times = [caller.run(run_id)["start_time"] for run_id in (submitted, of_job)]
    assert _listed(caller, job_id=job_id) == [of_job]
    assert _listed(caller, job_id=caller.run(submitted)["job_id"]) == [submitted]
    assert _listed(caller, run_type="JOB_RUN") == [of_job]
    assert _listed(caller, run_type="SUBMIT_RUN") == [submitted]
    assert _listed(caller, run_type="WORKFLOW_RUN") == []
    assert _listed(caller, start_time_from=times[0], start_time_to=times[1]) == [of_job, submitted]
    assert _listed(caller, start_time_from=times[0] + 1) == [of_job]
    assert _listed(caller, start_time_to=times[1] - 1) == [submitted]
    assert caller.refusal("GET", "runs/list", run_type="OTHER").error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parameter("runs/list", "expand_tasks")
@pytest.mark.fact("runs.list.expand-tasks")
def test_expanded_list_shows_parameters_too(caller: Caller) -> None:
    """What runs/get pages, a list shows the first hundred of."""
    parameters = [{"name": f"p{index}", "default": ""} for index in range(101)]
    clusters = [{"job_cluster_key": "k", "new_cluster": NEW_CLUSTER}]
    body = {"tasks": [task("a")], "parameters": parameters, "job_clusters": clusters}
    job_id = caller.post("create", body)["job_id"]
    run_id = caller.post("run-now", {"job_id": job_id})["run_id"]
    [plain] = caller.get("runs/list")["runs"]
    assert not {"tasks", "job_parameters", "job_clusters", "has_more"} & plain.keys()
    [expanded] = caller.get("runs/list", expand_tasks="true")["runs"]
    assert (len(expanded["job_parameters"]), expanded["has_more"]) == (100, True)
    assert expanded["job_clusters"] == caller.run(run_id)["job_clusters"] == clusters
