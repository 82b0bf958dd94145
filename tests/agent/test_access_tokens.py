"""Access tokens that expire."""

from __future__ import annotations

import asyncio

import pytest

from dbx_agent.access_tokens import AccessToken, AccessTokens
from dbx_agent.budget import Budget

from .support import CANARY, ManualClock


@pytest.mark.parametrize(
    ("lifetime_seconds", "now", "usable", "due"),
    [
        pytest.param(3600.0, 0.0, True, False, id="fresh"),
        pytest.param(3600.0, 2399.0, True, False, id="before-twenty-minutes-remain"),
        pytest.param(3600.0, 2400.0, True, True, id="twenty-minutes-remain"),
        pytest.param(3600.0, 3559.0, True, True, id="just-good"),
        pytest.param(3600.0, 3560.0, False, True, id="as-good-as-expired"),
        pytest.param(600.0, 299.0, True, False, id="short-before-its-half"),
        pytest.param(600.0, 300.0, True, True, id="short-at-its-half"),
        pytest.param(20.0, 17.0, True, True, id="very-short-is-used-too"),
        pytest.param(20.0, 18.0, False, True, id="very-short-and-over"),
    ],
)
def test_a_token_is_due_at_half_of_its_life_or_twenty_minutes_before_its_end(
    lifetime_seconds: float,
    now: float,
    *,
    usable: bool,
    due: bool,
) -> None:
    """And not used any more in the last tenth, forty seconds at most."""
    token = AccessToken(CANARY, ends_at=lifetime_seconds, lifetime_seconds=lifetime_seconds)
    assert (token.is_usable(now), token.is_due(now)) == (usable, due)
    assert CANARY not in repr(token)


def test_a_request_under_way_when_its_loop_ends_is_nobodys_error(
    clock: ManualClock, recwarn: pytest.WarningsRecorder
) -> None:
    """Local execution ends loops as it likes; the next loop asks for itself."""
    tokens, asked = AccessTokens(clock), []

    async def fetch(budget: Budget) -> AccessToken:
        asked.append(budget)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return AccessToken("t", ends_at=clock.now + 3600, lifetime_seconds=3600)

    async def ask(*, patience_seconds: float) -> str:
        budget = Budget(started_at=clock.now, limit_seconds=2.5)
        asking = asyncio.create_task(tokens.get("me", fetch, budget=budget))
        await asyncio.wait({asking}, timeout=patience_seconds)
        return (await asking).text if asking.done() else ""

    assert asyncio.run(ask(patience_seconds=0.01)) == ""
    assert asyncio.run(ask(patience_seconds=1.0)) == "t"
    assert (len(asked), len(recwarn)) == (2, 0)
