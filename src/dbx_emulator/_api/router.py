"""Which handler answers which method and path, and what a path without one is told.

Source: [routes.three-versions] measured: clients call the same endpoints under /api/2.0, /api/2.1 and /api/2.2
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dbx_emulator._api import adjacent, auth, control, control_journal, jobs, run_lists, runs, snapshots
from dbx_emulator._api.calls import MAX_BODY_BYTES, Call, Route
from dbx_emulator._api.codec import Version
from dbx_emulator._api.errors import (
    HTML_HEADERS,
    JSON_LINES_HEADERS,
    SVG_HEADERS,
    TEXT_HEADERS,
    endpoint_not_found,
    not_implemented,
)
from dbx_emulator._core.errors import ApiError, nearest

__all__ = ["API_ROUTES", "ROUTES", "Match", "is_control", "most_bytes", "no_route", "nowhere"]

_VERSIONS: tuple[Version, ...] = ("2.0", "2.1", "2.2")

_JOBS = [
    Route("runs/submit", "POST", runs.submit_run, runs.submitted_run),
    Route("runs/get", "GET", runs.get_run, runs.run_in_query),
    Route("runs/list", "GET", run_lists.list_runs),
    Route("runs/cancel", "POST", runs.cancel_run, runs.run_in_body),
    Route("runs/cancel-all", "POST", runs.cancel_all_runs),
    Route("runs/delete", "POST", runs.delete_run, runs.run_in_body),
    Route("runs/get-output", "GET", runs.get_run_output, runs.run_in_query),
    Route("runs/export", "GET", runs.export_run, runs.run_in_query),
    Route("runs/repair", "POST", runs.repair_run, runs.run_in_body),
    Route("create", "POST", jobs.create_job),
    Route("get", "GET", jobs.get_job),
    Route("run-now", "POST", jobs.run_now, jobs.run_of_a_job),
]

#: How large a snapshot may be that is sent to be restored. Who sends it is not known before it is there.
_MAX_SNAPSHOT_BYTES = 256 * 1024 * 1024

_CONTROL = [
    Route("health", "GET", control.get_health, is_public=True, is_control=True),
    Route("clock", "GET", control.get_clock, is_control=True),
    Route("clock", "POST", control.move_clock, is_control=True),
    Route("scenarios", "GET", control.list_scenarios, is_control=True),
    Route("scenarios", "POST", control.add_scenario, is_control=True),
    Route("scenarios", "DELETE", control.clear_scenarios, is_control=True),
    Route("faults", "GET", control.list_faults, is_control=True),
    Route("faults", "POST", control.add_fault, is_control=True),
    Route("faults", "DELETE", control.remove_faults, is_control=True),
    Route("profiles", "GET", control.list_profiles, is_control=True),
    Route("profiles", "POST", control.apply_profiles, is_control=True),
    Route("tokens", "POST", control.issue_token, is_control=True),
    Route("tokens", "DELETE", control.revoke_token, is_control=True),
    Route("tokens/rotate", "POST", control.rotate_token, is_control=True),
    Route("journal", "GET", control_journal.list_journal, is_control=True),
    Route("journal", "DELETE", control_journal.clear_journal, is_control=True),
    Route(
        "journal/export", "GET", control_journal.export_journal, headers=JSON_LINES_HEADERS, is_control=True
    ),
    Route("journal/har", "GET", control_journal.get_har, is_control=True),
    Route("timeline", "GET", control_journal.get_timeline, is_control=True),
    Route("timeline/text", "GET", control_journal.write_timeline, headers=TEXT_HEADERS, is_control=True),
    Route("timeline/svg", "GET", control_journal.draw_timeline, headers=SVG_HEADERS, is_control=True),
    Route("snapshot", "GET", snapshots.take_snapshot, is_control=True),
    Route("restore", "POST", snapshots.restore_snapshot, is_control=True, most_bytes=_MAX_SNAPSHOT_BYTES),
    Route("reset", "POST", snapshots.reset_workspace, is_control=True),
    Route("lint", "GET", control.list_findings, is_control=True),
]

_HOST_METADATA = Route("well-known/databricks-config", "GET", adjacent.get_host_metadata, is_public=True)

#: Where a client that may not come in by its network is sent. No fault strikes it: it is not part of the API.
_LOGIN_PAGE = Route("login.html", "GET", adjacent.get_login_page, headers=HTML_HEADERS, is_public=True)


_OIDC = [
    Route("oidc/oauth-authorization-server", "GET", auth.get_authorization_server, is_public=True),
    Route("oidc/openid-configuration", "GET", auth.get_authorization_server, is_public=True),
]

_TOKEN = Route("oidc/token", "POST", auth.issue_access_token, is_public=True)


class Match(NamedTuple):
    """A route and the API version under which it was called."""

    route: Route
    version: Version


ROUTES: dict[tuple[str, str], Match] = (
    {
        (route.method, f"/api/{version}/jobs/{route.name}"): Match(route, version)
        for version in _VERSIONS
        for route in _JOBS
    }
    | {(route.method, f"/__dbx/{route.name}"): Match(route, "2.2") for route in _CONTROL}
    | {("GET", "/.well-known/databricks-config"): Match(_HOST_METADATA, "2.2")}
    | {
        ("GET", f"/{route.name.replace('oidc/', 'oidc/.well-known/')}"): Match(route, "2.2")
        for route in _OIDC
    }
    | {("POST", auth.TOKEN_PATH): Match(_TOKEN, "2.2")}
    | {("GET", "/login.html"): Match(_LOGIN_PAGE, "2.2")}
)

#: The names by which faults know the routes.
API_ROUTES = frozenset(route.name for route in (*_JOBS, _HOST_METADATA, *_OIDC, _TOKEN))

#: Endpoints of the Jobs API that the real service has.
#: Source: [routes.jobs-endpoints] sdk: databricks-sdk-py, jobs.py (JobsAPI)
_KNOWN_JOBS = frozenset(
    {
        "list",
        "update",
        "reset",
        "delete",
    }
)

#: First segments of Databricks' other APIs.
#: Source: [routes.other-apis] documented: Databricks REST API reference, list of services
_KNOWN_APIS = frozenset(
    {
        "accounts",
        "apps",
        "clusters",
        "dbfs",
        "fs",
        "git-credentials",
        "instance-pools",
        "instance-profiles",
        "lakeview",
        "libraries",
        "mlflow",
        "permissions",
        "pipelines",
        "policies",
        "preview",
        "repos",
        "secrets",
        "serving-endpoints",
        "settings",
        "sql",
        "token",
        "unity-catalog",
        "vector-search",
        "workspace",
        "workspace-files",
    }
)


def _refuse(call: Call) -> bytes:
    raise no_route(call.request.method, call.path)


_NOWHERE = Match(Route("", "", _refuse), "2.2")
_NO_CONTROL = Match(Route("", "", _refuse, is_control=True), "2.2")

_API_PATH = re.compile(r"/api/(?P<version>2\.[0-2])/(?P<endpoint>(?P<service>[^/]+).*)")


def most_bytes(method: str, path: str) -> int:
    """Return how large a body a door has to hold for a call."""
    match = ROUTES.get((method, path))
    return MAX_BODY_BYTES if match is None else match.route.most_bytes


def nowhere(path: str) -> Match:
    """Return what answers the calls of a path that nothing serves, in the part of the tree where it is."""
    return _NO_CONTROL if is_control(path) else _NOWHERE


def is_control(path: str) -> bool:
    """Say whether a path is in the control API's part of the tree."""
    return path == "/__dbx" or path.startswith("/__dbx/")


def no_route(method: str, path: str) -> ApiError:
    """Return what a path that nothing serves is told: 501 for an API that exists elsewhere, else 404."""
    if is_control(path):
        served = sorted({f"{route.method} /__dbx/{route.name}" for route in _CONTROL})
        return ApiError(404, "ENDPOINT_NOT_FOUND", f"No '{method} {path}'; there is {', '.join(served)}")
    match = _API_PATH.fullmatch(path)
    if match is None:
        return endpoint_not_found(method, path)
    endpoint = match["endpoint"]
    if endpoint.removeprefix("jobs/") in _KNOWN_JOBS or match["service"] in _KNOWN_APIS:
        served = [f"jobs/{route.name}" for route in _JOBS]
        closest = nearest(endpoint, served) or f" (nearest: {served[0]})"
        return not_implemented(f"{endpoint}", f"It emulates {', '.join(served)}{closest}.")
    return endpoint_not_found(method, path)
