"""The agents against an emulated workspace: the documented API, and whole lives of runs."""

from __future__ import annotations

import inspect
import logging

import httpx
import pytest
from flyteidl.core.execution_pb2 import TaskLog

import dbx_agent.agent as documented
from dbx_agent.agent import (
    DatabricksAgent,
    DatabricksAgentV2,
    DatabricksConnector,
    DatabricksConnectorV2,
    DatabricksJobMetadata,
    get_header,
    result_state_is_available,
)
from dbx_agent.errors import ApiCallError, ConfigurationError, CredentialsError, UnexpectedResponseError
from dbx_agent.instance import read_instance
from dbx_agent.settings import Settings
from dbx_emulator import Outcome, StatusFault, Workspace

from .support import (
    CANARY,
    CONF,
    TEMPLATE,
    Container,
    ManualClock,
    Template,
    load_template,
    make_execution,
    phase_name,
)

pytestmark = pytest.mark.flyte

REFUSED = "canary-that-opens-nothing"


def test_documented_names_are_there() -> None:
    """Flytekit's API documentation, name by name."""
    assert (documented.DATABRICKS_API_ENDPOINT, documented.DEFAULT_DATABRICKS_INSTANCE_ENV_KEY) == (
        "/api/2.1/jobs",
        "FLYTE_DATABRICKS_INSTANCE",
    )
    assert documented.FLYTE_FAIL_ON_ERROR == "FLYTE_FAIL_ON_ERROR"
    assert (DatabricksConnector, DatabricksConnectorV2) == (DatabricksAgent, DatabricksAgentV2)
    for cls, task_type in ((DatabricksAgent, "spark"), (DatabricksAgentV2, "databricks")):
        agent = cls()
        assert (agent.task_category.name, agent.task_category.version) == (task_type, 0)
        assert agent.metadata_type is DatabricksJobMetadata
        assert all(inspect.iscoroutinefunction(call) for call in (agent.create, agent.get, agent.delete))
    states = ["TERMINATED", "TERMINATING", "INTERNAL_ERROR", ""]
    assert [result_state_is_available(state) for state in states] == [True, False, False, False]


@pytest.mark.fact("flyte.secret.lookup")
def test_get_header_needs_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """As documented; the token is the deployment's, read from where flytekit looks."""
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", CANARY)
    assert get_header() == {"Authorization": f"Bearer {CANARY}", "Content-Type": "application/json"}
    monkeypatch.delenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    with pytest.raises(CredentialsError):
        get_header()


@pytest.mark.asyncio
@pytest.mark.parametrize("case", ["v2-noinstance", "databricks-min"])
async def test_a_real_task_runs_to_its_end(workspace: Workspace, agent: DatabricksAgentV2, case: str) -> None:
    """Submitted, queued, started, succeeded; the link is there from the first answer."""
    workspace.scenarios.add("*", [Outcome(queue="30s", cluster="3m", run="40m", terminating="5s")])
    meta = await agent.create(
        task_template=load_template(case),
        inputs=None,
        output_prefix="s3://out/0",
        task_execution_metadata=make_execution(),
        max_dataset_size=1,
    )
    assert meta == DatabricksJobMetadata(workspace.host, str(next(iter(workspace.runs)).run_id))
    seen = []
    for pause in ("1s", "30s", "3m", "40m", "1m"):
        workspace.clock.advance(pause)
        resource = await agent.get(resource_meta=meta, connection=None)
        seen.append((phase_name(resource), resource.message))
        run_id = meta.run_id
        link = resource.log_links[0]
        assert link == TaskLog(uri=link.uri, name="Databricks Console")
        assert link.uri.startswith(f"{workspace.url}/jobs/")
        assert f"/runs/{run_id}?o=" in link.uri
    assert [phase for phase, _ in seen] == ["QUEUED", "INITIALIZING", "RUNNING", "RUNNING", "SUCCEEDED"]
    assert [message.partition(":")[0] for _, message in seen] == [
        "QUEUED",
        "PENDING",
        "RUNNING",
        "TERMINATING",
        "SUCCESS",
    ]


