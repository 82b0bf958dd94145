"""`create` against an emulated workspace: one run per attempt, and what is refused."""

from __future__ import annotations

import logging
from logging.handlers import BufferingHandler

import httpx
import pytest

from dbx_agent.agent import (
    DatabricksAgentV2,
    DatabricksJobMetadata,
)
from dbx_agent.errors import ApiCallError, CredentialsError
from dbx_emulator import LostResponse, StatusFault, Workspace

from .support import (
    CONF,
    TEMPLATE,
    ManualClock,
    Template,
    called,
    make_execution,
    phase_name,
)

pytestmark = pytest.mark.flyte


@pytest.mark.asyncio
async def test_a_lost_answer_to_the_submit_is_one_run(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """The service acted and the connection broke; the token of the attempt finds the run again."""
    workspace.faults.add(LostResponse("runs/submit", times=1))
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    assert [route for route, _ in called(workspace)] == ["runs/submit", "runs/submit"]
    assert [str(run.run_id) for run in workspace.runs] == [meta.run_id]


@pytest.mark.fact("flyte.create.empty-metadata")
@pytest.mark.asyncio
async def test_one_run_per_attempt(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """The same attempt again is the same run; another attempt, execution or prefix is another."""
    nameless = make_execution(execution="")
    calls = [
        (make_execution(), "s3://a"),
        (make_execution(), "s3://a"),
        (make_execution(), "s3://b"),
        (make_execution(attempt=1), "s3://a"),
        (make_execution(execution="exec-2"), "s3://a"),
        (None, "s3://local"),
        (None, "s3://local"),
        (nameless, "s3://local"),
        (None, ""),
        (None, ""),
    ]
    made = [
        (await agent.create(TEMPLATE, output_prefix=prefix, task_execution_metadata=execution)).run_id
        for execution, prefix in calls
    ]
    numbers = [sorted(set(made)).index(run_id) for run_id in made]
    assert numbers == [0, 0, 1, 2, 3, 4, 4, 4, 5, 6]


@pytest.mark.asyncio
async def test_environment_of_the_execution_reaches_the_cluster(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """What `pyflyte run --env` says."""
    template = Template(
        {
            "databricksConf": {
                "new_cluster": {"num_workers": 1.0, "spark_version": "13.3", "node_type_id": "m"}
            }
        }
    )
    meta = await agent.create(template, task_execution_metadata=make_execution(environment={"A": "1"}))
    async with httpx.AsyncClient(headers=workspace.headers) as client:
        response = await client.get(f"{workspace.url}/api/2.1/jobs/runs/get", params={"run_id": meta.run_id})
    cluster = response.json()["tasks"][0]["new_cluster"]
    assert cluster["spark_env_vars"] == {"FOO": "bar", "A": "1", "FLYTE_FAIL_ON_ERROR": "true"}


@pytest.mark.asyncio
async def test_a_missing_instance_is_the_documented_value_error(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names both places where an instance can be set."""
    monkeypatch.delenv("FLYTE_DATABRICKS_INSTANCE")
    with pytest.raises(
        ValueError, match=r"databricks_instance in the task's config.*FLYTE_DATABRICKS_INSTANCE"
    ):
        await agent.create(task_template=TEMPLATE, inputs=None)
    assert called(workspace) == []


@pytest.mark.fact("flyte.create.any-error-retries")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param(
            Template({"databricksConf": {}}), "databricksConf has no cluster configuration", id="no-cluster"
        ),
        pytest.param(
            Template({"databricksConf": CONF, "databricksInstance": "not a host"}),
            "databricksInstance is 'not a host', which is no host. Use",
            id="no-host",
        ),
        pytest.param(
            Template({"databricksConf": CONF, "databricksInstance": "evil.example"}),
            "databricksInstance names evil.example",
            id="foreign-host",
        ),
        pytest.param(
            Template({"databricksConf": CONF, "databricksInstance": "http://127.0.0.1:9"}),
            "DBX_AGENT_ALLOWED_HOSTS",
            id="loopback-host",
        ),
        pytest.param(
            Template({"databricksConf": CONF}, container=None), "has no container", id="pod-template"
        ),
    ],
)
async def test_a_task_that_cannot_run_fails_at_the_first_get(
    workspace: Workspace, agent: DatabricksAgentV2, template: Template, message: str
) -> None:
    """Raising would cost the user every retry; no request is sent, neither then nor later."""
    meta = await agent.create(template, task_execution_metadata=make_execution())
    kept = DatabricksJobMetadata.decode(meta.encode())
    resource = await agent.get(kept)
    await agent.delete(kept)
    assert (phase_name(resource), resource.log_links) == ("FAILED", [])
    assert resource.message.startswith("Databricks did not accept the run: ")
    assert message in resource.message
    assert called(workspace) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("status_code", [400, 401, 403, 404])
async def test_a_permanent_refusal_is_sent_once_and_fails_with_the_services_words(
    workspace: Workspace, agent: DatabricksAgentV2, status_code: int
) -> None:
    """Neither we nor Flyte try it again."""
    workspace.faults.add(
        StatusFault("runs/submit", status_code=status_code, error_code="NO", message="words")
    )
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    resource = await agent.get(meta)
    assert (phase_name(resource), resource.message) == (
        "FAILED",
        f"Databricks did not accept the run: HTTP {status_code} NO: words (submit of a run)",
    )
    await agent.delete(meta)
    assert called(workspace) == [("runs/submit", status_code)]


@pytest.mark.asyncio
async def test_a_throttled_submit_waits_and_a_hopeless_one_raises(
    workspace: Workspace, agent: DatabricksAgentV2, clock: ManualClock
) -> None:
    """Flyte tries the attempt again, when the service may have recovered."""
    workspace.faults.add(StatusFault("runs/submit", status_code=429, headers={"Retry-After": "2"}, times=1))
    await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    assert [int(pause) for pause in clock.sleeps] == [2]
    workspace.faults.add(StatusFault("runs/submit", status_code=503))
    with pytest.raises(ApiCallError, match="HTTP 503") as caught:
        await agent.create(TEMPLATE, task_execution_metadata=make_execution(attempt=1))
    assert caught.value.retryable


@pytest.mark.asyncio
async def test_create_without_a_token_raises(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is being mounted is there at the next attempt; a poll waits for it."""
    meta = await agent.create(TEMPLATE)
    monkeypatch.delenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    with pytest.raises(CredentialsError, match="FLYTE_DATABRICKS_ACCESS_TOKEN"):
        await agent.create(TEMPLATE)
    assert phase_name(await agent.get(meta)) == "QUEUED"
    with pytest.raises(CredentialsError):
        await agent.delete(meta)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("conf", "warned"),
    [
        pytest.param({"existing_cluster_id": "0401-abc"}, 1, id="existing-cluster"),
        pytest.param({"environment_key": "default"}, 1, id="serverless"),
        pytest.param(
            {
                "new_cluster": {
                    "spark_version": "13.3.x-scala2.12",
                    "node_type_id": "m6i.large",
                    "num_workers": 1,
                }
            },
            0,
            id="new-cluster",
        ),
    ],
)
async def test_a_cluster_that_takes_no_environment_is_warned_of(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    conf: dict[str, object],
    warned: int,
) -> None:
    """Once per create, with the task's name and without any value."""
    execution = make_execution(environment={"SECRET": "canary-value-1"})
    logger, heard = logging.getLogger("flytekit.dbx_agent"), BufferingHandler(capacity=100)
    logger.addHandler(heard)
    try:
        await agent.create(Template({"databricksConf": conf}), task_execution_metadata=execution)
    finally:
        logger.removeHandler(heard)
    assert called(workspace) == [("runs/submit", 200)]
    said = [record.getMessage() for record in heard.buffer if record.levelno == logging.WARNING]
    assert len(said) == warned
    assert all(text.startswith("task etl.daily: FLYTE_FAIL_ON_ERROR and") for text in said)
    assert "value-1" not in " ".join(said)
