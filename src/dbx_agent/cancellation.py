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

__all__ = ["Patience", "cancel_run"]

#: So long the service may refuse even good tokens.
#: Source: [agent.cancel.false-403] measured: apache/airflow issue 21286, up to 15 minutes of maintenance
PATIENCE_SECONDS = 1200.0

_LOOK_AFTER_SECONDS = 0.2
_REMEMBERED_RUNS = 1000

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


class Patience:
    """Remembers since when the cancel of a run is refused for good.

    Args:
        clock: Measures how long ago that was.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused_since: dict[str, float] = {}

    def is_over(self, run: str, error: DatabricksAgentError) -> bool:
        """Tell whether to give up on a run after this error; passing trouble never wears patience out.

        Args:
            run: Where it is, and its id.
            error: Why it could not be cancelled.
        """
        if isinstance(error, UnexpectedResponseError) or (
            isinstance(error, ApiCallError) and error.retryable
        ):
            return False
        now = self._clock.time()
        since = self._refused_since.setdefault(run, now)
        if now - since < PATIENCE_SECONDS:
            self._forget_oldest()
            return False
        self.forget(run)
        logger.error("gave up cancelling Databricks run %s, which may go on: %s", run, error)
        return True

    def forget(self, run: str) -> None:
        """Forget a run that needs no patience any more."""
        self._refused_since.pop(run, None)

    def _forget_oldest(self) -> None:
        if len(self._refused_since) > _REMEMBERED_RUNS:
            self.forget(next(iter(self._refused_since)))
