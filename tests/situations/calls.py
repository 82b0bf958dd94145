"""Situations 6 to 11: what becomes of a call, whatever run it is about."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx
import pytest
from databricks.sdk.errors import (
    BadRequest,
    DeadlineExceeded,
    InternalError,
    PermissionDenied,
)
from databricks.sdk.errors.base import DatabricksError

from dbx_emulator import (
    ConnectionFault,
    DuplicateDelivery,
    LostResponse,
    Outcome,
    RateLimit,
    StatusFault,
    WireFault,
    Workspace,
)
from tests.situations.client import get_run, states, submit, submit_flat, submit_over_http, task
from tests.situations.situation import Client, situation


@situation(6)
def some_polls_refused(databricks: Workspace) -> None:
    """The third poll is refused, and then two of five."""
    databricks.faults.add(StatusFault("runs/get", status_code=500, skip=2, times=1, run_name="etl"))


@some_polls_refused.shows
def the_sdk_gives_up_at_the_third_poll(client: Client) -> None:
    """The SDK does not repeat a 500; a run of another name is left alone."""
    run_id, other = submit(client, "etl"), submit(client, "other")
    for _ in range(2):
        client.sdk.jobs.get_run(run_id)
    for _ in range(3):
        client.sdk.jobs.get_run(other)
    with pytest.raises(InternalError):
        client.sdk.jobs.get_run(run_id)
    client.sdk.jobs.get_run(run_id)


@situation(6)
def submit_refused(databricks: Workspace) -> None:
    """A submit that is refused, and no run is made."""
    databricks.faults.add(
        StatusFault("runs/submit", status_code=400, error_code="QUOTA_EXCEEDED", message="Too many.", times=1)
    )


@submit_refused.shows
def nothing_was_made(client: Client) -> None:
    """The error has the code and text that the scenario gave it."""
    with pytest.raises(BadRequest, match=r"Too many\."):
        submit(client)
    assert len(client.workspace.runs) == 0
    submit(client)


@situation(6, seed=7)
def one_in_four(databricks: Workspace) -> None:
    """One call in four fails, by chance, and by the same chance each time."""
    databricks.faults.add(StatusFault("runs/get", status_code=502, probability=0.25))


@one_in_four.shows
def chance_is_the_same_for_the_same_run(client: Client) -> None:
    """About a quarter of the polls fail, and which ones does not depend on polls of other runs in between."""
    first, second = submit_flat(client, "first"), submit_flat(client, "second")
    alone = [get_run(client, first).status_code for _ in range(100)]
    assert 10 < alone.count(502) < 40
    again = Workspace(seed=client.workspace.seed)
    one_in_four.arrange(again)
    with httpx.Client(transport=again.transport(), base_url=again.url, headers=again.headers) as http:
        twin = Client(again, client.sdk, http)
        first, second = submit_flat(twin, "first"), submit_flat(twin, "second")
        mixed = [(get_run(twin, second).status_code, get_run(twin, first).status_code) for _ in range(100)]
    assert [status_code for _, status_code in mixed] == alone


@situation(7)
def lost_answer(databricks: Workspace) -> None:
    """The run is made, and the answer is lost."""
    databricks.faults.add(LostResponse("runs/submit", times=1))


@lost_answer.shows
def the_sdk_submits_twice_without_a_token(client: Client) -> None:
    """It repeats the call after the broken connection: two runs, of which its caller knows one."""
    run_id = submit(client)
    assert [run.run_id for run in client.workspace.runs][-1] == run_id
    assert len(client.workspace.runs) == 2


@lost_answer.shows
def a_token_makes_it_one_run(client: Client) -> None:
    """The same with an idempotency token: the repeated call finds the run of the first."""
    run_id = submit(client, idempotency_token="nightly-2024-01-01")
    assert [run.run_id for run in client.workspace.runs] == [run_id]
    assert len(client.workspace.journal.calls("runs/submit")) == 2


@situation(7)
def replaced_answer(databricks: Workspace) -> None:
    """The run is made, and the answer says that it was not."""
    databricks.faults.add(StatusFault("runs/submit", status_code=504, point="after_effect", times=1))


@replaced_answer.shows
def an_error_hides_a_run(client: Client) -> None:
    """A gateway gave up; the run goes on unknown to whoever submitted it."""
    with pytest.raises(DeadlineExceeded):
        submit(client)
    assert len(client.workspace.runs.active) == 1


@situation(7)
def delivered_twice(databricks: Workspace) -> None:
    """A proxy delivers the request twice."""
    databricks.faults.add(DuplicateDelivery("runs/submit", times=1))


@delivered_twice.shows
def one_call_makes_two_runs(client: Client) -> None:
    """The client did nothing wrong, and only a token would have helped."""
    submit(client)
    assert len(client.workspace.runs) == 2


_BROKEN = {
    "reset": httpx.ReadError,
    "closed": httpx.RemoteProtocolError,
    "garbage": httpx.RemoteProtocolError,
    "truncated": httpx.RemoteProtocolError,
    "wrong_length": httpx.RemoteProtocolError,
    "slow_headers": httpx.ReadTimeout,
    "hang": httpx.ReadTimeout,
}


@situation(8)
def broken_connections(databricks: Workspace) -> None:
    """The connection breaks in every way it can."""
    for number, how in enumerate(
        ("reset", "closed", "garbage", "truncated", "wrong_length", "slow_headers", "hang")
    ):
        databricks.faults.add(WireFault("runs/submit", how=how, skip=number, times=1))


@broken_connections.shows
def each_break_is_an_exception_of_its_own(client: Client) -> None:
    """Httpx raises what it would raise at a socket; each time the run was made."""
    for error in _BROKEN.values():
        with pytest.raises(error):
            submit_over_http(client)
    assert len(client.workspace.runs) == len(_BROKEN)


@situation(8)
def dribbling(databricks: Workspace) -> None:
    """A body that dribbles in."""
    databricks.faults.add(WireFault("runs/get", how="dribbled"))


@dribbling.shows
def the_answer_takes_its_time(client: Client) -> None:
    """It arrives whole, and seconds have gone by on the workspace's clock."""
    run_id = submit_flat(client)
    before_ms = client.workspace.clock.now_ms
    assert get_run(client, run_id).json()["run_id"] == run_id
    assert client.workspace.clock.now_ms - before_ms > 5_000


