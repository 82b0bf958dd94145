"""The Jobs API as four calls: what is sent, what is tried again within the budget, what an error means."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.credentials import Credentials
from dbx_agent.error_body import read_error_body, shorten
from dbx_agent.errors import ApiCallError, UnexpectedResponseError
from dbx_agent.event_loops import PerLoop, UnderWay
from dbx_agent.instance import Instance
from dbx_agent.retries import (
    CallFailure,
    Reach,
    decide_pause_seconds,
    is_worth_repeating,
    read_retry_after_seconds,
)
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, read_run, read_run_output
from dbx_agent.settings import Settings

__all__ = ["DATABRICKS_API_ENDPOINT", "ConnectionPool", "JobsClient", "is_run_finished", "is_run_unknown"]

#: The documented constant: where runs are submitted and cancelled.
DATABRICKS_API_ENDPOINT = "/api/2.1/jobs"

#: Where runs are read, and where runs of more than 100 tasks are submitted, since 2.1 refuses both.
#: Source: [agent.api.large-runs] documented: Databricks documentation, "Updating from Jobs API 2.1 to 2.2"
LARGE_RUNS_API_ENDPOINT = "/api/2.2/jobs"

_TASKS_PER_PAGE = 100
_MAX_PAGES = 20
_BACKSTOP_SECONDS = 0.25
_MAX_CONNECTIONS = 100
_KEEPALIVE_SECONDS = 30.0

#: Source: [agent.error.unknown-run] sdk: databricks-sdk-py, databricks/sdk/errors/overrides.py
_UNKNOWN_RUN = re.compile(r"Run .*does not exist|Run: .* in job: .* doesn't exist")
_UNKNOWN_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, whatever number of attempts it takes.

    Attributes:
        method: The HTTP method.
        url: The whole URL without the query.
        query: The query's parameters.
        body: The JSON body; `None` sends none.
        repeatable: Whether doing it twice is the same as doing it once.
        subject: What the messages call it.
    """

    method: str
    url: str
    query: Mapping[str, str]
    body: bytes | None
    repeatable: bool
    subject: str


class ConnectionPool:
    """The pooled HTTP clients of each event loop, and the requests under way; opened by the first request.

    There are two clients: the environment's proxies are used as httpx does, but never for this machine itself.
    Plain http is allowed there because it stays there, and HTTP_PROXY would carry the token away in clear.

    A request that is cancelled half-way can cost its place in httpx's pool for good, and an RPC's deadline cancels
    its handler. So a request that has begun goes on without its caller, and there is one place for each connection
    to wait for: who is cancelled while waiting sends nothing, and abandoned requests cannot pile up.

    Source: [agent.http.cancelled-request-leaks] measured: encode/httpcore issue 1093, httpx 0.28.1

    Args:
        transport: How requests travel; `None` opens connections.
        max_connections: How many requests may be under way on one event loop.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport | None = None, *, max_connections: int = _MAX_CONNECTIONS
    ) -> None:
        limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=_KEEPALIVE_SECONDS)
        self._clients = PerLoop(
            lambda: httpx.AsyncClient(limits=limits, follow_redirects=False, transport=transport)
        )
        # httpx leaves the environment's proxies alone when it is given a transport.
        self._direct_clients = PerLoop(
            lambda: httpx.AsyncClient(
                follow_redirects=False, transport=transport or httpx.AsyncHTTPTransport(limits=limits)
            )
        )
        self._places = PerLoop(lambda: asyncio.Semaphore(max_connections))
        self._requests = UnderWay()

    def client(self, *, direct: bool = False) -> httpx.AsyncClient:
        """Return the running loop's client.

        Args:
            direct: Whether no proxy may come between, whatever the environment says.
        """
        return (self._direct_clients if direct else self._clients).get()

    async def send(
        self, request: httpx.Request, *, limit_seconds: float, direct: bool = False
    ) -> httpx.Response:
        """Send a request and read its answer.

        Args:
            request: The request, with timeouts of its own.
            direct: As of `client`.
            limit_seconds: The backstop for an answer that arrives too slowly for any single timeout.

        Raises:
            TimeoutError: If the backstop is reached.
            httpx.HTTPError: As httpx does.
        """
        loop, places = asyncio.get_running_loop(), self._places.get()
        deadline = loop.time() + limit_seconds
        try:
            await asyncio.wait_for(places.acquire(), request.extensions["timeout"]["pool"])
        except asyncio.TimeoutError as error:
            raise httpx.PoolTimeout("all connections are busy", request=request) from error
        sending = self._send(request, places, direct=direct)
        return await self._requests.run(sending, limit_seconds=deadline - loop.time())

    async def _send(
        self, request: httpx.Request, places: asyncio.Semaphore, *, direct: bool
    ) -> httpx.Response:
        try:
            return await self.client(direct=direct).send(request)
        finally:
            places.release()

    async def aclose(self) -> None:
        """Wait for the running loop's requests, then close its clients."""
        await self._requests.drain()
        for client in (self._clients.pop(), self._direct_clients.pop()):
            if client is not None:
                await client.aclose()


