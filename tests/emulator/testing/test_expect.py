"""What a test may expect of its client, and how it reads when the client did otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dbx_emulator import Clock, LostResponse, RateLimit, StatusFault, UsageError, WireFault, Workspace
from dbx_emulator._core.journal import Journal
from dbx_emulator.runs_view import RunsView
from dbx_emulator.testing.expect import Expectations
from tests.emulator.support import Caller, flat_body, send


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time is moved by hand."""
    return Workspace(clock=Clock())


def _polled(workspace: Workspace, *pauses: str) -> int:
    """Submit a run, read it after each pause and return its id."""
    run_id = Caller(workspace).submit()
    for pause in pauses:
        workspace.clock.advance(pause)
        Caller(workspace).reply("GET", "runs/get", run_id=run_id)
    return run_id


def _verdict(expectation: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as failed:
        expectation()
    return str(failed.value)


def test_calls_are_counted_and_returned(workspace: Workspace) -> None:
    """Exactly, at least, at most, or without a number at least once."""
    run_id = _polled(workspace, "5s", "5s")
    expect = workspace.expect
    assert len(expect.calls("runs/get", times=2)) == 2
    assert len(expect.calls("runs/*", at_least=3, at_most=3)) == 3
    assert [each.run_id for each in expect.calls("runs/submit")] == [run_id]
    assert len(expect.calls("runs/cancel", times=0)) == len(expect.at_most_once("runs/cancel")) == 0
    assert len(expect.at_most_once("runs/submit", run_id=run_id)) == 1


def test_too_many_calls_are_shown_with_their_differences(workspace: Workspace) -> None:
    """Two submits where one was expected: what was sent differently, and a line that would pass."""
    first = Caller(workspace).submit(flat_body(idempotency_token="a", tags={"team": "x"}))
    second = Caller(workspace).submit(flat_body(tags={"team": "y"}))
    assert _verdict(lambda: workspace.expect.at_most_once("runs/submit")).splitlines() == [
        "expected at most 1 call of runs/submit, saw 2",
        "seen:",
        f"  #1 00:00:00.000  POST /api/2.1/jobs/runs/submit run {first} new → PENDING → 200",
        f"  #2 00:00:00.001  POST /api/2.1/jobs/runs/submit run {second} new → PENDING → 200",
        "differences:",
        "  body.idempotency_token: 'a' ≠ absent",
        "  body.tags.team: 'x' ≠ 'y'",
        "to paste:",
        '  databricks.expect.calls("runs/submit", times=2)',
        '  databricks.journal.where(route="runs/submit")',
    ]


def test_missing_calls_are_shown_with_the_nearest(workspace: Workspace) -> None:
    """What comes closest, field by field, and a line that takes it instead."""
    run_id = _polled(workspace, "5s")
    verdict = _verdict(lambda: workspace.expect.calls("runs/get", times=1, run_id=7, status_code="5??"))
    also = f"run_id 7 ≠ {run_id}, status_code '5??' ≠ 200"
    assert verdict.splitlines() == [
        "expected exactly 1 call of runs/get with run_id=7, status_code='5??', saw 0",
        "nearest:",
        f"  #2 GET /api/2.1/jobs/runs/get: run_id 7 ≠ {run_id}, status_code '5??' ≠ 200",
        f"  #1 POST /api/2.1/jobs/runs/submit: route 'runs/get' ≠ 'runs/submit', {also}",
        "to paste:",
        f'  databricks.expect.calls("runs/get", run_id={run_id}, status_code=200)',
        '  databricks.journal.where(route="runs/get")',
    ]
    workspace.expect.calls("runs/get", run_id=run_id, status_code=200)


def test_missing_calls_of_a_silent_client(workspace: Workspace) -> None:
    """Nothing is near where nothing was called; both bounds are in the words."""
    assert _verdict(lambda: workspace.expect.calls("create", at_least=1, at_most=2)) == (
        "expected at least 1 and at most 2 calls of create, saw 0\n"
        "to paste:\n"
        '  databricks.expect.calls("create", times=0)\n'
        '  databricks.journal.where(route="create")'
    )


def test_reads_are_told_apart_by_their_queries(workspace: Workspace) -> None:
    """The differences of two calls begin with what they asked for; without a number one call is enough."""
    for query in ("limit=1", "limit=2&access_token=hidden"):
        send(workspace, "GET", f"/api/2.1/jobs/runs/list?{query}")
    verdict = _verdict(lambda: workspace.expect.calls("runs/list", times=1))
    assert "differences:\n  query.limit: '1' ≠ '2'\n  query.access_token: absent ≠ 'REDACTED'\n" in verdict
    assert "expected at least 1 call of runs/get, saw 0" in _verdict(
        lambda: workspace.expect.calls("runs/get")
    )


def test_many_calls_are_not_all_shown(workspace: Workspace) -> None:
    """The last ten, and how many came before."""
    _polled(workspace, *["5s"] * 12)
    verdict = _verdict(lambda: workspace.expect.calls("runs/get", times=1))
    assert "  … 2 earlier calls\n  #4 " in verdict
    assert "differences:\n  none: they say the same" in verdict


def test_order_lets_others_come_between(workspace: Workspace) -> None:
    """A route may come twice, and what is missing is named with what came before it."""
    run_id = _polled(workspace, "5s", "5s")
    Caller(workspace).post("runs/cancel", {"run_id": run_id})
    workspace.expect.order("runs/submit", "runs/get", "runs/get", "runs/cancel")
    workspace.expect.order("runs/submit", "runs/cancel", run_id=run_id)
    verdict = _verdict(lambda: workspace.expect.order("runs/cancel", "runs/submit"))
    assert verdict.startswith(
        "expected runs/cancel, then runs/submit; after runs/cancel no runs/submit came\nseen:"
    )
    assert 'databricks.expect.order("runs/submit", "runs/get", "runs/get", "runs/cancel")' in verdict
    assert "after nothing no runs/delete came" in _verdict(
        lambda: workspace.expect.order("runs/delete", "runs/submit")
    )


def test_poll_interval_is_of_one_run_and_virtual(workspace: Workspace) -> None:
    """Calls about different runs have nothing to do with each other."""
    _polled(workspace, "5s", "6s")
    other = _polled(workspace, "5s", "20s")
    workspace.expect.poll_interval(at_least="5s", at_most="20s")
    workspace.expect.poll_interval("runs/submit", at_least="1h")
    verdict = _verdict(lambda: workspace.expect.poll_interval(at_most="10s"))
    assert verdict.startswith("expected at most 10s between calls of runs/get, saw 20s\nseen:\n  #5 ")
    assert 'databricks.expect.poll_interval("runs/get", at_least="6s", at_most="20s")' in verdict
    assert f'databricks.journal.where(route="runs/get", run_id={other})' in verdict
    verdict = _verdict(lambda: workspace.expect.poll_interval(at_least=7, at_most="1m"))
    assert verdict.startswith("expected at least 7 and at most 1m between")


@pytest.mark.parametrize(
    ("retry_after", "pause", "is_obeyed"),
    [
        pytest.param("30", "29s", False, id="seconds"),
        pytest.param("30", "30s", True, id="seconds-obeyed"),
        pytest.param("date+30s", "10s", False, id="date"),
        pytest.param("date+30s", "31s", True, id="date-obeyed"),
        pytest.param("Mon, 01 Jan 2024 00:01:00 -0000", "30s", False, id="date-without-zone"),
        pytest.param("soon", "0s", True, id="no-time"),
        pytest.param("-5", "0s", True, id="negative"),
    ],
)
def test_retry_after_is_obeyed(
    workspace: Workspace, retry_after: str, pause: str, *, is_obeyed: bool
) -> None:
    """The same call comes again when the time is over, or it is shown beside the answer that asked."""
    workspace.faults.add(StatusFault("runs/get", status_code=429, retry_after=retry_after, times=1))
    run_id = _polled(workspace, "1s", pause)
    Caller(workspace).reply("GET", "runs/get", run_id=run_id)
    if is_obeyed:
        workspace.expect.retry_after_obeyed()
        return
    verdict = _verdict(lambda: workspace.expect.retry_after_obeyed("runs/get"))
    assert verdict.startswith("expected runs/get to wait ")
    assert "#2 " in verdict
    assert "#3 " in verdict


def test_retry_after_asks_only_for_the_same_call_and_only_if_it_arrived(workspace: Workspace) -> None:
    """Another run may be read meanwhile, and what was lost asks for nothing."""
    first, second = Caller(workspace).submit(), Caller(workspace).submit()
    workspace.faults.add(RateLimit("runs/get", per_second=0.01, burst=1))
    for run_id in (first, second):
        Caller(workspace).reply("GET", "runs/get", run_id=run_id)
    workspace.faults.clear()
    workspace.expect.retry_after_obeyed()
    workspace.faults.add(WireFault("runs/list", how="reset"))
    Caller(workspace).reply("GET", "runs/list")
    Caller(workspace).reply("GET", "runs/list")
    workspace.expect.retry_after_obeyed()


def test_idempotency_token_is_stable(workspace: Workspace) -> None:
    """The same thing has the same token; other things have others; what is no object is left alone."""
    workspace.faults.add(LostResponse("runs/submit", times=1))
    Caller(workspace).reply("POST", "runs/submit", flat_body(idempotency_token="a"))
    Caller(workspace).submit(flat_body(idempotency_token="a"))
    Caller(workspace).submit(flat_body("other", idempotency_token="b"))
    Caller(workspace).reply("POST", "runs/submit", b"[]")
    Caller(workspace).reply("POST", "runs/submit", b"no json")
    workspace.expect.stable_idempotency_token()


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        pytest.param({}, {}, "body.idempotency_token: absent", id="none"),
        pytest.param(
            {"idempotency_token": "a"},
            {"idempotency_token": "b"},
            "body.idempotency_token: 'a' ≠ 'b'",
            id="another",
        ),
        pytest.param({"idempotency_token": "a"}, {}, "body.idempotency_token: absent", id="forgotten"),
        pytest.param({}, {"idempotency_token": "b"}, "body.idempotency_token: absent ≠ 'b'", id="late"),
    ],
)
def test_idempotency_token_is_not_stable(
    workspace: Workspace, first: dict[str, str], second: dict[str, str], difference: str
) -> None:
    """Both calls are shown, and what they say about the token."""
    Caller(workspace).submit(flat_body() | first)
    Caller(workspace).submit(flat_body() | second)
    verdict = _verdict(workspace.expect.stable_idempotency_token)
    assert difference in verdict
    assert "#1 " in verdict
    assert "#2 " in verdict


