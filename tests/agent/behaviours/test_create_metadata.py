"""What Flyte keeps of a run: small, without secrets, and read by agents before and after this one."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.compat import ResourceMeta
from dbx_agent.job_metadata import METADATA_BYTES
from dbx_emulator import StatusFault, Workspace
from tests.agent.support import CANARY, CONF, TEMPLATE, Template, called, make_execution, phase_name

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(25)]

#: What flytekit's own plugin wrote, by the releases that did.
UPSTREAM = {
    "1.12-to-1.16.14": '{"databricks_instance": "HOST", "run_id": "RUN"}',
    "1.16.15": f'{{"databricks_instance": "HOST", "run_id": "RUN", "auth_token": "{CANARY}"}}',
    "1.16.31-pat": (
        f'{{"databricks_instance": "HOST", "run_id": "RUN", "auth_token": "{CANARY}", "auth_type": "pat", '
        '"client_id": null, "oauth_secret_name": null, "oidc_token_file": null, "oidc_audience": null, '
        '"oidc_namespace": null, "namespace": "p-d"}'
    ),
    "1.16.31-oauth": (
        '{"databricks_instance": "HOST", "run_id": "RUN", "auth_token": null, "auth_type": "oauth_m2m", '
        '"client_id": "c", "oauth_secret_name": "s", "oidc_token_file": "", "oidc_audience": "", '
        '"oidc_namespace": "", "namespace": "p-d"}'
    ),
}


@dataclass
class UpstreamMetadata(ResourceMeta):  # type: ignore[misc]
    """The documented metadata, read by flytekit itself: any other key is an error there."""

    databricks_instance: str
    run_id: str


@pytest.mark.weakness(28)
@pytest.mark.weakness(11)
@pytest.mark.asyncio
@pytest.mark.parametrize("release", UPSTREAM)
async def test_a_run_in_flight_survives_the_switch_to_this_agent(
    workspace: Workspace, agent: DatabricksAgentV2, release: str
) -> None:
    """Read, polled and cancelled; the token it left is there for the calls and is never written again."""
    run_id = (await agent.create(TEMPLATE)).run_id
    written = UPSTREAM[release].replace("HOST", workspace.host).replace("RUN", run_id)
    meta = DatabricksJobMetadata.decode(written.encode())
    assert meta == DatabricksJobMetadata(workspace.host, run_id)
    assert meta.inherited_token == (CANARY if CANARY in written else "")
    assert CANARY not in repr(meta)
    assert json.loads(meta.encode()) == {"databricks_instance": workspace.host, "run_id": run_id}
    without = DatabricksJobMetadata.decode(meta.encode())
    assert phase_name(await agent.get(without)) in {"QUEUED", "INITIALIZING", "RUNNING"}
    await agent.delete(without)
    workspace.clock.advance("1m")
    assert workspace.runs.active == []


@pytest.mark.asyncio
async def test_a_run_in_flight_survives_the_switch_back(
    workspace: Workspace, agent: DatabricksAgentV2
) -> None:
    """An ordinary run is written with the documented keys alone."""
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    back = UpstreamMetadata.decode(meta.encode())
    assert back == UpstreamMetadata(workspace.host, meta.run_id)


def test_metadata_of_a_later_agent_is_read() -> None:
    """Its version is kept, its new keys are ignored, and a null is as good as nothing."""
    written = b'{"databricks_instance": "h", "run_id": "7", "version": 2, "shards": [1], "rejected": null}'
    meta = DatabricksJobMetadata.decode(written)
    assert (meta, meta.version, meta.rejected) == (DatabricksJobMetadata("h", "7"), 2, "")


@pytest.mark.behaviour(10)
@pytest.mark.asyncio
@pytest.mark.parametrize("said", ["x" * 5_000, "é" * 5_000, "😀" * 5_000, '"\\\n' * 2_000], ids=len)
async def test_a_long_refusal_is_cut_to_less_than_a_kibibyte(
    workspace: Workspace, agent: DatabricksAgentV2, said: str
) -> None:
    """Whatever JSON makes of its characters; what is kept is the beginning."""
    workspace.faults.add(StatusFault("runs/submit", status_code=400, error_code="BAD", message=said))
    meta = await agent.create(TEMPLATE, task_execution_metadata=make_execution())
    assert len(meta.encode()) <= METADATA_BYTES < 1024
    kept = DatabricksJobMetadata.decode(meta.encode())
    assert kept.rejected.endswith("…")
    assert kept.rejected.startswith("HTTP 400 BAD: " + said[:1])
    assert len(kept.encode()) > 900


def test_a_short_refusal_is_kept_whole() -> None:
    """Up to the last byte that there is."""
    room = METADATA_BYTES - len(DatabricksJobMetadata("h", "", rejected="x").encode()) + 1
    for length, is_whole in ((room, True), (room + 1, False)):
        meta = DatabricksJobMetadata("h", "", rejected="x" * length)
        assert len(meta.encode()) <= METADATA_BYTES
        assert (DatabricksJobMetadata.decode(meta.encode()).rejected == meta.rejected) is is_whole


@pytest.mark.behaviour(10)
@pytest.mark.asyncio
async def test_no_secret_of_a_task_is_kept_or_logged(
    workspace: Workspace, agent: DatabricksAgentV2, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the token of an old template nor a password of its image, accepted or refused."""
    secret = {"databricksToken": CANARY, "databricksInstance": workspace.host}
    image = {"docker_image": {"url": "i", "basic_auth": {"username": "u", "password": CANARY}}}
    templates = [
        Template({**secret, "databricksConf": CONF}),
        Template({**secret, "databricksConf": {"new_cluster": image}}),
        Template({**secret, "databricksConf": {"new_cluster": image, "existing_cluster_id": CANARY}}),
        Template({**secret, "databricksConf": f"{{{CANARY}"}),
    ]
    logger = logging.getLogger("flytekit.dbx_agent")
    logger.addHandler(caplog.handler)
    metas = [await agent.create(each, task_execution_metadata=make_execution()) for each in templates]
    logger.removeHandler(caplog.handler)
    assert [route for route, _ in called(workspace)][:1] == ["runs/submit"]
    assert CANARY not in caplog.text + "".join(f"{meta!r}{meta.encode()!r}" for meta in metas)
