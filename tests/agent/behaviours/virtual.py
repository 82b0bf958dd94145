"""An agent whose time is the workspace's, for the tests of calls; no test of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbx_emulator import Workspace
from tests.agent.support import TEMPLATE, make_execution

if TYPE_CHECKING:
    from dbx_agent.agent import DatabricksJobMetadata

__all__ = ["BUDGET_SECONDS", "VirtualTime", "submit"]

BUDGET_SECONDS = 2.5
"""What every call may take unless the deployment says otherwise."""


class VirtualTime:
    """The agent's clock is the workspace's: what a client waits for in process and what it sleeps add up.

    Args:
        workspace: Whose time.

    Attributes:
        sleeps: What was slept, in seconds, in order.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.sleeps: list[float] = []

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._workspace.clock.now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.sleeps.append(seconds)
        self._workspace.clock.sleep(seconds)

    @contextmanager
    def within(self, limit_seconds: float) -> Iterator[None]:
        """Check that the block takes no longer, to the millisecond in which virtual time is counted."""
        began = self.time()
        yield
        took = self.time() - began
        assert took <= limit_seconds + 0.001, f"{took} s"


async def submit(agent: object, *, attempt: int = 0) -> DatabricksJobMetadata:
    """Submit a run as Flyte's engine does."""
    from dbx_agent.agent import DatabricksAgentV2

    assert isinstance(agent, DatabricksAgentV2)
    return await agent.create(TEMPLATE, task_execution_metadata=make_execution(attempt=attempt))
