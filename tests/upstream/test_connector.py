"""Upstream's connector through create, get and delete over HTTPS, and what it is known to crash on."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from typing import Any

import httpx
import pytest

from dbx_emulator import Outcome, StatusFault, TerminationCode, Timing, Workspace
from tests.agent.support import called, phase_name
from tests.e2e.processes import served
from tests.upstream.lifecycle import template_for

pytestmark = pytest.mark.upstream


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """An intercepted workspace in which a run waits in the queue first."""
    workspace = Workspace(timing=Timing(queue="5m", cluster="2m", run="1h"))
    with workspace.intercept():
        yield workspace


def test_connector_is_unmodified() -> None:
    """Each file of the plugin is the one that was published."""
    files = distribution("flytekitplugins-spark").files or []
    modules = [file for file in files if file.hash and file.suffix == ".py"]
    assert len(modules) > 5
    for file in modules:
        assert file.hash is not None
        digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file


@pytest.mark.asyncio
async def test_connector_sees_a_run_through(connector: Any, workspace: Workspace) -> None:
    """Pending, running, succeeded, over TLS to the workspace's own host."""
    meta = await connector.create(template_for(workspace.host))
    phases = []
    for step in ("5m", "2m", "2h"):
        workspace.clock.advance(step)
        phases.append(phase_name(await connector.get(meta)))
    assert phases == ["INITIALIZING", "RUNNING", "SUCCEEDED"]
    assert called(workspace) == [("runs/submit", 200), *[("runs/get", 200)] * 3]


@pytest.mark.asyncio
async def test_connector_reports_a_failure(connector: Any, workspace: Workspace) -> None:
    """A run whose code fails ends as FAILED."""
    workspace.scenarios.add("*", [Outcome(termination_code=TerminationCode.RUN_EXECUTION_ERROR)])
    meta = await connector.create(template_for(workspace.host))
    workspace.clock.advance("2h")
    assert phase_name(await connector.get(meta)) == "FAILED"


@pytest.mark.asyncio
async def test_connector_cancels(connector: Any, workspace: Workspace) -> None:
    """A deleted task's run is cancelled, which Flyte is told as a failure."""
    meta = await connector.create(template_for(workspace.host))
    workspace.clock.advance("10m")
    assert await connector.delete(meta) is None
    workspace.clock.advance("1m")
    assert phase_name(await connector.get(meta)) == "FAILED"
    assert called(workspace) == [("runs/submit", 200), ("runs/cancel", 200), ("runs/get", 200)]


@pytest.mark.asyncio
async def test_connector_refuses_to_leave_for_another_workspace(connector: Any, workspace: Workspace) -> None:
    """A task that names a real workspace fails in the test instead of reaching it."""
    import aiohttp

    with pytest.raises(aiohttp.ClientConnectorError, match=r"refused to connect to real\.cloud\.databricks"):
        await connector.create(template_for("real.cloud.databricks.com"))
    assert called(workspace) == []


@pytest.mark.asyncio
async def test_connector_crashes_on_a_queued_run(connector: Any, workspace: Workspace) -> None:
    """Upstream has no phase for QUEUED: each poll in the queue raises."""
    meta = await connector.create(template_for(workspace.host))
    with pytest.raises(ValueError, match=r"^Unrecognized state: queued$"):
        await connector.get(meta)


@pytest.mark.parametrize(
    ("status_code", "reason"),
    [
        pytest.param(404, "Not Found", id="404"),
        pytest.param(429, "Too Many Requests", id="429"),
        pytest.param(500, "Internal Server Error", id="500"),
    ],
)
@pytest.mark.asyncio
async def test_connector_crashes_on_an_error_at_get(
    connector: Any, workspace: Workspace, status_code: int, reason: str
) -> None:
    """Upstream does not tell what passes from what does not, and keeps the status line's words only."""
    meta = await connector.create(template_for(workspace.host))
    workspace.faults.add(StatusFault("runs/get", status_code=status_code, message="the service's own words"))
    with pytest.raises(Exception, match=r"^Failed to ") as crash:  # of which class depends on the line
        await connector.get(meta)
    assert str(crash.value) == f"Failed to get databricks job {meta.run_id} with error: {reason}"


@pytest.mark.asyncio
async def test_connector_crashes_on_an_error_at_cancel(connector: Any, workspace: Workspace) -> None:
    """Upstream takes the refusal to cancel for a failure to do so: Flyte would abort for ever."""
    meta = await connector.create(template_for(workspace.host))
    workspace.faults.add(StatusFault("runs/cancel", status_code=400))
    with pytest.raises(Exception, match=r"^Failed to ") as crash:  # of which class depends on the line
        await connector.delete(meta)
    assert str(crash.value) == f"Failed to cancel databricks job {meta.run_id} with error: Bad Request"


def test_connector_in_its_own_process_trusts_the_served_authority() -> None:
    """With SSL_CERT_FILE as `dbx-emulator serve --tls` names it, nothing else about the process is changed."""
    with served("--tls") as announced:
        done = _live(announced, SSL_CERT_FILE=announced["ca_file"])
        assert done.returncode == 0, done.stderr
        journal = httpx.get(
            f"{announced['url']}/__dbx/journal",
            headers={"Authorization": f"Bearer {announced['token']}"},
            verify=ssl.create_default_context(cafile=announced["ca_file"]),
            trust_env=False,
        )
    finished, cancelled = json.loads(done.stdout.splitlines()[-1])
    assert (finished[-2:], cancelled[-1]) == (["RUNNING", "SUCCEEDED"], "FAILED")
    calls = {(entry["route"], entry["status_code"]) for entry in journal.json()["entries"]}
    assert calls == {("runs/submit", 200), ("runs/get", 200), ("runs/cancel", 200)}


def test_connector_in_its_own_process_trusts_nobody_by_itself() -> None:
    """Without the file the connection is refused for its certificate, so the one above was verified."""
    with served("--tls") as announced:
        done = _live(announced)
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


def _live(announced: dict[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
    known = {
        name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "SSL_CERT_DIR")
    }
    secret = {"_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": announced["token"]}
    return subprocess.run(
        [sys.executable, "-m", "tests.upstream.lifecycle", announced["url"].removeprefix("https://")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=known | secret | environment,
    )
