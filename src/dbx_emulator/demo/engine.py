"""What Flyte's engine does with a task, over real gRPC.

Source: [flyte.engine.attempts] documented: flyteorg/flyte, plugins/webapi (RETRYABLE_FAILED starts an attempt)
"""

from __future__ import annotations

from types import TracebackType

import grpc
from flyteidl.admin.agent_pb2 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    GetTaskRequest,
    ListAgentsRequest,
    Resource,
    TaskCategory,
    TaskExecutionMetadata,
)
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.core.identifier_pb2 import (
    NodeExecutionIdentifier,
    TaskExecutionIdentifier,
    WorkflowExecutionIdentifier,
)
from flyteidl.core.tasks_pb2 import TaskTemplate
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub, AsyncAgentServiceStub

from dbx_emulator.demo.processes import ProcessFailed
from dbx_emulator.demo.remote import RemoteWorkspace
from dbx_emulator.demo.story import POLL_SECONDS
from dbx_emulator.demo.telling import Happening, Teller

__all__ = ["AgentConnection", "render", "run_task"]

_RPC_SECONDS = 10.0
_MAX_ATTEMPTS = 3
_MAX_POLLS = 24 * 3600 // POLL_SECONDS

_OUTPUT_PREFIX = "s3://flyte/metadata/flytesnacks-development-demo/n0/data"

_OVER = frozenset(
    {TaskExecution.SUCCEEDED, TaskExecution.FAILED, TaskExecution.ABORTED, TaskExecution.RETRYABLE_FAILED}
)


class AgentConnection:
    """A gRPC channel to an agent service, with Flyte's own stubs.

    Args:
        address: Host and port.
    """

    def __init__(self, address: str) -> None:
        # The agent is on this machine: the proxy of the user's environment does not lead to it.
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._metadata = AgentMetadataServiceStub(self._channel)
        self._tasks = AsyncAgentServiceStub(self._channel)

    def __enter__(self) -> AgentConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def find_agent(self, task_type: str) -> str:
        """Return the name of the agent that serves a task type.

        Raises:
            ProcessFailed: None does.
        """
        answer = self._metadata.ListAgents(ListAgentsRequest(), timeout=_RPC_SECONDS, wait_for_ready=True)
        for agent in answer.agents:
            if task_type in [category.name for category in agent.supported_task_categories]:
                return str(agent.name)
        raise ProcessFailed(f"no agent of dbx-agent serves tasks of type {task_type}")

    def create(self, template: TaskTemplate, attempt: int) -> bytes:
        """Start an attempt of a task and return its resource meta."""
        request = CreateTaskRequest(
            template=render(template, attempt),
            output_prefix=f"{_OUTPUT_PREFIX}/{attempt}",
            task_execution_metadata=_execution(template, attempt),
        )
        return bytes(self._tasks.CreateTask(request, timeout=_RPC_SECONDS).resource_meta)

    def get(self, category: TaskCategory, resource_meta: bytes) -> Resource:
        """Return where an attempt is."""
        request = GetTaskRequest(task_category=category, resource_meta=resource_meta)
        return self._tasks.GetTask(request, timeout=_RPC_SECONDS).resource

    def delete(self, category: TaskCategory, resource_meta: bytes) -> None:
        """End an attempt, over or not."""
        request = DeleteTaskRequest(task_category=category, resource_meta=resource_meta)
        self._tasks.DeleteTask(request, timeout=_RPC_SECONDS)


def run_task(
    template: TaskTemplate, connection: AgentConnection, workspace: RemoteWorkspace, teller: Teller
) -> list[str]:
    """Run a task as Flyte's engine does and return the phase in which each attempt ended.

    Raises:
        grpc.RpcError: The agent fails or cannot be reached.
        ProcessFailed: An attempt does not end within a virtual day.
    """
    category = TaskCategory(name=template.type, version=template.task_type_version)
    agent = connection.find_agent(template.type)
    teller.tell(Happening(workspace.now_ms(), None, "ListAgents", f"{agent} serves {template.type}"))
    phases: list[str] = []
    resource_meta = b""
    while not phases or (phases[-1] == "RETRYABLE_FAILED" and len(phases) < _MAX_ATTEMPTS):
        attempt = len(phases)
        resource_meta = connection.create(template, attempt)
        teller.tell_faults(workspace.news())
        teller.tell(Happening(workspace.now_ms(), attempt, "CreateTask", _shorten(resource_meta)))
        phases.append(_poll_until_over(attempt, category, resource_meta, connection, workspace, teller))
    connection.delete(category, resource_meta)
    teller.tell(Happening(workspace.now_ms(), len(phases) - 1, "DeleteTask", "accepted; the run was over"))
    return phases


def _poll_until_over(  # noqa: PLR0917 - the parts of one loop
    attempt: int,
    category: TaskCategory,
    resource_meta: bytes,
    connection: AgentConnection,
    workspace: RemoteWorkspace,
    teller: Teller,
) -> str:
    for _ in range(_MAX_POLLS):
        resource = connection.get(category, resource_meta)
        phase = str(TaskExecution.Phase.Name(resource.phase))
        links = [link.uri for link in resource.log_links]
        teller.tell_faults(workspace.news())
        teller.poll(
            Happening(workspace.now_ms(), attempt, phase, resource.message, links[0] if links else "")
        )
        if resource.phase in _OVER:
            return phase
        workspace.advance(POLL_SECONDS)
    raise ProcessFailed(f"attempt {attempt} was not over after {_MAX_POLLS} polls")


def render(template: TaskTemplate, attempt: int) -> TaskTemplate:
    """Return the template with the placeholders of its arguments filled in, as the engine does."""
    prefix = f"{_OUTPUT_PREFIX}/{attempt}"
    values = {
        "{{.input}}": f"{_OUTPUT_PREFIX}/inputs.pb",
        "{{.outputPrefix}}": prefix,
        "{{.rawOutputDataPrefix}}": f"{prefix}/raw",
        "{{.checkpointOutputPrefix}}": f"{prefix}/checkpoint",
        "{{.prevCheckpointPrefix}}": f"{_OUTPUT_PREFIX}/{attempt - 1}/checkpoint" if attempt else '""',
    }
    rendered = TaskTemplate()
    rendered.CopyFrom(template)
    rendered.container.args[:] = [values.get(arg, arg) for arg in template.container.args]
    return rendered


def _execution(template: TaskTemplate, attempt: int) -> TaskExecutionMetadata:
    return TaskExecutionMetadata(
        task_execution_id=TaskExecutionIdentifier(
            task_id=template.id,
            node_execution_id=NodeExecutionIdentifier(
                node_id="n0",
                execution_id=WorkflowExecutionIdentifier(
                    project="flytesnacks", domain="development", name="demo"
                ),
            ),
            retry_attempt=attempt,
        ),
        namespace="flytesnacks-development",
        k8s_service_account="default",
    )


def _shorten(resource_meta: bytes) -> str:
    return resource_meta.decode(errors="replace")
