"""One run for each attempt, also when nobody is there any more to hear which.

An RPC's deadline cancels its handler, at any moment. A submit that has begun goes on in a task of its own, because
the service may have acted already. When it is answered and the caller is gone, two things can have happened:

* the engine asks again for the same attempt, as after a restart. The token then gives it the same run, which must
  go on;
* the engine has given the attempt up and made another, with another token. Nobody will ever ask for this run.

The first is seen only by the repeated `create`, so there is a grace period for one to arrive; without one the run
is cancelled.

A submit can also fail and have been carried out: its answer was lost, or was the 504 of a gateway. The engine is
told of a failure and makes another attempt, beside which the lost run must not work for long. So there is no grace
then; the same submit is sent again until it is answered, which its token makes a question for the run's id, and
that run is cancelled. If there was none, the question makes one, and it is cancelled before it has begun to work.
(A look into `runs/list` would make none, and would be worth less: it does not say which token a run has, a name
can be another execution's, and a request that is still on its way would be carried out after the look. The token
settles that one too.) After ten minutes the log names what is left to people.

What remains: a repeated `create` that another replica answered is not seen here, and neither is an answer that was
returned and reached nobody. The tags of the cluster and the output prefix among the task's parameters say which
attempt a run is of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from dbx_agent.clock import Clock
from dbx_agent.errors import ApiCallError, DatabricksAgentError
from dbx_agent.event_loops import UnderWay
from dbx_agent.retries import jitter

__all__ = ["Attempts", "Submit"]

#: For so long it is tried to find and to cancel a run that nobody heard of; longer than most outages.
PATIENCE_SECONDS = 600.0

#: So often it is tried by a process that is about to end, each time for the budget of a create.
_LAST_TRIES = 3

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0

#: Refusals that a maintenance window, or the next token, may end.
_MAY_PASS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

logger = logging.getLogger("flytekit.dbx_agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """How one `create` makes its run, and how it is got rid of.

    Attributes:
        key: Names the attempt within this process, and says that sending twice makes one run; `None` if nothing
            names it.
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
        may_have_run: Whether a submit was answered, or failed and may have been carried out.
        run_id: The attempt's run; `None` until a submit is answered.
        is_answered: Whether a caller has heard the run's id.
    """

    holders: int = 0
    may_have_run: bool = False
    run_id: int | None = None
    is_answered: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether a caller has its run, or may get it yet: the last of them settles it."""
        return self.is_answered or self.holders > 1


class Attempts:
    """The submits of this process that are not settled.

    Args:
        clock: Measures the grace, and the pauses of what is tried again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attempts: dict[str, _Attempt] = {}
        self._under_way = UnderWay()
        self._pauses: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def run(self, submit: Submit) -> int:
        """Submit a run and return its id. Raises as `submit.send`.

        Who is cancelled while waiting leaves the rest to this object, and so does who is told of a failure after
        which there may be a run.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int] = loop.create_future()
        is_told: asyncio.Future[bool] = loop.create_future()
        attempt = _Attempt() if submit.key is None else self._attempts.setdefault(submit.key, _Attempt())
        attempt.holders += 1
        self._under_way.start(self._see_through(submit, attempt, answer, is_told))
        try:
            run_id = await answer
        except BaseException as error:
            is_told.set_result(isinstance(error, Exception))
            raise
        attempt.is_answered = True
        is_told.set_result(True)
        return run_id

    async def drain(self) -> None:
        """Settle all submits of the running loop, without grace or pause: the process is about to end."""
        self._is_draining = True
        loop = asyncio.get_running_loop()
        for pause in [each for each in self._pauses if each.get_loop() is loop]:
            pause.cancel()
        await self._under_way.drain()

    async def _see_through(
        self, submit: Submit, attempt: _Attempt, answer: asyncio.Future[int], is_told: asyncio.Future[bool]
    ) -> None:
        try:
            await self._send(submit, attempt, answer)
            # A caller can be cancelled between its answer and its next step.
            will_not_return = await is_told
            if attempt.may_have_run and not attempt.is_answered:
                await self._pause(_FIRST_PAUSE_SECONDS if will_not_return else submit.grace_seconds)
                await self._settle(submit, attempt)
        finally:
            attempt.holders -= 1
            if submit.key is not None and not attempt.holders:
                del self._attempts[submit.key]

    async def _send(self, submit: Submit, attempt: _Attempt, answer: asyncio.Future[int]) -> None:
        try:
            attempt.run_id = await submit.send()
        except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what it may be
            if isinstance(error, DatabricksAgentError) and error.may_have_acted:
                attempt.may_have_run = True
            if answer.cancelled():
                logger.warning("a submit whose create was cancelled failed: %s", error)
            else:
                answer.set_exception(error)
        else:
            attempt.may_have_run = True
            if not answer.cancelled():
                answer.set_result(attempt.run_id)

    async def _settle(self, submit: Submit, attempt: _Attempt) -> None:
        """Cancel the run that nobody heard of, unless somebody asks for it meanwhile."""
        if attempt.run_id is None and submit.key is None:
            logger.warning(
                "a submit that failed may have made a run, and nothing names it; look for it by hand"
            )
            return
        started_at, tries, last_tries = self._clock.time(), 0, 0
        while not attempt.is_wanted:
            tries += 1
            try:
                if attempt.run_id is None:
                    attempt.run_id = await submit.send()
                    continue
                await submit.cancel(attempt.run_id)
            except DatabricksAgentError as error:
                pause = _pause_seconds(submit, tries)
                lasted = self._clock.time() - started_at
                last_tries += self._is_draining
                is_late = last_tries == _LAST_TRIES or lasted + pause > PATIENCE_SECONDS
                if is_late or not _may_pass(error):
                    _log_given_up(attempt, error)
                    return
                await self._pause(pause)
            else:
                logger.warning(
                    "cancelled Databricks run %s, as the create that made it was given up", attempt.run_id
                )
                return
        if attempt.is_answered:
            logger.info("Databricks run %s was found again by its attempt and goes on", attempt.run_id)

    async def _pause(self, seconds: float) -> None:
        if not self._is_draining:
            pause = asyncio.create_task(self._clock.sleep(seconds))
            self._pauses.add(pause)
            await asyncio.wait({pause})
            self._pauses.discard(pause)


def _pause_seconds(submit: Submit, tries: int) -> float:
    """Return how long to wait after so many tries; what failed at one moment must not come back at one."""
    ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(tries, 16))
    return float(ceiling * (0.5 + jitter(submit.key or "", tries) / 2))


def _may_pass(error: DatabricksAgentError) -> bool:
    if isinstance(error, ApiCallError):
        return error.retryable or error.status_code in _MAY_PASS
    return True


def _log_given_up(attempt: _Attempt, error: DatabricksAgentError) -> None:
    if attempt.run_id is None:
        logger.warning(
            "a submit that failed may have made a run, and could not be asked again; look for it by hand: %s",
            error,
        )
    else:
        logger.warning(
            "Databricks run %s is nobody's, as its create was given up, and could not be cancelled; cancel it "
            "by hand: %s",
            attempt.run_id,
            error,
        )
