"""One poll of a run: reads it, explains how it failed, and decides what to answer when it cannot be read."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient, is_run_unknown
from dbx_agent.errors import ApiCallError, DatabricksAgentError, UnexpectedResponseError
from dbx_agent.failure_report import TASKS_SHOWN, failed_tasks, write_report
from dbx_agent.instance import Instance
from dbx_agent.links import console_link
from dbx_agent.outcome import Outcome, Phase, decide_outcome
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, TaskSnapshot

__all__ = ["Poll", "decide_unreadable"]

logger = logging.getLogger("flytekit.dbx_agent")


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of one run.

    Attributes:
        client: Makes the calls.
        instance: Where the run is.
        run_id: The run.
        budget: What all calls together may take.
        is_local: Whether nobody retries: the task runs in the user's own process.
    """

    client: JobsClient
    instance: Instance
    run_id: int
    budget: Budget
    is_local: bool

    async def read(self) -> tuple[Outcome, str | None]:
        """Read the run: what it means to Flyte, and the address of its page.

        Raises:
            DatabricksAgentError: If the run could not be read.
        """
        run = await self.client.get_run(self.instance, self.run_id, budget=self.budget)
        outcome = decide_outcome(run.state, is_local=self.is_local)
        if outcome.is_failure:
            outcome = await self._explain(outcome, run)
        return outcome, console_link(run.run_page_url)

    async def _explain(self, outcome: Outcome, run: RunSnapshot) -> Outcome:
        """Add what the failed tasks say; whatever cannot be read is left out."""
        try:
            run = await self.client.get_all_tasks(self.instance, run, budget=self.budget)
        except (ApiCallError, UnexpectedResponseError) as error:
            logger.warning("not all tasks of Databricks run %s could be read: %s", run.run_id, error)
        tasks = failed_tasks(run)
        outputs = await self._read_outputs(tasks[:TASKS_SHOWN])
        return Outcome(outcome.phase, write_report(outcome.message, tasks, outputs))

    async def _read_outputs(self, tasks: list[TaskSnapshot]) -> dict[int, RunOutput]:
        outputs: dict[int, RunOutput] = {}
        for run_id in [task.run_id for task in tasks if task.run_id is not None]:
            try:
                outputs[run_id] = await self.client.get_run_output(self.instance, run_id, budget=self.budget)
            except (ApiCallError, UnexpectedResponseError) as error:  # noqa: PERF203 - each may fail alone
                logger.warning("the output of Databricks task run %s could not be read: %s", run_id, error)
        return outputs


def decide_unreadable(run_id: str, error: DatabricksAgentError) -> Outcome:
    """Choose what to answer when a run could not be read; only the service's "no such run" is an end."""
    run = f"Databricks run {run_id}"
    if isinstance(error, ApiCallError) and is_run_unknown(error):
        return Outcome(
            Phase.FAILED, f"{run} is gone: deleted, or older than the workspace keeps runs. {error}"
        )
    logger.warning("%s could not be read, the next poll asks again: %s", run, error)
    return Outcome(Phase.RUNNING, f"{run} could not be read, the next poll asks again: {error}")
