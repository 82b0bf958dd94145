"""Hooks for the suite of this project: facts and their witnesses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

pytest_plugins = ["pytester", "tests.canaries.plugin"]

_passed: set[str] = set()

#: What a shell may hold and what is tested would heed: settings, how output looks, the way to the network.
_FOREIGN = re.compile(
    r"(DATABRICKS|FLYTE|DBX)_.*|COLUMNS|FORCE_COLOR|NO_COLOR|PY_COLORS|PYTEST_ADDOPTS"
    r"|(?i:http|https|all|no)_(?i:proxy)|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE"
)
_outer = dict(os.environ)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--facts`."""
    parser.addoption(
        "--facts",
        action="store_true",
        help="fail unless every fact in the code has a witness that passed in this very run",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let every test, and every process that it starts, find the same environment."""
    if session.config.getoption("dist", "no") != "no":
        return  # It has workers, which run the tests and are to know what there was.
    for name in filter(_FOREIGN.fullmatch, list(os.environ)):
        del os.environ[name]


@pytest.fixture
def outer_environment() -> dict[str, str]:
    """The environment of pytest itself, for what has to reach the network."""
    return dict(_outer)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Write on a report which facts its test witnesses; of a worker, the report is all that gets back."""
    report: pytest.TestReport = yield  # type: ignore[assignment] # what pluggy sends back
    for marker in item.iter_markers("fact"):
        report.user_properties.extend(("fact", fact) for fact in marker.args)
    return report  # type: ignore[return-value] # what pluggy wants back


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note which facts a passed test witnesses."""
    if report.when == "call" and report.passed:
        _passed.update(str(value) for name, value in report.user_properties if name == "fact")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a fact went without a witness."""
    if not session.config.getoption("--facts") or hasattr(session.config, "workerinput"):
        return
    from tests.fidelity.ledger import read_facts

    missing = sorted({fact.id for fact in read_facts()} - _passed)
    if missing:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.write_line(f"facts without a witness that passed: {', '.join(missing)}", red=True)
