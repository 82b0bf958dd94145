"""Randomness without a stream."""

from __future__ import annotations

import pytest

from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError


def test_draw_depends_on_seed_and_key_alone() -> None:
    """The order of draws changes none of them; another seed or key changes it."""
    one, other = Draws(7), Draws(7)
    first, second = one.fraction("etl", 1, "run"), one.fraction("etl", 2, "run")
    assert (other.fraction("etl", 2, "run"), other.fraction("etl", 1, "run")) == (second, first)
    assert len({first, second, Draws(8).fraction("etl", 1, "run"), one.fraction("etl1", "run")}) == 4


def test_draw_is_the_same_on_every_machine() -> None:
    """A replay line that was printed elsewhere holds here."""
    assert Draws(0).fraction("nightly", 1, "0", "run") == 0.2721944741134406


@pytest.mark.parametrize("seed", ["7", 1.5, True, None])
def test_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    """Two spellings of a seed would be two seeds."""
    with pytest.raises(UsageError, match=r"^seed: .* is no whole number$"):
        Draws(seed)  # type: ignore[arg-type]


def test_draws_are_spread_over_the_open_interval() -> None:
    """Never 0, never 1, and in each tenth about a tenth of them."""
    drawn = [Draws(1).fraction("run", number) for number in range(10_000)]
    assert 0 < min(drawn) < max(drawn) < 1
    tenths = [sum(tenth <= each * 10 < tenth + 1 for each in drawn) for tenth in range(10)]
    assert all(900 < count < 1_100 for count in tenths)
