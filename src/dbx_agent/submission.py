"""The steps of `create`: which workspace, which body, and the submit itself."""

from __future__ import annotations

import logging
from typing import Any

from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient
from dbx_agent.compat import attempt_identity, execution_environment
from dbx_agent.credentials import require_allowed_host
from dbx_agent.errors import ConfigurationError
from dbx_agent.idempotency import attempt_token
from dbx_agent.instance import Instance, read_instance
from dbx_agent.job_spec import TaskTemplate, build_submit_body, named_instance, unsent_environment
from dbx_agent.settings import DEFAULT_DATABRICKS_INSTANCE_ENV_KEY, Settings

__all__ = ["build_body", "choose_instance", "require_instance", "submit"]

logger = logging.getLogger("flytekit.dbx_agent")


def require_instance(template: TaskTemplate, settings: Settings) -> None:
    """Refuse a task for which nobody names a workspace.

    Raises:
        ConfigurationError: If neither the task nor the deployment names one.
    """
    if not named_instance(template) and settings.instance is None:
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


def build_body(template: TaskTemplate, execution: Any, *, output_prefix: str) -> dict[str, Any]:
    """Build the body of `runs/submit` for an attempt, as the engine describes it.

    Args:
        template: The task; it is not changed.
        execution: What the engine says of the attempt; `None` for a local run.
        output_prefix: Where the attempt writes its outputs.

    Raises:
        ConfigurationError: If the task cannot run as it is configured.
    """
    environment = execution_environment(execution)
    body = build_submit_body(
        template,
        environment=environment,
        idempotency_token=attempt_token(attempt_identity(execution), output_prefix=output_prefix),
    )
    unsent = unsent_environment(template, environment)
    if unsent:
        logger.warning("task %s: %s", template.id.name, unsent)
    return body


async def submit(client: JobsClient, instance: Instance, body: dict[str, Any], *, budget: Budget) -> str:
    """Submit the run and return its id in decimal digits. Raises as `JobsClient.submit_run`."""
    run_id = await client.submit_run(instance, body, budget=budget)
    logger.info("submitted Databricks run %s on %s", run_id, instance.name)
    return str(run_id)
