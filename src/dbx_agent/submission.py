"""The steps of `create`: which workspace, which body, and the submit itself."""

from __future__ import annotations

import logging
from typing import Any

from dbx_agent.attempts import Submit
from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient, is_run_finished, is_run_unknown
from dbx_agent.clock import Clock
from dbx_agent.compat import attempt_identity, execution_environment
from dbx_agent.credentials import require_allowed_host
from dbx_agent.errors import ApiCallError, ConfigurationError
from dbx_agent.idempotency import attempt_tags, attempt_token
from dbx_agent.instance import Instance, read_instance
from dbx_agent.job_spec import (
    TaskTemplate,
    build_submit_body,
    named_instance,
    names_instance,
    unsent_credential_provider,
    unsent_environment,
)
from dbx_agent.settings import DEFAULT_DATABRICKS_INSTANCE_ENV_KEY, Settings

__all__ = ["build_body", "choose_instance", "make_submit", "require_instance"]

logger = logging.getLogger("flytekit.dbx_agent")


def require_instance(template: TaskTemplate, settings: Settings) -> None:
    """Refuse a task for which nobody names a workspace.

    Raises:
        ConfigurationError: If neither the task nor the deployment names one.
    """
    if not names_instance(template) and settings.instance is None:
        raise ConfigurationError(
            "There is no Databricks instance. Set databricks_instance in the task's config, or "
            f"{DEFAULT_DATABRICKS_INSTANCE_ENV_KEY} in the agent's deployment."
        )


def choose_instance(template: TaskTemplate, settings: Settings) -> Instance:
    """Return the workspace that the task names, else the deployment's; one of them is there.

    Raises:
        ConfigurationError: If what the task names is no host, or not one that the deployment allows.
    """
    named = named_instance(template)
    if not named:
        assert settings.instance is not None
        return settings.instance
    instance = read_instance(named, field="databricksInstance", allow_http=settings.allow_http)
    require_allowed_host(instance, settings)
    return instance


def build_body(
    template: TaskTemplate, execution: Any, *, output_prefix: str, settings: Settings
) -> dict[str, Any]:
    """Build the body of `runs/submit` for an attempt, as the engine describes it.

    Args:
        template: The task; it is not changed.
        execution: What the engine says of the attempt; `None` for a local run.
        output_prefix: Where the attempt writes its outputs.
        settings: The deployment's settings.

    Raises:
        ConfigurationError: If the task cannot run as it is configured.
    """
    environment, identity = execution_environment(execution), attempt_identity(execution)
    body = build_submit_body(
        template,
        environment=environment,
        idempotency_token=attempt_token(identity, output_prefix=output_prefix),
        tags=attempt_tags(identity),
        credential_provider=settings.service_credential_provider,
    )
    for unsent in (unsent_environment(template, environment), unsent_credential_provider(template)):
        if unsent:
            logger.warning("task %s: %s", template.id.name, unsent)
    return body


def make_submit(
    client: JobsClient, instance: Instance, body: dict[str, Any], *, settings: Settings, clock: Clock
) -> Submit:
    """Make what submits a run and, should nobody hear of it, cancels it.

    Args:
        client: Calls the workspace.
        instance: The workspace.
        body: The body of `runs/submit`.
        settings: The deployment's settings.
        clock: Measures the budgets, each from its call's beginning.
    """

    def budget() -> Budget:
        return Budget(started_at=clock.time(), limit_seconds=settings.create_budget_seconds)

    async def send() -> int:
        run_id = await client.submit_run(instance, body, budget=budget())
        logger.info("submitted Databricks run %s on %s", run_id, instance.name)
        return run_id

    async def cancel(run_id: int) -> None:
        try:
            await client.cancel_run(instance, run_id, budget=budget())
        except ApiCallError as error:
            if not (is_run_finished(error) or is_run_unknown(error)):
                raise

    token = body.get("idempotency_token")
    return Submit(
        key=f"{instance.name} {token}" if token else None,
        send=send,
        cancel=cancel,
        grace_seconds=settings.create_grace_seconds,
    )
