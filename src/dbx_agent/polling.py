"""The polls of runs: reads a run, explains how it failed, and decides what to answer when it cannot be read.

Nothing that happens here raises: an exception costs one of the six that Flyte's engine allows a task in its
whole life. Trouble that may pass is answered with the last known phase; `poll_memory` says when it no longer may.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient, is_run_unknown
from dbx_agent.clock import Clock
from dbx_agent.error_body import shorten
from dbx_agent.errors import ApiCallError, DatabricksAgentError, UnexpectedResponseError
from dbx_agent.failure_report import (
    TASKS_SHOWN,
    failed_iterations,
    failed_tasks,
    unrun_tasks,
    write_report,
)
from dbx_agent.instance import Instance
from dbx_agent.links import run_links
from dbx_agent.outcome import Outcome, Phase, decide_outcome, unknown_values
from dbx_agent.patience import PATIENCE_SECONDS, Trouble
from dbx_agent.poll_memory import Answer, PollMemory, RunKey
from dbx_agent.run_info import describe_run
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, RunState, TaskSnapshot

__all__ = ["Poll", "Polls"]

_MAX_LOGGED = 200

logger = logging.getLogger("flytekit.dbx_agent")


class _Logged:
    """What was logged already, so that a thing of each poll is one line; beyond a limit nothing is new."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def is_new(self, text: str) -> bool:
        if text in self._seen or len(self._seen) >= _MAX_LOGGED:
            return False
        self._seen.add(text)
        return True


