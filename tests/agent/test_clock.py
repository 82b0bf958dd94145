"""Real time."""

from __future__ import annotations

import pytest

from dbx_agent.clock import RealClock


@pytest.mark.asyncio
async def test_real_time_passes_while_sleeping() -> None:
    """And never goes back."""
    clock = RealClock()
    before = clock.time()
    await clock.sleep(0.01)
    assert clock.time() >= before + 0.009
