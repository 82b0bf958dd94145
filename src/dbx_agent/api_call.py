"""One call to a workspace: its attempts within the budget, and what an answer or the lack of one means.

Knows neither what the calls are for nor where tokens come from; it is given who authorizes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

import httpx

from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.connection_pool import Answer, ConnectionPool
from dbx_agent.error_body import read_error_body, shorten
from dbx_agent.errors import ApiCallError, DatabricksAgentError, UnexpectedResponseError
from dbx_agent.instance import Instance
from dbx_agent.redaction import redact
from dbx_agent.retries import (
    CallFailure,
    Reach,
    decide_pause_seconds,
    is_worth_repeating,
    may_have_acted,
    read_retry_after_seconds,
)
from dbx_agent.settings import Settings

__all__ = ["ApiCall", "Authority", "Caller", "Showing", "read_object"]

T = TypeVar("T")

#: Requests are not built by httpx's client, which would parse a URL three times for each call.
_ENCODINGS = "gzip, deflate"
_MAX_URLS = 4096

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call, whatever number of attempts it takes.

    Attributes:
        method: The HTTP method.
        instance: The workspace.
        path: The path of its URL, with the query.
        body: The body; `None` sends none.
        content_type: What the body is.
        repeatable: Whether doing it twice is the same as doing it once.
        subject: What the messages call it.
        api: Whose answer is expected, for the messages.
        secrets: What no message may quote, besides what the authority shows.
        passing_codes: Error codes that may go away by themselves, whatever the status; tried thrice at most.
    """

    method: str
    instance: Instance
    path: str
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    repeatable: bool
    subject: str
    api: str = "the Jobs API"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    passing_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Showing:
    """What one attempt shows to the service.

    Attributes:
        authorization: The header.
        secrets: What no message may quote of it.
    """

    authorization: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Authority(Protocol):
    """Who authorizes the attempts of a call."""

    async def show(self, budget: Budget) -> Showing:
        """Return what the next attempt shows."""

    async def replace(self, error: ApiCallError) -> bool:
        """Tell whether after this refusal there is something else to show; the call is then repeated at once."""


class Caller:
    """Makes calls.

    Args:
        settings: The deployment's settings.
        clock: Measures the budget and waits between attempts.
        pool: Holds the connections.
        user_agent: Who is calling.
    """

    def __init__(self, settings: Settings, *, clock: Clock, pool: ConnectionPool, user_agent: str) -> None:
        self._settings = settings
        self._clock = clock
        self._pool = pool
        self._user_agent = user_agent

    async def call(self, call: ApiCall, *, authority: Authority, budget: Budget) -> dict[str, Any]:
        """Return the JSON object that the service answers. Raises as `read`."""
        return await self.read(call, read_object, authority=authority, budget=budget)

    async def read(
        self, call: ApiCall, read: Callable[[bytes], T], *, authority: Authority, budget: Budget
    ) -> T:
        """Return what `read` makes of the body that the service answers.

        Args:
            call: The call.
            read: Reads a body; raises `ValueError` if it is none of the service's.
            authority: Who authorizes the attempts.
            budget: What they may take together.

        Raises:
            ApiCallError: If the service refuses, or does not answer within the budget.
            UnexpectedResponseError: If what answers is not the service.
        """
        if not budget.allows_attempt(self._clock.time()):
            raise ApiCallError(f"no time was left for the {call.subject}", retryable=True)
        attempt, acted = 0, False
        while True:
            attempt += 1
            try:
                showing = await authority.show(budget)
            except DatabricksAgentError as unauthorized:
                unauthorized.may_have_acted = acted
                raise
            try:
                answer = await self._attempt(call, showing, budget)
                return _read_answer(call, answer, read, showing)
            except _AttemptFailedError as failed:
                error, cause = failed.error, failed.__cause__
                acted = acted or may_have_acted(failed.failure)
                error.may_have_acted = acted
                pause = decide_pause_seconds(failed.failure, attempt=attempt, key=_key(call))
                again = _is_worth_repeating(call, failed, attempt=attempt)
            if isinstance(error, ApiCallError) and await authority.replace(error):
                again, pause = True, 0.0
            if not (again and budget.allows_attempt(self._clock.time(), after_seconds=pause)):
                raise error from cause
            if pause:
                await self._clock.sleep(pause)

    async def _attempt(self, call: ApiCall, showing: Showing, budget: Budget) -> Answer:
        remaining = budget.remaining_seconds(self._clock.time())
        headers = {
            "Authorization": showing.authorization,
            "User-Agent": self._user_agent,
            "Accept-Encoding": _ENCODINGS,
        }
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        request = httpx.Request(
            call.method,
            _read_url(f"{call.instance.origin}{call.path}"),
            content=call.body,
            headers=headers,
            extensions={"timeout": self._timeouts(remaining)},
        )
        try:
            return await self._pool.send(request, instance=call.instance, budget=budget, clock=self._clock)
        except (httpx.HTTPError, OSError) as error:  # TimeoutError is an OSError
            # Not chained when it quotes what the service said of a secret.
            secrets = (*call.secrets, *showing.secrets)
            is_clean = _redact(str(error), secrets) == str(error)
            raise _unanswered(call, error, secrets) from (error if is_clean else None)

    def _timeouts(self, remaining: float) -> dict[str, float]:
        connect = min(self._settings.connect_timeout_seconds, remaining)
        request = min(self._settings.request_timeout_seconds, remaining)
        return {"connect": connect, "read": request, "write": request, "pool": connect}