#: Of the whole process, whatever number of agents it has.
_LOGGED = _Logged()


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of one run.

    Attributes:
        client: Makes the calls.
        instance: Where the run is.
        run_id: The run.
        budget: What all calls together may take.
        can_retry: Whether the engine knows RETRYABLE_FAILED and acts on it.
    """

    client: JobsClient
    instance: Instance
    run_id: int
    budget: Budget
    can_retry: bool

    async def read(self, last: Answer) -> Answer:
        """Read the run and what explains its end.

        Args:
            last: What the poll before was answered; it is still the answer if the service says the same.

        Raises:
            DatabricksAgentError: If the run could not be read.
        """
        run, digest = await self.client.get_changed_run(
            self.instance, self.run_id, known_digest=last.digest, budget=self.budget
        )
        if run is None:
            return last
        if run.state == RunState():
            raise UnexpectedResponseError(
                f"{self.instance.authority} answered runs/get of {self.run_id} without a state."
            )
        for unknown in unknown_values(run.state):
            if _LOGGED.is_new(unknown):
                logger.warning("Databricks says what this agent does not know: %s", unknown)
        outcome = decide_outcome(run.state, can_retry=self.can_retry)
        if outcome.is_failure:
            try:
                return await self._explain(outcome, run)
            except Exception as error:  # noqa: BLE001 - what explains a failure never hides it
                _log_unexpected(f"the failure of Databricks run {self.run_id}", error)
        return replace(self._answer(outcome, run), digest=digest)

    def _answer(self, outcome: Outcome, run: RunSnapshot, failed: Sequence[TaskSnapshot] = ()) -> Answer:
        links = run_links(run, origin=self.instance.origin, failed=failed)
        return Answer(outcome, links, describe_run(run))

    async def _explain(self, outcome: Outcome, run: RunSnapshot) -> Answer:
        """Add what the failed tasks say; whatever cannot be read is left out."""
        run = await self._read_all_pages(run)
        failed = failed_tasks(run)
        shown = await asyncio.gather(*(self._read_iterations(task) for task in failed[:TASKS_SHOWN]))
        failed = [*(each for tasks in shown for each in tasks), *failed[TASKS_SHOWN:]]
        # Side by side: an output that is asked for again and again leaves the others the same budget.
        run_ids = [task.run_id for task in failed[:TASKS_SHOWN] if task.run_id is not None]
        outputs = dict(await asyncio.gather(*(self._read_output(run_id) for run_id in run_ids)))
        report = write_report(
            outcome.message,
            failed,
            outputs,
            unrun=unrun_tasks(run),
            is_complete=not run.next_page_token,
        )
        return self._answer(Outcome(outcome.phase, report), run, failed[:TASKS_SHOWN])

    async def _read_all_pages(self, run: RunSnapshot) -> RunSnapshot:
        try:
            return await self.client.get_all_tasks(self.instance, run, budget=self.budget)
        except DatabricksAgentError as error:
            logger.warning("not all tasks of Databricks run %s could be read: %s", run.run_id, error)
            return run

    async def _read_iterations(self, task: TaskSnapshot) -> list[TaskSnapshot]:
        if not task.is_for_each or task.run_id is None:
            return [task]
        try:
            run = await self.client.get_run(self.instance, task.run_id, budget=self.budget)
        except DatabricksAgentError as error:
            logger.warning("the iterations of Databricks run %s could not be read: %s", task.run_id, error)
            return [task]
        return failed_iterations(await self._read_all_pages(run), of=task) or [task]

    async def _read_output(self, run_id: int) -> tuple[int, RunOutput]:
        try:
            output = await self.client.get_run_output(self.instance, run_id, budget=self.budget)
        except DatabricksAgentError as error:
            logger.warning("the output of Databricks task run %s could not be read: %s", run_id, error)
            output = RunOutput()
        return run_id, output


class Polls:
    """All polls of one agent, and what it remembers between them.

    Args:
        clock: Measures for how long a run could not be read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._memory = PollMemory()

    async def answer(self, key: RunKey, open_poll: Callable[[], Poll]) -> Answer:
        """Poll a run; does not raise.

        Args:
            key: The run.
            open_poll: Prepares the poll, which may fail as the poll may.
        """
        try:
            answer = await open_poll().read(self._memory.last_answer(key))
        except Exception as error:  # noqa: BLE001 - an exception that is not foreseen would cost as much as any
            return self._decide_unreadable(key, error)
        self._memory.note_answer(key, answer)
        return answer

    def _decide_unreadable(self, key: RunKey, error: Exception) -> Answer:
        """Choose what to answer when a run could not be read; what may pass is never an end."""
        run, trouble = f"Databricks run {key[1]}", _trouble(error)
        last = self._memory.last_answer(key)
        if self._memory.note_trouble(key, trouble, now=self._clock.time()):
            logger.warning("%s is given up: %s", run, error)
            return replace(last, outcome=Outcome(Phase.FAILED, f"{run} {_GIVEN_UP[trouble]} {error}"))
        said = str(error)
        if isinstance(error, DatabricksAgentError):
            logger.warning("%s could not be read, the next poll asks again: %s", run, error)
        else:
            # Its text may hold anything, and the message is kept.
            said = f"the agent met an unexpected {type(error).__name__}; its log says more"
            _log_unexpected(f"the poll of {run}", error)
        message = f"{run} could not be read, the next poll asks again: {said}"
        return replace(last, outcome=Outcome(last.outcome.phase, message))


_GIVEN_UP = {
    Trouble.MISSING: "is gone: deleted, or older than the 60 days for which a workspace keeps runs.",
    Trouble.REFUSED: (
        f"could not be read for {PATIENCE_SECONDS[Trouble.REFUSED] / 60:.0f} minutes and is given up, although it "
        "may still go on in Databricks. See whether the agent's credentials are valid and may view the run."
    ),
}


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, ApiCallError):
        if is_run_unknown(error):
            return Trouble.MISSING
        is_servers = (error.status_code or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Trouble.PASSING if error.retryable or is_servers else Trouble.REFUSED
    is_ours_to_mend = isinstance(error, DatabricksAgentError) and not isinstance(
        error, UnexpectedResponseError
    )
    return Trouble.REFUSED if is_ours_to_mend else Trouble.PASSING


def _log_unexpected(subject: str, error: Exception) -> None:
    """Log an exception that nobody foresaw: with its traceback the first time at each place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "nowhere"
    is_new = _LOGGED.is_new(f"{type(error).__name__} {where}")
    logger.error(
        "%s: unexpected %s: %s",
        subject,
        type(error).__name__,
        shorten(str(error), 500),
        exc_info=error if is_new else None,
    )
