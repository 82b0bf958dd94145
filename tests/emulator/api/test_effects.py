"""What each kind of fault does to a call."""

from __future__ import annotations

import json

import pytest

from dbx_emulator import (
    ConnectionFault,
    DriftFault,
    DuplicateDelivery,
    LostResponse,
    RateLimit,
    ReadLag,
    StatusFault,
    WireFault,
    Workspace,
)
from dbx_emulator._api.effects import EFFECTS
from dbx_emulator._api.messages import Fin, Request, Reset
from dbx_emulator._core.faults import (
    KINDS,
    FaultCall,
)
from tests.emulator.support import Caller, flat_body, send

_LIST = "/api/2.1/jobs/runs/list"


def test_every_kind_has_an_effect() -> None:
    """But for the one that comes before there is a call."""
    assert set(EFFECTS) == set(KINDS.values()) - {ConnectionFault}


def test_status_after_the_effect_replaces_the_answer(caller: Caller) -> None:
    """The run is made, the client is told of an error, and the journal knows both."""
    workspace = caller.workspace
    workspace.faults.add(StatusFault("runs/submit", status_code=504, point="after_effect"))
    refusal = caller.submit_refusal(flat_body())
    assert (refusal.status_code, refusal.error_code, len(workspace.runs)) == (504, "DEADLINE_EXCEEDED", 1)
    entry = workspace.journal[0]
    assert (entry.run_id, entry.status_code, entry.fault) == (
        next(iter(workspace.runs)).run_id,
        504,
        "status",
    )


def test_status_before_the_credentials_is_told_to_strangers_too(workspace: Workspace) -> None:
    """A gateway that is down looks at nobody's token; other rules count those alone who are let in."""
    late = workspace.faults.add(StatusFault("runs/list", status_code=500))
    workspace.faults.add(StatusFault("*", status_code=503, point="before_auth", dialect="html"))
    for headers in ({}, {"Authorization": "Bearer wrong"}, workspace.headers):
        reply = send(workspace, "GET", _LIST, headers=headers)
        assert (reply.status_code, b"HTTP ERROR 503" in reply.body) == (503, True)
    assert (late.seen, late.fired) == (1, 1)
    assert send(workspace, "GET", "/__dbx/clock").status_code == 200


def test_page_of_an_error_names_the_path_and_escapes_the_text(workspace: Workspace) -> None:
    """As older gateways wrote it, and no text becomes markup."""
    workspace.faults.add(StatusFault("*", dialect="html", message="<b> & so on"))
    reply = send(workspace, "GET", _LIST)
    assert b"<pre>    &lt;b&gt; &amp; so on</pre>" in reply.body
    assert f"Problem accessing {_LIST}".encode() in reply.body


@pytest.mark.parametrize("point", ["before_handler", "before_auth"])
def test_wire_before_the_effect_leaves_no_trace(caller: Caller, point: str) -> None:
    """The connection breaks, nothing was done, and no status was given."""
    workspace = caller.workspace
    workspace.faults.add(WireFault("runs/submit", how="reset", point=point))  # type: ignore[arg-type]
    reply = caller.reply("POST", "runs/submit", flat_body())
    assert (reply.wire, len(workspace.runs)) == ((Reset(),), 0)
    entry = workspace.journal[0]
    assert (entry.status_code, entry.fault, entry.note, entry.run_id) == (0, "wire", "reset", None)


def test_stale_connection_ends_unread(workspace: Workspace) -> None:
    """Only a request on a connection that carried one before meets it."""
    workspace.faults.add(WireFault("*", how="stale_keep_alive"))
    lines = [(b"authorization", f"Bearer {workspace.token}".encode())]
    replies = [
        workspace.handle(Request("GET", _LIST, lines, is_reused=is_reused)) for is_reused in (False, True)
    ]
    assert [reply.wire for reply in replies] == [(), (Fin(),)]


