"""How the demo is told on a terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator.demo.processes import StartedProcess
from dbx_emulator.demo.report import Report
from dbx_emulator.demo.telling import Happening, Teller, make_teller

REPORT = Report(("RETRYABLE_FAILED", "SUCCEEDED"), 3, 1, 2, 1, 186, ())


@pytest.fixture
def process() -> Iterator[StartedProcess]:
    """A process that has come to its end."""
    with subprocess.Popen([sys.executable, "-c", ""], text=True) as process:
        yield StartedProcess("dbx-agent", process, "127.0.0.1:8000")


def _tell(teller: Teller, process: StartedProcess) -> None:
    teller.started(process)
    teller.tell(Happening(EPOCH_MS, None, "ListAgents", "Databricks Agent serves databricks"))
    link = "https://w.example/jobs/1/runs/5"
    for minutes in (1, 2, 61):
        teller.poll(Happening(EPOCH_MS + minutes * 60_000, 0, "RUNNING", "In run", link))
    teller.poll(Happening(EPOCH_MS + 62 * 60_000, 0, "SUCCEEDED", "SUCCESS", link))


def _screen(tell_the_end: str, process: StartedProcess) -> str:
    """Return what is on a terminal in the end."""
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120, color_system=None)
    with make_teller(as_json=False, console=console) as teller:
        _tell(teller, process)
        if tell_the_end == "report":
            teller.report(REPORT)
        else:
            teller.fail("dbx-agent died")
    return terminal.getvalue()


def test_timeline_shows_what_is_new_and_the_verdict(process: StartedProcess) -> None:
    """A poll that brings nothing new is no row; the link stands behind the message."""
    last = _screen("report", process).rpartition("cluster time")[2]
    assert [line for line in ("00:01:00", "00:02:00", "01:01:00", "01:02:00") if line in last] == [
        "00:01:00",
        "01:02:00",
    ]
    assert "run page" in last
    assert "Journal: 186 calls, 3 of runs/submit (1 answer lost), 2 runs, 1 answered 429." in last


def test_timeline_shows_the_present_until_the_end(process: StartedProcess) -> None:
    """Below the rows stands where the attempt is, though nothing new is known of it."""
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120, color_system=None)
    with make_teller(as_json=False, console=console) as teller:
        _tell(teller, process)
    assert "01:02:00  attempt 0  SUCCEEDED" in terminal.getvalue().rpartition("cluster time")[2]


def test_timeline_says_why_it_cannot_go_on(process: StartedProcess) -> None:
    """What went wrong takes the place of the verdict."""
    assert "the demo failed: dbx-agent died" in _screen("fail", process)
