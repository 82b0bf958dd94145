"""What the health service is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from grpc_health.v1 import health_pb2

from dbx_agent.errors import CredentialsError
from dbx_agent.readiness import LIVENESS, Readiness

pytestmark = pytest.mark.flyte

NAMES = ("", "grpc.health.v1.Health", "a.Service")
NOT_READY = "not ready: There is no token. It is asked again every 5 s."


class Secret:
    """A secret that may be there.

    Attributes:
        is_there: Whether it is.
    """

    is_there = False

    def check(self) -> None:
        """Raise as `Credentials` does if it is missing."""
        if not self.is_there:
            raise CredentialsError("There is no token.")


@pytest.fixture
def secret() -> Secret:
    """A secret that is not there yet."""
    return Secret()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What the agent logs meanwhile: flytekit's loggers do not hand their records on."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("flytekit.dbx_agent")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield said
    logger.removeHandler(handler)
    logger.setLevel(level)


class Rounds:
    """A clock whose sleeps end when the test says so.

    Attributes:
        slept: What was slept, in seconds, in order.
    """

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._arrived: asyncio.Queue[None] = asyncio.Queue()
        self._wake: asyncio.Queue[None] = asyncio.Queue()

    def time(self) -> float:
        """Return the instant, for which nobody asks."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait for the next round."""
        self.slept.append(seconds)
        self._arrived.put_nowait(None)
        await self._wake.get()

    async def reach_sleep(self) -> None:
        """Wait until somebody sleeps."""
        await self._arrived.get()

    async def pass_round(self) -> None:
        """Let the sleep end, and wait until the next one."""
        self._wake.put_nowait(None)
        await self._arrived.get()


async def _serving(readiness: Readiness) -> set[str]:
    found = set()
    for name in (*NAMES, LIVENESS):
        request = health_pb2.HealthCheckRequest(service=name)
        answer = await readiness.servicer.Check(request, None)
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            found.add(name)
    return found


@pytest.mark.asyncio
async def test_it_becomes_ready_when_the_secret_comes_and_unready_when_it_goes(
    secret: Secret, log: list[str]
) -> None:
    """It asks again every five seconds; all services are ready together, and a change is logged once."""
    rounds = Rounds()
    readiness = Readiness(secret.check, services=["a.Service"], clock=rounds)
    watching = asyncio.create_task(readiness.watch())
    await rounds.reach_sleep()
    seen = [await _serving(readiness)]
    for is_there in (True, True, False):
        secret.is_there = is_there
        await rounds.pass_round()
        seen.append(await _serving(readiness))
    watching.cancel()
    assert seen == [{LIVENESS}, {*NAMES, LIVENESS}, {*NAMES, LIVENESS}, {LIVENESS}]
    assert set(rounds.slept) == {5.0}
    assert log == [NOT_READY, "ready", NOT_READY]


@pytest.mark.asyncio
async def test_whoever_leaves_stays_unready_and_alive(secret: Secret) -> None:
    """A check that comes later does not call anybody back."""
    readiness = Readiness(secret.check, services=["a.Service"], clock=Rounds())
    readiness.servicer.set_status([LIVENESS], health_pb2.HealthCheckResponse.SERVING)
    secret.is_there = True
    readiness.refresh()
    assert await _serving(readiness) == {*NAMES, LIVENESS}
    readiness.leave()
    for is_there in (False, True):
        secret.is_there = is_there
        readiness.refresh()
    assert await _serving(readiness) == {LIVENESS}
