"""The watch over the whole suite: a test by which a secret is seen fails, unless it says that it shows one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import import_module

import pytest

from .taps import Taps
from .watch import PLACES, Watch

__all__ = ["SecretsWatch"]

_MARKER = (
    "shows_secret(place, why): at this place the test lets a secret be seen on purpose; the places are "
    + ", ".join(PLACES)
)

#: How sections of a report begin → where what they show was seen.
_SECTIONS = {"Captured std": "output", "Captured log": "log"}

#: What is made to log all it can, in tests of the agent: folder of tests → loggers.
_LOUD = {
    "tests/agent/": ("flytekit.dbx_agent", "httpx"),
    "tests/e2e/test_agent": ("flytekit.dbx_agent", "httpx"),
}


class SecretsWatch:
    """The plugin; one for each session, so that a session inside a test has its own."""

    def __init__(self) -> None:
        self._watch = Watch()
        self._taps = Taps(self._watch)
        self._loud = pytest.MonkeyPatch()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Begin to watch before the first fixture."""
        _read_markers(item)
        # What is loaded in a session inside a test is forgotten again, and would be another one next time.
        import_module("dbx_emulator.workspace")
        if item.get_closest_marker("flyte"):
            import_module("dbx_agent.agent")
        self._taps.put_in()
        self._watch.begin()
        for start, names in _LOUD.items():
            for logger in map(logging.getLogger, names if item.nodeid.startswith(start) else ()):
                self._loud.setattr(logger, "level", logging.DEBUG)
                self._loud.setattr(logger, "_cache", {})
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Look at what pytest will say of the test, and after its last phase at all that was seen."""
        report: pytest.TestReport = yield  # type: ignore[assignment] # what pluggy sends back
        if report.failed or report.when == "teardown":
            self._watch.note("report", report.longreprtext)
            for title, text in report.sections:
                self._watch.note(_SECTIONS.get(title[:12], "report"), text)
        if report.when == "teardown":
            self._loud.undo()
            _blame(report, self._watch.end(except_at=_read_markers(item)))
        return report  # type: ignore[return-value] # what pluggy wants back

    def pytest_unconfigure(self) -> None:
        """Leave everything as it was."""
        self._taps.take_out()


def pytest_configure(config: pytest.Config) -> None:
    """Watch the session."""
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(SecretsWatch(), "secrets-watch")


def _read_markers(item: pytest.Item) -> set[str]:
    """Return the places at which a test shows secrets; each has a reason."""
    places = set()
    for marker in item.iter_markers("shows_secret"):
        place, why = marker.args
        if place not in PLACES or not why:
            pytest.fail(f"@pytest.mark.{_MARKER}", pytrace=False)
        places.add(place)
    return places


def _blame(report: pytest.TestReport, leaks: list[str]) -> None:
    """Let a test fail by which a secret was seen."""
    if leaks:
        words = "\n".join(["this test lets a secret be seen:", *leaks])
        if report.failed:
            report.sections.append(("Secrets", words))
        report.outcome, report.longrepr = "failed", report.longrepr if report.failed else words
