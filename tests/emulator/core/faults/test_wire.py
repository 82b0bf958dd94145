"""What can be wrong with how an answer arrives."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator import UsageError
from dbx_emulator._api.wire import WIRES
from dbx_emulator._core.faults import KINDS, WIRE_KINDS, FaultCall, Faults, WireFault


def test_wire_fault_comes_after_the_effect() -> None:
    """What was asked is done, whatever becomes of the answer."""
    assert (WireFault.kind, WireFault("*").point) == ("wire", "after_effect")
    assert KINDS["wire"] is WireFault


def test_every_kind_is_described_and_performed() -> None:
    """What the fault takes is what the API ring can do."""
    assert set(WIRE_KINDS) == set(WIRES)


def test_wire_fault_delay_is_a_duration() -> None:
    """Seconds as a number, or a text with units."""
    assert [WireFault("runs/get", delay=delay).delay_ms for delay in (0, 1.5, "2m")] == [0, 1_500, 120_000]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"how": "trunkated"}, r"nearest: truncated", id="unknown-kind"),
        pytest.param({"delay": "soon"}, r"delay: 'soon' is no duration", id="delay"),
        pytest.param({"times": 0}, r"times: 0 is no count", id="times"),
        pytest.param(
            {"how": "late", "point": "before_handler"},
            r"point: 'late' sends a part of the answer and can only strike at 'after_effect'",
            id="answer-without-effect",
        ),
        pytest.param(
            {"how": "stale_keep_alive", "point": "after_effect"},
            r"point: 'stale_keep_alive' ends what was never read and can only strike at 'before_auth'",
            id="stale-after-effect",
        ),
        pytest.param({"point": "in_answer"}, r"point: 'in_answer' is none", id="point"),
    ],
)
def test_wire_fault_refuses_what_it_cannot_mean(fields: dict[str, Any], said: str) -> None:
    """The value and the remedy are named when the fault is made."""
    with pytest.raises(UsageError, match=said):
        WireFault("runs/get", **fields)


@pytest.mark.parametrize("how", ["hang", "reset", "closed", "half_closed", "garbage"])
def test_wire_fault_that_sends_no_answer_may_come_before_the_effect(how: str) -> None:
    """What the client sees is the same; what was asked is not done."""
    assert [
        WireFault("*", how=how, point=point).point for point in ("before_handler", "before_auth", None)
    ] == [
        "before_handler",
        "before_auth",
        "after_effect",
    ]


def test_stale_connection_is_one_that_carried_a_request() -> None:
    """A request on a fresh connection cannot find it stale, and does not count."""
    faults = Faults(frozenset({"runs/get"}))
    fault = faults.add(WireFault("runs/get", how="stale_keep_alive", times=1))
    fresh, kept = FaultCall("runs/get"), FaultCall("runs/get", is_reused=True)
    struck = [faults.striking(call, is_early=True) is fault for call in (fresh, kept, kept)]
    assert (struck, fault.matched) == ([False, True, False], 2)
