"""The agents that Flyte calls: `create`, `get`, `delete`. Orchestration; each decision has its own module.

A call goes template → `job_spec` → `JobsClient` → workspace, and back through `RunSnapshot` → `outcome` →
Flyte's resource. What Flyte's engine makes of an exception shapes all three:

* `create` may raise only what another attempt could mend, because any exception costs the user a retry. A
  permanent refusal becomes resource meta that says so, and the first `get` answers it as FAILED. (A task
  without any instance is the exception: flytekit's API documentation promises a `ValueError`.)
* `get` raises for nothing that happens on the way, because the engine counts failed polls and never resets the
  count (`polling`).
* `delete` succeeds when there is nothing left to cancel, because an abort is repeated until it does
  (`cancellation`).

Source: [flyte.create.any-error-retries] documented: flyteorg/flyte, pluginmachinery/internal/webapi/launcher.go
Source: [flyte.get.failures-add-up] documented: flyteorg/flyte, pluginmachinery/internal/webapi/cache.go
"""

from __future__ import annotations

import logging
import os
from typing import Any

from dbx_agent.attempts import Attempts
from dbx_agent.budget import Budget
from dbx_agent.cancellation import CancelMemory, cancel_run
from dbx_agent.client import DATABRICKS_API_ENDPOINT, JobsClient
from dbx_agent.clock import Clock, RealClock
from dbx_agent.compat import (
    AsyncAgentBase,
    Resource,
    flytekit_version,
    make_resource,
    read_secret,
)
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ApiCallError, ConfigurationError, DatabricksAgentError
from dbx_agent.instance import Instance, read_instance
from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_agent.job_spec import FLYTE_FAIL_ON_ERROR, TaskTemplate
from dbx_agent.outcome import Outcome, Phase
from dbx_agent.poll_memory import Answer
from dbx_agent.polling import Poll, Polls
from dbx_agent.settings import DEFAULT_DATABRICKS_INSTANCE_ENV_KEY, Settings
from dbx_agent.submission import build_body, choose_instance, make_submit, require_instance

__all__ = [
    "DATABRICKS_API_ENDPOINT",
    "DEFAULT_DATABRICKS_INSTANCE_ENV_KEY",
    "FLYTE_FAIL_ON_ERROR",
    "DatabricksAgent",
    "DatabricksAgentV2",
    "DatabricksConnector",
    "DatabricksConnectorV2",
    "DatabricksJobMetadata",
    "get_header",
    "result_state_is_available",
]

_INT64_DIGITS = 19

logger = logging.getLogger("flytekit.dbx_agent")


