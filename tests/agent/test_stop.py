"""SIGTERM in the middle of many creates, over real gRPC."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import grpc
import pytest
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_emulator import WireFault, Workspace

from .serving import create_request, serve

pytestmark = pytest.mark.flyte

CREATES = 200

#: What everything may take, however slow the machine is: longer than it ever does.
PATIENCE_SECONDS = 120


def test_a_stop_amid_creates_leaves_no_run_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was begun is answered within the grace, the rest is refused and never submitted; exit status 0."""
    for limit in ("CREATE_BUDGET", "CONNECT_TIMEOUT", "REQUEST_TIMEOUT"):
        monkeypatch.setenv(f"DBX_AGENT_{limit}_SECONDS", str(PATIENCE_SECONDS))
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/submit", how="late", delay="300ms"))
    grace, log = ("--grace", str(PATIENCE_SECONDS)), tmp_path / "log"
    with (
        workspace.serve() as server,
        serve(server.url, workspace.token, *grace, log=log) as (process, address),
    ):
        with grpc.insecure_channel(address) as channel:
            stub = AsyncAgentServiceStub(channel)
            first = threading.Event()
            calls = [
                stub.CreateTask.future(create_request(attempt=attempt), timeout=PATIENCE_SECONDS)
                for attempt in range(CREATES)
            ]
            for call in calls:
                call.add_done_callback(lambda _: first.set())
            assert first.wait(PATIENCE_SECONDS)
            process.send_signal(signal.SIGTERM)
            failures = [call.exception(timeout=PATIENCE_SECONDS) for call in calls]
        status = process.wait(PATIENCE_SECONDS)
    answered = {
        int(DatabricksJobMetadata.decode(call.result().resource_meta).run_id)
        for call, failure in zip(calls, failures, strict=True)
        if failure is None
    }
    assert status == 0, log.read_text()
    assert answered == {run.run_id for run in workspace.runs}, log.read_text()
    assert len(answered) == failures.count(None)
    assert not any(run.is_cancel_requested for run in workspace.runs)
