"""Event loops: one value each, and work that outlives its caller."""

from __future__ import annotations

import asyncio

import pytest

from dbx_agent.event_loops import PerLoop, UnderWay


def test_each_loop_has_its_own_value_and_closed_loops_are_dropped() -> None:
    """A value of a closed loop goes when the next one is made."""
    made: list[asyncio.AbstractEventLoop] = []

    def make() -> asyncio.AbstractEventLoop:
        # Like a real client, the value keeps its loop alive.
        made.append(asyncio.get_running_loop())
        return made[-1]

    values = PerLoop(make)

    async def use() -> tuple[asyncio.AbstractEventLoop, asyncio.AbstractEventLoop]:
        return values.get(), values.get()

    first, second = asyncio.run(use()), asyncio.run(use())
    assert (first, second) == ((made[0], made[0]), (made[1], made[1]))
    assert list(values._values) == [made[1]]


def test_pop_removes_the_value_of_the_running_loop() -> None:
    """Nothing is left the second time."""

    async def use() -> list[object]:
        values = PerLoop(lambda: 7)
        values.get()
        return [values.pop(), values.pop()]

    assert asyncio.run(use()) == [7, None]


@pytest.mark.asyncio
async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    """And drain waits for it."""
    under_way, began, gate, ended = UnderWay(), asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        began.set()
        await gate.wait()
        ended.append("work")

    caller = asyncio.create_task(under_way.run(work(), limit_seconds=60))
    await began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended == []
    gate.set()
    await under_way.drain()
    assert ended == ["work"]


@pytest.mark.asyncio
async def test_work_goes_on_when_the_limit_passes() -> None:
    """The caller hears of the limit; a failure that nobody waits for any more is no warning."""
    under_way, gate = UnderWay(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise ValueError("late")

    with pytest.raises(TimeoutError):
        await under_way.run(work(), limit_seconds=0.01)
    gate.set()
    await under_way.drain()


@pytest.mark.asyncio
async def test_work_hands_over_its_result_and_its_failure() -> None:
    """As if it had been awaited."""
    under_way = UnderWay()

    async def work(value: int) -> int:
        if not value:
            raise ValueError("zero")
        return value

    assert await under_way.run(work(7), limit_seconds=60) == 7
    with pytest.raises(ValueError, match="zero"):
        await under_way.run(work(0), limit_seconds=60)


@pytest.mark.asyncio
async def test_work_that_is_cancelled_by_somebody_else_is_forgotten_quietly() -> None:
    """As when the loop is shut down."""
    under_way, began = UnderWay(), asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.Event().wait()

    caller = asyncio.create_task(under_way.run(work(), limit_seconds=60))
    await began.wait()
    for task in list(under_way._tasks):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert under_way._tasks == set()
