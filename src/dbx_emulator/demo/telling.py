"""How the demo is told: a live timeline on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator.demo.processes import StartedProcess
from dbx_emulator.demo.report import Report

__all__ = ["Happening", "Teller", "make_teller"]

_STYLES = {
    "QUEUED": "yellow",
    "INITIALIZING": "yellow",
    "RUNNING": "cyan",
    "SUCCEEDED": "bold green",
    "RETRYABLE_FAILED": "bold magenta",
    "FAILED": "bold red",
    "ABORTED": "bold red",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth telling.

    Attributes:
        at_ms: When, in epoch milliseconds of virtual time.
        attempt: Of which attempt of the task; `None` if of none.
        what: The phase, or what was called.
        message: What was answered.
        link: The run's page, or an empty string.
    """

    at_ms: int
    attempt: int | None
    what: str
    message: str
    link: str = ""

    @property
    def elapsed(self) -> str:
        """Virtual time since the start, as hours, minutes and seconds."""
        seconds = (self.at_ms - EPOCH_MS) // 1_000
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class Page(Protocol):
    """What a telling is written on."""

    def started(self, process: StartedProcess) -> None:
        """A process is ready."""

    def add(self, happening: Happening) -> None:
        """Something happened."""

    def passing(self, happening: Happening) -> None:
        """A poll brought nothing new; time went by."""

    def report(self, report: Report) -> None:
        """It is over."""

    def fail(self, message: str) -> None:
        """It cannot go on."""


class Teller:
    """Decides what is worth telling and passes it to a page.

    Args:
        page: Where it is written.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._last: tuple[int | None, str, str] | None = None

    def started(self, process: StartedProcess) -> None:
        """Tell that a process is ready."""
        self._page.started(process)

    def tell(self, happening: Happening) -> None:
        """Tell something."""
        self._page.add(happening)

    def poll(self, happening: Happening) -> None:
        """Tell the answer to a poll, if it says something new."""
        now = (happening.attempt, happening.what, happening.message)
        if now == self._last:
            self._page.passing(happening)
        else:
            self._last = now
            self._page.add(happening)

    def tell_faults(self, journal: Sequence[Mapping[str, Any]]) -> None:
        """Tell which of these calls faults have struck."""
        for entry in journal:
            if not entry["fault"]:
                continue
            message = f"{entry['method']} {entry['route']} answered {entry['status_code']}"
            if entry["fault"] == "lost_response":
                message += ", and the answer was lost on the way"
            self._page.add(Happening(entry["now_ms"], None, f"fault: {entry['fault']}", message))

    def report(self, report: Report) -> None:
        """Tell what was seen."""
        self._page.report(report)

    def fail(self, message: str) -> None:
        """Tell why it cannot go on."""
        self._page.fail(message)


@contextmanager
def make_teller(*, as_json: bool, console: Console | None = None) -> Iterator[Teller]:
    """Return a teller for where standard output goes.

    Args:
        as_json: Whether to tell it as lines of JSON.
        console: Where a timeline is drawn; `None` takes standard output.
    """
    console = console or Console(highlight=False)
    if as_json:
        yield Teller(_JsonLines())
    elif console.is_terminal:
        page = _LiveTimeline()
        with Live(page, console=console, refresh_per_second=12):
            yield Teller(page)
    else:
        yield Teller(_PlainLines())


class _JsonLines:
    """One JSON object a line."""

    def started(self, process: StartedProcess) -> None:
        self._write("started", name=process.name, pid=process.pid, address=process.address)

    def add(self, happening: Happening) -> None:
        self._write("happened", elapsed=happening.elapsed, **asdict(happening))

    def passing(self, happening: Happening) -> None:
        """Leave it out: a program reads what is new."""

    def report(self, report: Report) -> None:
        self._write("report", **asdict(report))

    def fail(self, message: str) -> None:
        self._write("failed", message=message)

    def _write(self, event: str, **fields: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


class _PlainLines:
    """One line of text for each thing that happened."""

    def started(self, process: StartedProcess) -> None:
        self._write(f"started {process.name} (pid {process.pid}) at {process.address}")

    def add(self, happening: Happening) -> None:
        attempt = "-" if happening.attempt is None else str(happening.attempt)
        line = f"{happening.elapsed}  {attempt}  {happening.what:<20}  {happening.message}"
        self._write(f"{line}  {happening.link}".rstrip())

    def passing(self, happening: Happening) -> None:
        """Leave it out: a log need not show that nothing happened."""

    def report(self, report: Report) -> None:
        self._write(_summary(report))

    def fail(self, message: str) -> None:
        self._write(f"the demo failed: {message}")

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class _LiveTimeline:
    """A table that grows, with the present below it."""

    def __init__(self) -> None:
        self._processes: list[StartedProcess] = []
        self._happenings: list[Happening] = []
        self._now = Text("starting dbx-emulator and dbx-agent")
        self._end: Text | None = None

    def __rich__(self) -> Table:
        """Return the page as it is now."""
        page = Table.grid(padding=(0, 0))
        for process in self._processes:
            page.add_row(Text(f"{process.name} (pid {process.pid}) at {process.address}", style="dim"))
        page.add_row(self._timeline())
        page.add_row(Spinner("dots", self._now) if self._end is None else self._end)
        return page

    def _timeline(self) -> Table:
        table = Table(expand=True, box=None, padding=(0, 1))
        table.add_column("cluster time", no_wrap=True)
        table.add_column("attempt", justify="center", no_wrap=True)
        table.add_column("phase or call", no_wrap=True)
        table.add_column("message", ratio=1)
        for happening in self._happenings:
            message = Text(happening.message)
            if happening.link:
                message.append("  run page", style=f"blue underline link {happening.link}")
            table.add_row(
                happening.elapsed,
                "" if happening.attempt is None else str(happening.attempt),
                Text(happening.what, style=_STYLES.get(happening.what, "dim")),
                message,
            )
        return table

    def started(self, process: StartedProcess) -> None:
        self._processes.append(process)

    def add(self, happening: Happening) -> None:
        self._happenings.append(happening)
        self.passing(happening)

    def passing(self, happening: Happening) -> None:
        if happening.attempt is not None:
            self._now = Text(f"{happening.elapsed}  attempt {happening.attempt}  {happening.what}")

    def report(self, report: Report) -> None:
        self._end = Text(_summary(report), style="bold red" if report.unmet else "bold green")

    def fail(self, message: str) -> None:
        self._end = Text(f"the demo failed: {message}", style="bold red")


def _summary(report: Report) -> str:
    seen = (
        f"Journal: {report.calls} calls, {report.submit_calls} of runs/submit "
        f"({report.lost_answers} answer lost), {report.runs} runs, "
        f"{report.throttled_calls} answered 429. Attempts: {', '.join(report.phases)}."
    )
    return "\n".join([seen, *report.unmet])
