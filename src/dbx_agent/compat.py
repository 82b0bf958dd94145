"""The only file that knows flytekit: its names, its objects, its private corners, on every line from 1.12.

Everything else of the package takes flytekit's classes and functions from here. Up to 1.15 flytekit says *agent*,
from 1.16 *connector*; the two are one interface under two sets of names, and the older names are used here for
both.

Source: [flyte.api.agent-and-connector] measured: flytekit 1.12.3, 1.13.15, 1.14.9, 1.15.4, 1.16.0, 1.16.31

Raises:
    ImportError: If flytekit is older, or is not what its releases were so far.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import flytekit
from flyteidl.core.execution_pb2 import TaskExecution, TaskLog

from dbx_agent.credentials import SECRET_KEY
from dbx_agent.idempotency import AttemptIdentity
from dbx_agent.links import Link
from dbx_agent.outcome import Phase

_OLDEST = (1, 12)


def _require_supported(version: str) -> None:
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < _OLDEST:
        raise ImportError(
            f"dbx_agent needs flytekit 1.12 or newer and found {version}. On a Python that flytekit does not "
            "support, pip takes an ancient release without a word: use Python 3.10, 3.11 or 3.12"
        )


_require_supported(str(flytekit.__version__))

try:
    from flytekit.extend.backend.base_connector import AsyncConnectorBase as AsyncAgentBase
    from flytekit.extend.backend.base_connector import ConnectorRegistry as AgentRegistry
    from flytekit.extend.backend.base_connector import Resource, ResourceMeta
    from flytekit.extend.backend.utils import get_connector_secret as _get_secret
except ModuleNotFoundError:
    from flytekit.extend.backend.base_agent import AgentRegistry, AsyncAgentBase, Resource, ResourceMeta
    from flytekit.extend.backend.utils import get_agent_secret as _get_secret

    _SAYS_CONNECTOR = False
else:
    _SAYS_CONNECTOR = True

__all__ = [
    "RIVAL_MODULES",
    "AgentRegistry",
    "AsyncAgentBase",
    "Resource",
    "ResourceMeta",
    "attempt_identity",
    "execution_environment",
    "flytekit_version",
    "make_resource",
    "make_services",
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
    return str(_get_secret(key))


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
    return type(AgentRegistry._REGISTRY.get(agent.task_category)) is type(agent)  # noqa: SLF001 - the registry offers no removal


def take_over(agents: Iterable[AsyncAgentBase], *, task_types: Collection[str]) -> None:
    """Make the agents the only ones that serve, and that are listed for, these task types; repeatable.

    The registry's own override replaces the server of a task type and leaves the claim of the one before in
    the list that Flyte's engine reads.

    Source: [flyte.registry.override-appends] measured: flytekit 1.11 to 1.16.31, with flytekitplugins-spark

    Args:
        agents: Who serves from now on.
        task_types: Of which types nobody else does; a type that no agent is for is then served by nobody.
    """
    _withdraw(task_types)
    for agent in agents:
        AgentRegistry.register(agent)


def _withdraw(task_types: Collection[str]) -> None:
    served, listed = AgentRegistry._REGISTRY, AgentRegistry._METADATA  # noqa: SLF001 - the registry offers no removal
    for category in [category for category in served if category.name in task_types]:
        del served[category]
    for name, agent in list(listed.items()):
        categories = [item for item in agent.supported_task_categories if item.name not in task_types]
        types = [item for item in agent.supported_task_types if item not in task_types]
        del agent.supported_task_categories[:]
        agent.supported_task_categories.extend(categories)
        agent.supported_task_types[:] = types
        if not categories and not types:
            del listed[name]


def make_services() -> tuple[Any, Any, Any]:
    """Make flytekit's gRPC services: for asynchronous agents, for synchronous ones, for the list of agents.

    Imported late, as flytekit's module needs prometheus_client.
    """
    if _SAYS_CONNECTOR:
        from flytekit.extend.backend import connector_service as new

        return new.AsyncConnectorService(), new.SyncConnectorService(), new.ConnectorMetadataService()
    from flytekit.extend.backend import agent_service as old

    return old.AsyncAgentService(), old.SyncAgentService(), old.AgentMetadataService()