@pytest.mark.asyncio
async def test_a_lost_machine_is_retried_and_a_users_mistake_is_not(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """The three ways to end, told apart by the type of the termination; each attempt is a run of its own."""
    workspace.scenarios.add(
        "etl",
        [
            Outcome(termination_code="CLOUD_FAILURE", message="spot instance lost"),
            Outcome(
                error="ValueError: no",
                error_trace="Traceback\n  ValueError: no",
                termination_code="RUN_EXECUTION_ERROR",
            ),
            Outcome(),
        ],
    )
    seen, runs = [], set()
    for attempt in range(3):
        meta = await agent.create(TEMPLATE, None, "", make_execution(attempt=attempt))
        workspace.clock.advance("1h")
        resource = await agent.get(meta)
        seen.append((phase_name(resource), resource.message))
        runs.add(meta.run_id)
    assert [phase for phase, _ in seen] == ["RETRYABLE_FAILED", "FAILED", "SUCCEEDED"]
    assert "spot instance lost" in seen[0][1]
    assert seen[1][1].startswith("RUN_EXECUTION_ERROR (CLIENT_ERROR): ")
    assert seen[1][1].endswith(": ValueError: no\nTraceback\n  ValueError: no")
    assert len(runs) == len(workspace.runs) == 3


@pytest.mark.asyncio
async def test_a_local_run_is_never_retryable(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """Local execution passes no execution metadata, and that is remembered."""
    workspace.scenarios.add("etl", [Outcome(termination_code="CLOUD_FAILURE")])
    meta = await agent.create(task_template=TEMPLATE, inputs=None, output_prefix="memory://x")
    workspace.clock.advance("1h")
    assert phase_name(await agent.get(DatabricksJobMetadata.decode(meta.encode()))) == "FAILED"


@pytest.mark.fact("flyte.delete.repeated-until-success")
@pytest.mark.asyncio
async def test_delete_cancels_and_can_be_repeated(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """An active run, the same again, a finished one, an unknown one: nothing is left to do each time."""
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    workspace.clock.advance("1s")
    await agent.delete(resource_meta=meta, reason="abort")
    await agent.delete(meta)
    workspace.clock.advance("1h")
    await agent.delete(meta)
    await agent.delete(DatabricksJobMetadata(workspace.host, "123456789"))
    workspace.faults.add(StatusFault("runs/cancel", status_code=400, error_code="INVALID_STATE", times=1))
    await agent.delete(meta)
    resource = await agent.get(meta)
    assert phase_name(resource) == "FAILED"
    assert resource.message.startswith("USER_CANCELED (SUCCESS): ")


@pytest.mark.asyncio
async def test_delete_raises_when_it_could_not_ask(workspace: Workspace, agent: DatabricksAgentV2) -> None:
    """After trying again within its budget; the engine comes back."""
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    workspace.faults.add(StatusFault("runs/cancel", status_code=503))
    with pytest.raises(ApiCallError, match=f"cancel of run {meta.run_id}"):
        await agent.delete(meta)
    assert len(workspace.journal.calls("runs/cancel")) > 1


@pytest.mark.asyncio
async def test_settings_are_read_when_a_call_comes(
    workspace: Workspace, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong ones fail a create with every mistake, and let a poll wait for the operator."""
    meta = await agent.create(TEMPLATE)
    monkeypatch.setenv("DBX_AGENT_ALLOW_HTTP", "maybe")
    with pytest.raises(ConfigurationError, match="DBX_AGENT_ALLOW_HTTP"):
        await agent.create(TEMPLATE)
    assert phase_name(await agent.get(meta)) == "QUEUED"


@pytest.mark.asyncio
async def test_settings_can_be_given(workspace: Workspace, clock: ManualClock) -> None:
    """They then stand, whatever the environment says; the instance is the one they name."""
    settings = Settings(instance=read_instance("other.cloud.databricks.com", field="f", allow_http=False))
    agent = DatabricksAgent(settings=settings, clock=clock)
    template = Template({"databricksConf": CONF, "databricksInstance": f"https://{workspace.host}/?o=1"})
    assert (await agent.create(template)).databricks_instance == workspace.host


class _Strange(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - httpx's
        return httpx.Response(200, text="<title>Log in</title>")


@pytest.mark.asyncio
async def test_a_login_page_is_no_answer(
    agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    """A create raises, as the next attempt may reach the service; a poll goes on."""
    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", _Strange())
    with pytest.raises(UnexpectedResponseError, match="Log in"):
        await agent.create(TEMPLATE)
    assert "Log in" in (await agent.get(DatabricksJobMetadata(workspace.host, "7"))).message


@pytest.mark.asyncio
async def test_no_secret_is_seen_anywhere(
    workspace: Workspace,
    agent: DatabricksAgentV2,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A canary for a token, through success, refusal and trouble: in no metadata, message, error, repr or log."""
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", REFUSED)
    monkeypatch.setattr(logging.getLogger("flytekit"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    outputs: list[object] = []
    template = Template(
        {"databricksConf": CONF, "databricksToken": REFUSED}, container=Container(env={"SECRET": "public"})
    )
    meta = await agent.create(template, task_execution_metadata=make_execution())
    outputs += [meta, meta.encode(), await agent.get(meta), agent]
    known = DatabricksJobMetadata(workspace.host, "123456789")
    outputs.append(await agent.get(known))
    workspace.faults.add(StatusFault("runs/cancel", status_code=500, message=f"bad token {REFUSED}"))
    with pytest.raises(ApiCallError) as caught:
        await agent.delete(known)
    outputs += [caught.value, caught.getrepr(style="long", showlocals=False), caplog.text]
    assert meta.rejected
    assert REFUSED not in " ".join(f"{output!r} {output!s}" for output in outputs)
