"""The control API's part that looks back: the journal in its forms, and how a run went."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from dbx_emulator._api.structs import JsonObject
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.journal import Calls, JournalEntry
from dbx_emulator._core.timeline import Timeline, timeline_of

if TYPE_CHECKING:
    from dbx_emulator._api.calls import Call

__all__ = [
    "clear_journal",
    "draw_timeline",
    "export_journal",
    "get_har",
    "get_timeline",
    "list_journal",
    "write_timeline",
]


def list_journal(call: Call) -> bytes:
    """Answer GET /__dbx/journal: the entries for which all filters of the query hold, oldest first."""
    return msgspec.json.encode({"entries": [_describe_entry(entry) for entry in _asked_for(call)]})


def export_journal(call: Call) -> bytes:
    """Answer GET /__dbx/journal/export: the canonical form, one line of JSON for each call that is asked for."""
    return _asked_for(call).export()


def get_har(call: Call) -> bytes:
    """Answer GET /__dbx/journal/har: an HTTP archive of the calls that are asked for."""
    return msgspec.json.encode(_asked_for(call).har())


def clear_journal(call: Call) -> bytes:
    """Answer DELETE /__dbx/journal."""
    call.service.control.journal.clear()
    return b"{}"


def get_timeline(call: Call) -> bytes:
    """Answer GET /__dbx/timeline?run_id=…: how a run went, as data."""
    return msgspec.json.encode(_timeline(call).data())


def write_timeline(call: Call) -> bytes:
    """Answer GET /__dbx/timeline/text?run_id=…: how a run went, in words and bars."""
    return f"{_timeline(call).text()}\n".encode()


def draw_timeline(call: Call) -> bytes:
    """Answer GET /__dbx/timeline/svg?run_id=…: a picture of how a run went."""
    return _timeline(call).svg().encode()


def _asked_for(call: Call) -> Calls:
    # A filter is what Python takes, and a text for it is what a query has.
    return call.service.control.journal.where(**dict(parse_qsl(call.query, keep_blank_values=True)))


def _timeline(call: Call) -> Timeline:
    """Return the timeline of the run that the query names.

    Raises:
        UsageError: It names none, or one that does not exist.
    """
    run_id = dict(parse_qsl(call.query)).get("run_id", "")
    found = call.service.engine.store.find(int(run_id)) if run_id.isdecimal() else None
    if found is None:
        raise UsageError(f"run_id: {run_id!r} is no run of this workspace; write ?run_id= and the id of one")
    return timeline_of(found[0], now_ms=call.service.control.clock.now_ms)


def _describe_entry(entry: JournalEntry) -> JsonObject:
    """Return an entry as plain data, without what was said and told."""
    shown = {name: value for name, value in entry._asdict().items() if name not in ("said", "told")}
    return shown | {"client": entry.client}
