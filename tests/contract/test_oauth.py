"""OAuth between machines, through every door."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.emulator.support import flat_body

from .conftest import Door

_GRANT = {"grant_type": "client_credentials", "scope": "all-apis"}
_ID, _SECRET = "dbx-emulator-client", "dbx-emulator-secret"


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def _ask(door: Door, **request: Any) -> httpx.Response:
    """Ask for a token, without any other credentials than the request's."""
    headers = {"Authorization": ""} | request.pop("headers", {})
    return door.client.post("/oidc/v1/token", headers=headers, **request)


@pytest.mark.fact("auth.discovery")
@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_endpoints_are_discovered(door: Door, name: str) -> None:
    """From the host's metadata to the endpoint for tokens, without credentials."""
    metadata = door.client.get("/.well-known/databricks-config", headers={"Authorization": ""}).json()
    assert metadata["oidc_endpoint"] == f"{door.workspace.url}/oidc"
    found = door.client.get(f"/oidc/.well-known/{name}", headers={"Authorization": ""})
    assert found.status_code == 200
    assert found.json()["token_endpoint"] == f"{door.workspace.url}/oidc/v1/token"
    assert found.json()["authorization_endpoint"] == f"{door.workspace.url}/oidc/v1/authorize"


@pytest.mark.fact("auth.m2m", "auth.token-lifetime")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"data": _GRANT, "headers": _basic(_ID, _SECRET)}, id="basic"),
        pytest.param({"data": _GRANT | {"client_id": _ID, "client_secret": _SECRET}}, id="form"),
    ],
)
def test_client_gets_a_token_that_opens_the_workspace(door: Door, request_: dict[str, Any]) -> None:
    """By its credentials in the header or in the form."""
    answer = _ask(door, **request_)
    assert answer.status_code == 200
    token = answer.json().pop("access_token")
    assert answer.json() == {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 3_600,
        "scope": "all-apis",
    }
    run_id = door.submit(flat_body())
    bearer = {"Authorization": f"Bearer {token}"}
    shown = door.client.get(f"/api/2.2/jobs/runs/get?run_id={run_id}", headers=bearer)
    assert shown.json()["run_id"] == run_id


@pytest.mark.fact("auth.oauth-expired")
def test_token_ends_after_an_hour_of_virtual_time(door: Door) -> None:
    """Then it is refused, and the next one opens the same workspace."""
    run_id = door.submit(flat_body())
    statuses = []
    for _ in range(2):
        token = _ask(door, data=_GRANT, headers=_basic(_ID, _SECRET)).json()["access_token"]
        for duration in ("59m", "1m"):
            door.workspace.clock.advance(duration)
            bearer = {"Authorization": f"Bearer {token}"}
            shown = door.client.get(f"/api/2.2/jobs/runs/get?run_id={run_id}", headers=bearer)
            statuses.append(shown.status_code)
    assert (statuses[0], statuses[2]) == (200, 200)
    assert {statuses[1], statuses[3]} <= {401, 403}


@pytest.mark.fact("auth.invalid-client", "errors.dialect-oauth")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"data": _GRANT, "headers": _basic(_ID, "wrong")}, id="wrong-secret"),
        pytest.param({"data": _GRANT, "headers": _basic("wrong", _SECRET)}, id="wrong-client"),
        pytest.param({"data": _GRANT, "headers": {"Authorization": "Basic é".encode()}}, id="no-base64"),
        pytest.param({"data": _GRANT, "headers": {"Authorization": "Basic /w=="}}, id="no-utf-8"),
        pytest.param({"data": _GRANT}, id="none"),
        pytest.param({"content": b"\xff\x00"}, id="no-form"),
    ],
)
def test_stranger_gets_no_token(door: Door, request_: dict[str, Any]) -> None:
    """It is told as OAuth tells it."""
    answer = _ask(door, **request_)
    assert (answer.status_code, answer.json().keys()) == (401, {"error", "error_description"})
    assert answer.json()["error"] == "invalid_client"


def test_only_client_credentials_are_granted(door: Door) -> None:
    """Any other grant is one that the endpoint does not know."""
    form = {"grant_type": "authorization_code", "client_id": _ID, "client_secret": _SECRET}
    answer = _ask(door, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
