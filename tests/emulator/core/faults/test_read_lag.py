"""Reads that come too early."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, FaultCall, Faults, ReadLag

_ROUTES = frozenset({"runs/get", "runs/get-output", "runs/submit"})


def _read(run_id: int | None = 5, *, token: str = "a") -> FaultCall:
    return FaultCall("runs/get", run_id=run_id, token=token, target=f"/runs/get?run_id={run_id}")


def test_read_lag_changes_answers() -> None:
    """It is of reading a run, unless told otherwise."""
    assert (ReadLag.kind, ReadLag().point, ReadLag().route) == ("read_lag", "in_answer", "runs/get")
    assert KINDS["read_lag"] is ReadLag


def test_first_reads_after_each_write_lag() -> None:
    """So many of them for each run, and a further write begins anew."""
    faults = Faults(_ROUTES)
    lag = faults.add(ReadLag(reads=2))
    faults.wrote(5)
    struck = [faults.striking(_read(run_id)) is lag for run_id in (5, 6, None, 5, 5)]
    assert struck == [True, False, False, True, False]
    faults.wrote(5)
    assert faults.striking(_read()) is lag


def test_stale_reader_is_told_what_it_was_told_before() -> None:
    """Each reader for itself; who was told nothing before the write is told nothing."""
    faults = Faults(_ROUTES)
    lag = faults.add(ReadLag(how="stale"))
    assert isinstance(lag, ReadLag)
    faults.told(_read(), b"before")
    assert (lag.stale_body(_read()), lag.stale_body(_read(token="b"))) == (b"before", None)
    ignorant = faults.add(ReadLag())
    assert isinstance(ignorant, ReadLag)
    faults.told(_read(), b"later")
    assert (lag.stale_body(_read()), ignorant.stale_body(_read())) == (b"later", None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"reads": 0}, "reads: 0 is no count", id="reads"),
        pytest.param({"reads": True}, "reads: True is no count", id="boolean"),
        pytest.param({"how": "notfound"}, "nearest: not_found", id="how"),
    ],
)
def test_read_lag_refuses_what_it_cannot_mean(fields: dict[str, Any], said: str) -> None:
    """The mistake is found when the lag is made."""
    with pytest.raises(UsageError, match=said):
        ReadLag(**fields)


def test_read_lag_is_of_reading_one_run() -> None:
    """Another route is refused when it is armed; a glob may reach both that there are."""
    faults = Faults(_ROUTES)
    with pytest.raises(UsageError, match=r"'runs/submit' is none of runs/get, runs/get-output"):
        faults.add(ReadLag("runs/submit"))
    faults.add(ReadLag("*"))
    assert [faults.watches(route) for route in sorted(_ROUTES)] == [True, True, False]
