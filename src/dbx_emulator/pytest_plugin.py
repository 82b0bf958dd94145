"""The pytest plugin: workspaces as fixtures.

Every pytest run of an environment with this package loads this module, so it imports nothing but pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dbx_emulator.doors.server import RunningServer
    from dbx_emulator.workspace import Workspace

__all__ = ["databricks", "databricks_server", "databricks_session"]

#: What the marker takes → what it is an argument of.
_MARKER = {
    "host": "workspace",
    "token": "workspace",
    "seed": "workspace",
    "profiles": "faults",
    "queue": "timing",
    "cluster": "timing",
    "run": "timing",
    "terminating": "timing",
    "clock": "clock",
    "end_of_time": "clock",
    "stall_after": "clock",
    "leap": "clock",
    "threads": "intercept",
    "modules": "intercept",
    "patience_seconds": "intercept",
}

_SESSION_URL = "https://dbx-emulator-session.cloud.databricks.com"

_WORKSPACE = pytest.StashKey["Workspace"]()
_HAS_PASSED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    parser.getgroup("databricks", "the emulated Databricks workspace").addoption(
        "--databricks-report",
        choices=("on-failure", "never"),
        default="on-failure",
        help="whether a failing test shows the calls, runs and faults of its workspace (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"databricks({', '.join(_MARKER)}): where the workspace of the fixture is and what opens it, what chance "
        "is drawn from and which faults it has, how long the stages of its runs take unless a scenario says "
        "otherwise, and how its time passes and for whom",
    )


@pytest.fixture
def databricks(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A Databricks workspace of this test's own, at `databricks.url`.

    The HTTP clients of this process reach it there, those made before the test included; other Databricks hosts
    are refused. Every `DATABRICKS_*` and `FLYTE_DATABRICKS_*` variable is taken away for the test, then host and
    token are set to the workspace's. Its clock stands still until the test moves it or somebody sleeps: what the
    code under test sleeps, in the test's thread and in tasks made there, passes at once.

    `@pytest.mark.databricks(run="24h")` makes it differently. The marker takes `host`, `token`, `seed` and
    `profiles`; `queue`, `cluster`, `run`, `terminating`; of the clock its policy as `clock`, `end_of_time`,
    `stall_after` and `leap`; and `threads`, `modules`, `patience_seconds` as `Workspace.intercept` does.
    """
    given = _read_marker(request.node)
    workspace = _make_workspace(given)
    request.node.stash[_WORKSPACE] = workspace
    try:
        with workspace.intercept(**given["intercept"]):
            yield workspace
    finally:
        del request.node.stash[_WORKSPACE]
    _warn_of_unknown_calls(request.node, workspace)
    if request.node.stash.get(_HAS_PASSED, False):
        _warn_of_idle_faults(request.node, workspace)


@pytest.fixture
def databricks_server(databricks: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """The workspace of `databricks` behind a socket, for clients in other processes and other languages.

    `DATABRICKS_HOST` and `FLYTE_DATABRICKS_INSTANCE` are set to its URL for the test.
    """
    with databricks.serve() as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", server.url)
        yield server


@pytest.fixture(scope="session")
def databricks_session() -> Iterator[Workspace]:
    """A Databricks workspace for the whole session, at a host of its own beside that of `databricks`.

    Its clock is moved by hand alone: nobody's sleep is virtual for the whole of a session.
    """
    from dbx_emulator._core.clock import Clock
    from dbx_emulator.workspace import Workspace

    workspace = Workspace(_SESSION_URL, clock=Clock(stall_after=1_000))
    with workspace.intercept():
        yield workspace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show a failing test what its workspace saw."""
    report: Any = yield
    item.stash[_HAS_PASSED] = report.when == "call" and report.passed
    workspace = item.stash.get(_WORKSPACE, None)
    if workspace is not None and report.failed and item.config.getoption("--databricks-report") != "never":
        report.sections.extend(_sections(workspace, item.nodeid))
    return report  # type: ignore[no-any-return] # what pluggy wants back


def _read_marker(node: pytest.Item) -> dict[str, dict[str, Any]]:
    """Return what the markers of a test say, by what it is an argument of."""
    from dbx_emulator._core.errors import UsageError, nearest

    given: dict[str, Any] = {}
    # The marker closest to the test wins.
    for marker in reversed(list(node.iter_markers("databricks"))):
        if marker.args:
            raise UsageError("@pytest.mark.databricks takes names, such as run='24h', and no bare values")
        given |= marker.kwargs
    sorted_out: dict[str, dict[str, Any]] = {target: {} for target in _MARKER.values()}
    for name, value in given.items():
        if name not in _MARKER:
            hint = nearest(name, _MARKER)
            raise UsageError(f"@pytest.mark.databricks has no {name!r}; it has {', '.join(_MARKER)}{hint}")
        sorted_out[_MARKER[name]][name] = value
    return sorted_out


def _make_workspace(given: dict[str, dict[str, Any]]) -> Workspace:
    from dbx_emulator._core.clock import Clock
    from dbx_emulator._core.outcomes import Timing
    from dbx_emulator.workspace import Workspace

    clock: dict[str, Any] = {"clock": "sleeping", "end_of_time": "30d", "stall_after": 1_000} | given["clock"]
    workspace = Workspace(
        **given["workspace"], clock=Clock(clock.pop("clock"), **clock), timing=Timing(**given["timing"])
    )
    profiles = given["faults"].get("profiles", ())
    workspace.faults.apply(*([profiles] if isinstance(profiles, str) else profiles))
    return workspace


def _sections(workspace: Workspace, node_id: str) -> Iterator[tuple[str, str]]:
    from dbx_emulator.failure_report import (
        describe_faults,
        describe_journal,
        describe_replay,
        describe_timelines,
    )

    texts = {
        "Databricks calls": describe_journal(workspace),
        "Databricks runs": describe_timelines(workspace),
        "Databricks faults": describe_faults(workspace),
        "Databricks replay": describe_replay(node_id),
    }
    return ((title, text) for title, text in texts.items() if text)


def _warn_of_unknown_calls(node: pytest.Item, workspace: Workspace) -> None:
    for entry in workspace.journal.calls(""):
        node.warn(
            pytest.PytestWarning(
                f"{entry.method} {entry.path} was called, which dbx-emulator does not serve: "
                f"it answered {entry.status_code} {entry.error_code}"
            )
        )


def _warn_of_idle_faults(node: pytest.Item, workspace: Workspace) -> None:
    """Say which faults had no part in a test that passed: it may not have tested what it meant to."""
    for fault in workspace.faults.never_struck():
        node.warn(
            pytest.PytestWarning(
                f"{fault.kind} on {fault.route} never struck, and the test passed without it: "
                f"{fault.describe_idleness()}"
            )
        )
