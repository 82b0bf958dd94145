"""What a call that nothing serves may have meant."""

from __future__ import annotations

import pytest

from dbx_emulator import Clock, Workspace
from dbx_emulator._api.near_routes import describe_unknown_call
from tests.emulator.support import send


@pytest.mark.parametrize(
    ("method", "path", "nearest"),
    [
        pytest.param(
            "GET",
            "/api/2.1/jobs/runs/gett",
            "nearest: GET /api/2.1/jobs/runs/get (path '/api/2.1/jobs/runs/gett' ≠ '/api/2.1/jobs/runs/get')",
            id="path",
        ),
        pytest.param(
            "GET",
            "/api/2.1/jobs/runs/submit",
            "nearest: POST /api/2.1/jobs/runs/submit (method 'GET' ≠ 'POST')",
            id="method",
        ),
        pytest.param("GET", "/x", 'to look at it: databricks.journal.where(path="/x")', id="none"),
    ],
)
def test_unknown_call_shows_what_is_near(method: str, path: str, nearest: str) -> None:
    """Route by route, with what differs, and lines to look at the call or to allow it."""
    workspace = Workspace(clock=Clock())
    send(workspace, method, path)
    lines = describe_unknown_call(workspace.journal[0]).splitlines()
    assert lines[0].startswith(
        f"{method} {path} was called, which dbx-emulator does not serve: it answered 404"
    )
    assert lines[1] == f"  {nearest}"
    assert lines[-1] == f'  to allow it: @pytest.mark.filterwarnings("ignore:{method} {path} was called")'
    assert len(lines) <= 6
