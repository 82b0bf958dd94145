"""The agent as a process, and the calls of Flyte's engine; no test of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyteidl.admin import agent_pb2
from grpc_health.v1 import health_pb2

from .support import SOURCES, load_template, make_execution

__all__ = [
    "DEADLINE_SECONDS",
    "LIVENESS",
    "READY_TOGETHER",
    "create",
    "create_request",
    "get",
    "is_serving",
    "run_to_its_end",
    "running",
    "serve",
    "started",
]

READY = "dbx-agent: listening on "
DEADLINE_SECONDS = 30
LIVENESS = "liveness"
READY_TOGETHER = (
    "",
    "grpc.health.v1.Health",
    "flyteidl.service.AsyncAgentService",
    "flyteidl.service.SyncAgentService",
    "flyteidl.service.AgentMetadataService",
)


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "dbx_agent", "serve", *options]


@contextlib.contextmanager
def running(
    command: list[str], *, url: str, token: str, log: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command that finds the workspace in its environment, and leave no process behind.

    Args:
        command: The command.
        url: The workspace.
        token: What opens it.
        log: Where standard error is written. `None` is a pipe: it is full after 64 KiB that nobody read, and the
            process then stands still.
    """
    environ = {
        **os.environ,
        "PYTHONPATH": str(SOURCES),
        "FLYTE_DATABRICKS_INSTANCE": url,
        "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": token,
        "PYTHONUNBUFFERED": "",
    }
    with contextlib.ExitStack() as stack:
        stderr = subprocess.PIPE if log is None else stack.enter_context(log.open("w"))
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def started(
    url: str, token: str, *options: str, log: Path | None = None
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run `dbx-agent serve` on a free port; `log` as for `running`."""
    return running(_command("--port", "0", *options), url=url, token=token, log=log)


@contextlib.contextmanager
def serve(
    url: str, token: str, *options: str, log: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `dbx-agent serve` on a free port and wait until it listens: process and address."""
    with started(url, token, *options, log=log) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(READY), process.communicate()
        yield process, line.removeprefix(READY).strip()


def run_to_its_end(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `dbx-agent serve` with options with which it does not serve."""
    return subprocess.run(
        _command(*options),
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


def is_serving(health: Any, name: str) -> bool:
    """Ask the health service about one of its names."""
    answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_SECONDS)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def create_request(*, attempt: int, execution: str = "exec-1") -> agent_pb2.CreateTaskRequest:
    """Make the request that creates an attempt of a task."""
    return agent_pb2.CreateTaskRequest(
        template=load_template("v2-noinstance").to_flyte_idl(),
        output_prefix=f"s3://out/{execution}/{attempt}",
        task_execution_metadata=make_execution(attempt=attempt, execution=execution).to_flyte_idl(),
    )


def create(stub: Any, *, attempt: int) -> bytes:
    """Create a task over gRPC and return its resource meta."""
    meta: bytes = stub.CreateTask(create_request(attempt=attempt), timeout=DEADLINE_SECONDS).resource_meta
    return meta


def get(stub: Any, meta: bytes) -> Any:
    """Ask over gRPC for a task's resource."""
    category = agent_pb2.TaskCategory(name="databricks", version=0)
    request = agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)
    return stub.GetTask(request, timeout=DEADLINE_SECONDS).resource
