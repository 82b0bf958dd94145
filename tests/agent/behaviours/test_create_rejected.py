"""What can never run is said once, with the field or the service's words, and costs nobody a retry."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.errors import ConfigurationError
from dbx_emulator import StatusFault, Workspace
from tests.agent.support import CONF, TEMPLATE, Template, called, make_execution, phase_name

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(12)]

CLUSTER = {"spark_version": "13.3.x-scala2.12", "node_type_id": "m", "num_workers": 1.0}
TASKS = [{"task_key": "a", "notebook_task": {"notebook_path": "/a"}, "existing_cluster_id": "c"}]


async def _fail(agent: DatabricksAgentV2, template: Template) -> str:
    """Create, hand the metadata through Flyte, and return what the first poll says."""
    meta = await agent.create(template, task_execution_metadata=make_execution())
    kept = DatabricksJobMetadata.decode(meta.encode())
    resource = await agent.get(kept)
    await agent.delete(kept)
    assert (phase_name(resource), kept.run_id) == ("FAILED", "")
    message: str = resource.message
    return message


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status_code", "error_code"),
    [
        (400, "INVALID_PARAMETER_VALUE"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "RESOURCE_DOES_NOT_EXIST"),
    ],
)
async def test_a_permanent_refusal_is_one_post_and_the_services_words(
    workspace: Workspace, agent: DatabricksAgentV2, status_code: int, error_code: str
) -> None:
    """Code and message, in the first poll."""
    fault = StatusFault("runs/submit", status_code=status_code, error_code=error_code, message="the words")
    workspace.faults.add(fault)
    said = await _fail(agent, TEMPLATE)
    assert f"HTTP {status_code} {error_code}: the words" in said
    assert [route for route, _ in called(workspace)] == ["runs/submit"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "conf",
    [
        pytest.param({"new_cluster": CLUSTER, "timeout_seconds": "soon"}, id="bad-timeout"),
        pytest.param({"new_cluster": CLUSTER, "max_retries": -5.0}, id="bad-retries"),
        pytest.param(
            {"existing_cluster_id": "c", "git_source": {"git_url": "u", "git_provider": "x"}}, id="bad-git"
        ),
        pytest.param({"existing_cluster_id": "c", "run_name": "x" * 5000}, id="long-name"),
        pytest.param({"tasks": [{"task_key": "a"}]}, id="task-without-work"),
    ],
)
async def test_what_the_service_refuses_is_refused_once(
    workspace: Workspace, agent: DatabricksAgentV2, conf: dict[str, Any]
) -> None:
    """Its validation, not ours; the words are its own."""
    said = await _fail(agent, Template({"databricksConf": conf}))
    assert said.startswith("Databricks did not accept the run: HTTP 400 INVALID_PARAMETER_VALUE: ")
    assert called(workspace) == [("runs/submit", 400)]


@pytest.mark.asyncio
@pytest.mark.parametrize("instance", [None, "", "  "])
async def test_a_missing_instance_is_the_documented_value_error(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    monkeypatch: pytest.MonkeyPatch,
    instance: str | None,
) -> None:
    """It names both places where one can be set; nothing is sent."""
    monkeypatch.delenv("FLYTE_DATABRICKS_INSTANCE")
    template = Template({"databricksConf": CONF, "databricksInstance": instance})
    with pytest.raises(ValueError, match=r"databricks_instance.*FLYTE_DATABRICKS_INSTANCE"):
        await agent.create(template, task_execution_metadata=make_execution())
    assert called(workspace) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("custom", "field", "remedy"),
    [
        pytest.param({"databricksConf": 5.0}, "databricksConf", "wants an object", id="conf"),
        pytest.param({"databricksConf": "{"}, "databricksConf is no JSON", "Write the text", id="json"),
        pytest.param({"databricksConf": {}}, "no cluster configuration", "Add new_cluster", id="empty"),
        pytest.param(
            {"databricksConf": {**CONF, "new_cluster": CLUSTER}},
            "both new_cluster and existing_cluster_id",
            "Keep the one",
            id="two-clusters",
            marks=pytest.mark.weakness(19),
        ),
        pytest.param(
            {"databricksConf": {"tasks": TASKS, "new_cluster": CLUSTER, "python_file": "a"}},
            "tasks, and beside them new_cluster, python_file",
            "into each task",
            id="tasks-and-more",
            marks=pytest.mark.weakness(19),
        ),
        pytest.param(
            {"databricksConf": {"tasks": TASKS}, "notebookPath": "/n"},
            "tasks, and beside them notebookPath",
            "into each task",
            id="tasks-and-notebook",
        ),
        pytest.param({"databricksConf": {"tasks": "a"}}, "databricksConf.tasks", "wants a list", id="tasks"),
        pytest.param(
            {"databricksConf": {**CONF, "python_file": "a"}, "notebookPath": "/n"},
            "notebookPath and databricksConf.python_file",
            "Keep the one",
            id="file-and-notebook",
        ),
        pytest.param(
            {"databricksConf": CONF, "notebookPath": 5.0}, "notebookPath", "wants a text", id="notebook"
        ),
        pytest.param(
            {"databricksConf": CONF, "notebookPath": "/n", "notebookBaseParameters": [1.0]},
            "notebookBaseParameters",
            "wants an object",
            id="parameters",
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": {"custom_tags": "x"}}},
            "new_cluster.custom_tags",
            "wants an object",
            id="tags",
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": {"spark_env_vars": ["x"]}}},
            "new_cluster.spark_env_vars",
            "wants an object",
            id="variables",
        ),
        pytest.param(
            {"databricksConf": {"environment_key": "e"}, "databricksServiceCredentialProvider": 5.0},
            "databricksServiceCredentialProvider",
            "wants a text",
            id="credential",
        ),
        pytest.param(
            {"databricksConf": CONF, "databricksInstance": 5.0}, "databricksInstance", "a text", id="instance"
        ),
        pytest.param(
            {"databricksConf": CONF, "databricksInstance": "a b"},
            "databricksInstance",
            "Use a host",
            id="host",
        ),
        pytest.param(
            {"databricksConf": CONF, "databricksInstance": "evil.example"},
            "databricksInstance names evil.example",
            "DBX_AGENT_ALLOWED_HOSTS",
            id="foreign-host",
        ),
    ],
)
async def test_a_bad_template_names_field_and_remedy_and_sends_nothing(
    workspace: Workspace, agent: DatabricksAgentV2, custom: dict[str, Any], field: str, remedy: str
) -> None:
    """The message is what the user sees in Flyte."""
    said = await _fail(agent, Template(custom))
    assert field in said
    assert remedy in said
    assert called(workspace) == []


@pytest.mark.weakness(18)
@pytest.mark.asyncio
async def test_a_pod_template_is_refused_with_the_remedy(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Such a task has no container whose command could be run."""
    said = await _fail(agent, Template({"databricksConf": CONF}, container=None))
    assert "has no container: a pod_template cannot run on Databricks. Remove pod_template" in said
    assert called(workspace) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "variable", ["DBX_AGENT_CREATE_GRACE_SECONDS", "DBX_AGENT_CREATE_BUDGET_SECONDS", "DBX_AGENT_ALLOW_HTTP"]
)
async def test_a_bad_setting_names_the_variable_and_sends_nothing(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """It is the deployment's mistake: another attempt may find it mended, so that it is raised."""
    monkeypatch.setenv(variable, "soon")
    with pytest.raises(ConfigurationError, match=f"{variable} is 'soon'. Use "):
        await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    assert called(workspace) == []