#: Shared by all agents of the process.
SHARED_POOL = ConnectionPool()


class JobsClient:
    """Calls the Jobs API of any workspace that the deployment allows.

    Args:
        settings: The deployment's settings.
        credentials: Gives the token, anew for each attempt.
        clock: Measures the budget and waits between attempts.
        flytekit_version: Named in the User-Agent.
        pool: Holds the connections.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Credentials,
        clock: Clock,
        flytekit_version: str,
        pool: ConnectionPool = SHARED_POOL,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._clock = clock
        self._pool = pool
        self._user_agent = f"dbx-kit/{_own_version()} flytekit/{flytekit_version}"

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
        run_id = read_run(await self._call(instance, call, budget)).run_id
        if run_id is None:
            raise UnexpectedResponseError(
                f"{instance.authority} accepted the submit of a run and named no run_id."
            )
        return run_id

    async def get_run(self, instance: Instance, run_id: int, *, budget: Budget) -> RunSnapshot:
        """Read a run, with the first 100 of its tasks. Raises as `submit_run`."""
        return read_run(await self._call(instance, _get(instance, "runs/get", run_id), budget))

    async def get_all_tasks(self, instance: Instance, run: RunSnapshot, *, budget: Budget) -> RunSnapshot:
        """Read the tasks, or iterations, that the first answer left out. Raises as `submit_run`."""
        seen: set[str] = set()
        while run.next_page_token and run.next_page_token not in seen and len(seen) < _MAX_PAGES:
            seen.add(run.next_page_token)
            call = _get(instance, "runs/get", run.run_id, page_token=run.next_page_token)
            page = read_run(await self._call(instance, call, budget))
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
        return read_run_output(await self._call(instance, _get(instance, "runs/get-output", run_id), budget))

    async def cancel_run(self, instance: Instance, run_id: int, *, budget: Budget) -> None:
        """Ask for a run's cancellation, which the service then carries out. Raises as `submit_run`."""
        path = f"{DATABRICKS_API_ENDPOINT}/runs/cancel"
        call = _post(instance, path, {"run_id": run_id}, repeatable=True, subject=f"cancel of run {run_id}")
        await self._call(instance, call, budget)

    async def _call(self, instance: Instance, call: _Call, budget: Budget) -> dict[str, Any]:
        if not budget.allows_attempt(self._clock.time()):
            raise ApiCallError(f"no time was left for the {call.subject}", retryable=True)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(instance, call, budget)
            except _AttemptFailedError as failed:
                pause = decide_pause_seconds(failed.failure, attempt=attempt, key=f"{call.url}{call.subject}")
                again = is_worth_repeating(failed.failure, repeatable=call.repeatable)
                fits = budget.allows_attempt(self._clock.time(), after_seconds=pause)
                if not (again and fits):
                    raise failed.error from failed.__cause__
            await self._clock.sleep(pause)

    async def _attempt(self, instance: Instance, call: _Call, budget: Budget) -> dict[str, Any]:
        token = self._credentials.token_for(instance, self._settings)
        remaining = budget.remaining_seconds(self._clock.time())
        request = self._pool.client(direct=instance.is_loopback).build_request(
            call.method,
            call.url,
            params=dict(call.query) or None,
            content=call.body,
            headers=self._headers(token),
            timeout=self._timeout(remaining),
        )
        try:
            response = await self._pool.send(
                request, limit_seconds=remaining + _BACKSTOP_SECONDS, direct=instance.is_loopback
            )
        except (httpx.HTTPError, OSError) as error:  # TimeoutError is an OSError
            raise _unanswered(call, error) from error
        return _read_answer(call, response, token)

    def _headers(self, token: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
        }

    def _timeout(self, remaining: float) -> httpx.Timeout:
        connect = min(self._settings.connect_timeout_seconds, remaining)
        request = min(self._settings.request_timeout_seconds, remaining)
        return httpx.Timeout(connect=connect, read=request, write=request, pool=connect)


