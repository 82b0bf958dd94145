"""SIGTERM in the middle of many creates, over real gRPC."""

from __future__ import annotations

import signal
import threading

import grpc
import pytest
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_emulator import WireFault, Workspace

from .serving import DEADLINE_SECONDS, create_request, serve

pytestmark = pytest.mark.flyte

CREATES = 200


def test_a_stop_amid_creates_leaves_no_run_that_nobody_knows() -> None:
    """What was begun is answered within the grace, the rest is refused and never submitted; exit status 0."""
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/submit", how="late", delay="300ms"))
    with (
        workspace.serve() as server,
        serve(server.url, workspace.token) as (process, address),
    ):
        with grpc.insecure_channel(address) as channel:
            stub = AsyncAgentServiceStub(channel)
            first = threading.Event()
            calls = [
                stub.CreateTask.future(create_request(attempt=attempt), timeout=DEADLINE_SECONDS)
                for attempt in range(CREATES)
            ]
            for call in calls:
                call.add_done_callback(lambda _: first.set())
            assert first.wait(DEADLINE_SECONDS)
            process.send_signal(signal.SIGTERM)
            failures = [call.exception(timeout=DEADLINE_SECONDS) for call in calls]
        _, log = process.communicate(timeout=DEADLINE_SECONDS)
    answered = {
        int(DatabricksJobMetadata.decode(call.result().resource_meta).run_id)
        for call, failure in zip(calls, failures, strict=True)
        if failure is None
    }
    assert process.returncode == 0, log
    assert answered == {run.run_id for run in workspace.runs}
    assert len(answered) == failures.count(None)
