"""One run for each attempt, also when nobody is there any more to hear which.

An RPC's deadline cancels its handler, at any moment. A submit that has begun goes on in a task of its own, because
the service may have acted already. When it is answered and the caller is gone, two things can have happened:

* the engine asks again for the same attempt, as after a restart. The token then gives it the same run, which must
  go on;
* the engine has given the attempt up and made another, with another token. Nobody will ever ask for this run.

The first is seen only by the repeated `create`, so there is a grace period for one to arrive; without one the run
is cancelled.

What remains: a repeated `create` that another replica answered is not seen here, and neither is an answer that was
returned and reached nobody. The tags of the cluster and the output prefix among the task's parameters say which
attempt a run is of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dbx_agent.clock import Clock
from dbx_agent.errors import DatabricksAgentError
from dbx_agent.event_loops import UnderWay

__all__ = ["Attempts", "Submit"]

logger = logging.getLogger("flytekit.dbx_agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """How one `create` makes its run, and how it is got rid of.

    Attributes:
        key: Names the attempt within this process; `None` if nothing does.
        send: Submits the run and returns its id; bounded by limits of its own.
        cancel: Asks for the cancellation of a run; succeeds if it is over.
        grace_seconds: How long a run that nobody heard of waits for the attempt to come again.
    """

    key: str | None
    send: Callable[[], Coroutine[Any, Any, int]]
    cancel: Callable[[int], Awaitable[None]]
    grace_seconds: float


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt while a submit of it is not settled.

    Attributes:
        holders: The submits that are not settled.
        run_id: The attempt's run; `None` until a submit is answered.
        is_answered: Whether a caller has heard the run's id.
    """

    holders: int = 0
    run_id: int | None = None
    is_answered: bool = False


class Attempts:
    """The submits of this process that are not settled.

    Args:
        clock: Measures the grace.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attempts: dict[str, _Attempt] = {}
        self._under_way = UnderWay()
        self._graces: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def run(self, submit: Submit) -> int:
        """Submit a run and return its id. Raises as `submit.send`.

        Who is cancelled while waiting leaves the rest to this object.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int] = loop.create_future()
        left: asyncio.Future[None] = loop.create_future()
        attempt = _Attempt() if submit.key is None else self._attempts.setdefault(submit.key, _Attempt())
        attempt.holders += 1
        self._under_way.start(self._see_through(submit, attempt, answer, left))
        try:
            run_id = await answer
            attempt.is_answered = True
            return run_id
        finally:
            left.set_result(None)

    async def drain(self) -> None:
        """Settle all submits of the running loop, without grace: the process is about to end."""
        self._is_draining = True
        loop = asyncio.get_running_loop()
        for grace in [each for each in self._graces if each.get_loop() is loop]:
            grace.cancel()
        await self._under_way.drain()

    async def _see_through(
        self, submit: Submit, attempt: _Attempt, answer: asyncio.Future[int], left: asyncio.Future[None]
    ) -> None:
        try:
            await self._send(submit, attempt, answer)
            # A caller can be cancelled between its answer and its next step.
            await left
            if attempt.run_id is not None and not attempt.is_answered:
                await self._settle(submit, attempt, attempt.run_id)
        finally:
            attempt.holders -= 1
            if submit.key is not None and not attempt.holders:
                del self._attempts[submit.key]

    async def _send(self, submit: Submit, attempt: _Attempt, answer: asyncio.Future[int]) -> None:
        try:
            attempt.run_id = await submit.send()
        except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what it may be
            if answer.cancelled():
                logger.warning("a submit whose create was cancelled failed: %s", error)
            else:
                answer.set_exception(error)
        else:
            if not answer.cancelled():
                answer.set_result(attempt.run_id)

    async def _settle(self, submit: Submit, attempt: _Attempt, run_id: int) -> None:
        """Cancel a run that nobody heard of, unless somebody asks for it within the grace."""
        if not self._is_draining:
            grace = asyncio.create_task(self._clock.sleep(submit.grace_seconds))
            self._graces.add(grace)
            await asyncio.wait({grace})
            self._graces.discard(grace)
        if attempt.is_answered:
            logger.info("Databricks run %s was found again by its attempt and goes on", run_id)
        elif attempt.holders == 1:  # otherwise the last one settles it
            await self._cancel(submit, run_id)

    async def _cancel(self, submit: Submit, run_id: int) -> None:
        try:
            await submit.cancel(run_id)
        except DatabricksAgentError as error:
            logger.warning(
                "Databricks run %s is nobody's, as its create was given up, and could not be cancelled; cancel it "
                "by hand: %s",
                run_id,
                error,
            )
        else:
            logger.warning("cancelled Databricks run %s, as the create that made it was given up", run_id)
