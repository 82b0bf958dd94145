"""Which agent is for which task type."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.flyte


def test_each_task_type_has_its_agent() -> None:
    """The documented class serves `spark`, its second version `databricks`."""
    from dbx_agent.agent import DatabricksAgent, DatabricksAgentV2
    from dbx_agent.claims import make_agents

    spark, databricks = make_agents(["spark", "databricks"])
    assert (type(spark), type(databricks)) == (DatabricksAgent, DatabricksAgentV2)
    assert [agent.task_category.name for agent in (spark, databricks)] == ["spark", "databricks"]
