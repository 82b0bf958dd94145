"""What a clock needs to know of those who live by it: when they want to be called, and what they call a run.

A clock owns the present and an agenda what is due in it. Several workspaces may share one clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.states import LifeCycleState

if TYPE_CHECKING:
    from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = ["Agenda", "read_state"]


class Agenda(Protocol):
    """Somebody for whom things are due at moments."""

    def next_deadline_ms(self) -> int | None:
        """Return when the next thing is due, in epoch milliseconds, or `None` if nothing is to come."""
        ...

    def settle(self) -> None:
        """Let everything happen that is due by now. Nothing that is due may be left afterwards."""
        ...

    def find_run(self, run_id: int) -> JobRun | TaskRun | None:
        """Return the run with an id as it is now, or `None` if it is somebody else's."""
        ...


def read_state(state: LifeCycleState | str) -> LifeCycleState:
    """Return a life-cycle state by itself or by its name.

    Raises:
        UsageError: No state has that name.
    """
    names = [each.value for each in LifeCycleState]
    if state not in names:
        raise UsageError(f"state: {state!r} is none of {', '.join(names)}{nearest(str(state), names)}")
    return LifeCycleState(state)
