"""The time of an RPC."""

from __future__ import annotations

import pytest

from dbx_agent.budget import MIN_ATTEMPT_SECONDS, Budget
from dbx_agent.settings import Settings


@pytest.mark.parametrize(
    ("now", "remaining"),
    [
        pytest.param(100.0, 8.0, id="fresh"),
        pytest.param(105.5, 2.5, id="half-way"),
        pytest.param(108.0, 0.0, id="spent"),
        pytest.param(500.0, 0.0, id="long-past"),
    ],
)
def test_budget_counts_down_to_zero(now: float, remaining: float) -> None:
    """What is left is never negative."""
    assert Budget(started_at=100.0, limit_seconds=8.0).remaining_seconds(now) == remaining


@pytest.mark.parametrize(
    ("after_seconds", "allowed"),
    [
        pytest.param(0.0, True, id="at-once"),
        pytest.param(8.0 - MIN_ATTEMPT_SECONDS, True, id="just-fits"),
        pytest.param(8.0, False, id="no-time-after-the-pause"),
        pytest.param(60.0, False, id="far-too-long"),
    ],
)
def test_budget_allows_an_attempt_that_fits_after_its_pause(after_seconds: float, allowed: bool) -> None:  # noqa: FBT001
    """A pause that leaves no time for the attempt is not begun."""
    budget = Budget(started_at=100.0, limit_seconds=8.0)
    assert budget.allows_attempt(100.0, after_seconds=after_seconds) is allowed


@pytest.mark.fact("flyte.rpc.deadline")
def test_default_budgets_end_before_the_engine_does() -> None:
    """Inside the 3 s of engines that do not say otherwise, with room for the way back."""
    settings = Settings()
    budgets = {settings.create_budget_seconds, settings.get_budget_seconds, settings.delete_budget_seconds}
    assert budgets == {2.5}
    assert max(budgets) + MIN_ATTEMPT_SECONDS < 3