def test_duplicate_delivery_makes_two_runs_without_a_token(caller: Caller) -> None:
    """The client knows the second; the journal says what the first was answered."""
    workspace = caller.workspace
    workspace.faults.add(DuplicateDelivery("runs/submit"))
    run_id = caller.submit()
    first, second = (run.run_id for run in workspace.runs)
    assert run_id == second
    assert workspace.journal[0].note == f'delivered twice, answered first with 200 {{"run_id":{first}}}'
    assert caller.submit(flat_body(idempotency_token="t")) == list(workspace.runs)[2].run_id
    assert len(workspace.runs) == 3


def test_rate_limit_refuses_with_the_time_to_wait(caller: Caller) -> None:
    """In virtual time, and what was refused has no effect."""
    caller.workspace.faults.add(RateLimit("runs/submit", per_second=0.5))
    caller.submit()
    reply = caller.reply("POST", "runs/submit", flat_body())
    assert (reply.status_code, (b"retry-after", b"2") in reply.headers) == (429, True)
    assert (json.loads(reply.body)["error_code"], len(caller.workspace.runs)) == ("REQUEST_LIMIT_EXCEEDED", 1)
    caller.workspace.clock.advance("2s")
    caller.submit()


@pytest.mark.fact("errors.rate-limit")
def test_rate_limit_may_keep_the_time_to_itself(caller: Caller) -> None:
    """Then the client has to guess."""
    caller.workspace.faults.add(RateLimit("runs/list", per_second=1, says_when=False))
    caller.get("runs/list")
    reply = caller.reply("GET", "runs/list")
    assert (reply.status_code, b"retry-after" in dict(reply.headers)) == (429, False)
    assert json.loads(reply.body)["error_code"] == "REQUEST_LIMIT_EXCEEDED"


@pytest.mark.fact("errors.concurrent-limit")
def test_too_many_requests_under_way_are_refused(workspace: Workspace) -> None:
    """The workspace and its limit are named."""
    workspace.faults.add(RateLimit("*", in_flight=20, per_second=100))
    lines = [(b"authorization", f"Bearer {workspace.token}".encode())]
    replies = [workspace.handle(Request("GET", _LIST, lines, in_flight=count)) for count in (20, 21)]
    assert [reply.status_code for reply in replies] == [200, 429]
    assert json.loads(replies[1].body)["message"] == (
        "Workspace 900800700600 exceeded the concurrent limit of 20 requests."
    )


def test_lagging_reads_do_not_find_the_run(caller: Caller) -> None:
    """For so many reads it is not there, as if it never were; then it is."""
    caller.workspace.faults.add(ReadLag(reads=2))
    run_id = caller.submit()
    for _ in range(2):
        assert caller.refusal("GET", "runs/get", run_id=run_id).message == f"Run {run_id} does not exist."
    assert caller.run(run_id)["run_id"] == run_id
    assert [entry.note for entry in caller.workspace.journal] == [
        None,
        "not found yet",
        "not found yet",
        None,
    ]


def test_stale_reads_tell_what_was_before_the_write(caller: Caller) -> None:
    """After a cancel the reader sees the run as it saw it last; another reader, who saw nothing, finds nothing."""
    workspace = caller.workspace
    run_id = caller.submit()
    workspace.faults.add(ReadLag(how="stale", reads=2))
    before = caller.run(run_id)
    caller.post("runs/cancel", {"run_id": run_id})
    assert caller.run(run_id) == before
    assert caller.under("2.2").refusal("GET", "runs/get", run_id=run_id).status_code == 400
    assert caller.run(run_id)["state"]["life_cycle_state"] == "TERMINATING"


def test_lag_is_of_writes_that_other_faults_struck_too(caller: Caller) -> None:
    """What counts is that something was written, not what the client heard of it."""
    caller.workspace.faults.add(LostResponse("runs/submit", times=1))
    caller.workspace.faults.add(ReadLag())
    caller.reply("POST", "runs/submit", flat_body())
    run_id = next(iter(caller.workspace.runs)).run_id
    assert caller.refusal("GET", "runs/get", run_id=run_id).status_code == 400


def test_drift_changes_a_good_answer_alone(caller: Caller) -> None:
    """An error stays as it is, and paths that led nowhere are noted."""
    workspace = caller.workspace
    run_id = caller.submit()
    workspace.faults.add(DriftFault("runs/get", remove=["status", "nothing"], add={"new": 1}))
    shown = caller.run(run_id)
    assert ("status" in shown, shown["new"], shown["run_id"]) == (False, 1, run_id)
    assert caller.refusal("GET", "runs/get", run_id=7).message == "Run 7 does not exist."
    assert [entry.note for entry in workspace.journal] == [None, "led nowhere: nothing", None]
    assert workspace.journal[1].status_code == 200


