"""`--databricks-lint` and the marker, in users' projects."""

from __future__ import annotations

import pytest

_TEST = """
import httpx, pytest
from dbx_emulator import StatusFault

def submit_twice(databricks):
    databricks.faults.add(StatusFault("runs/submit", status_code=500, times=1))
    body = {"run_name": "etl", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    with httpx.Client(base_url=databricks.url, headers=databricks.headers) as client:
        for _ in range(2):
            client.post("/api/2.0/jobs/runs/submit", json=body)
"""

_FOUND = "*DBX003 error: the answer to runs/submit was 500, and the same was sent again without an*"


def _run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(_TEST + code)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *options)


_SUBMITS = """
def test_it(databricks):
    submit_twice(databricks)
"""


def test_error_of_a_rule_is_a_warning(pytester: pytest.Pytester) -> None:
    """Unless asked otherwise; what may be meant so is not worth one."""
    result = _run(pytester, _SUBMITS)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [_FOUND, "*where: calls 1, 2 of the journal*", "*remedy: *", "*docs/lint.md#dbx003"]
    )


def test_error_fails_the_test_at_its_end(pytester: pytest.Pytester) -> None:
    """With one readable text, and the warnings of rules beside it."""
    result = _run(pytester, _SUBMITS, "--databricks-lint=error")
    result.assert_outcomes(passed=1, errors=1, warnings=2)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", _FOUND, "*DBX011 warning: *"])


def test_off_says_nothing(pytester: pytest.Pytester) -> None:
    """Not even of a failure."""
    result = _run(pytester, _SUBMITS + "    assert False\n", "--databricks-lint=off")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*DBX0*")
    _run(pytester, _SUBMITS, "--databricks-lint=off").assert_outcomes(passed=1)


@pytest.mark.parametrize("mode", ["warn", "error"])
def test_failing_test_shows_all_findings(pytester: pytest.Pytester, mode: str) -> None:
    """In its report, and no second time."""
    result = _run(pytester, _SUBMITS + "    assert False\n", f"--databricks-lint={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Databricks lint*", _FOUND, "*DBX011 warning: *", "*DBX013 warning: *"])


def test_marker_says_how_bad_a_rule_is(pytester: pytest.Pytester) -> None:
    """It outranks the rule's own severity, for this test."""
    code = """
@pytest.mark.databricks(lint={"DBX003": "off", "DBX011": "error"})
"""
    result = _run(pytester, code + _SUBMITS.lstrip())
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*DBX011 error: *"])


@pytest.mark.parametrize(
    ("lint", "said"),
    [
        pytest.param({"DBX3": "off"}, "*UsageError: lint: 'DBX3' is none of *", id="rule"),
        pytest.param({"DBX003": "of"}, "*UsageError: DBX003: 'of' is none of *nearest: off*", id="severity"),
    ],
)
def test_bad_marker_is_one_sentence_at_set_up(
    pytester: pytest.Pytester, lint: dict[str, str], said: str
) -> None:
    """A rule that does not exist stops the test before it begins."""
    result = _run(pytester, f"@pytest.mark.databricks(lint={lint})\n" + _SUBMITS.lstrip())
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_good_client_is_left_alone(pytester: pytest.Pytester) -> None:
    """It hears of nothing, however strict the option; nor does a test that calls nothing."""
    code = """
def test_calls(databricks):
    headers = databricks.headers | {"User-Agent": "loader/1"}
    httpx.get(databricks.url + "/api/2.1/jobs/runs/list", headers=headers)

def test_calls_nothing(databricks):
    pass
"""
    _run(pytester, code, "--databricks-lint=error").assert_outcomes(passed=2)