@situation(8)
def stale_keep_alive(databricks: Workspace) -> None:
    """A kept connection that was closed meanwhile."""
    databricks.faults.add(WireFault("runs/submit", how="stale_keep_alive", times=1))


@stale_keep_alive.shows
def nothing_was_done(client: Client) -> None:
    """On a connection that has been used: the exception of a lost answer, and this time without a run."""
    client.http.get("/api/2.1/jobs/runs/list")
    with pytest.raises(httpx.RemoteProtocolError):
        submit_over_http(client)
    assert len(client.workspace.runs) == 0


@situation(8)
def no_connection(databricks: Workspace) -> None:
    """Nobody listens, and then TLS fails."""
    databricks.faults.add(ConnectionFault(how="refused", window=("0s", "1m")))
    databricks.faults.add(ConnectionFault(how="tls", window=("1m", "2m")))


@no_connection.shows
def connecting_fails_for_two_minutes(client: Client) -> None:
    """Refused, then a handshake that fails, then all is well; no call has reached the workspace."""
    for reason in ("refused", "SSL"):
        with pytest.raises(httpx.ConnectError, match=f"(?i){reason}"):
            submit_over_http(client)
        client.workspace.clock.advance("1m")
    assert client.workspace.journal.calls("runs/submit") == []
    submit_flat(client)


@situation(9)
def retry_after_zoo(databricks: Workspace) -> None:
    """Throttled, with the header in every form."""
    forms = ("30", "0", "-1", "0.5", "1000000000", "soon", "date+30s", None)
    for number, form in enumerate(forms):
        databricks.faults.add(
            StatusFault("runs/get", status_code=429, retry_after=form, skip=number, times=1)
        )


