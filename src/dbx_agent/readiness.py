"""Whether calls can succeed, as the gRPC health service tells whoever sends them.

Ready is: the settings are valid and there are credentials. It is asked again and again, so that a secret that is
mounted late makes the agent ready, and one that goes away sends the calls to other replicas. Whether Databricks
answers is not asked: when it does not, it does not for any replica, and to take them all away would help nobody.

Alive is less: the service named `liveness` serves as long as the event loop turns, also without credentials and
while the agent is stopping. A loop that is stuck answers neither.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health, health_pb2

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
        servicer: The health service, for a server on the running event loop.
    """

    def __init__(self, check: Callable[[], None], *, services: Iterable[str], clock: Clock) -> None:
        self.servicer = health_aio.HealthServicer()
        self._check = check
        self._names = (health.OVERALL_HEALTH, health.SERVICE_NAME, *services)
        self._clock = clock
        self._last: str | None = None
        self._has_left = False

    async def watch(self) -> None:
        """Check at once and then every five seconds, for ever."""
        await self.servicer.set(LIVENESS, _STATUS.SERVING)
        while True:
            await self.refresh()
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def refresh(self) -> None:
        """Check now; what has changed is logged once."""
        problem = ""
        try:
            self._check()
        except DatabricksAgentError as error:
            problem = str(error)
        if self._has_left or problem == self._last:
            return
        self._last = problem
        await self._set(_STATUS.NOT_SERVING if problem else _STATUS.SERVING)
        if problem:
            logger.warning("not ready: %s It is asked again every %.0f s.", problem, _INTERVAL_SECONDS)
        else:
            logger.info("ready")

    async def leave(self) -> None:
        """Be not ready from now on, whatever a check says."""
        self._has_left = True
        await self._set(_STATUS.NOT_SERVING)

    async def _set(self, status: int) -> None:
        for name in self._names:
            await self.servicer.set(name, status)
