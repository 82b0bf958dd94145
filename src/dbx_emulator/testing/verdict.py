"""How a failed expectation reads: what was expected, what was seen, what is near, what to paste."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbx_emulator._core.journal import JournalEntry
from dbx_emulator._core.journal_filters import Miss, misses
from dbx_emulator._core.journal_text import describe_call

__all__ = ["Verdict", "as_line", "nearest_calls", "numbered"]

#: Who reads a failure wants the line of the test, and none of this module's.
__tracebackhide__ = True

_SHOWN = 10
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an expectation failed.

    Attributes:
        expected: What was expected, and what was seen instead, in one line.
        seen: What was seen, one a line.
        nearest: What comes close, one a line.
        differences: In what two things differ that should not, or should, one a line.
        paste: Lines that would pass, or look further.
    """

    expected: str
    seen: Sequence[str] = ()
    nearest: Sequence[str] = ()
    differences: Sequence[str] = ()
    paste: Sequence[str] = ()

    def __str__(self) -> str:
        parts = {
            "seen": self.seen,
            "nearest": self.nearest,
            "differences": self.differences,
            "to paste": self.paste,
        }
        lines = [self.expected]
        for title, texts in parts.items():
            if texts:
                lines += [f"{title}:", *(f"  {text}" for text in texts)]
        return "\n".join(lines)

    def fail(self) -> None:
        """Raise it.

        Raises:
            AssertionError: Always.
        """
        raise AssertionError(str(self))


def numbered(entries: Sequence[JournalEntry]) -> list[str]:
    """Return calls as lines with their numbers in the journal, the last ones if there are many."""
    lines = [f"#{entry.sequence} {describe_call(entry)}" for entry in entries[-_SHOWN:]]
    return [f"… {len(entries) - _SHOWN} earlier calls", *lines] if len(entries) > _SHOWN else lines


def nearest_calls(
    entries: Iterable[JournalEntry], filters: Mapping[str, object]
) -> list[tuple[JournalEntry, list[Miss]]]:
    """Return the calls that lack least of what filters ask for, the closest first, with what they lack."""
    lacking = [(entry, misses(entry, filters)) for entry in entries]
    near = [each for each in lacking if each[1]]
    return sorted(near, key=lambda each: (len(each[1]), -_likeness(each[1]), each[0].sequence))[:_NEAREST]


def as_line(name: str, *arguments: object, **options: object) -> str:
    """Return a call of an expectation as it could be pasted into a test."""
    given = [repr(each) for each in arguments] + [f"{key}={each!r}" for key, each in options.items()]
    return f"databricks.{name}({', '.join(given)})".replace("'", '"')


def _likeness(missed: Sequence[Miss]) -> float:
    return sum(difflib.SequenceMatcher(None, str(each.wanted), str(each.seen)).ratio() for each in missed)
