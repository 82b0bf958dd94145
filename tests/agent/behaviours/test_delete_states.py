"""When a run is taken to go on as before a cancel."""

from __future__ import annotations

import pytest

from dbx_agent.outcome import is_untouched_by_cancel
from dbx_agent.run_snapshot import RunState


@pytest.mark.behaviour(8)
@pytest.mark.parametrize(
    ("state", "untouched"),
    [
        pytest.param(RunState(life_cycle_state="RUNNING", status_state="RUNNING"), True, id="running"),
        pytest.param(RunState(life_cycle_state="QUEUED"), True, id="queued-without-status"),
        pytest.param(
            RunState(life_cycle_state="WAITING_FOR_RETRY", status_state="WAITING"), True, id="waiting"
        ),
        pytest.param(
            RunState(life_cycle_state="TERMINATING", status_state="RUNNING"), False, id="one-says-so"
        ),
        pytest.param(
            RunState(life_cycle_state="RUNNING", status_state="TERMINATING"), False, id="other-says-so"
        ),
        pytest.param(RunState(life_cycle_state="TERMINATED", status_state="TERMINATED"), False, id="over"),
        pytest.param(RunState(life_cycle_state="HIBERNATING"), False, id="unheard-of"),
        pytest.param(RunState(), False, id="nothing-said"),
    ],
)
def test_only_a_run_that_surely_goes_on_is_cancelled_again(
    state: RunState,
    untouched: bool,  # noqa: FBT001
) -> None:
    """What nobody here knows was told to stop, and that has to do."""
    assert is_untouched_by_cancel(state) is untouched
