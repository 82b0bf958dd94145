"""What a plan is shrunk to, against functions that say what breaks."""

from __future__ import annotations

import pytest

from dbx_emulator.testing import SWEEP_KINDS
from dbx_emulator.testing.sweeps.plans import Plan, plan_text, read_plan
from dbx_emulator.testing.sweeps.shrinking import shrink

_LONG = ", ".join(
    f"runs/get[{nth}]:{kind}" for nth, kind in enumerate(["hang", "late", "429", "503"] * 5, start=1)
)


def _shrunk(text: str, *needed: str) -> str:
    """Shrink a plan that breaks as long as it has a strike for each of the endings needed."""

    def breaks(plan: Plan) -> bool:
        strikes = [plan_text((strike,)) for strike in plan]
        return all(any(end in strike for strike in strikes) for end in needed)

    plan = read_plan(text, SWEEP_KINDS)
    return plan_text(shrink(plan, breaks, kinds=SWEEP_KINDS, calls={}))


@pytest.mark.parametrize(
    ("text", "needed", "smallest"),
    [
        pytest.param(_LONG, [], "", id="nothing-is-needed"),
        pytest.param(_LONG, ["hang"], "runs/get[1]:hang", id="one-of-many"),
        pytest.param("runs/get[7]:hang", ["["], "runs/get[1]:500", id="simpler-and-earlier"),
        pytest.param(_LONG, ["[4]", "[17]:hang"], "runs/get[4]:500, runs/get[17]:hang", id="two"),
        pytest.param("runs/get[1]:late, runs/get[2]:hang", ["hang", "[1]"], "runs/get[1]:hang", id="merged"),
        pytest.param(
            "runs/get[1]:late, runs/get[2]:late", ["late", "[2]"], "runs/get[2]:late", id="one-does-for-both"
        ),
        pytest.param(
            "runs/get[1]:late, runs/get[3]:hang",
            ["late", "hang"],
            "runs/get[1]:late, runs/get[2]:hang",
            id="a-call-meets-one-fault",
        ),
    ],
)
def test_plan_is_shrunk_to_the_smallest_that_breaks(text: str, needed: list[str], smallest: str) -> None:
    """Fewest strikes, then the simplest kind, then the earliest call."""
    assert _shrunk(text, *needed) == smallest


def test_kind_that_cannot_be_there_is_not_tried() -> None:
    """A call that the fault-free life does not make can meet only what can happen to any."""
    tried: list[str] = []

    def breaks(plan: Plan) -> bool:
        tried.extend(strike.kind for strike in plan)
        return plan_text(plan).endswith("401")

    plan = read_plan("runs/get[2]:401", SWEEP_KINDS)
    shrink(plan, breaks, kinds=SWEEP_KINDS, calls={})
    assert "500" in tried
    assert "unknown_state" not in tried
