"""`dbx-agent serve`: flytekit's own gRPC services with our agents in them, started and stopped cleanly.

This module imports what the extra `agent` brings, so `cli` imports it late.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from flyteidl.service import agent_pb2
from flyteidl.service.agent_pb2_grpc import (
    add_AgentMetadataServiceServicer_to_server,
    add_AsyncAgentServiceServicer_to_server,
    add_SyncAgentServiceServicer_to_server,
)
from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dbx_agent.claims import make_agents
from dbx_agent.client import SHARED_POOL
from dbx_agent.compat import make_services, take_over
from dbx_agent.errors import ConfigurationError
from dbx_agent.settings import TASK_TYPES, Settings

__all__ = ["ServeOptions", "serve"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host: The address to listen on; `::` and `0.0.0.0` are all of this machine's.
        port: The TCP port; 0 lets the system choose.
        grace_seconds: How long calls under way may go on after a signal to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grace_seconds: float = 10.0


async def serve(settings: Settings, options: ServeOptions, *, announce: Callable[[str], None]) -> None:
    """Serve until the process is asked to stop.

    Args:
        settings: The deployment's settings.
        options: How to serve.
        announce: Called once with the address, when calls are answered.

    Raises:
        ConfigurationError: If the address cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    take_over(make_agents(settings.task_types, settings=settings), task_types=TASK_TYPES)
    # Without so_reuseport=0 a second server on the same port is no error and gets half of the calls.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    ready = await _add_services(server)
    port = _listen(server, options)
    await server.start()
    announce(_join(options.host, port))
    await stop.wait()
    await ready.enter_graceful_shutdown()
    await server.stop(options.grace_seconds)
    await SHARED_POOL.aclose()


async def _add_services(server: grpc.aio.Server) -> Any:
    tasks, sync_tasks, metadata = make_services()
    add_AsyncAgentServiceServicer_to_server(tasks, server)
    add_SyncAgentServiceServicer_to_server(sync_tasks, server)
    add_AgentMetadataServiceServicer_to_server(metadata, server)
    ready = health_aio.HealthServicer()
    names = [service.full_name for service in agent_pb2.DESCRIPTOR.services_by_name.values()]
    for name in (health.OVERALL_HEALTH, health.SERVICE_NAME, *names):
        await ready.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(ready, server)
    return ready


def _listen(server: grpc.aio.Server, options: ServeOptions) -> int:
    address = _join(options.host, options.port)
    try:
        _probe(options)
        with contextlib.suppress(RuntimeError):
            port: int = server.add_insecure_port(address)
            if port:
                return port
        reason = "gRPC could not bind it"
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeError:
        reason = "it is no host name"
    message = (
        f"cannot listen on {address}: {reason}. Choose another with --host or --port; 0 is any free port."
    )
    raise ConfigurationError(message)


def _probe(options: ServeOptions) -> None:
    """Bind the address once in Python, which says why it cannot; gRPC writes lines of its own instead."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
