"""One call in a line, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbx_emulator._core.timeline_text import elapsed

if TYPE_CHECKING:
    from dbx_emulator._core.journal import JournalEntry

__all__ = ["describe_call"]


def describe_call(entry: JournalEntry) -> str:
    """Return when it was, what was called, what that changed, and what came of it."""
    run = "" if entry.run_id is None else f" run {entry.run_id}"
    before, after = (None if state is None else getattr(state, "value", state) for state in entry.states)
    change = f" {before or 'new'} → {after}" if after is not None and before != after else ""
    error = f" {entry.error_code}" if entry.error_code is not None else ""
    note = f", {entry.note}" if entry.note else ""
    fault = f" (fault: {entry.fault}{note})" if entry.fault else ""
    call = f"{entry.method} {entry.path}{run}{change}"
    return f"{elapsed(entry.now_ms)}  {call} → {entry.status_code}{error}{fault}"
