"""What happened."""

from __future__ import annotations

import pytest

from dbx_emulator._api.messages import Request
from dbx_emulator._core.journal import Journal, JournalEntry


def _record(journal: Journal, route: str = "runs/get") -> None:
    journal.record(
        now_ms=1,
        method="GET",
        path=f"/api/2.1/jobs/{route}",
        route=route,
        run_id=5,
        status_code=200,
        error_code=None,
        fault=None,
        states=("PENDING", "PENDING"),
    )


def test_journal_keeps_calls_in_order() -> None:
    """Each call is one entry, numbered from 1."""
    journal = Journal()
    _record(journal, "runs/submit")
    _record(journal)
    assert list(journal) == [
        JournalEntry(
            1, 1, "GET", "/api/2.1/jobs/runs/submit", "runs/submit", 5, 200, None, None, ("PENDING",) * 2
        ),
        JournalEntry(2, 1, "GET", "/api/2.1/jobs/runs/get", "runs/get", 5, 200, None, None, ("PENDING",) * 2),
    ]
    assert journal.calls("runs/get") == [journal[1]]
    assert journal[-1].route == "runs/get"
    assert journal[:1] == (journal[0],)


def test_journal_is_bounded_and_numbers_go_on() -> None:
    """The oldest entries are dropped; a number is never given twice."""
    journal = Journal(limit=2)
    for _ in range(3):
        _record(journal)
    assert [entry.sequence for entry in journal] == [2, 3]
    journal.clear()
    assert len(journal) == 0
    _record(journal)
    assert journal[0].sequence == 4
    with pytest.raises(IndexError):
        journal[1]


def test_journal_exports_what_is_the_same_through_every_door() -> None:
    """One line of JSON for each call, in a fixed form; a path that nothing serves stands for its route."""
    journal = Journal()
    _record(journal)
    journal.record(
        now_ms=2,
        method="GET",
        path="/x",
        route="",
        run_id=None,
        status_code=404,
        error_code="ENDPOINT_NOT_FOUND",
        fault="wire",
        states=(None, None),
        note="late",
    )
    assert journal.export() == (
        b'{"now_ms":1,"route":"runs/get","version":"2.1","run_id":5,"status_code":200,"error_code":null,'
        b'"fault":null,"states":["PENDING","PENDING"]}\n'
        b'{"now_ms":2,"route":"/x","version":"","run_id":null,"status_code":404,'
        b'"error_code":"ENDPOINT_NOT_FOUND","fault":"wire","states":[null,null]}\n'
    )
    assert [entry.note for entry in journal] == [None, "late"]


def test_journal_shows_no_credentials() -> None:
    """What was said is at hand, and is no part of how an entry looks."""
    journal = Journal(real_ms=lambda: 7)
    said = Request("GET", "/x", ((b"authorization", b"Bearer secret"),))
    journal.record(
        now_ms=1,
        method="GET",
        path="/x",
        route="",
        run_id=None,
        status_code=404,
        error_code=None,
        fault=None,
        states=(None, None),
        said=said,
    )
    _record(journal)
    assert (journal[0].said, journal[0].real_ms) == (said, 7)
    assert repr(journal[0]) == "<JournalEntry 1: GET /x → 404>"
    assert repr(journal[1]) == "<JournalEntry 2: GET /api/2.1/jobs/runs/get run 5 → 200>"
