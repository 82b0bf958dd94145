"""A submit whose caller is gone at the worst moment."""

from __future__ import annotations

import asyncio

import pytest

from dbx_agent.attempts import Attempts, Submit
from dbx_agent.errors import ApiCallError

from .support import ManualClock


@pytest.mark.asyncio
async def test_a_caller_cancelled_between_its_answer_and_its_next_step_has_not_heard() -> None:
    """The answer is there and the deadline strikes first: the run is nobody's all the same."""
    clock = ManualClock()
    attempts, cancelled = Attempts(clock), []

    async def send() -> int:
        asyncio.get_running_loop().call_soon(caller.cancel)
        return 7

    async def cancel(run_id: int) -> None:
        cancelled.append(run_id)

    caller = asyncio.create_task(attempts.run(Submit(key="k", send=send, cancel=cancel, grace_seconds=60.0)))
    with pytest.raises(asyncio.CancelledError):
        await caller
    await attempts.drain()
    assert cancelled == [7]


@pytest.mark.asyncio
async def test_an_attempt_that_was_answered_long_ago_does_not_save_a_later_run() -> None:
    """What is settled is forgotten: a key counts only while a submit of it is under way."""
    attempts, cancelled, gate = Attempts(ManualClock()), [], asyncio.Event()

    async def send() -> int:
        await gate.wait()
        return 7

    async def cancel(run_id: int) -> None:
        cancelled.append(run_id)

    submit = Submit(key="k", send=send, cancel=cancel, grace_seconds=60.0)
    gate.set()
    assert await attempts.run(submit) == 7
    await attempts.drain()
    gate.clear()
    caller = asyncio.create_task(attempts.run(submit))
    caller_waits = asyncio.create_task(asyncio.wait({caller}, timeout=10))
    asyncio.get_running_loop().call_soon(caller.cancel)
    await caller_waits
    gate.set()
    await attempts.drain()
    assert (caller.cancelled(), cancelled) == (True, [7])


@pytest.mark.asyncio
@pytest.mark.parametrize("failures", [0, 1, 2, 3])
async def test_a_process_that_ends_tries_three_times_to_cancel(failures: int) -> None:
    """One failure is no reason to leave a run behind, and a service that is gone is none to stay for ever."""
    attempts = Attempts(ManualClock())
    asked: list[int] = []
    held = asyncio.Event()

    async def send() -> int:
        await held.wait()
        return 7

    async def cancel(run_id: int) -> None:
        asked.append(run_id)
        if len(asked) <= failures:
            raise ApiCallError("not now", retryable=True)

    caller = asyncio.create_task(attempts.run(Submit(key="k", send=send, cancel=cancel, grace_seconds=60.0)))
    asyncio.get_running_loop().call_soon(caller.cancel)
    with pytest.raises(asyncio.CancelledError):
        await caller
    asyncio.get_running_loop().call_soon(held.set)
    await attempts.drain()
    assert asked == [7] * min(failures + 1, 3)
