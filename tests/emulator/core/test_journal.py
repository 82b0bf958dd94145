"""What happened."""

from __future__ import annotations

import pytest

from dbx_emulator import UsageError
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.journal import Journal, JournalEntry
from dbx_emulator._core.journal_filters import misses


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
    journal = Journal(real_ns=lambda: 7_999_999)
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


def _said(body: bytes, agent: bytes = b"") -> Request:
    return Request("GET", "/x", ((b"User-Agent", agent),) if agent else (), body)


def _record_bodies(journal: Journal, said: bytes, told: bytes, agent: bytes = b"") -> None:
    journal.record(
        now_ms=1,
        method="GET",
        path="/x",
        route="runs/get",
        run_id=None,
        status_code=200,
        error_code=None,
        fault=None,
        states=(None, None),
        said=_said(said, agent),
        told=Reply(200, told, ()),
    )


def _kept(journal: Journal) -> list[bool]:
    return [entry.said is not None and entry.told is not None for entry in journal]


def test_journal_is_bounded_in_bytes_and_keeps_the_entries() -> None:
    """The oldest entries lose what was said and told first; what they say of the call stays."""
    journal = Journal(limit=3, max_bytes=10)
    for _ in range(3):
        _record_bodies(journal, b"12", b"345")
    assert _kept(journal) == [False, True, True]
    _record_bodies(journal, b"", b"")
    assert _kept(journal) == [True, True, True], "the one without went first"
    _record_bodies(journal, b"1", b"2")
    assert (_kept(journal), journal.dropped) == ([True, True, True], 2)
    _record_bodies(journal, b"x" * 11, b"")
    assert (_kept(journal), len(journal)) == ([False] * 3, 3)
    _record(journal)
    journal.clear()
    assert journal.dropped == 0
    _record_bodies(journal, b"12345", b"67890")
    assert _kept(journal) == [True]


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        pytest.param(b"databricks-sdk-py/0.40.0 python/3.11", "databricks-sdk-py", id="product"),
        pytest.param(b"curl", "curl", id="no-version"),
        pytest.param(b"", None, id="none"),
    ],
)
def test_journal_knows_the_client(agent: bytes, client: str | None) -> None:
    """By the product that it calls itself."""
    journal = Journal()
    _record_bodies(journal, b"", b"", agent)
    assert (journal[0].client, journal[0].user_agent) == (client, agent.decode() or None)
    _record(journal)
    assert journal[1].client is None
    assert list(journal.where(client=client)) == list(journal)[: 1 if client else 2]


def test_calls_can_be_filtered_on_and_on() -> None:
    """What `where` gives has `where` again, and forms of its own."""
    journal = Journal()
    for route in ("runs/submit", "runs/get", "runs/get"):
        _record(journal, route)
    assert [each.sequence for each in journal.where(route="runs/*").where(after=1).where(after="2")] == [3]
    assert journal.where(route="runs/get").export() == b"".join(
        each.canonical() + b"\n" for each in journal[1:]
    )
    assert journal.where(route="create").har()["log"]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        pytest.param({"run_id": 5}, 1, id="number"),
        pytest.param({"run_id": 6}, 0, id="other-number"),
        pytest.param({"run_id": "5"}, 1, id="number-as-text"),
        pytest.param({"status_code": "4??"}, 0, id="glob"),
        pytest.param({"status_code": "2??"}, 1, id="glob-holds"),
        pytest.param({"fault": None, "error_code": "", "note": ""}, 1, id="none"),
        pytest.param({"fault": "*"}, 0, id="any"),
        pytest.param({"state": "PENDING", "state_before": "P*"}, 1, id="states"),
        pytest.param({"method": "GET", "path": "/api/*", "version": "2.1", "scenario": None}, 1, id="rest"),
        pytest.param({"since_ms": 1, "until_ms": 2}, 1, id="within"),
        pytest.param({"since_ms": 2}, 0, id="before"),
        pytest.param({"until_ms": 1}, 0, id="behind"),
    ],
)
def test_journal_filters(filters: dict[str, object], count: int) -> None:
    """Texts are globs, everything else has to be the same, moments are bounds."""
    journal = Journal()
    _record(journal)
    assert len(journal.where(**filters)) == count
    assert bool(misses(journal[0], filters)) == (count == 0)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        pytest.param({"rout": "x"}, r"no filter 'rout'; there is route, .*\(nearest: route\)", id="unknown"),
        pytest.param({"since_ms": "5m"}, "since_ms: '5m' is no whole number", id="no-number"),
        pytest.param({"after": True}, "after: True is no whole number", id="truth"),
        pytest.param({"until_ms": 1.5}, "until_ms: 1.5 is no whole number", id="fraction"),
    ],
)
def test_journal_refuses_a_wrong_filter(filters: dict[str, object], words: str) -> None:
    """Before it looks at any call."""
    with pytest.raises(UsageError, match=words):
        Journal().where(**filters)


def test_misses_say_what_a_call_has_instead() -> None:
    """Each filter that does not hold, with both values."""
    journal = Journal()
    _record(journal)
    filters = {"route": "runs/list", "run_id": 5, "since_ms": 9, "after": 4, "state": "RUNNING"}
    assert misses(journal[0], filters) == [
        ("route", "runs/list", "runs/get"),
        ("since_ms", 9, 1),
        ("after", 4, 1),
        ("state", "RUNNING", "PENDING"),
    ]