@retry_after_zoo.shows
def each_form_arrives(client: Client) -> None:
    """Seconds, none, negative, a fraction, ages, no number, a date, and no header at all."""
    run_id = submit_flat(client)
    answers = [get_run(client, run_id) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [429] * 8 + [200]
    headers = [answer.headers.get("retry-after") for answer in answers[:8]]
    assert headers[:6] == ["30", "0", "-1", "0.5", "1000000000", "soon"]
    assert (headers[6] or "").endswith("GMT")
    assert headers[7] is None


@situation(9)
def throttled_once(databricks: Workspace) -> None:
    """Throttled once, and told to wait a minute."""
    databricks.faults.add(StatusFault("runs/get", status_code=429, retry_after=60, times=1))


@throttled_once.shows
def the_sdk_waits_as_it_is_told(client: Client) -> None:
    """It sleeps a minute of the workspace's time and asks again, with nobody in the room waiting."""
    run_id = submit(client)
    before_ms = client.workspace.clock.now_ms
    client.sdk.jobs.get_run(run_id)
    assert client.workspace.clock.now_ms - before_ms >= 60_000


@situation(9)
def token_bucket(databricks: Workspace) -> None:
    """A token bucket: two calls a second, five at once."""
    databricks.faults.add(RateLimit("runs/get", per_second=2, burst=5))


@token_bucket.shows
def whoever_hurries_is_throttled(client: Client) -> None:
    """Five polls at once pass, the sixth is told how long to wait, and after a second two more pass."""
    run_id = submit_flat(client)
    at_once = [get_run(client, run_id) for _ in range(6)]
    assert [answer.status_code for answer in at_once] == [200] * 5 + [429]
    assert at_once[5].headers["retry-after"] == "1"
    time.sleep(1)  # noqa: TID251 - virtual, and at once
    assert [get_run(client, run_id).status_code for _ in range(3)] == [200, 200, 429]


@situation(10)
def bodies_of_gateways(databricks: Workspace) -> None:
    """Gateways answer in forms of their own."""
    bodies = {"json": 500, "html": 502, "text": 500, "empty": 504, "binary": 500}
    for number, (dialect, status_code) in enumerate(bodies.items()):
        databricks.faults.add(
            StatusFault("runs/get", status_code=status_code, dialect=dialect, skip=number, times=1)
        )


@bodies_of_gateways.shows
def the_sdk_reads_each(client: Client) -> None:
    """Every form becomes an error of the SDK; a client that parses JSON before it looks at the status breaks."""
    run_id = submit(client)
    for _ in range(5):
        with pytest.raises(DatabricksError):
            client.sdk.jobs.get_run(run_id)
    client.sdk.jobs.get_run(run_id)


@bodies_of_gateways.shows
def most_are_no_json(client: Client) -> None:
    """One of the five can be parsed as JSON; one says that it is and cannot."""
    run_id = submit_flat(client)
    answers = [get_run(client, run_id) for _ in range(5)]
    assert [_is_json(answer) for answer in answers] == [True, False, False, False, False]
    assert answers[4].headers["content-type"] == "application/json"


def _is_json(answer: httpx.Response) -> bool:
    try:
        answer.json()
    except ValueError:
        return False
    return True


@situation(11)
def maintenance(databricks: Workspace) -> None:
    """Maintenance: for a quarter of an hour a valid token is refused."""
    databricks.faults.add(StatusFault("*", status_code=403, window=("10m", "25m"), is_transient=True))


@maintenance.shows
def a_valid_token_is_refused_for_a_while(client: Client) -> None:
    """Before and after it works; the run has gone on meanwhile."""
    run_id = submit(client)
    client.workspace.clock.advance("10m")
    for _ in range(3):
        with pytest.raises(PermissionDenied):
            client.sdk.jobs.get_run(run_id)
        client.workspace.clock.advance("4m")
    client.workspace.clock.advance("3m")
    assert states(client.sdk.jobs.get_run(run_id)) == ("TERMINATED", "SUCCESS")


@maintenance.shows
def the_waiter_of_the_sdk_dies_of_it(client: Client) -> None:
    """It takes a 403 for final, while the run goes on."""
    client.workspace.scenarios.add("long", [Outcome(run="1h")])
    waiter = client.sdk.jobs.submit(run_name="long", tasks=[task()])
    with pytest.raises(PermissionDenied):
        waiter.result(timeout=timedelta(days=1))
    assert len(client.workspace.runs.active) == 1
