"""Which calls of the journal are meant: filters by name, and what a call lacks to be meant."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dbx_emulator._core.errors import UsageError, nearest

if TYPE_CHECKING:
    from dbx_emulator._core.journal import JournalEntry

__all__ = ["FILTERS", "Miss", "misses", "read_filters"]

#: Filter → what of a call it is about.
_FIELDS: dict[str, Callable[[JournalEntry], object]] = {
    "route": lambda entry: entry.route,
    "run_id": lambda entry: entry.run_id,
    "status_code": lambda entry: entry.status_code,
    "error_code": lambda entry: entry.error_code,
    "fault": lambda entry: entry.fault,
    "scenario": lambda entry: entry.scenario,
    "state_before": lambda entry: entry.states[0],
    "state": lambda entry: entry.states[1],
    "method": lambda entry: entry.method,
    "path": lambda entry: entry.path,
    "version": lambda entry: entry.version,
    "client": lambda entry: entry.client,
    "note": lambda entry: entry.note,
}

#: Filter → whether a call is on the right side of a number.
_BOUNDS: dict[str, Callable[[JournalEntry, int], bool]] = {
    "since_ms": lambda entry, ms: entry.now_ms >= ms,
    "until_ms": lambda entry, ms: entry.now_ms < ms,
    "after": lambda entry, sequence: entry.sequence > sequence,
}

#: The names of all filters.
FILTERS = (*_FIELDS, *_BOUNDS)


class Miss(NamedTuple):
    """One filter that does not hold for a call.

    Attributes:
        name: The filter.
        wanted: What it asks for.
        seen: What the call has.
    """

    name: str
    wanted: object
    seen: object


def read_filters(filters: Mapping[str, object]) -> Callable[[JournalEntry], bool]:
    """Return what says of a call whether all filters hold for it.

    Raises:
        UsageError: There is no such filter, or a bound is no whole number.
    """
    fields = {name: wanted for name, wanted in filters.items() if name in _FIELDS}
    bounds = {name: _number(name, wanted) for name, wanted in filters.items() if name not in _FIELDS}
    return lambda entry: (
        all(_holds(_FIELDS[name](entry), wanted) for name, wanted in fields.items())
        and all(_BOUNDS[name](entry, wanted) for name, wanted in bounds.items())
    )


def misses(entry: JournalEntry, filters: Mapping[str, object]) -> list[Miss]:
    """Return which filters do not hold for a call, with what it has instead."""
    found = []
    for name, wanted in filters.items():
        if not read_filters({name: wanted})(entry):
            seen = _FIELDS[name](entry) if name in _FIELDS else _moment(name, entry)
            found.append(Miss(name, wanted, getattr(seen, "value", seen)))
    return found


def _holds(seen: object, wanted: object) -> bool:
    seen = getattr(seen, "value", seen)
    if isinstance(wanted, str):
        wanted = getattr(wanted, "value", wanted)
        return not wanted if seen is None else fnmatch.fnmatchcase(str(seen), str(wanted))
    return seen == wanted


def _number(name: str, wanted: object) -> int:
    if name not in _BOUNDS:
        raise UsageError(
            f"journal: there is no filter {name!r}; there is {', '.join(FILTERS)}{nearest(name, FILTERS)}"
        )
    if isinstance(wanted, bool) or not (
        isinstance(wanted, int) or (isinstance(wanted, str) and wanted.isdecimal())
    ):
        raise UsageError(f"{name}: {wanted!r} is no whole number")
    return int(wanted)


def _moment(name: str, entry: JournalEntry) -> int:
    return entry.sequence if name == "after" else entry.now_ms
