"""Flyte's engine as an agent meets it: attempts, polls, an abort; no test of its own.

Source: [flyte.engine.answers] documented: flyteorg/flyte, pluginmachinery/internal/webapi/{launcher,monitor}.go
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from dbx_agent.agent import DatabricksAgentV2
from dbx_agent.client import SHARED_POOL
from dbx_agent.settings import Settings
from dbx_emulator import Workspace
from tests.agent.support import make_execution, phase_name

__all__ = ["Ending", "Engine"]

T = TypeVar("T")

BUDGET_SECONDS = 2.5
"""What every call may take unless the deployment says otherwise; the engine itself waits for 3 s."""

#: Twice what the engine waits: a sweep strikes each poll, and more polls show nothing more.
_POLL_SECONDS = 60
_MOST_POLLS = 400
_OVER = frozenset({"SUCCEEDED", "FAILED", "RETRYABLE_FAILED"})

#: For so long the agent's process lives on: longer than it tries to get rid of a run that nobody heard of.
_AFTERWARDS_SECONDS = 900


class _EngineClock:
    """The workspace's time as the agent takes it: in seconds, and slept through where sleep is virtual."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def time(self) -> float:
        """Return the instant."""
        return self._workspace.clock.now_ms / 1_000

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await anyio.sleep(seconds)


@dataclass(slots=True)
class Ending:
    """What the engine has seen.

    Attributes:
        phase: The last phase; `CREATE FAILED` if no attempt was accepted, `DELETED` after an abort.
        message: What was said with it.
        run_ids: The runs of the attempts that were accepted, in order.
        raised: What came out of `get`, which nothing should, and of a `delete` that never succeeds.
        late: The calls that took longer than their budget.
    """

    phase: str = ""
    message: str = ""
    run_ids: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


class Engine:
    """Sees one task through, with an agent of its own.

    Args:
        workspace: Where the task's runs are.
        template: The task.
        retries: How many further attempts the user allows.
        abort_after_polls: After how many polls the user aborts; `None` never.
    """

    def __init__(
        self,
        workspace: Workspace,
        template: Any,
        *,
        retries: int = 3,
        abort_after_polls: int | None = None,
    ) -> None:
        self._template = template
        self._retries = retries
        self._abort_after_polls = abort_after_polls
        self._clock = _EngineClock(workspace)
        settings = Settings.from_environ({"FLYTE_DATABRICKS_INSTANCE": workspace.host})
        self._agent = DatabricksAgentV2(settings=settings, clock=self._clock)
        self._ending = Ending()

    async def see_through(self) -> Ending:
        """See the task through, and let the agent do what it still has to do.

        The second attempt comes at once, when a lost run of the first is most in its way; later ones wait for the
        next round, as a Retry-After of half a minute would outlast three that come at once.
        """
        for attempt in range(self._retries + 1):
            if attempt > 1:
                await anyio.sleep(_POLL_SECONDS)
            try:
                meta = await self._timed("create", self._create(attempt))
            except Exception:  # noqa: BLE001 - the engine makes another attempt of whatever it was
                self._ending.phase = "CREATE FAILED"
                continue
            self._ending.run_ids.append(meta.run_id)
            await self._poll(type(meta).decode(meta.encode()))
            if self._ending.phase != "RETRYABLE_FAILED":
                break
        await anyio.sleep(_AFTERWARDS_SECONDS)
        await self._agent.drain()
        await SHARED_POOL.aclose()
        return self._ending

    def _create(self, attempt: int) -> Awaitable[Any]:
        return self._agent.create(
            task_template=self._template,
            output_prefix=f"memory://out/{attempt}",
            task_execution_metadata=make_execution(attempt=attempt),
        )

    async def _timed(self, what: str, call: Awaitable[T]) -> T:
        started_at = self._clock.time()
        try:
            return await call
        finally:
            took = self._clock.time() - started_at
            # Virtual time is counted in milliseconds.
            if took > BUDGET_SECONDS + 0.001:
                self._ending.late.append(f"{what} took {took:.3f} s")

    async def _poll(self, meta: Any) -> None:
        for poll in range(_MOST_POLLS):
            if poll == self._abort_after_polls:
                await self._abort(meta)
                return
            try:
                resource = await self._timed("get", self._agent.get(resource_meta=meta))
            except Exception as error:  # noqa: BLE001 - none is expected, so each is written down
                self._ending.raised.append(f"get: {error!r}")
            else:
                self._ending.phase, self._ending.message = phase_name(resource), resource.message
            if self._ending.phase in _OVER:
                return
            await anyio.sleep(_POLL_SECONDS)

    async def _abort(self, meta: Any) -> None:
        """Ask for the deletion until it succeeds, as an abort does."""
        for _ in range(_MOST_POLLS):
            try:
                await self._timed("delete", self._agent.delete(resource_meta=meta))
            except Exception:  # noqa: BLE001, PERF203 - the engine comes again
                await anyio.sleep(_POLL_SECONDS)
            else:
                self._ending.phase = "DELETED"
                return
        self._ending.raised.append("delete: never succeeded")
