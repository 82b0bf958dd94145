"""What a user wrote reaches the service as it was written, and what Flyte needs comes beside it."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2
from dbx_emulator import Outcome, Workspace
from tests.agent.support import Container, Metadata, Template, make_execution, submitted

pytestmark = pytest.mark.flyte

CLUSTER = {"spark_version": "13.3.x-scala2.12", "node_type_id": "m6i.large", "num_workers": 2.0}
NOTEBOOK = {"notebook_path": "/a"}


async def _submit(
    workspace: Workspace, agent: DatabricksAgentV2, template: Template, **execution: Any
) -> dict[str, Any]:
    """Create once and return the body that was sent."""
    meta = await agent.create(template, task_execution_metadata=make_execution(**execution))
    assert meta.rejected == ""
    return submitted(workspace)[-1]


@pytest.mark.behaviour(17)
@pytest.mark.asyncio
async def test_every_word_of_the_user_is_in_the_body(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """Tasks with their clusters and libraries, repository, environments, queue, tags: all as they were written."""
    conf = {
        "run_name": "mine",
        "tasks": [
            {
                "task_key": "a",
                "notebook_task": NOTEBOOK,
                "new_cluster": CLUSTER,
                "libraries": [{"jar": "dbfs:/x"}],
            },
            {
                "task_key": "b",
                "depends_on": [{"task_key": "a"}],
                "spark_python_task": {"python_file": "b.py", "source": "GIT"},
                "environment_key": "e",
            },
        ],
        "git_source": {"git_url": "https://h/r", "git_provider": "gitHub", "git_branch": "main"},
        "environments": [{"environment_key": "e", "spec": {"client": "2", "dependencies": ["x"]}}],
        "queue": {"enabled": True},
        "tags": {"team": "a"},
        "timeout_seconds": 60.0,
        "email_notifications": {"on_failure": ["a@example.com"]},
    }
    sent = await _submit(workspace, agent, Template({"databricksConf": conf}))
    token = sent.pop("idempotency_token")
    assert (len(token), sent) == (64, conf)


@pytest.mark.behaviour(17)
@pytest.mark.weakness(19)
@pytest.mark.asyncio
async def test_shared_clusters_are_passed_on_and_refused_in_the_services_words(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """What the service makes of a field is for the service to say."""
    conf = {
        "tasks": [{"task_key": "a", "notebook_task": NOTEBOOK, "existing_cluster_id": "c"}],
        "job_clusters": [{"job_cluster_key": "k", "new_cluster": CLUSTER}],
    }
    meta = await agent.create(Template({"databricksConf": conf}), task_execution_metadata=make_execution())
    assert submitted(workspace)[0]["job_clusters"] == conf["job_clusters"]
    assert "INVALID_PARAMETER_VALUE" in meta.rejected


@pytest.mark.behaviour(17)
@pytest.mark.weakness(15)
@pytest.mark.asyncio
async def test_two_creates_of_one_object_send_the_same_bytes_and_change_nothing(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Also the order of keys, which a protobuf map does not keep, and a python file of the user's."""
    conf = {"new_cluster": CLUSTER, "python_file": "dbfs:/mine.py", "libraries": [{"pypi": {"package": "x"}}]}
    template = Template({"databricksConf": conf, "sparkConf": {"a": "1", "b": "2"}})
    shuffled = Template(
        {
            "sparkConf": {"b": "2", "a": "1"},
            "databricksConf": {key: conf[key] for key in reversed(conf)},
        },
        container=Container(env={"FOO": "bar"}),
    )
    before = copy.deepcopy(template)
    for each in (template, template, shuffled):
        await _submit(workspace, agent, each, environment={"A": "1"})
    bodies = [entry.said.body for entry in workspace.journal if entry.said is not None]
    assert bodies == bodies[:1] * 3
    assert template == before
    assert submitted(workspace)[0]["spark_python_task"]["python_file"] == "dbfs:/mine.py"