# Runs are asked for again and again.
@lru_cache(maxsize=_MAX_URLS)
def _read_url(text: str) -> httpx.URL:
    return httpx.URL(text)


class _AttemptFailedError(Exception):
    """Carries what the retry decision needs beside the error to raise."""

    def __init__(self, failure: CallFailure, error: ApiCallError | UnexpectedResponseError) -> None:
        super().__init__(str(error))
        self.failure = failure
        self.error = error


_PASSING_ATTEMPTS = 3


def _is_worth_repeating(call: ApiCall, failed: _AttemptFailedError, *, attempt: int) -> bool:
    passing = isinstance(failed.error, ApiCallError) and failed.error.error_code in call.passing_codes
    return (passing and attempt < _PASSING_ATTEMPTS) or is_worth_repeating(
        failed.failure, repeatable=call.repeatable
    )


def _key(call: ApiCall) -> str:
    """Return what tells this call from others: all that failed at one moment must not come back at one."""
    return f"{call.instance.authority}{call.subject}{call.body!r}"


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: If it is none.
    """
    try:
        value = json.loads(body)
    except RecursionError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as the parser says of what is no JSON at all
    return value


def _read_answer(call: ApiCall, answer: Answer, read: Callable[[bytes], T], showing: Showing) -> T:
    secrets = (*call.secrets, *showing.secrets)
    if answer.status_code != HTTPStatus.OK:
        raise _refused(call, answer, secrets)
    with suppress(ValueError):
        return read(answer.content)
    message = f"The {call.subject} got an answer that is not {call.api}'s: {_quote(answer.content, secrets)}"
    # Whether the service acted is as unknown as without an answer.
    raise _AttemptFailedError(CallFailure(Reach.UNKNOWN), UnexpectedResponseError(message))


def _refused(call: ApiCall, answer: Answer, secrets: tuple[str, ...]) -> _AttemptFailedError:
    # Before it is shortened: half a secret would not be recognized.
    said = read_error_body(redact(answer.content, secrets))
    words = said.message or _redact(answer.reason_phrase, secrets) or "no reason given"
    if answer.is_redirect:
        words = "the answer is a redirect, which is never followed: is this the workspace's own address?"
    failure = CallFailure(
        Reach.ANSWERED,
        status_code=answer.status_code,
        retry_after_seconds=read_retry_after_seconds(
            answer.headers.get("Retry-After"), date=answer.headers.get("Date")
        ),
    )
    error = ApiCallError(
        f"{words} ({call.subject})",
        status_code=answer.status_code,
        error_code=said.error_code,
        retryable=is_worth_repeating(failure, repeatable=True) or said.error_code in call.passing_codes,
    )
    return _AttemptFailedError(failure, error)


def _unanswered(call: ApiCall, error: Exception, secrets: tuple[str, ...]) -> _AttemptFailedError:
    reach = Reach.NOT_SENT if isinstance(error, _NOT_SENT) else Reach.UNKNOWN
    words = _redact(str(error), secrets)
    said = f"{type(error).__name__}: {shorten(words, 200)}" if words else type(error).__name__
    # The name of the host is what people mistype.
    message = f"{call.instance.authority} gave no answer to the {call.subject} ({said})"
    return _AttemptFailedError(CallFailure(reach), ApiCallError(message, retryable=True))


def _quote(content: bytes, secrets: tuple[str, ...]) -> str:
    return shorten(read_error_body(redact(content, secrets)).message, 200) or "an empty body"


def _redact(text: str, secrets: tuple[str, ...]) -> str:
    return redact(text.encode(errors="replace"), secrets).decode()