def test_verdict_shows_no_secret(workspace: Workspace) -> None:
    """Two bodies that differ in a password do not show it."""
    for password in ("hunter1", "hunter2"):
        image = {"url": "me/image", "basic_auth": {"username": password[-1], "password": password}}
        Caller(workspace).reply("POST", "runs/submit", {"new_cluster": {"docker_image": image}})
    verdict = _verdict(lambda: workspace.expect.at_most_once("runs/submit"))
    assert "username: '1' ≠ '2'" in verdict
    assert "hunter" not in verdict


def test_no_active_runs_names_those_that_are(workspace: Workspace) -> None:
    """With the last calls about the first of them, and what would end it."""
    workspace.expect.no_active_runs()
    run_id = _polled(workspace, "5s")
    verdict = _verdict(workspace.expect.no_active_runs)
    assert verdict.startswith(
        f"expected no active run, saw 1\nseen:\n  run {run_id} 'nightly etl': PENDING\n"
    )
    assert f'databricks.clock.run_until({run_id}, "TERMINATED")' in verdict
    workspace.clock.run_until(run_id, "TERMINATED")
    workspace.expect.no_active_runs()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(
            lambda expect: expect.calls("runs/gte"), r"'runs/gte' is none of .*nearest: runs/get", id="route"
        ),
        pytest.param(lambda expect: expect.calls("runs/get", rum_id=1), "nearest: run_id", id="filter"),
        pytest.param(
            lambda expect: expect.calls("runs/get", times=-1), "times: -1 is no number", id="negative"
        ),
        pytest.param(lambda expect: expect.calls("runs/get", times=True), "times: True is no", id="truth"),
        pytest.param(lambda expect: expect.calls("runs/get", times=1, at_most=2), "says it all", id="both"),
        pytest.param(
            lambda expect: expect.calls("runs/get", at_least=3, at_most=2),
            "3 is more than at_most",
            id="bounds",
        ),
        pytest.param(lambda expect: expect.order("runs/get"), "at least two routes", id="order"),
        pytest.param(lambda expect: expect.poll_interval(), "give at_least", id="interval"),
        pytest.param(lambda expect: expect.poll_interval(at_least="soon"), "at_least: 'soon'", id="duration"),
    ],
)
def test_expectation_that_means_nothing_is_refused(
    workspace: Workspace, act: Callable[[Expectations], object], words: str
) -> None:
    """A mistake of the test's author is none of the client's."""
    with pytest.raises(UsageError, match=words):
        act(workspace.expect)


@dataclass(frozen=True)
class _Judged:
    """What is judged, with a journal of its own."""

    journal: Journal
    runs: RunsView


def test_expectation_about_what_is_no_longer_kept_is_refused(workspace: Workspace) -> None:
    """A count of a part would be wrong, and a body that is gone cannot be compared."""
    Caller(workspace).submit()
    call = workspace.journal[0]._asdict()
    del call["sequence"], call["real_ms"]
    journal = Journal(max_bytes=0, limit=1)
    expect = Expectations(_Judged(journal, workspace.runs))
    journal.record(**call)
    with pytest.raises(UsageError, match="what call #1 said is no longer kept"):
        expect.stable_idempotency_token()
    journal.record(**call)
    with pytest.raises(UsageError, match="1 calls are no longer kept"):
        expect.calls("runs/submit")
    journal.clear()
    expect.calls("runs/submit", times=0)
