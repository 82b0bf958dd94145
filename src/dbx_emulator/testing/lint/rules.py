"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dbx_emulator._core.timeline_text import elapsed
from dbx_emulator.testing.lint.transcript import Exchange, Transcript

__all__ = ["SEVERITIES", "Finding", "Rule", "Severity", "Sight", "numbers", "times"]

Severity = Literal["error", "warning"]

#: What a rule can be set to.
SEVERITIES = ("error", "warning", "off")

_NUMBERS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Sight:
    """What a check has seen, before anybody says how bad it is.

    Attributes:
        message: What happened, in words.
        exchanges: The calls that show it, oldest first; at least one.
        run_id: The run it is about; `None` if it is about none.
    """

    message: str
    exchanges: Sequence[Exchange]
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a client should not have done.

    Attributes:
        rule_id: Which rule it breaks: `DBX001`.
        name: What the rule is about, in a line.
        severity: `error` for what loses money or data or ends in a hang, `warning` for what may be meant so.
        message: What happened, in words.
        calls: The numbers of the calls in the journal that show it, oldest first.
        run_id: The run it is about; `None` if it is about none.
        at_ms: When it was plain to see, in epoch milliseconds of virtual time.
        remedy: What to do instead.
        docs: Where the rule is explained.
    """

    rule_id: str
    name: str
    severity: Severity
    message: str
    calls: tuple[int, ...]
    run_id: int | None
    at_ms: int
    remedy: str
    docs: str

    def __str__(self) -> str:
        run = "" if self.run_id is None else f", run {self.run_id}"
        where = f"{numbers(self.calls)} of the journal{run}, at {elapsed(self.at_ms)}"
        return (
            f"{self.rule_id} {self.severity}: {self.message}\n"
            f"  where: {where}\n  remedy: {self.remedy}\n  see: {self.docs}"
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a client should not do.

    Attributes:
        id: Its id: `DBX001`.
        name: What it is about, in a line.
        severity: How bad it is unless the author of a test says otherwise.
        remedy: What to do instead.
        check: Says what it sees in a transcript; it changes nothing.
    """

    id: str
    name: str
    severity: Severity
    remedy: str
    check: Callable[[Transcript], Iterable[Sight]]

    @property
    def docs(self) -> str:
        """Where it is explained."""
        return f"docs/lint.md#{self.id.lower()}"

    def findings(self, transcript: Transcript, severity: Severity) -> list[Finding]:
        """Return what it finds, called as bad as `severity`."""
        return [
            Finding(
                self.id,
                self.name,
                severity,
                sight.message,
                tuple(each.number for each in sight.exchanges),
                sight.run_id,
                sight.exchanges[-1].now_ms,
                self.remedy,
                self.docs,
            )
            for sight in self.check(transcript)
        ]


def numbers(calls: Sequence[int]) -> str:
    """Return the numbers of calls in words, the first ones if there are many."""
    if len(calls) == 1:
        return f"call {calls[0]}"
    shown = ", ".join(str(number) for number in calls[:_NUMBERS_SHOWN])
    return f"calls {shown}{', …' if len(calls) > _NUMBERS_SHOWN else ''}"


def times(count: int) -> str:
    """Return how often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