@pytest.mark.parametrize(
    ("endpoint", "body"), [("runs/submit", b"[]"), ("runs/cancel", b'{"run_id":"x"}'), ("runs/cancel", b"{}")]
)
def test_call_that_cannot_be_read_is_about_no_run(caller: Caller, endpoint: str, body: bytes) -> None:
    """A rule for runs does not strike it, and the handler says what is wrong."""
    fault = caller.workspace.faults.add(LostResponse("*", run_name="*"))
    reply = caller.reply("POST", endpoint, body)
    assert (reply.status_code, reply.wire, fault.seen, fault.matched) == (400, (), 1, 0)


def test_predicate_is_given_the_call(caller: Caller) -> None:
    """Everything that is known of it before it is answered."""
    workspace = caller.workspace
    seen: list[FaultCall] = []
    workspace.faults.add(LostResponse("*", when=lambda call: seen.append(call) or False))  # type: ignore[func-returns-value]
    run_id = caller.submit(flat_body("etl"))
    workspace.clock.advance("2m")
    caller.run(run_id)
    caller.post("runs/cancel", {"run_id": run_id})
    caller.get("runs/list")
    guest = {"Authorization": f"Bearer {workspace.issue_token('guest')}"}
    send(workspace, "GET", _LIST, headers=guest)
    assert [(call.route, call.version, call.method) for call in seen] == [
        ("runs/submit", "2.1", "POST"),
        ("runs/get", "2.1", "GET"),
        ("runs/cancel", "2.1", "POST"),
        ("runs/list", "2.1", "GET"),
        ("runs/list", "2.1", "GET"),
    ]
    assert [(call.run_id, call.run_name, call.run_key, call.state) for call in seen[:4]] == [
        (None, "etl", ("etl", 0), None),
        (run_id, "etl", ("etl", 1), "RUNNING"),
        (run_id, "etl", ("etl", 1), "RUNNING"),
        (None, None, ("", 0), None),
    ]
    assert [call.principal for call in seen] == ["user", "user", "user", "user", "guest"]
    assert seen[1].target == f"/api/2.1/jobs/runs/get?run_id={run_id}"
    assert json.loads(seen[0].body)["run_name"] == "etl"
    assert (seen[1].now_ms, seen[1].token) == (workspace.clock.now_ms, workspace.token)


def test_profile_of_large_ids_reaches_the_store(caller: Caller) -> None:
    """The next run has an id that a float cannot hold."""
    caller.workspace.faults.apply("large_ids")
    assert caller.submit() == 2**53 + 1


def test_profile_of_spot_loss_reaches_the_scenarios(caller: Caller) -> None:
    """About a third of the runs lose their instances, which ones is drawn from the seed; the others succeed."""
    caller.workspace.faults.apply("spot_storm")
    run_ids = [caller.submit(flat_body(f"run {number}")) for number in range(60)]
    caller.workspace.clock.advance("1d")
    codes = [caller.under("2.2").run(run_id)["status"]["termination_details"]["code"] for run_id in run_ids]
    assert set(codes) == {"SUCCESS", "CLOUD_FAILURE"}
    assert 8 <= codes.count("CLOUD_FAILURE") <= 30


def test_same_seed_gives_the_same_journal() -> None:
    """Chaos comes twice the same, and another seed is another day."""

    def day(seed: int) -> bytes:
        workspace = Workspace(seed=seed)
        workspace.faults.apply("flaky_network", "throttled", "schema_drift")
        caller = Caller(workspace)
        for number in range(20):
            caller.reply("POST", "runs/submit", flat_body(f"run {number % 3}"))
            workspace.clock.advance("7s")
            for run in workspace.runs:
                caller.reply("GET", "runs/get", run_id=run.run_id)
        return workspace.journal.export()

    assert day(1) == day(1)
    assert day(1) != day(2)
