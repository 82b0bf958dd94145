"""The Jobs API as four calls: what is sent where, and what of the answer counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlencode

from dbx_agent.access_tokens import AccessToken, Fetch
from dbx_agent.api_call import ApiCall, Caller, read_object
from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.connection_pool import SHARED_POOL, ConnectionPool
from dbx_agent.credentials import Credentials, DeploymentAuthority
from dbx_agent.errors import ApiCallError, UnexpectedResponseError
from dbx_agent.instance import Instance
from dbx_agent.oauth import ClientCredentials, fetch_access_token
from dbx_agent.redaction import find_secrets
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, read_run, read_run_output
from dbx_agent.settings import Settings

__all__ = [
    "DATABRICKS_API_ENDPOINT",
    "SHARED_POOL",
    "JobsClient",
    "is_run_finished",
    "is_run_unknown",
]

#: The documented constant: where runs are submitted and cancelled.
DATABRICKS_API_ENDPOINT = "/api/2.1/jobs"

#: Where runs are read, and where runs of more than 100 tasks are submitted, since 2.1 refuses both.
#: Source: [agent.api.large-runs] documented: Databricks documentation, "Updating from Jobs API 2.1 to 2.2"
LARGE_RUNS_API_ENDPOINT = "/api/2.2/jobs"

_TASKS_PER_PAGE = 100
_MAX_PAGES = 20
_DIGEST_BYTES = 16

#: Source: [agent.error.unknown-run] sdk: databricks-sdk-py, databricks/sdk/errors/overrides.py
_UNKNOWN_RUN = re.compile(r"Run .*does not exist|Run: .* in job: .* doesn't exist")
_UNKNOWN_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


class JobsClient:
    """Calls the Jobs API of any workspace that the deployment allows.

    Args:
        settings: The deployment's settings.
        credentials: Gives the token, anew for each attempt.
        clock: Measures the budget and waits between attempts.
        flytekit_version: Named in the User-Agent.
        pool: Holds the connections.
        inherited_token: What an earlier agent left for the runs that are asked for; empty if it left none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Credentials,
        clock: Clock,
        flytekit_version: str,
        pool: ConnectionPool = SHARED_POOL,
        inherited_token: str = "",
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._clock = clock
        self._inherited_token = inherited_token
        user_agent = f"dbx-kit/{_own_version()} flytekit/{flytekit_version}"
        self._caller = Caller(settings, clock=clock, pool=pool, user_agent=user_agent)

    async def submit_run(self, instance: Instance, body: Mapping[str, Any], *, budget: Budget) -> int:
        """Submit a run and return its id; with an `idempotency_token`, however often, one run.

        Raises:
            ApiCallError: If the service refuses, or does not take it within the budget.
            UnexpectedResponseError: If it answers no run id.
            ConfigurationError: If the host is not allowed.
            CredentialsError: If there is no token.
        """
        large = len(body.get("tasks") or ()) > _TASKS_PER_PAGE
        endpoint = LARGE_RUNS_API_ENDPOINT if large else DATABRICKS_API_ENDPOINT
        token = body.get("idempotency_token")
        call = _post(
            instance, f"{endpoint}/runs/submit", body, repeatable=bool(token), subject="submit of a run"
        )
        run_id = read_run(await self._call(call, budget)).run_id
        if run_id is None:
            error = UnexpectedResponseError(
                f"{instance.authority} accepted the submit of a run and named no run_id."
            )
            error.may_have_acted = True
            raise error
        return run_id

    async def get_run(self, instance: Instance, run_id: int, *, budget: Budget) -> RunSnapshot:
        """Read a run, with the first 100 of its tasks. Raises as `submit_run`."""
        return read_run(await self._call(_get(instance, "runs/get", run_id), budget))

    async def get_changed_run(
        self, instance: Instance, run_id: int, *, known_digest: bytes, budget: Budget
    ) -> tuple[RunSnapshot | None, bytes]:
        """Read a run unless the service says of it what it said before. Raises as `submit_run`.

        Args:
            instance: Where the run is.
            run_id: The run.
            known_digest: The digest of what was said before; empty if there is none.
            budget: What the call may take.

        Returns:
            The run, or `None` if it is as it was, and the digest of what is said of it.
        """

        def read(body: bytes) -> tuple[RunSnapshot | None, bytes]:
            digest = blake2b(body, digest_size=_DIGEST_BYTES).digest()
            return None if digest == known_digest else read_run(read_object(body)), digest

        call = _get(instance, "runs/get", run_id)
        return await self._caller.read(call, read, authority=self._authority(instance), budget=budget)

    async def get_all_tasks(self, instance: Instance, run: RunSnapshot, *, budget: Budget) -> RunSnapshot:
        """Read the tasks, or iterations, that the first answer left out. Raises as `submit_run`."""
        seen: set[str] = set()
        while run.next_page_token and run.next_page_token not in seen and len(seen) < _MAX_PAGES:
            seen.add(run.next_page_token)
            call = _get(instance, "runs/get", run.run_id, page_token=run.next_page_token)
            page = read_run(await self._call(call, budget))
            run = replace(
                run,
                tasks=run.tasks + page.tasks,
                iterations=run.iterations + page.iterations,
                next_page_token=page.next_page_token,
            )
        return run

    async def get_run_output(self, instance: Instance, run_id: int, *, budget: Budget) -> RunOutput:
        """Read what a task run left behind; the id is the task run's own. Raises as `submit_run`.

        Source: [agent.output.task-run-id] measured: databricks/databricks-sdk-py issue 997
        """
        return read_run_output(await self._call(_get(instance, "runs/get-output", run_id), budget))

    async def cancel_run(self, instance: Instance, run_id: int, *, budget: Budget) -> None:
        """Ask for a run's cancellation, which the service then carries out. Raises as `submit_run`."""
        path = f"{DATABRICKS_API_ENDPOINT}/runs/cancel"
        call = _post(instance, path, {"run_id": run_id}, repeatable=True, subject=f"cancel of run {run_id}")
        await self._call(call, budget)

    async def _call(self, call: ApiCall, budget: Budget) -> dict[str, Any]:
        return await self._caller.call(call, authority=self._authority(call.instance), budget=budget)

    def _authority(self, instance: Instance) -> DeploymentAuthority:
        return DeploymentAuthority(
            self._credentials,
            instance,
            self._settings,
            fetch=lambda client: self._fetch(instance, client),
            inherited_token=self._inherited_token,
        )

    def _fetch(self, instance: Instance, client: ClientCredentials) -> Fetch:
        async def fetch(budget: Budget) -> AccessToken:
            return await fetch_access_token(self._caller, instance, client, clock=self._clock, budget=budget)

        return fetch


