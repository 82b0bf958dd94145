"""The only file that knows flytekit: its names, its objects, its private corners. For now the 1.16 line.

Everything else of the package takes flytekit's classes and functions from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import flytekit
from flyteidl.core.execution_pb2 import TaskExecution, TaskLog
from flytekit.extend.backend.base_connector import (
    AsyncConnectorBase as AsyncAgentBase,
)
from flytekit.extend.backend.base_connector import (
    ConnectorRegistry,
    Resource,
    ResourceMeta,
)
from flytekit.extend.backend.utils import get_connector_secret

from dbx_agent.credentials import SECRET_KEY
from dbx_agent.idempotency import AttemptIdentity
from dbx_agent.links import Link
from dbx_agent.outcome import Phase

__all__ = [
    "RIVAL_MODULES",
    "AsyncAgentBase",
    "Resource",
    "ResourceMeta",
    "attempt_identity",
    "execution_environment",
    "flytekit_version",
    "make_resource",
    "owns",
    "read_secret",
    "take_over",
]

#: Where flytekit's own plugin registers for our task types: the newer name, then the documented one.
RIVAL_MODULES = ("flytekitplugins.spark.connector", "flytekitplugins.spark.agent")

#: Releases before 1.13.6 have no such field.
_HAS_CUSTOM_INFO = any(field.name == "custom_info" for field in fields(Resource))


def flytekit_version() -> str:
    """Return the installed flytekit's version."""
    return str(flytekit.__version__)


def read_secret(key: str = SECRET_KEY) -> str:
    """Read a secret of the deployment, its token if not said otherwise, through flytekit's secret manager.

    Source: [flyte.secret.lookup] measured: flytekit 1.16.31, SecretsManager.get

    Raises:
        ValueError: If there is none.
    """
    return str(get_connector_secret(key))


def make_resource(
    phase: Phase, message: str, *, links: Sequence[Link] = (), custom_info: Mapping[str, Any] | None = None
) -> Resource:
    """Make what `get` answers.

    Args:
        phase: The phase.
        message: The message.
        links: Where people see more.
        custom_info: What is known of the run; left out where flytekit's `Resource` has no such field.
    """
    further: dict[str, Any] = {"custom_info": dict(custom_info)} if custom_info and _HAS_CUSTOM_INFO else {}
    return Resource(
        phase=TaskExecution.Phase.Value(phase.value),
        message=message,
        log_links=[TaskLog(uri=link.url, name=link.name) for link in links],
        **further,
    )


def attempt_identity(task_execution_metadata: Any) -> AttemptIdentity | None:
    """Read how the engine names the attempt; `None` for a local run, and for an engine that does not say.

    Source: [flyte.create.empty-metadata] measured: flytekit 1.16.31, AsyncConnectorService.CreateTask
    """
    attempt = getattr(task_execution_metadata, "task_execution_id", None)
    if attempt is None:
        return None
    node, task = attempt.node_execution_id, attempt.task_id
    execution = node.execution_id
    return AttemptIdentity(
        project=execution.project,
        domain=execution.domain,
        execution=execution.name,
        node=node.node_id,
        task=f"{task.project}:{task.domain}:{task.name}:{task.version}",
        retry_attempt=attempt.retry_attempt,
    )


def execution_environment(task_execution_metadata: Any) -> dict[str, str]:
    """Read the environment variables that were given for this execution."""
    return dict(getattr(task_execution_metadata, "environment_variables", None) or {})


def owns(agent: AsyncAgentBase) -> bool:
    """Tell whether an agent of the same class already serves this agent's task type."""
    # Not isinstance: a subclass that somebody else registered is not ours.
    return type(ConnectorRegistry._REGISTRY.get(agent.task_category)) is type(agent)  # noqa: SLF001 - the registry offers no removal


def take_over(agents: list[AsyncAgentBase]) -> None:
    """Make the agents the only ones that serve, and that are listed for, their task types; repeatable.

    The registry's own override replaces the server of a task type and leaves the claim of the one before in
    the list that Flyte's engine reads.

    Source: [flyte.registry.override-appends] measured: flytekit 1.11 to 1.16.31, with flytekitplugins-spark
    """
    ours = {agent.task_category.name for agent in agents}
    for name, listed in list(ConnectorRegistry._METADATA.items()):  # noqa: SLF001 - the registry offers no removal
        categories = [item for item in listed.supported_task_categories if item.name not in ours]
        types = [item for item in listed.supported_task_types if item not in ours]
        if not categories and not types:
            del ConnectorRegistry._METADATA[name]  # noqa: SLF001 - the registry offers no removal
            continue
        del listed.supported_task_categories[:]
        listed.supported_task_categories.extend(categories)
        listed.supported_task_types[:] = types
    for agent in agents:
        ConnectorRegistry.register(agent, override=True)


def make_services() -> tuple[Any, Any, Any]:
    """Make flytekit's gRPC services: for asynchronous agents, for synchronous ones, for the list of agents.

    Imported late, as flytekit's module needs prometheus_client.
    """
    from flytekit.extend.backend.connector_service import (
        AsyncConnectorService,
        ConnectorMetadataService,
        SyncConnectorService,
    )

    return AsyncConnectorService(), SyncConnectorService(), ConnectorMetadataService()
