"""Which handler answers what."""

from __future__ import annotations

import inspect
import re

import pytest
from databricks.sdk.service.jobs import JobsAPI

from dbx_emulator._api.router import API_ROUTES, ROUTES, no_route

_PATHS = sorted(set(re.findall(r'"/api/2\.\d/jobs/([\w/-]+)"', inspect.getsource(JobsAPI))))
_SERVED = {
    ("POST", "runs/submit"),
    ("GET", "runs/get"),
    ("GET", "runs/list"),
    ("POST", "runs/cancel"),
    ("POST", "runs/cancel-all"),
    ("POST", "runs/delete"),
    ("GET", "runs/get-output"),
    ("GET", "runs/export"),
    ("POST", "runs/repair"),
    ("POST", "create"),
    ("GET", "get"),
    ("POST", "run-now"),
}
_NAMES = {name for _, name in _SERVED}


@pytest.mark.fact("routes.three-versions")
@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize(("method", "endpoint"), sorted(_SERVED))
def test_every_endpoint_is_served_under_three_versions(version: str, method: str, endpoint: str) -> None:
    """The same endpoint answers under 2.0, 2.1 and 2.2, and knows under which."""
    route, found_version = ROUTES[method, f"/api/{version}/jobs/{endpoint}"]
    assert (route.name, found_version, route.is_public) == (endpoint, version, False)


def test_only_health_host_metadata_and_login_page_are_public() -> None:
    """Everything else needs credentials."""
    assert {path for (_, path), match in ROUTES.items() if match.route.is_public} == {
        "/__dbx/health",
        "/.well-known/databricks-config",
        "/oidc/.well-known/oauth-authorization-server",
        "/oidc/.well-known/openid-configuration",
        "/oidc/v1/token",
        "/login.html",
    }


def test_control_routes_cannot_be_struck_by_faults() -> None:
    """Faults know the routes of the service, not those that steer the emulator."""
    assert (
        _NAMES
        | {
            "well-known/databricks-config",
            "oidc/oauth-authorization-server",
            "oidc/openid-configuration",
            "oidc/token",
        }
        == API_ROUTES
    )
    assert {match.route.is_control for (_, path), match in ROUTES.items() if path.startswith("/__dbx/")} == {
        True
    }


@pytest.mark.fact("routes.jobs-endpoints")
@pytest.mark.parametrize("endpoint", sorted(set(_PATHS) - _NAMES))
def test_other_endpoints_of_the_jobs_api_are_not_implemented(endpoint: str) -> None:
    """What the SDK can call and nothing here serves is a 501 that names what is served."""
    error = no_route("POST", f"/api/2.2/jobs/{endpoint}")
    assert (error.status_code, error.error_code) == (501, "NOT_IMPLEMENTED")
    assert f"jobs/{endpoint}" in error.message
    assert "(nearest: jobs/" in error.message


@pytest.mark.fact("routes.jobs-endpoints")
def test_endpoints_of_the_jobs_api_are_all_known() -> None:
    """The SDK's own list holds what is served, so the test above is not empty."""
    assert set(_PATHS) > _NAMES
    assert {"list", "update", "reset", "delete"} <= set(_PATHS) - _NAMES


@pytest.mark.fact("routes.other-apis")
@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/clusters/list",
        "/api/2.1/clusters/get",
        "/api/2.0/dbfs/put",
        "/api/2.1/unity-catalog/tables",
        "/api/2.0/sql/statements",
        "/api/2.0/permissions/jobs/5",
        "/api/2.0/secrets/scopes/list",
        "/api/2.0/preview/scim/v2/Me",
        "/api/2.0/workspace/list",
    ],
)
def test_other_apis_of_databricks_are_not_implemented(path: str) -> None:
    """An API that the real service has is a 501, never mistaken for a wrong path."""
    assert (no_route("GET", path).status_code, no_route("GET", path).error_code) == (501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/", id="root"),
        pytest.param("GET", "/api/2.1/jobs/runs/get/", id="trailing-slash"),
        pytest.param("GET", "/api/2.1/jobs/runs/unheard-of", id="unknown-endpoint"),
        pytest.param("GET", "/api/2.1/unheard-of/list", id="unknown-api"),
        pytest.param("GET", "/api/1.2/clusters/list", id="unknown-version"),
        pytest.param("GET", "/api/2.1/jobs/runs/submit", id="wrong-method"),
        pytest.param("PUT", "/api/2.1/jobs/runs/get", id="wrong-method-put"),
        pytest.param("POST", "/__dbx/health", id="control-wrong-method"),
    ],
)
@pytest.mark.fact("errors.endpoint-not-found")
def test_any_other_path_or_method_is_not_found(method: str, path: str) -> None:
    """A wrong path and a wrong method are the same 404."""
    error = no_route(method, path)
    assert (method, path) not in ROUTES
    assert (error.status_code, error.error_code) == (404, "ENDPOINT_NOT_FOUND")
