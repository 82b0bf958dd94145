"""`dbx-agent serve`: flytekit's own gRPC services with our agents in them, started and stopped cleanly.

A stop is: not ready, so that nobody sends more; no new calls, and those under way get the grace to end; a submit
whose create was cut off is seen through, and its run cancelled; then the connections are closed.

This module imports what the extra `agent` brings, so `cli` imports it late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import grpc
from flyteidl.service import agent_pb2
from flyteidl.service.agent_pb2_grpc import (
    add_AgentMetadataServiceServicer_to_server,
    add_AsyncAgentServiceServicer_to_server,
    add_SyncAgentServiceServicer_to_server,
)
from grpc_health.v1 import health_pb2_grpc
from prometheus_client import start_http_server

from dbx_agent.claims import make_agents
from dbx_agent.clock import RealClock
from dbx_agent.compat import make_services, read_secret, take_over
from dbx_agent.connection_pool import SHARED_POOL
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ConfigurationError
from dbx_agent.readiness import Readiness
from dbx_agent.settings import TASK_TYPES, Settings

__all__ = ["ServeOptions", "serve"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger("flytekit.dbx_agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host: The address to listen on; `::` and `0.0.0.0` are all of this machine's.
        port: The TCP port; 0 lets the system choose.
        metrics_port: The TCP port of Prometheus' metrics over HTTP; 0 lets the system choose, `None` opens none.
        grace_seconds: How long calls under way may go on after a signal to stop; not less than a create may take.

    Raises:
        ConfigurationError: If the two ports are one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int | None = None
    grace_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.port and self.port == self.metrics_port:
            raise ConfigurationError(
                f"--port and --metrics-port are both {self.port}: gRPC and metrics need a port each."
            )


async def serve(settings: Settings, options: ServeOptions, *, announce: Callable[[str], None]) -> None:
    """Serve until the process is asked to stop.

    Args:
        settings: The deployment's settings.
        options: How to serve.
        announce: Called with what is listened on, when calls are answered.

    Raises:
        ConfigurationError: If an address cannot be listened on, or the grace is too short.
    """
    _require_grace(options, settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    agents = make_agents(settings.task_types, settings=settings)
    take_over(agents, task_types=TASK_TYPES)
    # Without so_reuseport=0 a second server on the same port is no error and gets half of the calls.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    readiness = _add_services(server, settings)
    port = _listen(server, options)
    with _metrics(options) as metrics_port:
        watching = asyncio.create_task(readiness.watch())
        await server.start()
        announce(f"listening on {_join(options.host, port)}")
        if metrics_port is not None:
            announce(f"metrics on http://{_join(options.host, metrics_port)}/metrics")
        await stop.wait()
        logger.info("stopping: calls under way have %g s to end", options.grace_seconds)
        readiness.leave()
        await server.stop(options.grace_seconds)
        await asyncio.gather(*(agent.drain() for agent in agents))
        await SHARED_POOL.aclose()
        logger.info("stopped")
        watching.cancel()


def _require_grace(options: ServeOptions, settings: Settings) -> None:
    """Refuse to cut creates off: one that has its run already would end before it can say so."""
    if options.grace_seconds < settings.create_budget_seconds:
        raise ConfigurationError(
            f"--grace is {options.grace_seconds:g} s and DBX_AGENT_CREATE_BUDGET_SECONDS is "
            f"{settings.create_budget_seconds:g} s: a create that a stop cuts off can leave a run that nobody "
            "knows. Raise --grace, or lower the other."
        )


def _add_services(server: grpc.aio.Server, settings: Settings) -> Readiness:
    tasks, sync_tasks, metadata = make_services()
    add_AsyncAgentServiceServicer_to_server(tasks, server)
    add_SyncAgentServiceServicer_to_server(sync_tasks, server)
    add_AgentMetadataServiceServicer_to_server(metadata, server)
    names = [service.full_name for service in agent_pb2.DESCRIPTOR.services_by_name.values()]
    # The settings are valid since before the start, and those of this process cannot change.
    check = partial(Credentials(read_secret).require, settings)
    readiness = Readiness(check, services=names, clock=RealClock())
    health_pb2_grpc.add_HealthServicer_to_server(readiness.servicer, server)
    return readiness


@contextlib.contextmanager
def _metrics(options: ServeOptions) -> Iterator[int | None]:
    """Serve the metrics while the context is open; the value is the port."""
    if options.metrics_port is None:
        yield None
        return
    try:
        server, _ = start_http_server(options.metrics_port, addr=options.host)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {_join(options.host, options.metrics_port)} for metrics: "
            f"{error.strerror or error}. Choose another port with --metrics-port; 0 is any free port."
        ) from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()


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
