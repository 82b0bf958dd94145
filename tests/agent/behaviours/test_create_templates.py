"""Every task template that releases of flytekitplugins-spark wrote, from 1.12 to 1.16.31."""

from __future__ import annotations

import httpx
import pytest

from dbx_agent.agent import DatabricksAgentV2
from dbx_emulator import Workspace
from tests.agent.support import DATA, called, load_template, make_execution, submitted

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(17)]

TEMPLATES = sorted(path.stem for path in DATA.glob("*.pb"))

#: What a run of each kind of template consists of.
PAYLOADS = {
    "databricks": "spark_python_task",
    "databricks-min": "spark_python_task",
    "v2": "spark_python_task",
    "v2-existing": "spark_python_task",
    "v2-noinstance": "spark_python_task",
    "v2-notebook": "notebook_task",
    "v2-oauth": "spark_python_task",
    "v2-serverless": "spark_python_task",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", TEMPLATES)
async def test_a_real_template_becomes_a_run_or_the_documented_error(
    name: str, agent: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service takes it as it is, under both versions; a plain Spark task says that it names no cluster."""
    release, _, case = name.partition("-")
    template = load_template(case, release=release)
    before = template.to_flyte_idl().SerializeToString(deterministic=True)
    host = (template.custom or {}).get("databricksInstance") or "dbc-1.cloud.databricks.com"
    workspace = Workspace(f"https://{host}")
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", host)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", workspace.token)
    with workspace.intercept():
        meta = await agent.create(
            template, output_prefix="s3://o/0", task_execution_metadata=make_execution()
        )
    assert template.to_flyte_idl().SerializeToString(deterministic=True) == before
    if case == "spark":
        assert meta.rejected.startswith("databricksConf has no cluster configuration. Add new_cluster or")
        assert called(workspace) == []
        return
    assert (meta.rejected, called(workspace)) == ("", [("runs/submit", 200)])
    [body] = submitted(workspace)
    assert PAYLOADS[case] in body.get("tasks", [body])[0]
    async with httpx.AsyncClient(transport=workspace.transport(), headers=workspace.headers) as client:
        again = {**body, "idempotency_token": ""}
        answer = await client.post(f"{workspace.url}/api/2.2/jobs/runs/submit", json=again)
    assert (answer.status_code, len(workspace.runs)) == (200, 2)