@pytest.mark.behaviour(17)
@pytest.mark.weakness(17)
@pytest.mark.weakness(30)
@pytest.mark.asyncio
async def test_variables_of_the_user_win_over_the_executions_and_those_over_the_containers(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """All three arrive; `pyflyte run --env` replaces what the image was registered with."""
    conf = {"new_cluster": {**CLUSTER, "spark_env_vars": {"U": "user", "UE": "user", "UEC": "user"}}}
    container = Container(env={"C": "container", "EC": "container", "UEC": "container"})
    sent = await _submit(
        workspace,
        agent,
        Template({"databricksConf": conf}, container=container),
        environment={"E": "execution", "EC": "execution", "UE": "execution", "UEC": "execution"},
    )
    assert sent["new_cluster"]["spark_env_vars"] == {
        "C": "container",
        "E": "execution",
        "EC": "execution",
        "U": "user",
        "UE": "user",
        "UEC": "user",
        "FLYTE_FAIL_ON_ERROR": "true",
    }


@pytest.mark.behaviour(17)
@pytest.mark.weakness(17)
@pytest.mark.asyncio
async def test_repository_and_file_of_the_user_stay(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """The entrypoint is only for those who name none."""
    git = {"git_url": "https://h/r", "git_provider": "gitHub", "git_tag": "v1"}
    conf = {"existing_cluster_id": "c", "git_source": git, "python_file": "main.py"}
    sent = await _submit(workspace, agent, Template({"databricksConf": conf}))
    assert (sent["git_source"], sent["spark_python_task"]["python_file"]) == (git, "main.py")


@pytest.mark.weakness(20)
@pytest.mark.asyncio
async def test_a_task_without_spark_configuration_and_instance_runs(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """Neither is needed: the deployment names the workspace."""
    sent = await _submit(workspace, agent, Template({"databricksConf": {"new_cluster": CLUSTER}}))
    assert "spark_conf" not in sent["new_cluster"]


@pytest.mark.weakness(21)
@pytest.mark.asyncio
@pytest.mark.parametrize("spelling", ["https://{host}", "https://{host}/", "{host}", "https://{host}/?o=1"])
async def test_an_instance_is_read_as_people_write_it(
    workspace: Workspace, agent: DatabricksAgentV2, spelling: str
) -> None:
    """With a scheme, a slash, or what the browser shows."""
    instance = spelling.format(host=workspace.host)
    meta = await agent.create(
        Template({"databricksConf": {"existing_cluster_id": "c"}, "databricksInstance": instance})
    )
    assert (meta.databricks_instance, len(workspace.runs)) == (workspace.host, 1)


@pytest.mark.behaviour(16)
@pytest.mark.weakness(22)
@pytest.mark.asyncio
async def test_numbers_arrive_as_they_were_written(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """Whole ones without a point, and an id above 2^53 from JSON text with all its digits."""
    job_id = 2**53 + 1
    sent = await _submit(
        workspace, agent, Template({"databricksConf": {"new_cluster": CLUSTER, "timeout_seconds": 600.0}})
    )
    whole = (sent["timeout_seconds"], sent["new_cluster"]["num_workers"])
    assert json.dumps(whole) == "[600, 2]"
    tasks = [{"task_key": "a", "run_job_task": {"job_id": job_id}}]
    template = Template({"databricksConf": {"json": json.dumps({"tasks": tasks})}})
    assert (await _submit(workspace, agent, template, attempt=1))["tasks"] == tasks


@pytest.mark.behaviour(24)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("timeout", "conf", "sent"),
    [
        pytest.param(timedelta(minutes=90), {}, 5400, id="flytes"),
        pytest.param(timedelta(milliseconds=1500), {}, 2, id="rounded-up"),
        pytest.param(timedelta(hours=1), {"timeout_seconds": 60.0}, 60, id="users"),
        pytest.param(timedelta(hours=1), {"timeout_seconds": 0.0}, 0, id="user-wants-none"),
        pytest.param(timedelta(0), {}, None, id="none"),
        pytest.param(None, {}, None, id="left-out"),
    ],
)
async def test_flytes_timeout_ends_the_run_as_well(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    timeout: timedelta | None,
    conf: dict[str, Any],
    sent: int | None,
) -> None:
    """Where the user gave none; nobody may be left to cancel it."""
    for alone in ({"existing_cluster_id": "c"}, {"environment_key": "e"}):
        template = Template({"databricksConf": {**alone, **conf}}, metadata=Metadata(timeout=timeout))
        body = await _submit(workspace, agent, template, execution=f"e{len(workspace.runs)}")
        assert body.get("timeout_seconds") == sent


@pytest.mark.behaviour(24)
@pytest.mark.asyncio
async def test_a_run_ends_at_flytes_timeout(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """In virtual time: a run of an hour is over after its ten minutes."""
    workspace.scenarios.add("*", [Outcome(run="1h")])
    template = Template(
        {"databricksConf": {"existing_cluster_id": "c"}}, metadata=Metadata(timeout=timedelta(minutes=10))
    )
    await _submit(workspace, agent, template)
    assert len(workspace.runs.active) == 1
    workspace.clock.advance("20m")
    assert workspace.runs.active == []


@pytest.mark.fact("agent.submit.custom-tags")
@pytest.mark.behaviour(1)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("own", "sent"),
    [
        pytest.param(
            {},
            {"flyte_execution": "exec-1", "flyte_node": "n0", "flyte_attempt": "2"},
            id="none-of-the-users",
        ),
        pytest.param(
            {"team": "a", "flyte_node": "mine"},
            {"team": "a", "flyte_execution": "exec-1", "flyte_node": "mine", "flyte_attempt": "2"},
            id="beside-the-users",
        ),
        pytest.param(
            {f"t{number}": "x" for number in range(43)},
            {f"t{number}": "x" for number in range(43)},
            id="no-room",
        ),
    ],
)
async def test_a_cluster_says_of_which_attempt_it_is(
    workspace: Workspace, agent: DatabricksAgentV2, own: dict[str, str], sent: dict[str, str]
) -> None:
    """So that people find what no agent cancelled; the user's own tags stay as they are."""
    conf = {"new_cluster": {**CLUSTER, "custom_tags": own}}
    body = await _submit(workspace, agent, Template({"databricksConf": conf}), attempt=2)
    assert body["new_cluster"]["custom_tags"] == sent


@pytest.mark.fact("flyte.serverless.credential-provider")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("custom", "deployments", "sent"),
    [
        pytest.param(
            {"python_file": "/a.py"}, "theirs", ["--flyte-credential-provider=theirs"], id="deployment"
        ),
        pytest.param(
            {"python_file": "/a.py", "provider": "mine"},
            "theirs",
            ["--flyte-credential-provider=mine"],
            id="task",
        ),
        pytest.param({"provider": "mine"}, "", [], id="our-entrypoint-cannot-read-it"),
        pytest.param({"python_file": "/a.py"}, "", [], id="none"),
    ],
)
async def test_a_service_credential_follows_the_command(  # noqa: PLR0917 - fixtures and cases
    workspace: Workspace,
    agent: DatabricksAgentV2,
    monkeypatch: pytest.MonkeyPatch,
    custom: dict[str, str],
    deployments: str,
    sent: list[str],
) -> None:
    """On serverless, for a python file of the user's that reads it."""
    monkeypatch.setenv("FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER", deployments)
    conf = {"environment_key": "e", **({"python_file": "/a.py"} if "python_file" in custom else {})}
    template = Template(
        {"databricksConf": conf, "databricksServiceCredentialProvider": custom.get("provider")}
    )
    [task] = (await _submit(workspace, agent, template))["tasks"]
    assert task["spark_python_task"]["parameters"] == [*Container().args, *sent]
