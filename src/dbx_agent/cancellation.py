"""Stops a run for good: what `delete` does.

Flyte's engine repeats an abort until it succeeds, and the workflow hangs until then. So a cancel succeeds when
there is nothing left to stop, when the service says that this request will never do, and at last when it was
refused for so long that nobody mends it. Everything else raises, and the engine comes again.

The service only takes note of a cancel and carries it out later. So the run is read afterwards, as far as the
budget goes, and cancelled once more if it goes on as if nothing had been said.

Source: [flyte.delete.repeated-until-success] documented: flyteorg/flyte, pluginmachinery/internal/webapi/core.go
Source: [agent.cancel.asynchronous] sdk: databricks-sdk-py, databricks/sdk/service/jobs.py (JobsAPI.cancel_run)
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient, is_run_finished, is_run_unknown
from dbx_agent.clock import Clock
from dbx_agent.errors import ApiCallError, DatabricksAgentError, UnexpectedResponseError
from dbx_agent.instance import Instance
from dbx_agent.outcome import is_untouched_by_cancel
from dbx_agent.patience import Patience, Trouble

__all__ = ["CancelMemory", "cancel_run"]

_LOOK_AFTER_SECONDS = 0.2
_MAX_RUNS = 20_000

logger = logging.getLogger("flytekit.dbx_agent")


async def cancel_run(
    client: JobsClient, instance: Instance, run_id: int, *, budget: Budget, clock: Clock
) -> None:
    """Cancel a run and make sure that it stops, as far as the budget goes; what is over is success.

    Raises:
        ApiCallError: If the cancel could not be asked for, or the run goes on although it was asked twice.
        DatabricksAgentError: What else keeps the service from being asked.
    """
    pause = _LOOK_AFTER_SECONDS
    asked = 0
    while True:
        try:
            await client.cancel_run(instance, run_id, budget=budget)
        except ApiCallError as error:
            if _is_settled(error, run_id) or (asked and error.retryable):
                return
            raise
        asked += 1
        goes_on = await _goes_on(client, instance, run_id, budget=budget)
        if not goes_on:
            return
        if not budget.allows_attempt(clock.time(), after_seconds=pause):
            break
        await clock.sleep(pause)
        # It may have needed no more than that moment.
        if not await _goes_on(client, instance, run_id, budget=budget):
            return
        pause *= 2
    if asked > 1:
        raise ApiCallError(
            f"Databricks run {run_id} was cancelled {asked} times and goes on; the next abort asks again",
            retryable=True,
        )


def _is_settled(error: ApiCallError, run_id: int) -> bool:
    """Tell whether a refusal leaves nothing to do."""
    if is_run_finished(error) or is_run_unknown(error):
        return True
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # The request is the same each time, and so would be the answer.
        logger.error("Databricks run %s cannot be cancelled and may go on: %s", run_id, error)
        return True
    return False


async def _goes_on(client: JobsClient, instance: Instance, run_id: int, *, budget: Budget) -> bool:
    """Tell whether the run surely goes on as before; what cannot be read was told to stop, at least."""
    try:
        run = await client.get_run(instance, run_id, budget=budget)
    except (ApiCallError, UnexpectedResponseError) as error:
        logger.info("whether Databricks run %s stops could not be read: %s", run_id, error)
        return False
    return is_untouched_by_cancel(run.state)


class CancelMemory:
    """What a process remembers of the runs that it could not cancel.

    Args:
        clock: Measures for how long.
        max_runs: How many runs are remembered; beyond, the one that was not cancelled for longest is forgotten.
    """

    def __init__(self, clock: Clock, *, max_runs: int = _MAX_RUNS) -> None:
        self._clock = clock
        self._max_runs = max_runs
        self._patience: dict[str, Patience] = {}

    def __len__(self) -> int:
        return len(self._patience)

    def note_trouble(self, run: str, error: DatabricksAgentError) -> bool:
        """Remember that a run could not be cancelled, and tell whether that has lasted for too long.

        Args:
            run: Where it is, and its id.
            error: Why it could not be cancelled.

        Returns:
            Whether it is time to give the run up, which also forgets it.
        """
        # Taken out and put back, so that a run that nobody cancels any more is the first to be forgotten.
        patience = self._patience.pop(run, None) or Patience()
        if patience.note(_trouble(error), now=self._clock.time()):
            logger.error("gave up cancelling Databricks run %s, which may go on: %s", run, error)
            return True
        self._patience[run] = patience
        if len(self._patience) > self._max_runs:
            self.forget(next(iter(self._patience)))
        return False

    def forget(self, run: str) -> None:
        """Forget a run that needs no patience any more."""
        self._patience.pop(run, None)


def _trouble(error: DatabricksAgentError) -> Trouble:
    is_passing = isinstance(error, UnexpectedResponseError) or (
        isinstance(error, ApiCallError) and error.retryable
    )
    return Trouble.PASSING if is_passing else Trouble.REFUSED
