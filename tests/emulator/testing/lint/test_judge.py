"""`workspace.lint`, the same over HTTP, and what it cannot judge."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dbx_emulator import UsageError, Workspace
from dbx_emulator._api.messages import Request
from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator.testing.lint import RULES, Finding, Lint
from tests.emulator.support import Caller, send


@pytest.fixture
def workspace() -> Workspace:
    """A workspace that was called under an old version, by nobody in particular."""
    workspace = Workspace()
    Caller(workspace, "2.0").get("runs/list")
    return workspace


def _rules(lint: Lint) -> list[str]:
    return [finding.rule_id for finding in lint.findings()]


def test_finding_says_all(workspace: Workspace) -> None:
    """What, how bad, which calls, when, what to do instead, and where to read on."""
    assert workspace.lint.findings()[0] == Finding(
        "DBX011",
        "old API version",
        "warning",
        "Jobs API 2.0 was called once (runs/list)",
        (1,),
        None,
        EPOCH_MS,
        RULES["DBX011"].remedy,
        "docs/lint.md#dbx011",
    )
    workspace.clock.advance("90m")
    run_id = Caller(workspace).submit()
    for _ in range(11):
        Caller(workspace).run(run_id)
    said = str(workspace.lint.findings()[0])
    assert said == (
        "DBX002 warning: GET runs/get was sent 11 times in a row with less than 1 s between one and the next\n"
        f"  where: calls 3, 4, 5, 6, 7, … of the journal, run {run_id}, at 01:30:00.000\n"
        f"  remedy: {RULES['DBX002'].remedy}\n"
        "  see: docs/lint.md#dbx002"
    )
    assert "where: call 1 of the journal, at 00:00:00.000" in str(workspace.lint.findings()[1])


def test_errors_come_first(workspace: Workspace) -> None:
    """Whatever their number."""
    assert _rules(workspace.lint) == ["DBX011", "DBX013"]
    workspace.lint.set({"DBX013": "error"})
    assert [(each.rule_id, each.severity) for each in workspace.lint.findings()] == [
        ("DBX013", "error"),
        ("DBX011", "warning"),
    ]


def test_rules_can_be_left_out(workspace: Workspace) -> None:
    """For once, or for good."""
    assert _rules(workspace.lint) == ["DBX011", "DBX013"]
    assert [each.rule_id for each in workspace.lint.findings(ignore=["DBX013"])] == ["DBX011"]
    workspace.lint.ignore("DBX011")
    assert _rules(workspace.lint) == ["DBX013"]


def test_check_fails_with_what_it_finds(workspace: Workspace) -> None:
    """Of whatever severity; and not if nothing is left."""
    with pytest.raises(AssertionError, match=r"(?s)DBX011 warning: .*docs/lint.md#dbx013"):
        workspace.lint.check()
    workspace.lint.check(ignore=["DBX011", "DBX013"])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        pytest.param(
            lambda lint: lint.ignore("DBX011", "DBX31"),
            r"'DBX31' is none of .*\(nearest: DBX01\d\)",
            id="ignore",
        ),
        pytest.param(lambda lint: lint.findings(ignore=["DBX099"]), "'DBX099' is none", id="findings"),
        pytest.param(lambda lint: lint.check(ignore=["dbx001"]), "'dbx001' is none", id="check"),
        pytest.param(
            lambda lint: lint.set({"DBX011": "off", "DBX013": "eror"}),
            r"DBX013: 'eror' is none of error, warning, off \(nearest: error\)",
            id="severity",
        ),
    ],
)
def test_what_does_not_exist_changes_nothing(
    workspace: Workspace, ask: Callable[[Lint], object], said: str
) -> None:
    """A rule or a severity that there is not is the author's mistake, and all stays as it was."""
    before = workspace.lint.findings()
    with pytest.raises(UsageError, match=said):
        ask(workspace.lint)
    assert workspace.lint.findings() == before


def test_findings_over_http_are_the_same(workspace: Workspace) -> None:
    """As plain data, without the rules that are named."""
    [finding] = json.loads(send(workspace, "GET", "/__dbx/lint?ignore=DBX013,DBX002").body)["findings"]
    assert finding.pop("calls") == [1]
    assert finding == {
        "rule_id": "DBX011",
        "name": "old API version",
        "severity": "warning",
        "message": "Jobs API 2.0 was called once (runs/list)",
        "run_id": None,
        "at_ms": EPOCH_MS,
        "remedy": RULES["DBX011"].remedy,
        "docs": "docs/lint.md#dbx011",
    }


def test_rule_that_does_not_exist_is_refused_over_http(workspace: Workspace) -> None:
    """With the words that Python says."""
    reply = send(workspace, "GET", "/__dbx/lint?ignore=DBX099")
    assert (reply.status_code, b"'DBX099' is none of" in reply.body) == (400, True)


def test_no_finding_shows_a_token(workspace: Workspace) -> None:
    """Not even the one about tokens, wherever the token stood."""
    token = workspace.token
    for target in (f"/{token}", f"/api/2.1/jobs/runs/list?t={token}", "/api/2.1/jobs/runs/get?run_id=1"):
        for _ in range(2):
            send(workspace, "GET", target, f'{{"x": "{token}"}}'.encode())
    findings = workspace.lint.findings()
    assert {"DBX007", "DBX010"} <= {each.rule_id for each in findings}
    assert token not in "".join(str(each) for each in findings)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        pytest.param("runs/list?limit=many", b"", id="limit"),
        pytest.param("runs/get?run_id=many", b"", id="run-id"),
        pytest.param("runs/get?run_id=", b"", id="no-run-id"),
        pytest.param("runs/get", b"\xff{", id="bytes"),
        pytest.param("runs/get", b"[1]", id="list"),
    ],
)
def test_nonsense_is_read_without_complaint(target: str, body: bytes) -> None:
    """What a client sends need not be anything."""
    workspace = Workspace()
    headers = workspace.headers | {"User-Agent": "loader/1"}
    send(workspace, "GET", f"/api/2.2/jobs/{target}", body, headers=headers)
    assert workspace.lint.findings() == ()


def test_call_without_bearer_is_judged_as_any(workspace: Workspace) -> None:
    """There is no token in it to look for."""
    workspace.handle(Request("GET", "/api/2.1/jobs/runs/list", [(b"Authorization", b"Basic eDp5")], b""))
    assert _rules(workspace.lint) == ["DBX011", "DBX013"]


def test_cleared_journal_has_nothing_to_judge(workspace: Workspace) -> None:
    """What was called before does not count."""
    workspace.journal.clear()
    assert workspace.lint.findings() == ()
