"""What can be wrong with how an answer arrives."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator import UsageError
from dbx_emulator._api.wire import WIRES
from dbx_emulator._core.faults import KINDS, WIRE_KINDS, WireFault


def test_wire_fault_comes_after_the_effect() -> None:
    """What was asked is done, whatever becomes of the answer."""
    assert (WireFault.kind, WireFault.point) == ("wire", "after_effect")
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
    ],
)
def test_wire_fault_refuses_what_it_cannot_mean(fields: dict[str, Any], said: str) -> None:
    """The value and the remedy are named when the fault is made."""
    with pytest.raises(UsageError, match=said):
        WireFault("runs/get", **fields)
