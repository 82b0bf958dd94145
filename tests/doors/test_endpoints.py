"""Every endpoint through every door: what comes back is what the workspace answers without any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbx_emulator import Workspace
from dbx_emulator._api.router import ROUTES
from tests.emulator.support import flat_body, send, task

from .ways import Answer, Call, read_body

_RUN_ID = 400_000_000_000_001

#: Main path of each endpoint, by method and path: query, then body.
_CALLS: dict[tuple[str, str], tuple[str, Any]] = {
    ("GET", "/.well-known/databricks-config"): ("", None),
    ("POST", "/api/2.1/jobs/runs/submit"): ("", flat_body("zweiter Lauf – ü")),
    ("GET", "/api/2.1/jobs/runs/get"): (f"?run_id={_RUN_ID}&include_history=true", None),
    ("GET", "/api/2.1/jobs/runs/list"): ("?limit=%31", None),
    ("POST", "/api/2.1/jobs/runs/cancel"): ("", {"run_id": _RUN_ID}),
    ("GET", "/api/2.1/jobs/runs/get-output"): (f"?run_id={_RUN_ID}", None),
    ("POST", "/api/2.1/jobs/runs/cancel-all"): ("", {"all_queued_runs": True}),
    ("POST", "/api/2.1/jobs/create"): ("", {"name": "ü", "tasks": [task("a")]}),
    ("GET", "/oidc/.well-known/oauth-authorization-server"): ("", None),
    ("GET", "/oidc/.well-known/openid-configuration"): ("", None),
    ("GET", "/__dbx/health"): ("", None),
    ("GET", "/__dbx/clock"): ("", None),
    ("POST", "/__dbx/clock"): ("", {"advance": "5m"}),
    ("GET", "/__dbx/scenarios"): ("", None),
    ("POST", "/__dbx/scenarios"): ("", {"match": "etl-*", "outcomes": [{"termination_code": "SUCCESS"}]}),
    ("DELETE", "/__dbx/scenarios"): ("", None),
    ("GET", "/__dbx/faults"): ("", None),
    ("POST", "/__dbx/faults"): ("", {"kind": "wire", "route": "runs/get", "how": "late", "delay": "1m"}),
    ("DELETE", "/__dbx/faults"): ("", None),
    ("GET", "/__dbx/profiles"): ("", None),
    ("POST", "/__dbx/profiles"): ("", {"profiles": ["throttled"]}),
    ("POST", "/__dbx/tokens"): ("", {"principal": "guest", "lifetime": "1h"}),
    ("DELETE", "/__dbx/tokens"): ("", {"token": Workspace().token}),
    ("POST", "/__dbx/tokens/rotate"): ("", None),
    ("GET", "/__dbx/journal/export"): ("", None),
    ("GET", "/__dbx/lint"): ("?ignore=DBX013", None),  # which is about the door's own library
    ("GET", "/login.html"): ("?error=private-link-validation-error", None),
    ("DELETE", "/__dbx/journal"): ("", None),
    ("GET", "/__dbx/timeline"): (f"?run_id={_RUN_ID}", None),
    ("GET", "/__dbx/timeline/text"): (f"?run_id={_RUN_ID}", None),
    ("GET", "/__dbx/timeline/svg"): (f"?run_id={_RUN_ID}", None),
    ("POST", "/__dbx/restore"): ("", json.loads(Workspace().snapshot())),
    ("POST", "/__dbx/reset"): ("", None),
}


#: Endpoints whose main path needs something first, tried through every way of the contract's suite.
_NEED_MORE = {
    ("GET", "/api/2.1/jobs/get"),
    ("POST", "/api/2.1/jobs/run-now"),
    ("POST", "/api/2.1/jobs/runs/delete"),
    ("POST", "/api/2.1/jobs/runs/repair"),
    ("GET", "/api/2.1/jobs/runs/export"),
    ("POST", "/oidc/v1/token"),
}


#: Endpoints that answer with what each door sent, and when.
_DIFFER = {("GET", f"/__dbx/{name}") for name in ("snapshot", "journal", "journal/har")}


def _answer(workspace: Workspace, method: str, target: str, body: object = None) -> Answer:
    """Return the answer without any door."""
    reply = send(workspace, method, target, b"" if body is None else json.dumps(body).encode())
    return Answer(reply.status_code, read_body(reply.body.decode()))


def test_every_endpoint_has_a_call() -> None:
    """An endpoint that no door was tried with is not served yet."""
    other_versions = ("/api/2.0/", "/api/2.2/")
    assert set(_CALLS) | _NEED_MORE | _DIFFER == {
        key for key in ROUTES if not key[1].startswith(other_versions)
    }


@pytest.mark.parametrize(
    ("method", "path"), [pytest.param(*key, id=f"{key[0]} {key[1].rpartition('/')[2]}") for key in _CALLS]
)
def test_endpoint_answers_alike(door: Call, workspace: Workspace, method: str, path: str) -> None:
    """The main path of each endpoint, after a run was submitted the same way."""
    query, body = _CALLS[method, path]
    undoored = Workspace()
    submit = ("POST", "/api/2.1/jobs/runs/submit", flat_body())
    assert door(*submit) == _answer(undoored, *submit) == Answer(200, {"run_id": _RUN_ID})
    answer = door(method, path + query, body)
    assert answer == _answer(undoored, method, path + query, body)
    assert answer.status_code == 200
    assert len(workspace.runs) == len(undoored.runs)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        pytest.param("GET", "/api/2.1/jobs/runs/get?run_id=1", 400, id="no-such-run"),
        pytest.param("GET", "/api/2.1/clusters/list", 501, id="another-api"),
        pytest.param("GET", "/nothing", 404, id="no-such-path"),
        pytest.param("PUT", "/api/2.1/jobs/runs/get", 404, id="no-such-method"),
    ],
)
def test_refusal_is_alike(door: Call, method: str, target: str, expected: int) -> None:
    """So is what the service refuses."""
    answer = door(method, target)
    assert answer == _answer(Workspace(), method, target)
    assert answer.status_code == expected


def test_missing_credentials_are_refused(door: Call, workspace: Workspace) -> None:
    """No door lets anybody in without a token."""
    assert door("GET", "/api/2.1/jobs/runs/list", headers={}).status_code == 401
    assert len(workspace.runs) == 0
