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
        "databricks(host, token, seed, profiles, queue, cluster, run, terminating): where the workspace of the "
        "fixture is, what opens it, what chance is drawn from, the faults it has, and how long the stages of its "
        "runs take unless a scenario says otherwise",
    )


@pytest.fixture
def databricks(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A Databricks workspace of this test's own, at `databricks.url`.

    The HTTP clients of this process reach it there, those made before the test included; other Databricks hosts
    are refused. Every `DATABRICKS_*` and `FLYTE_DATABRICKS_*` variable is taken away for the test, then host and
    token are set to the workspace's. Its clock stands still until the test moves it.

    `@pytest.mark.databricks(run="24h")` makes it differently; the marker takes `host`, `token`, `seed`,
    `profiles`, `queue`, `cluster`, `run` and `terminating`.
    """
    workspace = _make_workspace(request.node)
    request.node.stash[_WORKSPACE] = workspace
    try:
        with workspace.intercept():
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
    """A Databricks workspace for the whole session, at a host of its own beside that of `databricks`."""
    from dbx_emulator.workspace import Workspace

    workspace = Workspace(_SESSION_URL)
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


def _make_workspace(node: pytest.Item) -> Workspace:
    from dbx_emulator._core.errors import UsageError, nearest
    from dbx_emulator._core.outcomes import Timing
    from dbx_emulator.workspace import DEFAULT_TOKEN, DEFAULT_URL, Workspace

    allowed = ("host", "token", "seed", "profiles", "queue", "cluster", "run", "terminating")
    given: dict[str, Any] = {}
    # The marker closest to the test wins.
    for marker in reversed(list(node.iter_markers("databricks"))):
        if marker.args:
            raise UsageError("@pytest.mark.databricks takes names, such as run='24h', and no bare values")
        given |= marker.kwargs
    for name in given:
        if name not in allowed:
            hint = nearest(name, allowed)
            raise UsageError(f"@pytest.mark.databricks has no {name!r}; it has {', '.join(allowed)}{hint}")
    host, token = given.pop("host", DEFAULT_URL), given.pop("token", DEFAULT_TOKEN)
    seed, profiles = given.pop("seed", 0), given.pop("profiles", ())
    workspace = Workspace(host, token=token, seed=seed, timing=Timing(**given))
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
