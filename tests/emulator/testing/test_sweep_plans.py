"""Plans: their text, and what chance makes of them."""

from __future__ import annotations

import pytest

from dbx_emulator import LostResponse, UsageError
from dbx_emulator._core.draws import Draws
from dbx_emulator.testing import SWEEP_KINDS, SweepKind
from dbx_emulator.testing.sweeps.kinds import SweptCall, read_kinds
from dbx_emulator.testing.sweeps.plans import Strike, can_strike, draw_plans, plan_text, read_plan

_CALLS = [SweptCall("runs/submit", 1, 1, "POST"), *(SweptCall("runs/get", nth, nth + 1) for nth in (1, 2, 3))]


@pytest.mark.parametrize(
    "text", ["", "runs/submit[1]:lost_response", "runs/submit[1]:hang, runs/get[12]:500"]
)
def test_text_of_a_plan_is_read_back(text: str) -> None:
    """A plan that was printed can be pasted."""
    assert plan_text(read_plan(text, SWEEP_KINDS)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("runs/submit:500", r"is not route\[number\]:kind", id="no-number"),
        pytest.param("runs/submi[1]:500", r"nearest: runs/submit", id="route"),
        pytest.param("runs/get[1]:lost_respons", r"nearest: lost_response", id="kind"),
        pytest.param("runs/get[0]:500", r"the first has number 1", id="zero"),
        pytest.param("runs/get[1]:500, runs/get[1]:429", r"runs/get\[1\] is struck twice", id="twice"),
        pytest.param(3, r"3 is no text", id="number"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, told: str) -> None:
    """It is said what is wrong, and what was meant."""
    with pytest.raises(UsageError, match=told):
        read_plan(text, SWEEP_KINDS)


def test_chaos_is_the_same_for_the_same_seed_and_strikes_with_transient_kinds_only() -> None:
    """Plans of several strikes, at the calls of the life and at the repetitions of them."""

    def draw(seed: int) -> list[tuple[Strike, ...]]:
        return list(draw_plans(200, _CALLS, SWEEP_KINDS, rate=0.5, draws=Draws(seed)))

    plans = draw(1)
    assert plans == draw(1) != draw(2)
    strikes = [strike for plan in plans for strike in plan]
    assert 0.4 < len(strikes) / (200 * 8) < 0.6
    assert {strike[:2] for strike in strikes} == {
        *(("runs/submit", nth) for nth in (1, 2, 3)),
        *(("runs/get", nth) for nth in (1, 2, 3, 4, 5)),
    }
    assert all(SWEEP_KINDS[strike.kind].is_transient for strike in strikes)
    known = {(call.route, call.nth): call for call in _CALLS}
    assert all(can_strike(SWEEP_KINDS[each.kind], known.get(each[:2])) for each in strikes)


def test_chaos_without_a_transient_kind_strikes_nothing() -> None:
    """There is nothing to draw."""
    assert list(draw_plans(2, _CALLS, read_kinds("400"), rate=1, draws=Draws())) == [(), ()]


def test_unknown_routes_cannot_be_struck() -> None:
    """Faults are about the API."""
    assert not can_strike(SWEEP_KINDS["500"], SweptCall("", 1, 1))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        pytest.param(["hangs"], "nearest: hang", id="unknown"),
        pytest.param(["500", "500"], "'500' is there twice", id="twice"),
        pytest.param([], "there is none", id="none"),
    ],
)
def test_kinds_that_are_none_are_refused(kinds: list[str], told: str) -> None:
    """The nearest is named."""
    with pytest.raises(UsageError, match=told):
        read_kinds(kinds)


def test_kind_of_ones_own_has_an_id_that_plans_can_name() -> None:
    """Small letters, digits and underscores."""
    mine = SweepKind("mine", "the answer is lost", LostResponse)
    assert read_kinds([mine, "500"]) == {"mine": mine, "500": SWEEP_KINDS["500"]}
    with pytest.raises(UsageError, match="'Mine!' is no word"):
        SweepKind("Mine!", "the answer is lost", LostResponse)
