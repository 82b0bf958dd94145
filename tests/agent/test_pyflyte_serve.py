"""flytekit's own command, unmodified, with the agent found by its entry point."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub, AsyncAgentServiceStub
from grpc_health.v1.health_pb2_grpc import HealthStub

from dbx_emulator import Workspace

from .serving import DEADLINE_SECONDS, create, get, is_serving, running
from .support import phase_name

pytestmark = pytest.mark.flyte

COMMANDS = ["agent"]
if importlib.util.find_spec("flytekit.extend.backend.connector_service") is not None:
    COMMANDS.append("connector")

#: Up to 1.14 the port of the metrics is always this one.
METRICS_PORT = 9090


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port: int = chosen.getsockname()[1]
        return port


def _options() -> list[str]:
    from flytekit.clis.sdk_in_container.serve import agent

    if "prometheus_port" in {parameter.name for parameter in agent.params}:
        return ["--prometheus_port", str(_free_port())]
    with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", METRICS_PORT)):
        return []
    pytest.skip(f"this line takes port {METRICS_PORT} for its metrics, and somebody has it")


@pytest.mark.parametrize("command", COMMANDS)
def test_pyflyte_serves_the_agent(command: str) -> None:
    """It is ready, lists one claim for each task type, creates and gets."""
    workspace = Workspace()
    port = _free_port()
    pyflyte = "import sys; from flytekit.clis.sdk_in_container.pyflyte import main; sys.exit(main())"
    arguments = [sys.executable, "-c", pyflyte, "serve", command, "--port", str(port), *_options()]
    with (
        workspace.serve() as server,
        running(arguments, url=server.url, token=workspace.token) as process,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = AgentMetadataServiceStub(channel)
        agents = stub.ListAgents(
            agent_pb2.ListAgentsRequest(), wait_for_ready=True, timeout=DEADLINE_SECONDS
        ).agents
        claims = [
            (agent.name, task_type)
            for agent in agents
            for task_type in agent.supported_task_types
            if task_type in ("spark", "databricks")
        ]
        assert sorted(claims) == [("Databricks Agent", "databricks"), ("Databricks Agent", "spark")]
        assert is_serving(HealthStub(channel), "flyteidl.service.AsyncAgentService")
        tasks = AsyncAgentServiceStub(channel)
        meta = create(tasks, attempt=0)
        workspace.clock.advance("2h")
        assert phase_name(get(tasks, meta)) == "SUCCEEDED"
        assert process.poll() is None
