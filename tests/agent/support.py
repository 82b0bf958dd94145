"""What several tests of the agent share; no test of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dbx_agent
from dbx_emulator import Workspace

DATA = Path(__file__).parent / "data"

SOURCES = Path(dbx_agent.__file__).parents[1]
"""Where this very agent is, for other interpreters: the checkout, or the wheel that was installed."""

CANARY = "canary-0123456789"
"""A token that must never be seen outside a header."""

CLIENT_CANARY = "canary-secret-0123456789"
"""Likewise, the secret of a client."""


async def turn() -> None:
    """Let the loop look at its sockets once."""
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned


class ManualClock:
    """Time that only passes by sleeping.

    Attributes:
        now: The instant, in seconds.
        sleeps: What was slept, in seconds, in order.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        """Return the instant."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass without waiting."""
        self.sleeps.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class Identifier:
    """A task's identifier, as flytekit's models spell it."""

    project: str = "p"
    domain: str = "d"
    name: str = "etl.daily"


@dataclass(frozen=True)
class Container:
    """A task's container, as flytekit's models spell it."""

    image: str = "ghcr.io/acme/img:1"
    args: list[str] = field(default_factory=lambda: ["pyflyte-execute", "--inputs", "s3://in"])
    env: Mapping[str, str] = field(default_factory=lambda: {"FOO": "bar"})


@dataclass(frozen=True)
class Metadata:
    """What Flyte itself goes by, as flytekit's models spell it."""

    timeout: timedelta | None = None


@dataclass(frozen=True)
class Template:
    """A task template, as flytekit's models spell it."""

    custom: Mapping[str, Any] | None
    container: Container | None = field(default_factory=Container)
    id: Identifier = field(default_factory=Identifier)
    metadata: Metadata | None = None


CONF = {"run_name": "etl", "existing_cluster_id": "0401-abc"}
TEMPLATE = Template({"databricksConf": CONF})


def phase_name(resource: Any) -> str:
    """Return the name of the phase that Flyte was told."""
    from flyteidl.core.execution_pb2 import TaskExecution

    return str(TaskExecution.Phase.Name(resource.phase))


def called(workspace: Workspace) -> list[tuple[str, int]]:
    """Return the routes that were called, with the status codes they answered."""
    return [(entry.route, entry.status_code) for entry in workspace.journal]


def submitted(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the bodies of the submits, as they were sent."""
    sent = [entry.said for entry in workspace.journal if entry.route == "runs/submit"]
    return [json.loads(said.body) for said in sent if said is not None]


def load_template(case: str, *, release: str = "1.16.31") -> Any:
    """Read a task template that a real flytekitplugins-spark wrote."""
    from flyteidl.core.tasks_pb2 import TaskTemplate as Message
    from flytekit.models.task import TaskTemplate

    message = Message()
    message.ParseFromString((DATA / f"{release}-{case}.pb").read_bytes())
    return TaskTemplate.from_flyte_idl(message)


def make_execution(
    *, attempt: int = 0, execution: str = "exec-1", environment: Mapping[str, str] | None = None
) -> Any:
    """Make what Flyte's engine says of an attempt."""
    from flyteidl.admin.agent_pb2 import TaskExecutionMetadata as Message
    from flyteidl.core import identifier_pb2 as ids
    from flytekit.models.task import TaskExecutionMetadata

    node = ids.NodeExecutionIdentifier(
        node_id="n0", execution_id=ids.WorkflowExecutionIdentifier(project="p", domain="d", name=execution)
    )
    task = ids.Identifier(resource_type=ids.TASK, project="p", domain="d", name="t", version="v1")
    return TaskExecutionMetadata.from_flyte_idl(
        Message(
            task_execution_id=ids.TaskExecutionIdentifier(
                task_id=task, node_execution_id=node, retry_attempt=attempt
            ),
            environment_variables=environment,
        )
    )
