"""Calls as an HTTP archive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbx_emulator import Clock, LostResponse, StatusFault, WireFault, Workspace
from dbx_emulator._api.messages import Request
from dbx_emulator._core.faults import Fault
from dbx_emulator._core.journal import Journal
from tests.emulator.support import NEW_CLUSTER, Caller, flat_body, send

_TYPES = {
    "startedDateTime": str,
    "time": int,
    "request.method": str,
    "request.url": str,
    "request.httpVersion": str,
    "request.cookies": list,
    "request.headers": list,
    "request.queryString": list,
    "request.headersSize": int,
    "request.bodySize": int,
    "response.status": int,
    "response.statusText": str,
    "response.httpVersion": str,
    "response.cookies": list,
    "response.headers": list,
    "response.content.size": int,
    "response.content.mimeType": str,
    "response.redirectURL": str,
    "response.headersSize": int,
    "response.bodySize": int,
    "cache": dict,
    "timings.send": int,
    "timings.wait": int,
    "timings.receive": int,
}


def _entries(workspace: Workspace) -> list[dict[str, Any]]:
    har: Any = json.loads(json.dumps(workspace.journal.har()))
    assert (har["log"]["version"], har["log"]["creator"]["name"]) == ("1.2", "dbx-emulator")
    entries: list[dict[str, Any]] = har["log"]["entries"]
    for entry in entries:
        for path, expected in _TYPES.items():
            value: Any = entry
            for name in path.split("."):
                value = value[name]
            assert isinstance(value, expected), path
    return entries


def _struck(fault: Fault) -> dict[str, Any]:
    """Return the entry of a read that a fault struck."""
    workspace = Workspace(clock=Clock())
    run_id = Caller(workspace).submit()
    workspace.faults.add(fault)
    Caller(workspace).reply("GET", "runs/get", run_id=run_id)
    return _entries(workspace)[-1]


def test_har_has_every_field_of_the_format_and_virtual_time() -> None:
    """What a reader of HAR 1.2 asks for, with the time of the wall beside it."""
    workspace = Workspace(clock=Clock())
    workspace.clock.advance("90s")
    headers = workspace.headers | {"host": "127.0.0.1:8765", "content-type": "application/json"}
    body = json.dumps(flat_body()).encode()
    send(workspace, "POST", "/api/2.1/jobs/runs/submit", body, headers=headers)
    send(workspace, "GET", "/api/2.1/jobs/runs/list?limit=1&page_token=a%26b")
    submit, listing = _entries(workspace)
    assert submit["startedDateTime"] == "2024-01-01T00:01:30.000Z"
    assert submit["request"]["url"] == "http://127.0.0.1:8765/api/2.1/jobs/runs/submit"
    assert json.loads(submit["request"]["postData"]["text"]) == flat_body()
    assert submit["response"]["statusText"] == "OK"
    assert submit["comment"].startswith("in real time at 2")
    assert (submit["_dbx"]["route"], submit["_dbx"]["state"]) == ("runs/submit", "PENDING")
    assert listing["request"]["url"].endswith("/runs/list?limit=1&page_token=a%26b")
    assert {"name": "page_token", "value": "a&b"} in listing["request"]["queryString"]
    assert "postData" not in listing["request"]


def test_har_shows_no_credentials() -> None:
    """Neither the token, nor the client's secret, nor the token it got for it, nor a password in a body."""
    workspace = Workspace(clock=Clock(), client_secret="s3cret-of-the-client")
    form = f"grant_type=client_credentials&client_id={workspace.client_id}&client_secret=s3cret-of-the-client"
    reply = send(
        workspace,
        "POST",
        "/oidc/v1/token",
        form.encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    access_token = json.loads(reply.body)["access_token"]
    image = {"url": "me/image", "basic_auth": {"username": "me", "password": "hunter2"}}
    run_id = Caller(workspace).submit(flat_body(new_cluster=NEW_CLUSTER | {"docker_image": image}))
    Caller(workspace).run(run_id)
    text = json.dumps(workspace.journal.har())
    for secret in (workspace.token, "s3cret-of-the-client", access_token, "hunter2"):
        assert secret not in text
    assert text.count("REDACTED") >= 4


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            StatusFault("runs/submit", status_code=401, message="no such token: dbx-emulator-token"),
            id="json",
        ),
        pytest.param(
            StatusFault("runs/submit", status_code=400, dialect="html", message="<p>hunter-the-2nd</p>"),
            id="page",
        ),
        pytest.param(
            StatusFault("runs/submit", status_code=302, headers={"Location": "/?t=dbx-emulator-token"}),
            id="to",
        ),
    ],
)
def test_har_shows_no_credentials_that_the_service_quotes(fault: Fault) -> None:
    """Neither the token nor a password, whatever it says them in."""
    workspace = Workspace(clock=Clock())
    workspace.faults.add(fault)
    image = {"url": "me/image", "basic_auth": {"username": "me", "password": "hunter-the-2nd"}}
    Caller(workspace).reply(
        "POST", "runs/submit", flat_body(new_cluster=NEW_CLUSTER | {"docker_image": image})
    )
    text = json.dumps(workspace.journal.har())
    assert "REDACTED" in json.dumps(_entries(workspace)[0]["response"])
    assert [each for each in (workspace.token, "hunter-the-2nd") if each in text] == []


