"""The pytest plugin: workspaces as fixtures.

Every pytest run of an environment with this package loads this module, so it imports nothing but pytest.
"""

from __future__ import annotations

import os
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
    "scenarios": "scenarios",
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
    "lint": "lint",
}

_SESSION_URL = "https://dbx-emulator-session.cloud.databricks.com"

_WORKSPACE = pytest.StashKey["Workspace"]()
_HAS_PASSED = pytest.StashKey[bool]()

_SEED_VARIABLE = "DBX_EMULATOR_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("databricks", "the emulated Databricks workspace")
    group.addoption(
        "--databricks-report",
        choices=("on-failure", "never"),
        default="on-failure",
        help="whether a failing test shows the calls, runs and faults of its workspace (default: %(default)s)",
    )
    group.addoption(
        "--databricks-lint",
        choices=("error", "warn", "off"),
        default="warn",
        help="what becomes of a client that breaks a rule in a test that passes: with `error` an error of a rule "
        "fails the test and a warning of a rule is a warning, with `warn` an error of a rule is a warning "
        "(default: %(default)s)",
    )
    group.addoption(
        "--databricks-seed",
        metavar="N",
        help="what chance depends on in tests that do not say so themselves: a whole number, or `random` for "
        f"another one each time (default: the variable {_SEED_VARIABLE}, or else 0)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and choose the seed: once, so that every worker of pytest-xdist has the same."""
    given = config.option.databricks_seed
    config.option.databricks_seed = _seed(os.environ.get(_SEED_VARIABLE) or "0" if given is None else given)
    config.addinivalue_line(
        "markers",
        f"databricks({', '.join(_MARKER)}): where the workspace of the fixture is and what opens it, what chance "
        "is drawn from, which faults it has and in which files its scenarios are, how long the stages of its runs "
        "take unless a scenario says otherwise, how its time passes and for whom, and how bad it is if clients "
        "break rules of lint",
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which seed the run has, unless it is the usual one."""
    seed = config.option.databricks_seed
    return [f"databricks: --databricks-seed={seed}"] if seed else []


@pytest.fixture
def databricks(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A Databricks workspace of this test's own, at `databricks.url`.

    The HTTP clients of this process reach it there, those made before the test included; other Databricks hosts
    are refused. Every `DATABRICKS_*` and `FLYTE_DATABRICKS_*` variable is taken away for the test, then host and
    token are set to the workspace's. Its clock stands still until the test moves it or somebody sleeps: what the
    code under test sleeps, in the test's thread and in tasks made there, passes at once.

    `@pytest.mark.databricks(run="24h")` makes it differently. The marker takes `host`, `token`, `seed`, `profiles`
    and `scenarios` (a YAML file or several, relative to the test's own); `queue`, `cluster`, `run`, `terminating`;
    of the clock its policy as `clock`, `end_of_time`, `stall_after` and `leap`; `threads`, `modules`,
    `patience_seconds` as `Workspace.intercept` does; and `lint`, which says how bad it is to break some rules:
    `lint={"DBX002": "off", "DBX013": "error"}`.
    """
    given = _read_marker(request.node)
    workspace = _make_workspace(request.node, given)
    request.node.stash[_WORKSPACE] = workspace
    try:
        with workspace.intercept(**given["intercept"]):
            yield workspace
    finally:
        del request.node.stash[_WORKSPACE]
    _warn_of_unknown_calls(request.node, workspace)
    _warn_of_notes(request.node, workspace)
    if request.node.stash.get(_HAS_PASSED, False):
        _warn_of_idle_faults(request.node, workspace)
        _warn_of_idle_scenarios(request.node, workspace)
        _judge(request.node, workspace)


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
def databricks_session(pytestconfig: pytest.Config) -> Iterator[Workspace]:
    """A Databricks workspace for the whole session, at a host of its own beside that of `databricks`.

    Its clock is moved by hand alone: nobody's sleep is virtual for the whole of a session.
    """
    from dbx_emulator._core.clock import Clock
    from dbx_emulator.workspace import Workspace

    workspace = Workspace(
        _SESSION_URL, clock=Clock(stall_after=1_000), seed=pytestconfig.option.databricks_seed
    )
    with workspace.intercept():
        yield workspace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show a failing test what its workspace saw."""
    report: Any = yield
    item.stash[_HAS_PASSED] = report.when == "call" and report.passed
    workspace = item.stash.get(_WORKSPACE, None)
    if workspace is not None and report.failed and item.config.getoption("--databricks-report") != "never":
        report.sections.extend(_sections(workspace, item))
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


def _make_workspace(node: pytest.Item, given: dict[str, dict[str, Any]]) -> Workspace:
    from dbx_emulator._core.clock import Clock
    from dbx_emulator._core.outcomes import Timing
    from dbx_emulator.workspace import Workspace

    clock: dict[str, Any] = {"clock": "sleeping", "end_of_time": "30d", "stall_after": 1_000} | given["clock"]
    workspace = Workspace(
        **{"seed": node.config.option.databricks_seed} | given["workspace"],
        clock=Clock(clock.pop("clock"), **clock),
        timing=Timing(**given["timing"]),
    )
    files = given["scenarios"].get("scenarios", ())
    for file in [files] if isinstance(files, (str, os.PathLike)) else files:
        workspace.load_scenarios(node.path.parent / file)
    if "lint" in given["lint"]:
        workspace.lint.set(given["lint"]["lint"])
    profiles = given["faults"].get("profiles", ())
    workspace.faults.apply(*([profiles] if isinstance(profiles, str) else profiles))
    if files or profiles:
        workspace.start_here()
    return workspace


def _seed(given: str | int) -> int:
    """Return the seed that an option or a variable means."""
    if given == "random":
        import secrets

        return secrets.randbelow(2**31)
    try:
        return int(given)
    except ValueError:
        raise pytest.UsageError(
            f"--databricks-seed: {given!r} is no whole number, and not 'random'"
        ) from None


def _sections(workspace: Workspace, item: pytest.Item) -> Iterator[tuple[str, str]]:
    from dbx_emulator.failure_report import (
        describe_faults,
        describe_findings,
        describe_idle_scenarios,
        describe_journal,
        describe_notes,
        describe_replay,
        describe_timelines,
        describe_unknown_calls,
    )

    near_misses = [*describe_idle_scenarios(workspace), *describe_unknown_calls(workspace)]

    texts = {
        "Databricks calls": describe_journal(workspace),
        "Databricks runs": describe_timelines(workspace),
        "Databricks faults": describe_faults(workspace),
        "Databricks near misses": "\n".join(near_misses),
        "Databricks notes": describe_notes(workspace),
        "Databricks lint": "" if _lint_mode(item) == "off" else describe_findings(workspace),
        "Databricks replay": describe_replay(item.nodeid, seed=_seed_to_tell(item)),
    }
    return ((title, text) for title, text in texts.items() if text)


def _seed_to_tell(item: pytest.Item) -> int:
    """Return the seed that a test has from outside; 0 if it says itself which it wants."""
    if any("seed" in marker.kwargs for marker in item.iter_markers("databricks")):
        return 0
    seed: int = item.config.option.databricks_seed
    return seed


def _judge(node: pytest.Item, workspace: Workspace) -> None:
    """Say what the clients of a test that passed should not have done, as loud as the option wants it."""
    mode = _lint_mode(node)
    if mode == "off" or not len(workspace.journal):
        return
    findings = workspace.lint.findings()
    errors = [str(finding) for finding in findings if finding.severity == "error"]
    warnings = errors if mode == "warn" else [str(each) for each in findings if each.severity == "warning"]
    for text in warnings:
        node.warn(pytest.PytestWarning(text))
    if errors and mode == "error":
        pytest.fail("\n\n".join(errors), pytrace=False)


def _lint_mode(node: pytest.Item) -> str:
    return str(node.config.getoption("--databricks-lint"))


def _warn_of_notes(node: pytest.Item, workspace: Workspace) -> None:
    for job_run in workspace.runs:
        for note in job_run.notes:
            node.warn(pytest.PytestWarning(f"run {job_run.run_id} {job_run.run_name!r}: {note}"))


def _warn_of_unknown_calls(node: pytest.Item, workspace: Workspace) -> None:
    from dbx_emulator.failure_report import describe_unknown_calls

    for text in describe_unknown_calls(workspace):
        node.warn(pytest.PytestWarning(text))


def _warn_of_idle_scenarios(node: pytest.Item, workspace: Workspace) -> None:
    """Say which scenarios had no part in a test that passed."""
    from dbx_emulator.failure_report import describe_idle_scenarios

    for text in describe_idle_scenarios(workspace):
        node.warn(pytest.PytestWarning(f"{text}\n  and the test passed without it"))


def _warn_of_idle_faults(node: pytest.Item, workspace: Workspace) -> None:
    """Say which faults had no part in a test that passed: it may not have tested what it meant to."""
    for fault in workspace.faults.never_struck():
        node.warn(
            pytest.PytestWarning(
                f"{fault.kind} on {fault.route} never struck, and the test passed without it: "
                f"{fault.describe_idleness()}"
            )
        )
