"""The page of behaviours, and that nothing on it is without a test."""

from __future__ import annotations

import pytest

from tests.agent.behaviours.page import PAGE, render, shown
from tests.agent.behaviours.table import BEHAVIOURS, LATER, WEAKNESSES


@pytest.mark.parametrize(
    ("marker", "numbers"),
    [
        pytest.param("behaviour", BEHAVIOURS.keys(), id="behaviours"),
        pytest.param("weakness", WEAKNESSES.keys() - LATER.keys(), id="weaknesses"),
    ],
)
def test_each_row_has_a_test(marker: str, numbers: set[int]) -> None:
    """No behaviour is claimed and no weakness named that nothing shows, and no test shows what is no row."""
    assert shown(marker).keys() == set(numbers)


def test_page_is_up_to_date() -> None:
    """`python -m tests.agent.behaviours.page` writes docs/agent/behaviours.md."""
    assert PAGE.read_text(encoding="utf-8") == render()