class DatabricksAgent(AsyncAgentBase):
    """Runs Flyte tasks of the type `spark` on Databricks.

    Args:
        settings: The deployment's settings; `None` reads the environment at each call.
        clock: Measures budgets and waits between attempts.
    """

    name = "Databricks Agent"
    task_type = "spark"

    def __init__(self, *, settings: Settings | None = None, clock: Clock | None = None) -> None:
        super().__init__(metadata_type=DatabricksJobMetadata, task_type_name=self.task_type)
        self._given_settings = settings
        self._clock = clock if clock is not None else RealClock()
        self._credentials = Credentials(read_secret, clock=self._clock)
        self._cancels = CancelMemory(self._clock)
        self._attempts = Attempts(self._clock)
        self._polls = Polls(self._clock)

    async def create(
        self,
        task_template: TaskTemplate,
        inputs: Any = None,  # noqa: ARG002 - documented; the job reads its inputs from the store
        output_prefix: str = "",
        task_execution_metadata: Any = None,
        **kwargs: Any,  # noqa: ARG002 - whatever newer engines add
    ) -> DatabricksJobMetadata:
        """Return a resource meta that can be used to get the status of the task.

        Args:
            task_template: The task; it is not changed.
            inputs: Unused: the job reads its inputs from the store.
            output_prefix: Where the attempt writes its outputs.
            task_execution_metadata: The attempt, as the engine names it; `None` means local execution.
            kwargs: Ignored.

        Raises:
            ConfigurationError: If neither the task nor the deployment names an instance, or the deployment's
                settings are wrong.
            CredentialsError: If there is no token.
            ApiCallError: If the service could not be reached or was too busy within the budget.
            UnexpectedResponseError: If what answered is not the Jobs API.
        """
        settings = self._settings()
        require_instance(task_template, settings)
        meta = DatabricksJobMetadata("", "", is_local=task_execution_metadata is None)
        try:
            instance = choose_instance(task_template, settings)
            meta.databricks_instance = instance.name
            body = build_body(
                task_template, task_execution_metadata, output_prefix=output_prefix, settings=settings
            )
            submit = make_submit(self._client(settings), instance, body, settings=settings, clock=self._clock)
            meta.run_id = str(await self._attempts.run(submit))
        except (ConfigurationError, ApiCallError) as error:
            if isinstance(error, ApiCallError) and error.retryable:
                raise
            logger.warning("a Databricks run was rejected: %s", error)
            meta.rejected = str(error)
        return meta

    async def get(self, resource_meta: DatabricksJobMetadata, **kwargs: Any) -> Resource:  # noqa: ARG002
        """Return the status of the task.

        Raises for nothing that happens on the way: while a run cannot be read the answer is its last known
        phase, with the reason, and the next poll asks again. What does not pass ends as FAILED, in its time.

        Args:
            resource_meta: What `create` returned.
            kwargs: Ignored.
        """
        run_id = _read_run_id(resource_meta)
        if resource_meta.rejected:
            answer = _failed(f"Databricks did not accept the run: {resource_meta.rejected}")
        elif run_id is None:
            answer = _failed(
                "The resource meta names no Databricks run; it was not written by a Databricks agent."
            )
        else:
            key = (resource_meta.databricks_instance, run_id)
            answer = await self._polls.answer(key, lambda: self._open_poll(resource_meta, run_id))
        outcome = answer.outcome
        return make_resource(outcome.phase, outcome.message, links=answer.links, custom_info=answer.info)

    async def delete(self, resource_meta: DatabricksJobMetadata, **kwargs: Any) -> None:  # noqa: ARG002
        """Cancel the run; succeeds as well if it is over, unknown, or never was.

        Args:
            resource_meta: What `create` returned.
            kwargs: Ignored.

        Raises:
            DatabricksAgentError: If the cancellation could not be asked for, or the run goes on; the engine then
                comes again. What stays refused is given up after twenty minutes.
        """
        run_id = _read_run_id(resource_meta)
        if resource_meta.rejected or run_id is None:
            return
        run = f"{run_id} on {resource_meta.databricks_instance}"
        try:
            await self._cancel(resource_meta, run_id)
        except DatabricksAgentError as error:
            if not self._cancels.note_trouble(run, error):
                raise
        else:
            self._cancels.forget(run)

    async def _cancel(self, resource_meta: DatabricksJobMetadata, run_id: int) -> None:
        settings = self._settings()
        await cancel_run(
            self._client(settings, resource_meta),
            _read_instance(resource_meta, settings),
            run_id,
            budget=self._budget(settings.delete_budget_seconds),
            clock=self._clock,
        )

    async def drain(self) -> None:
        """Settle the submits that nobody waits for any more; for a process that is about to end."""
        await self._attempts.drain()

    def _open_poll(self, resource_meta: DatabricksJobMetadata, run_id: int) -> Poll:
        settings = self._settings()
        return Poll(
            client=self._client(settings, resource_meta),
            instance=_read_instance(resource_meta, settings),
            run_id=run_id,
            budget=self._budget(settings.get_budget_seconds),
            can_retry=settings.retryable_failures and not resource_meta.is_local,
        )

    def _settings(self) -> Settings:
        return self._given_settings or Settings.from_environ(os.environ)

    def _client(self, settings: Settings, resource_meta: DatabricksJobMetadata | None = None) -> JobsClient:
        return JobsClient(
            settings,
            credentials=self._credentials,
            clock=self._clock,
            flytekit_version=flytekit_version(),
            inherited_token=resource_meta.inherited_token if resource_meta is not None else "",
        )

    def _budget(self, limit_seconds: float) -> Budget:
        return Budget(started_at=self._clock.time(), limit_seconds=limit_seconds)


class DatabricksAgentV2(DatabricksAgent):
    """Runs Flyte tasks of the type `databricks`, so that `spark` can stay with the Kubernetes plugin."""

    task_type = "databricks"


DatabricksConnector = DatabricksAgent
DatabricksConnectorV2 = DatabricksAgentV2


def get_header() -> dict[str, str]:
    """Return the headers that authenticate a call with the deployment's token.

    Raises:
        CredentialsError: If there is no token.
    """
    token = Credentials(read_secret).token()
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def result_state_is_available(life_cycle_state: str) -> bool:
    """Tell whether a run in this life cycle state has a result; documented, not what the agent goes by."""
    return life_cycle_state == "TERMINATED"


def _read_instance(resource_meta: DatabricksJobMetadata, settings: Settings) -> Instance:
    # Read as strictly as a task's own words: the port that receives it asks nobody for credentials.
    return read_instance(
        resource_meta.databricks_instance, field="databricks_instance", allow_http=settings.allow_http
    )


def _failed(message: str) -> Answer:
    return Answer(Outcome(Phase.FAILED, message))


def _read_run_id(resource_meta: DatabricksJobMetadata) -> int | None:
    text = resource_meta.run_id
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _INT64_DIGITS else None
