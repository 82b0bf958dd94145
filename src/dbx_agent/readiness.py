"""Whether calls can succeed, as the gRPC health service tells whoever sends them.

Ready is: the settings are valid and there are credentials. It is asked again and again, so that a secret that is
mounted late makes the agent ready, and one that goes away sends the calls to other replicas. Whether Databricks
answers is not asked: when it does not, it does not for any replica, and to take them all away would help nobody.

Alive is less: the service named `liveness` serves as long as the event loop turns, also without credentials and
while the agent is stopping. A loop that is stuck answers neither.

The service is our own because that of grpc-health-checking has no end: a `Watch` that a client leaves open would
hold the stop for the whole grace, which is for calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dbx_agent.clock import Clock
from dbx_agent.errors import DatabricksAgentError

__all__ = ["LIVENESS", "Readiness"]

#: The name of the service that says whether the process is alive.
LIVENESS = "liveness"

_INTERVAL_SECONDS = 5.0
_STATUS = health_pb2.HealthCheckResponse

logger = logging.getLogger("flytekit.dbx_agent")


class Readiness:
    """Answers the health service's clients.

    Args:
        check: Raises `DatabricksAgentError` if calls cannot succeed.
        services: The gRPC services that are ready together; so is the server as a whole.
        clock: Waits between two checks.

    Attributes:
        servicer: The health service, for a server on the same event loop.
    """

    def __init__(self, check: Callable[[], None], *, services: Iterable[str], clock: Clock) -> None:
        self.servicer = _HealthServicer()
        self._check = check
        self._names = (health.OVERALL_HEALTH, health.SERVICE_NAME, *services)
        self._clock = clock
        self._last: str | None = None
        self._has_left = False

    async def watch(self) -> None:
        """Check at once and then every five seconds, for ever."""
        self.servicer.set_status((LIVENESS,), _STATUS.SERVING)
        while True:
            self.refresh()
            await self._clock.sleep(_INTERVAL_SECONDS)

    def refresh(self) -> None:
        """Check now; what has changed is logged once."""
        problem = ""
        try:
            self._check()
        except DatabricksAgentError as error:
            problem = str(error)
        if self._has_left or problem == self._last:
            return
        self._last = problem
        self.servicer.set_status(self._names, _STATUS.NOT_SERVING if problem else _STATUS.SERVING)
        if problem:
            logger.warning("not ready: %s It is asked again every %.0f s.", problem, _INTERVAL_SECONDS)
        else:
            logger.info("ready")

    def leave(self) -> None:
        """Be not ready from now on, whatever a check says; who watches is told, and watches no longer."""
        self._has_left = True
        self.servicer.set_status(self._names, _STATUS.NOT_SERVING)
        self.servicer.end_watches()


class _HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # has no types
    """The gRPC health service, whose watches can be ended."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._is_ending = False
        self._news = asyncio.Event()

    def set_status(self, names: Iterable[str], status: int) -> None:
        """Set the status of some services at once."""
        self._statuses.update(dict.fromkeys(names, status))
        self._tell()

    def end_watches(self) -> None:
        """End what is watched as soon as it was told the last, and all that comes."""
        self._is_ending = True
        self._tell()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Answer the status of a service once."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return _STATUS(status=status)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Answer the status of a service now and at each change."""
        told = None
        while True:
            status = self._statuses.get(request.service, _STATUS.SERVICE_UNKNOWN)
            if status != told:
                await context.write(_STATUS(status=status))
                told = status
            elif self._is_ending:
                return
            else:
                await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
