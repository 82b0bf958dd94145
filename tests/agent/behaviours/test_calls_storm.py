"""A storm of deadlines: callers give up at all moments of their calls, and the service is none the worse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_emulator import WireFault, Workspace
from tests.agent.support import load_template, make_execution
from tests.e2e.processes import spawned

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(7), pytest.mark.weakness(7)]

READY = "dbx-agent: listening on "
PATIENT_SECONDS = 60.0
BURST = 50
SLOTS = 100
"""As many connections as the agent's pool has."""


@contextmanager
def _served(workspace: Workspace) -> Iterator[Any]:
    """Run the real service against the workspace; the value is what calls it."""
    with workspace.serve() as server:
        environment = {
            "FLYTE_DATABRICKS_INSTANCE": server.url,
            "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": workspace.token,
            "FLYTE_SDK_LOGGING_LEVEL": "50",
            "DBX_AGENT_CREATE_GRACE_SECONDS": "600",
            # The deadlines are the callers'; how fast the machine is must not decide what the clean calls find.
            "DBX_AGENT_CREATE_BUDGET_SECONDS": "20",
            "DBX_AGENT_GET_BUDGET_SECONDS": "20",
        }
        with spawned(
            "dbx_agent", "serve", "--port", "0", "--grace", "30", environment=environment
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(READY), process.communicate()
            with grpc.insecure_channel(line.removeprefix(READY).strip()) as channel:
                yield AsyncAgentServiceStub(channel)


def _create(stub: Any, attempt: int, *, timeout_seconds: float) -> Any:
    request = agent_pb2.CreateTaskRequest(
        template=load_template("v2-noinstance").to_flyte_idl(),
        output_prefix=f"s3://out/{attempt}",
        task_execution_metadata=make_execution(attempt=attempt).to_flyte_idl(),
    )
    return stub.CreateTask.future(request, timeout=timeout_seconds)


def _get(stub: Any, meta: bytes, *, timeout_seconds: float) -> Any:
    category = agent_pb2.TaskCategory(name="databricks", version=0)
    request = agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)
    return stub.GetTask.future(request, timeout=timeout_seconds)


def _run_id(answer: Any) -> str:
    return DatabricksJobMetadata.decode(answer.resource_meta).run_id


@pytest.mark.parametrize(
    "calls", [150, pytest.param(5_000, marks=pytest.mark.soak)], ids=["slice", "whole-storm"]
)
def test_a_storm_of_deadlines_costs_no_slot_and_no_run(calls: int) -> None:
    """Creates and polls cut off after 1 to 30 ms; then a clean call for each slot, and one run per attempt.

    Every run that was submitted is known in the end: the engine comes again with each attempt that was cut off,
    and has that attempt's run. Before it does, an answer that the agent has given can have crossed the client's
    deadline on the wire, and nobody knows of that run. (That runs nobody comes for are cancelled is shown where no
    answer can cross a deadline: with `create`, and by the sweep.)
    """
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/*", how="late", delay="20ms", every=2))
    with _served(workspace) as stub:
        known = _create(stub, 0, timeout_seconds=PATIENT_SECONDS).result().resource_meta
        cut_off, attempts = 0, []
        for start in range(1, calls + 1, BURST):
            burst = []
            for number in range(start, min(start + BURST, calls + 1)):
                timeout_seconds = 0.001 * (1 + number % 30)
                if number % 3:
                    burst.append(_get(stub, known, timeout_seconds=timeout_seconds))
                else:
                    attempts.append(number)
                    burst.append(_create(stub, number, timeout_seconds=timeout_seconds))
            cut_off += sum(call.exception() is not None for call in burst)
        assert cut_off > calls // 2
        workspace.faults.clear()
        clean = [_get(stub, known, timeout_seconds=PATIENT_SECONDS) for _ in range(SLOTS)]
        assert {call.exception() for call in clean} == {None}
        assert not [call for call in clean if "could not be read" in call.result().resource.message]
        answers = []
        for start in range(0, len(attempts), BURST):
            few = attempts[start : start + BURST]
            again = [_create(stub, attempt, timeout_seconds=PATIENT_SECONDS) for attempt in few]
            answers += [call.result() for call in again]
        run_ids = {_run_id(answer) for answer in answers}
    assert len(run_ids) == len(attempts)
    assert {str(run.run_id) for run in workspace.runs} == {
        *run_ids,
        DatabricksJobMetadata.decode(known).run_id,
    }
