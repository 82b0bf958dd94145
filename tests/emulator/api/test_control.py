"""What another process may do to a workspace."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from dirty_equals import IsInt, IsPartialDict

from dbx_emulator import (
    Clock,
    ConnectionFault,
    DriftFault,
    DuplicateDelivery,
    LostResponse,
    Match,
    Outcome,
    RateLimit,
    ReadLag,
    StatusFault,
    WireFault,
    Workspace,
)
from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.faults import PROFILES
from dbx_emulator._core.scenarios import Scenario
from tests.emulator.support import Caller, Json, flat_body, send


def _call(workspace: Workspace, method: str, name: str, body: object = None) -> Json:
    content = b"" if body is None else json.dumps(body).encode()
    reply = send(workspace, method, f"/__dbx/{name}", content)
    assert reply.status_code == 200, reply.body
    answer: Json = json.loads(reply.body)
    return answer


def _refusal(workspace: Workspace, name: str, body: object) -> str:
    reply = send(workspace, "POST", f"/__dbx/{name}", json.dumps(body).encode())
    assert reply.status_code == 400, reply.body
    message: str = json.loads(reply.body)["message"]
    return message


def test_health_needs_no_credentials(workspace: Workspace) -> None:
    """Whoever waits for the server can ask it, and hears where its time is."""
    reply = send(workspace, "GET", "/__dbx/health", headers={})
    assert (reply.status_code, json.loads(reply.body)) == (
        200,
        {"status": "ok", "policy": "sleeping", "rate": 0.0, "now_ms": EPOCH_MS},
    )


def test_clock_can_be_read_and_moved(workspace: Workspace) -> None:
    """Moving it lets happen what falls due."""
    caller = Caller(workspace)
    run_id = caller.submit()
    assert _call(workspace, "GET", "clock") == {
        "policy": "sleeping",
        "rate": 0.0,
        "now_ms": EPOCH_MS,
        "next_event_ms": EPOCH_MS + 120_000,
        "end_of_time_ms": EPOCH_MS + 30 * 86_400_000,
        "holds": [],
    }
    assert _call(workspace, "POST", "clock", {"advance": "2m"})["now_ms"] == EPOCH_MS + 120_000
    assert _call(workspace, "POST", "clock", {"advance": 60})["now_ms"] == EPOCH_MS + 180_000
    assert workspace.runs[run_id].life_cycle_state == "TERMINATING"


def test_scenarios_can_be_added_listed_and_forgotten(workspace: Workspace) -> None:
    """What is added over HTTP is what Python adds, and it is shown as it was written."""
    body = {"match": "etl-*", "outcomes": [{"cluster": "5m", "termination_code": "CLOUD_FAILURE"}, {}]}
    assert _call(workspace, "POST", "scenarios", body) == {"scenarios": [body]}
    assert list(workspace.scenarios) == [
        Scenario(Match("etl-*"), [Outcome(cluster="5m", termination_code="CLOUD_FAILURE"), Outcome()])
    ]
    Caller(workspace).submit(flat_body("etl-1"))
    shown = {"scenarios": [body], "counts": [{"matched": 1, "taken": 1}]}
    assert _call(workspace, "GET", "scenarios") == shown
    assert _call(workspace, "DELETE", "scenarios") == {}
    assert _call(workspace, "GET", "scenarios") == {"scenarios": [], "counts": []}


def test_scenarios_of_a_file_can_be_added_at_once(workspace: Workspace) -> None:
    """All of them or, if one has a name that is taken, none."""
    body = {"scenarios": [{"name": "one", "outcomes": [{}]}, {"name": "two", "outcomes": [{"run": 5}]}]}
    assert _call(workspace, "POST", "scenarios", body) == body
    further = {"scenarios": [{"name": "three", "outcomes": [{}]}, {"name": "two", "outcomes": [{}]}]}
    assert _refusal(workspace, "scenarios", further).startswith("name: there is a scenario 'two' already")
    assert [each.name for each in workspace.scenarios] == ["one", "two"]


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        pytest.param("etl-*", Match("etl-*"), id="glob"),
        pytest.param({"tags": {"team": "data"}, "nth": 2}, Match(tags={"team": "data"}, nth=2), id="fields"),
    ],
)
def test_scenario_can_be_used_for_further_runs(workspace: Workspace, match: object, meant: Match) -> None:
    """One that has a name, of the catalogue or added, is taken by the name."""
    workspace.scenarios.add(None, [Outcome(run="3h")], name="slow", description="It is slow.")
    added = {"description": "It is slow.", "match": match, "outcomes": [{"run": "3h"}]}
    assert _call(workspace, "POST", "scenarios", {"use": "slow", "match": match}) == {"scenarios": [added]}
    assert list(workspace.scenarios)[-1].match == meant


@pytest.mark.parametrize(
    ("body", "fault", "shown"),
    [
        pytest.param(
            {
                "kind": "status",
                "route": "runs/get",
                "status_code": 429,
                "headers": {"Retry-After": "1"},
                "skip": 1,
            },
            StatusFault("runs/get", status_code=429, headers={"Retry-After": "1"}, skip=1),
            {"status_code": 429, "headers": {"Retry-After": "1"}, "skip": 1},
            id="status",
        ),
        pytest.param(
            {"kind": "lost_response", "route": "runs/submit", "times": 1},
            LostResponse("runs/submit", times=1),
            {"times": 1, "skip": 0},
            id="lost-response",
        ),
    ],
)
def test_faults_can_be_armed_listed_and_disarmed(
    workspace: Workspace, body: Json, fault: object, shown: Json
) -> None:
    """A fault says what it is and how often it has struck."""
    added = _call(workspace, "POST", "faults", body)
    assert added == IsPartialDict(
        {"id": f"{body['kind']}-1", "kind": body["kind"], "route": body["route"], "seen": 0, "fired": 0}
        | shown
    )
    assert list(workspace.faults) == [fault]
    caller = Caller(workspace)
    caller.reply("GET", "runs/get", run_id=5)
    caller.reply("GET", "runs/get", run_id=5)
    caller.reply("POST", "runs/submit", {})
    [listed] = _call(workspace, "GET", "faults")["faults"]
    assert (listed["seen"], listed["fired"]) == ((2, 1) if body["kind"] == "status" else (1, 1))
    assert _call(workspace, "DELETE", "faults") == {}
    assert _call(workspace, "GET", "faults") == {"faults": []}


_EVERYTHING: Json = {
    "run_name": "etl-*",
    "principal": "guest",
    "token": "t",
    "version": "2.1",
    "state": "RUNNING",
    "skip": 1,
    "every": 2,
    "times": 3,
    "probability": 0.5,
    "window": ["10m", 1500],
    "is_transient": False,
}


@pytest.mark.parametrize(
    ("kind", "fields", "fault"),
    [
        pytest.param(
            "status",
            {
                "status_code": 429,
                "retry_after": "date+30s",
                "dialect": "scim",
                "error_code": "X",
                "message": "m",
            },
            StatusFault,
            id="status",
        ),
        pytest.param(
            "status", {"status_code": 503, "retry_after": 0.5, "point": "before_auth"}, StatusFault, id="auth"
        ),
        pytest.param("lost_response", {}, LostResponse, id="lost-response"),
        pytest.param("duplicate_delivery", {}, DuplicateDelivery, id="duplicate"),
        pytest.param("wire", {"how": "late", "delay": "1m"}, WireFault, id="wire"),
        pytest.param(
            "rate_limit",
            {"per_second": 0.5, "burst": 2, "in_flight": 20, "says_when": False},
            RateLimit,
            id="rate",
        ),
        pytest.param("read_lag", {"reads": 2, "how": "stale"}, ReadLag, id="lag"),
        pytest.param(
            "drift",
            {"body": {"a": {}}, "remove": ["b"], "nulls": ["c"], "replace": {"d": 1}, "add": {"e": [2]}},
            DriftFault,
            id="drift",
        ),
    ],
)
def test_every_field_of_every_kind_can_be_said(
    workspace: Workspace, kind: str, fields: Json, fault: Any
) -> None:
    """What is said over HTTP is the rule that Python makes; the token is not shown again."""
    body = {"kind": kind, "route": "runs/get"} | _EVERYTHING | fields
    shown = _call(workspace, "POST", "faults", body)
    del body["kind"]
    assert list(workspace.faults) == [fault(**body | {"window": ["10m", 1500]})]
    del body["token"]
    assert shown == IsPartialDict(body | {"kind": kind, "id": f"{kind}-1"})
    assert "token" not in shown


def test_fault_of_connections_can_be_armed(workspace: Workspace) -> None:
    """It needs no route; one that nothing would end is refused, for nobody could come in to end it."""
    _call(workspace, "POST", "faults", {"kind": "connection", "how": "tls", "times": 2})
    assert list(workspace.faults) == [ConnectionFault(how="tls", times=2)]
    assert "times" in _refusal(workspace, "faults", {"kind": "connection"})
    assert "times" in _refusal(workspace, "faults", {"kind": "connection", "window": ["0s", "1m"]})
    running = Workspace(clock=Clock("real", real_ms=lambda: 0.0))
    _call(running, "POST", "faults", {"kind": "connection", "window": ["0s", "1m"]})


def test_one_fault_can_be_disarmed(workspace: Workspace) -> None:
    """By the id that it was given; the others stay."""
    ids = [
        _call(workspace, "POST", "faults", {"kind": "lost_response", "route": "*"})["id"] for _ in range(2)
    ]
    assert _call(workspace, "DELETE", f"faults?id={ids[0]}") == {}
    assert [fault["id"] for fault in _call(workspace, "GET", "faults")["faults"]] == ids[1:]
    reply = send(workspace, "DELETE", f"/__dbx/faults?id={ids[0]}")
    assert (reply.status_code, b"is none of lost_response-2" in reply.body) == (400, True)


def test_profiles_can_be_listed_and_applied(workspace: Workspace) -> None:
    """Each says what it draws; what is armed by it is shown."""
    assert _call(workspace, "GET", "profiles")["profiles"].keys() == PROFILES.keys()
    applied = _call(workspace, "POST", "profiles", {"profiles": ["throttled", "schema_drift"]})["faults"]
    assert {fault["profile"] for fault in applied} == {"throttled", "schema_drift"}
    assert _call(workspace, "GET", "faults")["faults"] == applied
    assert "nearest: throttled" in _refusal(workspace, "profiles", {"profiles": ["throtled"]})


def test_tokens_can_be_issued_revoked_and_rotated(workspace: Workspace) -> None:
    """The new one opens the workspace, and the one that asked for it does so no more."""
    issued = _call(
        workspace, "POST", "tokens", {"principal": "guest", "lifetime": "1h", "refusal": "401-json"}
    )
    headers = {"Authorization": f"Bearer {issued['token']}"}
    listing = "/api/2.1/jobs/runs/list"
    assert send(workspace, "GET", listing, headers=headers).status_code == 200
    assert _call(workspace, "DELETE", "tokens", issued) == {}
    assert send(workspace, "GET", listing, headers=headers).status_code == 401
    old = workspace.headers
    assert _call(workspace, "POST", "tokens/rotate") == {"token": workspace.token}
    assert [
        send(workspace, "GET", listing, headers=each).status_code for each in (old, workspace.headers)
    ] == [403, 200]
    assert "nearest: guest" in _refusal(workspace, "tokens", {"principal": "gest"})


def test_journal_can_be_exported(workspace: Workspace) -> None:
    """In its canonical form, as lines of JSON."""
    Caller(workspace).submit()
    reply = send(workspace, "GET", "/__dbx/journal/export")
    assert (reply.body, reply.headers) == (
        workspace.journal.export(),
        ((b"content-type", b"application/jsonl"),),
    )


def test_journal_can_be_read_and_cleared(workspace: Workspace) -> None:
    """Entries come with their fields; reading and clearing are no entries themselves."""
    run_id = Caller(workspace).submit()
    assert _call(workspace, "GET", "journal") == {
        "entries": [
            {
                "sequence": 1,
                "now_ms": IsInt(ge=EPOCH_MS),
                "method": "POST",
                "path": "/api/2.1/jobs/runs/submit",
                "route": "runs/submit",
                "run_id": run_id,
                "status_code": 200,
                "error_code": None,
                "fault": None,
                "states": [None, "PENDING"],
                "note": None,
                "real_ms": IsInt(ge=EPOCH_MS),
                "scenario": None,
                "client": None,
            }
        ]
    }
    assert _call(workspace, "DELETE", "journal") == {}
    assert _call(workspace, "GET", "journal") == {"entries": []}


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        pytest.param("clock", {"advance": "-1s"}, "advance", id="clock-back"),
        pytest.param("clock", {}, "advance", id="clock-nothing"),
        pytest.param("scenarios", {"match": "x", "outcomes": []}, "at least one outcome", id="no-outcome"),
        pytest.param("scenarios", {"match": "", "outcomes": [{}]}, "match.run_name: ", id="no-name"),
        pytest.param(
            "scenarios",
            {"run_name": "x", "outcomes": [{}]},
            "run_name: a scenario has no such field",
            id="old",
        ),
        pytest.param("scenarios", {"use": "spot_los", "match": "x"}, "(nearest: spot_loss)", id="use"),
        pytest.param("scenarios", {"use": "spot_loss"}, "match", id="use-for-nothing"),
        pytest.param(
            "scenarios", {"use": "spot_loss", "match": {"nth": 0}}, "match.nth: 0", id="use-for-no-run"
        ),
        pytest.param("scenarios", {"match": "x"}, "outcomes", id="no-outcomes"),
        pytest.param(
            "scenarios",
            {"match": "x", "outcomes": [{"clusters": "1m"}]},
            "(nearest: cluster)",
            id="no-such-field",
        ),
        pytest.param(
            "scenarios",
            {"match": "x", "outcomes": [{"run": []}]},
            "outcomes[0].run: [] is no duration",
            id="no-duration",
        ),
        pytest.param("scenarios", {"match": "x", "outcomes": [{"message": 5}]}, "message: 5", id="no-text"),
        pytest.param(
            "scenarios",
            {"match": "x", "outcomes": [{"termination_code": "USER_CANCELLED"}]},
            "(nearest: USER_CANCELED)",
            id="no-code",
        ),
        pytest.param("faults", {"kind": "statuss", "route": "*"}, "(nearest: status)", id="no-kind"),
        pytest.param("faults", {"kind": "status", "route": "runs/gt"}, "(nearest: runs/get)", id="no-route"),
        pytest.param(
            "faults", {"kind": "status", "route": "*", "status_code": 200}, "status_code", id="no-error"
        ),
        pytest.param("faults", {"kind": "status", "route": "*", "times": 0}, "times", id="never"),
        pytest.param(
            "faults", {"kind": "status", "route": "*", "delay": 1}, "delay", id="no-such-fault-field"
        ),
    ],
)
def test_mistake_is_told_and_changes_nothing(
    workspace: Workspace, name: str, body: object, words: str
) -> None:
    """A usage error over HTTP is a 400 with the words that Python would have raised."""
    assert words in _refusal(workspace, name, body)
    assert (len(workspace.scenarios), len(workspace.faults), workspace.clock.now_ms) == (0, 0, EPOCH_MS)


def test_field_of_another_kind_is_told_with_those_it_has(workspace: Workspace) -> None:
    """The fields that are listed are those that can be given."""
    body = {"kind": "lost_response", "route": "*", "status_code": 500}
    assert (
        "LostResponse has no 'status_code'; it has route, run_name, principal, token, version, state, skip, "
        "every, times, probability, window, point, is_transient" in _refusal(workspace, "faults", body)
    )


def test_control_says_what_python_says_about_a_wrong_value(workspace: Workspace) -> None:
    """A value of the wrong type that the body lets through is a usage error, not a TypeError."""
    body = {"kind": "drift", "route": "runs/get", "replace": {"": 1}}
    assert "path: '' is none" in _refusal(workspace, "faults", body)


def test_control_says_what_python_says_about_a_missing_field(workspace: Workspace) -> None:
    """What is left out that has to be there is a usage error, not a TypeError."""
    assert "StatusFault: " in (refusal := _refusal(workspace, "faults", {"kind": "status"}))
    assert "route" in refusal


def test_clock_can_be_stepped_and_run_until(workspace: Workspace) -> None:
    """Each move answers with the new present."""
    run_id = Caller(workspace).submit()
    start_ms = workspace.runs[run_id].start_time_ms
    assert _call(workspace, "POST", "clock", {"step": True})["now_ms"] == start_ms + 120_000
    until = {"run_until": {"run_id": run_id, "state": "TERMINATED"}}
    assert _call(workspace, "POST", "clock", until) == IsPartialDict(
        now_ms=start_ms + 182_000, next_event_ms=None
    )
    with workspace.clock.hold("seeding"):
        assert _call(workspace, "GET", "clock")["holds"] == ["seeding"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({}, "was given nothing", id="nothing"),
        pytest.param({"step": False}, "was given step=False", id="no-step"),
        pytest.param({"step": True, "advance": 1}, "exactly one of", id="two"),
        pytest.param({"step": True}, "step: nothing is to come", id="nothing-to-come"),
        pytest.param({"advance": "31d"}, "end of time", id="end-of-time"),
        pytest.param({"run_until": {"run_id": 7, "state": "RUNNING"}}, "run 7 does not exist", id="no-run"),
    ],
)
def test_clock_refuses_other_moves(workspace: Workspace, body: Json, said: str) -> None:
    """What Python refuses is refused here with the same words, and time has not moved."""
    assert said in _refusal(workspace, "clock", body)
    assert workspace.clock.now_ms == EPOCH_MS


def test_clock_is_moved_without_the_lock(workspace: Workspace) -> None:
    """Whoever is told of a move may call the workspace from another thread, and gets an answer."""
    answers: list[int] = []

    def ask() -> None:
        thread = threading.Thread(
            target=lambda: answers.append(send(workspace, "GET", "/__dbx/health").status_code)
        )
        thread.start()
        thread.join(timeout=10)

    workspace.clock.watch(ask)
    _call(workspace, "POST", "clock", {"advance": 1})
    assert answers == [200]
