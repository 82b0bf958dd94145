"""Access tokens that expire: one request for all who wait, renewed ahead of their end.

A token is renewed in the background when half of its life is left, at most twenty minutes; it is used
meanwhile. A renewal that fails is tried again after a minute, and nobody notices while the token is good.

Source: [agent.oauth.refresh-ahead] sdk: databricks-sdk-py, databricks/sdk/oauth.py (Refreshable)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.errors import ApiCallError, DatabricksAgentError
from dbx_agent.event_loops import PerLoop

__all__ = ["AccessToken", "AccessTokens", "Fetch"]

_REFRESH_AHEAD_SECONDS = 1200.0
_PAUSE_AFTER_FAILURE_SECONDS = 60.0
_REFRESH_BUDGET_SECONDS = 5.0

#: So long before its end a token is refused already.
#: Source: [agent.oauth.expiring] sdk: databricks-sdk-py issue 362, "Token is expiring within 30 seconds"
_UNUSABLE_SECONDS = 40.0

logger = logging.getLogger("flytekit.dbx_agent")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that expires.

    Attributes:
        text: The token.
        ends_at: When it expires, in seconds of the clock that also gives every `now`.
        lifetime_seconds: How long it is good from when it was asked for.
    """

    text: str = field(repr=False)
    ends_at: float
    lifetime_seconds: float

    def is_usable(self, now: float) -> bool:
        """Tell whether the service takes it."""
        return now < self.ends_at - min(_UNUSABLE_SECONDS, self.lifetime_seconds / 10)

    def is_due(self, now: float) -> bool:
        """Tell whether it is time for the next one."""
        return now >= self.ends_at - min(_REFRESH_AHEAD_SECONDS, self.lifetime_seconds / 2)


Fetch = Callable[[Budget], Awaitable[AccessToken]]
"""Asks for a token within a budget."""


@dataclass(slots=True)
class _Entry:
    """What is known of one principal's token.

    Attributes:
        token: The newest; `None` before the first, and after it was refused.
        request: The request for one, while it is under way.
        paused_until: When a renewal may be tried again.
    """

    token: AccessToken | None = None
    request: asyncio.Task[AccessToken] | None = None
    paused_until: float = float("-inf")


class AccessTokens:
    """The tokens of all principals, of each event loop.

    Args:
        clock: Measures what is left of them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: PerLoop[dict[Hashable, _Entry]] = PerLoop(dict)

    async def get(self, principal: Hashable, fetch: Fetch, *, budget: Budget) -> AccessToken:
        """Return a token that is good now.

        Args:
            principal: Whose token, and where: callers with equal ones share it.
            fetch: Asks for one; called once however many callers wait.
            budget: What the caller may wait.

        Raises:
            DatabricksAgentError: What `fetch` raised.
        """
        entry = self._entries.get().setdefault(principal, _Entry())
        while True:
            now = self._clock.time()
            if entry.token is not None and entry.token.is_usable(now):
                self._renew_ahead(entry, entry.token, fetch, now=now)
                return entry.token
            mine = entry.request is None
            request = entry.request or self._start(entry, fetch, budget)
            try:
                return await _wait_for(request, budget.remaining_seconds(now))
            except ApiCallError as error:
                # What somebody else's request had no time for may succeed within this budget.
                if mine or not (error.retryable and budget.allows_attempt(self._clock.time())):
                    raise

    def discard(self, principal: Hashable, text: str) -> None:
        """Forget a token that the service refused, unless there is a newer one already."""
        entry = self._entries.get().get(principal)
        if entry is not None and entry.token is not None and entry.token.text == text:
            entry.token = None

    def _renew_ahead(self, entry: _Entry, token: AccessToken, fetch: Fetch, *, now: float) -> None:
        if token.is_due(now) and entry.request is None and now >= entry.paused_until:
            self._start(entry, fetch, Budget(started_at=now, limit_seconds=_REFRESH_BUDGET_SECONDS))

    def _start(self, entry: _Entry, fetch: Fetch, budget: Budget) -> asyncio.Task[AccessToken]:
        # A task of its own: that one waiter is cancelled must not fail the others.
        request = asyncio.create_task(self._fetch(entry, fetch, budget))
        entry.request = request
        request.add_done_callback(_retrieve)
        return request

    async def _fetch(self, entry: _Entry, fetch: Fetch, budget: Budget) -> AccessToken:
        try:
            entry.token = await fetch(budget)
        except DatabricksAgentError as error:
            entry.paused_until = self._clock.time() + _PAUSE_AFTER_FAILURE_SECONDS
            logger.warning("no Databricks access token: %s", error)
            raise
        finally:
            entry.request = None
        return entry.token


async def _wait_for(request: asyncio.Task[AccessToken], limit_seconds: float) -> AccessToken:
    done, _ = await asyncio.wait({request}, timeout=limit_seconds)
    if not done:
        raise ApiCallError("no access token came in time", retryable=True)
    return request.result()


def _retrieve(request: asyncio.Task[AccessToken]) -> None:
    if not request.cancelled():
        request.exception()  # read, so that a failed renewal nobody waited for is no warning at shutdown