class _AttemptFailedError(Exception):
    """Carries what the retry decision needs beside the error to raise."""

    def __init__(self, failure: CallFailure, error: ApiCallError | UnexpectedResponseError) -> None:
        super().__init__(str(error))
        self.failure = failure
        self.error = error


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


def _post(instance: Instance, path: str, body: Mapping[str, Any], *, repeatable: bool, subject: str) -> _Call:
    # Sorted, so that a repeated submit is the same bytes: a protobuf map has no order of its own.
    content = json.dumps(body, sort_keys=True, allow_nan=False).encode()
    return _Call("POST", f"{instance.origin}{path}", {}, content, repeatable, subject)


def _get(instance: Instance, route: str, run_id: int | None, **query: str) -> _Call:
    url = f"{instance.origin}{LARGE_RUNS_API_ENDPOINT}/{route}"
    return _Call(
        "GET", url, {"run_id": str(run_id), **query}, None, repeatable=True, subject=f"{route} of {run_id}"
    )


def _read_answer(call: _Call, response: httpx.Response, token: str) -> dict[str, Any]:
    if response.status_code != HTTPStatus.OK:
        raise _refused(call, response, token)
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    message = (
        f"The {call.subject} got an answer that is not the Jobs API's: {_quote(response.content, token)}"
    )
    # Whether the service acted is as unknown as without an answer.
    raise _AttemptFailedError(CallFailure(Reach.UNKNOWN), UnexpectedResponseError(message))


def _refused(call: _Call, response: httpx.Response, token: str) -> _AttemptFailedError:
    said = read_error_body(response.content)
    words = said.message.replace(token, "***") or response.reason_phrase or "no reason given"
    if response.is_redirect:
        words = "the answer is a redirect, which is never followed: is this the workspace's own address?"
    failure = CallFailure(
        Reach.ANSWERED,
        status_code=response.status_code,
        retry_after_seconds=read_retry_after_seconds(
            response.headers.get("Retry-After"), date=response.headers.get("Date")
        ),
    )
    error = ApiCallError(
        f"{words} ({call.subject})",
        status_code=response.status_code,
        error_code=said.error_code,
        retryable=is_worth_repeating(failure, repeatable=True),
    )
    return _AttemptFailedError(failure, error)


def _unanswered(call: _Call, error: Exception) -> _AttemptFailedError:
    reach = Reach.NOT_SENT if isinstance(error, _NOT_SENT) else Reach.UNKNOWN
    said = f"{type(error).__name__}: {shorten(str(error), 200)}" if str(error) else type(error).__name__
    return _AttemptFailedError(
        CallFailure(reach), ApiCallError(f"no answer to the {call.subject} ({said})", retryable=True)
    )


def _quote(content: bytes, token: str) -> str:
    return shorten(read_error_body(content).message.replace(token, "***"), 200) or "an empty body"


@cache
def _own_version() -> str:
    try:
        return version("dbx-kit")
    except PackageNotFoundError:
        return "0"