def is_run_unknown(error: ApiCallError) -> bool:
    """Tell whether the service says that there is no such run.

    A bare 404 does not: it may be a missing endpoint, or the page of a proxy that knows nothing of runs.
    """
    if error.status_code == HTTPStatus.NOT_FOUND and error.error_code in _UNKNOWN_CODES:
        return True
    said = error.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
    return said and _UNKNOWN_RUN.search(error.message) is not None


def is_run_finished(error: ApiCallError) -> bool:
    """Tell whether the service refused a cancel because there is nothing left to cancel.

    Source: [agent.cancel.finished] assumed: a call that needs an active run is refused as INVALID_STATE
    """
    return error.status_code == HTTPStatus.BAD_REQUEST and error.error_code == "INVALID_STATE"


def _post(
    instance: Instance, path: str, body: Mapping[str, Any], *, repeatable: bool, subject: str
) -> ApiCall:
    return ApiCall(
        method="POST",
        instance=instance,
        path=path,
        # Sorted, so that a repeated submit is the same bytes: a protobuf map has no order of its own.
        body=json.dumps(body, sort_keys=True, allow_nan=False).encode(),
        repeatable=repeatable,
        subject=subject,
        secrets=find_secrets(body),
    )


def _get(instance: Instance, route: str, run_id: int | None, **query: str) -> ApiCall:
    further = f"&{urlencode(query)}" if query else ""
    return ApiCall(
        method="GET",
        instance=instance,
        path=f"{LARGE_RUNS_API_ENDPOINT}/{route}?run_id={run_id}{further}",
        repeatable=True,
        subject=f"{route} of {run_id}",
    )


@cache
def _own_version() -> str:
    try:
        return version("dbx-kit")
    except PackageNotFoundError:
        return "0"
