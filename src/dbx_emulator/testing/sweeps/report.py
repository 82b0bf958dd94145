"""What a sweep found, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

__all__ = ["BROKEN", "HELD", "UNTOUCHED", "SweepFailure", "SweepReport"]

#: Who reads a failure wants the line of the test, and none of this module's.
__tracebackhide__ = True

#: What a cell of the grid says: all held; something broke; the kind cannot happen there, or did not.
HELD, BROKEN, UNTOUCHED = "✓", "✗", "·"

#: How many calls a line of the grid shows; more go on below.
_WIDTH = 80

#: How many plans are named that shrink to the same.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """One thing that broke, and the smallest plan that breaks it.

    Attributes:
        invariant: The name of what broke.
        told: What differed.
        plan: The smallest plan, as text; empty if it breaks without any fault.
        plans: All plans that were shrunk to it, as text.
        replay: The line that lives it again.
    """

    invariant: str
    told: str
    plan: str
    plans: tuple[str, ...]
    replay: str

    def __str__(self) -> str:
        lines = [
            f"{self.invariant} broken by {self.plan or 'no fault at all'}",
            f"  {self.told}",
            f"  replay: {self.replay}",
        ]
        others = [plan for plan in self.plans if plan != self.plan]
        if others:
            more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
            lines.append(f"  so do {'; '.join(others[:_NAMED])}{more}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep found.

    Attributes:
        life: The name of the scenario.
        calls: The calls of the fault-free life as plans call them, in order.
        kinds: The ids of the kinds, simplest first.
        cells: For a kind and a call: `✓` all held, `✗` something broke, `·` it cannot happen there, or did not.
            Empty for the replay of a plan.
        lives: How many lives were lived, for shrinking too.
        plans: How many plans were judged.
        failures: What broke, each with the smallest plan.
        notes: What a reader should know.
    """

    life: str
    calls: tuple[str, ...]
    kinds: tuple[str, ...]
    cells: Mapping[tuple[str, str], str]
    lives: int
    plans: int
    failures: tuple[SweepFailure, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<SweepReport of {self.summary}>"

    def __str__(self) -> str:
        return "\n\n".join([f"sweep of {self.summary}", *self._sections()])

    @property
    def summary(self) -> str:
        """The numbers in a line."""
        found = f"{len(self.failures)} broken" if self.failures else "all held"
        return (
            f"{self.life}: {len(self.calls)} calls × {len(self.kinds)} kinds, {self.plans} plans in {self.lives} "
            f"lives, {found}"
        )

    def check(self) -> None:
        """Do nothing if all held.

        Raises:
            AssertionError: Something broke; with all that is known of it.
        """
        if self.failures:
            raise AssertionError(str(self))

    def table(self) -> str:
        """Return the grid as text: a line for each kind, a column for each call."""
        width = max(len(kind) for kind in self.kinds)
        lines = [f"calls: {_describe_calls(self.calls)}"]
        for first in range(0, len(self.calls), _WIDTH):
            part = self.calls[first : first + _WIDTH]
            numbers = range(first + 1, first + len(part) + 1)
            if len(self.calls) >= 10:  # noqa: PLR2004 - two digits
                lines.append(" " * (width + 1) + "".join(_tens(number) for number in numbers).rstrip())
            lines.append(" " * (width + 1) + "".join(str(number % 10) for number in numbers))
            lines += [
                f"{kind:<{width}} " + "".join(self.cells.get((kind, call), UNTOUCHED) for call in part)
                for kind in self.kinds
            ]
        return "\n".join(lines)

    def _sections(self) -> list[str]:
        sections = [self.table()] if self.cells else []
        sections += [str(failure) for failure in self.failures]
        return sections + ["\n".join(f"note: {note}" for note in self.notes)] * bool(self.notes)


def _tens(number: int) -> str:
    return " " if number % 10 else str(number // 10 % 10)


def _describe_calls(calls: Sequence[str]) -> str:
    """Return which route the calls are of, by their numbers."""
    told, first = [], 1
    for route, group in groupby(call.partition("[")[0] for call in calls):
        count = len(list(group))
        last = first + count - 1
        told.append(f"{first} {route}" if count == 1 else f"{first}-{last} {route}")
        first = last + 1
    return ", ".join(told)