def test_journal_shows_no_token_that_stands_in_a_path() -> None:
    """Neither a line of it nor the archive."""
    workspace = Workspace(clock=Clock())
    send(workspace, "GET", f"/api/{workspace.token}/x")
    [entry] = workspace.journal
    assert entry.path == "/api/REDACTED/x"
    shown = f"{entry!r} {workspace.journal.export()!r} {workspace.journal.har()}"
    assert workspace.token not in shown


@pytest.mark.parametrize(
    ("fault", "status", "trouble"),
    [
        pytest.param(LostResponse("runs/get"), 0, "no answer arrived; the service said 200", id="lost"),
        pytest.param(
            WireFault("runs/get", how="reset", point="before_handler"),
            0,
            "no answer arrived; the service said nothing",
            id="never-asked",
        ),
        pytest.param(
            WireFault("runs/get", how="garbage"), 0, "no answer arrived; the service said 200", id="garbage"
        ),
        pytest.param(WireFault("runs/get", how="truncated"), 200, "the body broke off after", id="truncated"),
        pytest.param(WireFault("runs/get", how="wrong_length"), 200, "the body broke off after", id="length"),
        pytest.param(WireFault("runs/get", how="dribbled"), 200, "", id="dribbled"),
        pytest.param(WireFault("runs/get", how="late"), 200, "", id="late"),
        pytest.param(StatusFault("runs/get", status_code=503), 503, "", id="status"),
    ],
)
def test_har_shows_what_arrived(fault: Fault, status: int, trouble: str) -> None:
    """A lost answer has status 0 and no body, a broken one the part that came."""
    entry = _struck(fault)
    assert entry["response"]["status"] == status
    assert entry.get("_error", "").startswith(trouble)
    assert ("_error" in entry, entry["_dbx"]["fault"]) == (bool(trouble), fault.kind)
    assert (entry["response"]["content"]["size"] > 0) == (status != 0)


def test_har_shows_a_redirect_and_an_unknown_status() -> None:
    """Where it leads, and no words where there are none."""
    entry = _struck(StatusFault("runs/get", status_code=302, headers={"Location": "/login.html"}))
    assert entry["response"]["redirectURL"] == "/login.html"
    assert _struck(StatusFault("runs/get", status_code=599))["response"]["statusText"] == ""


def test_har_says_what_is_no_longer_kept_and_what_cannot_be_shown() -> None:
    """Without bodies an entry is still one, and a body nobody understands is left out."""
    journal = Journal(max_bytes=0)
    workspace = Workspace(clock=Clock())
    Caller(workspace).reply("POST", "runs/submit", b"password=x")
    assert _entries(workspace)[0]["request"]["postData"]["comment"].startswith("not shown")
    entry = workspace.journal[0]
    journal.record(
        **{name: each for name, each in entry._asdict().items() if name not in ("sequence", "real_ms")}
    )
    [archived] = json.loads(json.dumps(journal.har()))["log"]["entries"]
    assert (archived["request"]["comment"], archived["response"]["comment"]) == ("no longer kept",) * 2
    assert archived["request"]["url"] == "https://dbx-emulator/api/2.1/jobs/runs/submit"
    assert archived["response"]["status"] == 400
    assert isinstance(entry.said, Request)
