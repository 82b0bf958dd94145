"""Which agent is for which task type."""

from __future__ import annotations

from collections.abc import Iterable

from dbx_agent.agent import DatabricksAgent, DatabricksAgentV2
from dbx_agent.settings import Settings

__all__ = ["make_agents"]

_AGENTS = {agent.task_type: agent for agent in (DatabricksAgent, DatabricksAgentV2)}


def make_agents(task_types: Iterable[str], *, settings: Settings | None = None) -> list[DatabricksAgent]:
    """Make an agent for each task type.

    Args:
        task_types: Of `spark` and `databricks`.
        settings: The deployment's settings; `None` reads the environment at each call.
    """
    return [_AGENTS[task_type](settings=settings) for task_type in task_types]
