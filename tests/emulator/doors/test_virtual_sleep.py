"""Virtual sleep: who takes part, in which order they wake, and what happens when time cannot move."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import anyio
import anyio.lowlevel
import httpx
import pytest

from dbx_emulator import Clock, Timing, UsageError, Workspace
from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator.doors import virtual_sleep as virtual_sleep_module

#: Longer than any test may take: who really sleeps that long fails by time.
_LONG = 86_400.0


@pytest.fixture
def clock() -> Clock:
    """A clock that sleepers move."""
    return Clock("sleeping")


@pytest.fixture
def workspace(clock: Clock) -> Iterator[Workspace]:
    """A workspace that intercepts, threads named poller-… included."""
    workspace = Workspace(clock=clock)
    with workspace.intercept(threads=["poller-*"], patience_seconds=5):
        yield workspace


def _passed_ms(workspace: Workspace) -> int:
    return workspace.clock.now_ms - EPOCH_MS


def _run_threads(*targets: Callable[[], object], name: str = "poller-{}") -> None:
    threads = [
        threading.Thread(target=target, name=name.format(number)) for number, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_sleep_passes_at_once_and_in_full(workspace: Workspace) -> None:
    """A day and a half a second are as long as they are, and take no time."""
    time.sleep(_LONG)
    time.sleep(0.5)
    time.sleep(0.0001)
    assert _passed_ms(workspace) == 86_400_501, "no sleep is shorter than a millisecond"


def test_sleep_in_tasks_passes_at_once(workspace: Workspace) -> None:
    """`asyncio.sleep` gives its result back, and a task that is made of it sleeps like one that awaits it."""

    async def main() -> tuple[str, str]:
        await asyncio.sleep(_LONG)
        return await asyncio.gather(asyncio.sleep(10, "a"), asyncio.sleep(20, result="b"))

    assert tuple(asyncio.run(main())) == ("a", "b")
    assert _passed_ms(workspace) == 86_420_000


def test_five_tasks_take_as_long_as_one(workspace: Workspace) -> None:
    """Pollers of 30 s on one loop sleep at the same time and wake in the order in which they began."""
    woken: list[tuple[int, int]] = []

    async def poll(number: int) -> None:
        for _ in range(2):
            await asyncio.sleep(30)
            woken.append((_passed_ms(workspace), number))

    async def main() -> None:
        await asyncio.gather(*(poll(number) for number in range(5)))

    asyncio.run(main())
    assert woken == [(at_ms, number) for at_ms in (30_000, 60_000) for number in range(5)]


def test_five_threads_take_as_long_as_one(workspace: Workspace) -> None:
    """Threads that are enrolled by name wake in the order of their names, one at a time."""
    woken: list[tuple[int, str]] = []
    awake: list[str] = []

    def poll() -> None:
        name = threading.current_thread().name
        for _ in range(3):
            time.sleep(30)
            awake.append(name)
            woken.append((_passed_ms(workspace), name))
            assert awake == [name], "the others sleep as long as this one is at work"
            awake.remove(name)

    _run_threads(*[poll] * 5)
    assert woken == [(at_ms, f"poller-{number}") for at_ms in (30_000, 60_000, 90_000) for number in range(5)]


def test_first_deadline_comes_first(workspace: Workspace) -> None:
    """Sleepers of different lengths wake in the order of their deadlines, on threads and on a loop."""
    woken: list[tuple[int, str]] = []

    def nap(name: str, *seconds: float) -> None:
        for each in seconds:
            time.sleep(each)
            woken.append((_passed_ms(workspace), name))

    async def doze() -> None:
        for _ in range(3):
            await asyncio.sleep(4)
            woken.append((_passed_ms(workspace), "task"))

    _run_threads(
        functools.partial(nap, "seven", 7, 7), functools.partial(nap, "ten", 10), lambda: asyncio.run(doze())
    )
    assert woken == [
        (4_000, "task"),
        (7_000, "seven"),
        (8_000, "task"),
        (10_000, "ten"),
        (12_000, "task"),
        (14_000, "seven"),
    ]


def test_time_waits_for_the_thread_at_work(workspace: Workspace) -> None:
    """While the test's own thread is busy, no sleeper elsewhere moves time."""
    asleep = threading.Event()

    def poll() -> None:
        asleep.set()
        time.sleep(30)

    thread = threading.Thread(target=poll, name="poller-0")
    thread.start()
    asleep.wait()
    deadline = time.perf_counter() + 0.1
    while time.perf_counter() < deadline:
        assert _passed_ms(workspace) == 0
    thread.join()
    assert _passed_ms(workspace) == 30_000


def test_thread_that_ends_or_waits_holds_nothing(workspace: Workspace) -> None:
    """One ends at once and one waits at a queue; the third sleeps."""
    work: queue.Queue[int] = queue.Queue()

    def sleep_and_feed() -> None:
        time.sleep(30)
        work.put(1)
        time.sleep(30)

    _run_threads(lambda: None, work.get, sleep_and_feed)
    assert _passed_ms(workspace) == 60_000


def test_thread_that_a_loop_hands_work_to_holds_time(workspace: Workspace) -> None:
    """What `asyncio.to_thread` does is part of what the task does."""

    def work() -> int:
        deadline = time.perf_counter() + 0.05
        while time.perf_counter() < deadline:
            pass
        return _passed_ms(workspace)

    async def worker() -> int:
        return await asyncio.to_thread(work)

    async def main() -> tuple[int, None]:
        return await asyncio.gather(worker(), asyncio.sleep(30))

    assert tuple(asyncio.run(main())) == (0, None)
    assert _passed_ms(workspace) == 30_000


def test_task_on_the_loop_of_another_thread_takes_part(workspace: Workspace) -> None:
    """A blocking sleep in a coroutine on a background loop is enrolled by the context that came with it."""

    async def block() -> None:
        for _ in range(3):
            time.sleep(_LONG)
            await asyncio.sleep(1)

    with _background_loop() as loop:
        asyncio.run_coroutine_threadsafe(block(), loop).result()
    assert _passed_ms(workspace) == 3 * 86_401_000


@contextlib.contextmanager
def _background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_others_sleep_in_truth(workspace: Workspace) -> None:
    """A thread with another name moves no time, and neither does the standard library."""
    seconds: list[float] = []

    def stranger() -> None:
        started = time.perf_counter()
        time.sleep(0.05)
        seconds.append(time.perf_counter() - started)

    _run_threads(stranger, name="stranger-{}")
    assert seconds[0] >= 0.05
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait(timeout=30)
    with pytest.raises(queue.Empty):
        queue.Queue[int]().get(timeout=0.01)
    assert _passed_ms(workspace) == 0


def test_timers_of_loops_are_real(workspace: Workspace) -> None:
    """A time limit of asyncio does not strike because somebody sleeps for long."""

    async def main() -> None:
        await asyncio.wait_for(asyncio.sleep(_LONG), timeout=30)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=0.01)

    asyncio.run(main())
    assert _passed_ms(workspace) == 86_400_000


def test_anyio_sleeps_likewise(workspace: Workspace) -> None:
    """Under asyncio, within anyio's own groups of tasks."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, _LONG)
            await anyio.sleep(10)
            assert _passed_ms(workspace) == 10_000

    asyncio.run(main())
    assert _passed_ms(workspace) == 86_400_000


def test_anyio_outside_of_asyncio_is_anyio_s_own(workspace: Workspace) -> None:
    """Where no loop of asyncio runs, the call goes to what was there."""
    with pytest.raises(anyio.NoEventLoopError if hasattr(anyio, "NoEventLoopError") else Exception):
        anyio.sleep(1).send(None)
    assert _passed_ms(workspace) == 0


def test_sleep_of_nothing_and_less_is_what_it_was(workspace: Workspace) -> None:
    """Zero lets others run; a negative sleep is the original's error or no sleep, as ever."""
    turns: list[str] = []

    async def turn(name: str) -> None:
        for _ in range(2):
            turns.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(turn("a"), turn("b"))
        await asyncio.sleep(-1)

    asyncio.run(main())
    time.sleep(0)
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    assert turns == ["a", "b", "a", "b"]
    assert _passed_ms(workspace) == 0


def test_cancelled_task_sleeps_no_longer(workspace: Workspace) -> None:
    """Nobody waits for its deadline."""

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(_LONG))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)

    asyncio.run(main())
    assert _passed_ms(workspace) == 2_000
    assert virtual_sleep_module._sleepers._sleepers == []


def test_loops_may_follow_each_other(workspace: Workspace) -> None:
    """What one loop left behind, asleep or about to wake, does not trouble the next."""

    async def main() -> None:
        left_behind = [asyncio.create_task(asyncio.sleep(30)) for _ in range(3)]
        await asyncio.sleep(30)
        assert left_behind

    asyncio.run(main())
    asyncio.run(main())
    assert _passed_ms(workspace) == 60_000
    time.sleep(1)
    assert _passed_ms(workspace) == 61_000


def test_loop_that_stands_still_is_left_out(workspace: Workspace) -> None:
    """A task on a loop that nobody runs sleeps on until somebody does."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(30))
    loop.run_until_complete(asyncio.sleep(10))
    time.sleep(40)
    assert (_passed_ms(workspace), task.done()) == (50_000, False)
    loop.run_until_complete(task)
    loop.close()
    assert _passed_ms(workspace) == 50_000


def test_blocked_loop_wakes_its_tasks_late(workspace: Workspace) -> None:
    """As in real time, a task cannot wake before a blocking sleep on its loop is over."""
    woken: list[int] = []

    async def doze() -> None:
        await asyncio.sleep(5)
        woken.append(_passed_ms(workspace))

    async def main() -> None:
        task = asyncio.create_task(doze())
        await asyncio.sleep(1)
        time.sleep(60)
        await task

    asyncio.run(main())
    assert woken == [61_000]


def test_loop_that_shows_nothing_is_given_more_turns(workspace: Workspace) -> None:
    """A chain of callbacks runs to its end before time moves, on loops that hide what is ready as well."""

    class HidingLoop(asyncio.SelectorEventLoop):
        def __getattribute__(self, name: str) -> object:
            caller = sys._getframe(1).f_globals["__name__"]
            if name == "_ready" and caller.startswith("dbx_emulator"):
                raise AttributeError(name)
            return super().__getattribute__(name)

    async def chain() -> int:
        for _ in range(20):
            await asyncio.sleep(0)
        return _passed_ms(workspace)

    async def main() -> tuple[None, int]:
        return await asyncio.gather(asyncio.sleep(30), chain())

    loop = HidingLoop()
    assert tuple(loop.run_until_complete(main())) == (None, 0)
    loop.close()


def test_advance_wakes_whoever_is_due(workspace: Workspace) -> None:
    """The test moves the clock while others sleep, and they wake although it goes on working."""
    woken: queue.SimpleQueue[int] = queue.SimpleQueue()
    asleep = threading.Event()

    def poll() -> None:
        asleep.set()
        time.sleep(30)
        woken.put(_passed_ms(workspace))

    thread = threading.Thread(target=poll, name="poller-0")
    thread.start()
    asleep.wait()
    _until(lambda: bool(virtual_sleep_module._sleepers._sleepers))
    workspace.clock.advance("29s")
    assert woken.empty()
    workspace.clock.advance("1m")
    _until(lambda: not woken.empty())
    thread.join()
    assert woken.get() == 89_000


def test_advance_wakes_tasks(workspace: Workspace) -> None:
    """A task is woken by a move that is made on its own loop or from elsewhere."""

    async def main() -> None:
        here = asyncio.create_task(asyncio.sleep(30))
        await asyncio.sleep(0)
        workspace.clock.advance("31s")
        await here
        elsewhere = asyncio.create_task(asyncio.sleep(30))
        await asyncio.sleep(0)
        await asyncio.to_thread(workspace.clock.advance, "31s")
        await elsewhere

    asyncio.run(main())
    assert _passed_ms(workspace) == 62_000


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + 10
    while not holds():
        assert time.perf_counter() < deadline, "it never came"


def test_events_happen_on_the_way(workspace: Workspace) -> None:
    """Whoever is called after an event sees its time, not the sleeper's."""
    seen: list[int] = []
    url = f"{workspace.url}/api/2.1/jobs/runs/submit"
    body = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    run_id = httpx.post(url, json=body, headers=workspace.headers).json()["run_id"]
    time.sleep(3_600)
    seen = [entry.at_ms - workspace.runs[run_id].start_time_ms for entry in workspace.runs[run_id].timeline]
    assert seen == [0, 120_000, 180_000, 182_000]


def test_leaping_sleeper_wakes_at_the_next_event() -> None:
    """If the next event comes after its own time, that is when it wakes; without one it is its own time."""
    workspace = Workspace(clock=Clock("sleeping", leap=True), timing=Timing(run="24h"))
    url = f"{workspace.url}/api/2.1/jobs/runs/submit"
    body = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    with workspace.intercept():
        time.sleep(10)
        run_id = httpx.post(url, json=body, headers=workspace.headers).json()["run_id"]
        run, woken = workspace.runs[run_id], [_passed_ms(workspace)]
        for seconds in (10, 3_600, 10, 10):
            time.sleep(seconds)
            woken.append(_passed_ms(workspace))
    assert run.is_terminal
    assert woken == [10_000, 130_000, 86_530_000, 86_540_000, 86_550_000]


def test_end_of_time_is_told_to_the_sleeper() -> None:
    """The one that wants time to move too far is the one that raises, and the message names it."""
    workspace = Workspace(clock=Clock("sleeping", end_of_time="1h"))
    said: list[str] = []

    def doze() -> None:
        try:
            time.sleep(7_200)
        except UsageError as error:
            said.append(str(error))

    with workspace.intercept(threads=["poller-*"]):
        _run_threads(doze, lambda: time.sleep(60))
        with pytest.raises(
            UsageError, match=r"^end of time: thread 'MainThread', which sleeps 3600 s would move"
        ):
            time.sleep(3_600)
    assert said[0].startswith("end of time: thread 'poller-0', which sleeps 7200 s would move")
    assert _passed_ms(workspace) == 60_000


@pytest.mark.parametrize("is_task", [False, True], ids=["thread", "task"])
def test_hold_is_named_when_patience_ends(clock: Clock, is_task: bool) -> None:  # noqa: FBT001
    """Somebody holds time for good: the sleeper says who, instead of hanging."""
    workspace = Workspace(clock=clock)

    def sleep() -> None:
        if is_task:
            asyncio.run(asyncio.wait_for(asyncio.sleep(30), 10))
        else:
            time.sleep(30)

    with (
        workspace.intercept(patience_seconds=0.05),
        clock.hold("seeding"),
        pytest.raises(UsageError, match=r"sleeps 30 s, has waited 0\.05 real seconds .* the hold 'seeding'"),
    ):
        sleep()
    assert _passed_ms(workspace) == 0


def test_hold_that_ends_lets_time_move(workspace: Workspace) -> None:
    """Sleepers wait for it, and no longer."""
    began = threading.Event()

    def poll() -> None:
        began.wait()
        time.sleep(30)

    thread = threading.Thread(target=poll, name="poller-0")
    with workspace.clock.hold("seeding"):
        thread.start()
        began.set()
        thread.join(timeout=0.05)
        assert (thread.is_alive(), _passed_ms(workspace)) == (True, 0)
        workspace.clock.advance("10s")
    thread.join()
    assert 30_000 <= _passed_ms(workspace) <= 40_000


def test_busy_thread_is_named_when_patience_ends(clock: Clock) -> None:
    """The message says which thread, and at which line it is."""
    workspace = Workspace(clock=clock)
    said: list[str] = []
    is_over = False

    def poll() -> None:
        try:
            time.sleep(30)
        except UsageError as error:
            said.append(str(error))

    with workspace.intercept(threads=["poller-*"], patience_seconds=0.05):
        thread = threading.Thread(target=poll, name="poller-0")
        thread.start()
        while not is_over:
            is_over = not thread.is_alive()
    assert "thread 'poller-0', which sleeps 30 s" in said[0]
    assert "held by thread 'MainThread' at " in said[0]
    assert f"{__file__}:" in said[0]
    assert "in test_busy_thread_is_named_when_patience_ends" in said[0]


def test_request_at_a_socket_holds_time(workspace: Workspace) -> None:
    """While an answer is under way no sleeper moves time, and the message names the request."""
    workspace.clock.advance("1s")
    with workspace.serve() as server, workspace.hold("GET /slow"):
        thread = threading.Thread(target=lambda: time.sleep(30), name="poller-0")
        thread.start()
        answer = httpx.get(f"{server.url}/api/2.1/jobs/runs/list", headers=workspace.headers, trust_env=False)
        assert (answer.status_code, _passed_ms(workspace)) == (200, 1_000)
    thread.join()
    assert _passed_ms(workspace) == 31_000


def test_request_is_named_when_patience_ends(clock: Clock) -> None:
    """So it is for a request that is never answered."""
    workspace = Workspace(clock=clock)
    with (
        workspace.intercept(patience_seconds=0.05),
        workspace.hold("GET /slow"),
        pytest.raises(UsageError, match="held by the request GET /slow"),
    ):
        time.sleep(30)


def test_sleeper_left_behind_is_told(clock: Clock) -> None:
    """Whoever still sleeps when the interception ends raises: neither woken nor left to sleep for a day."""
    workspace = Workspace(clock=clock)
    said: list[str] = []

    def doze() -> None:
        try:
            time.sleep(_LONG)
        except UsageError as error:
            said.append(str(error))

    async def main() -> None:
        with workspace.intercept(threads=["poller-*"]):
            thread = threading.Thread(target=doze, name="poller-0")
            thread.start()
            task = asyncio.create_task(asyncio.sleep(_LONG))
            _until(lambda: bool(virtual_sleep_module._sleepers._sleepers))
            await asyncio.sleep(0)
        with pytest.raises(UsageError, match="was still asleep when the interception of dbx-emulator"):
            await task
        thread.join()

    asyncio.run(main())
    assert said[0].startswith("thread 'poller-0', which sleeps 86400 s, was still asleep")


def test_interceptions_within_each_other_move_together() -> None:
    """The innermost leads; the other workspaces that sleep move by the same amounts, one by hand does not."""
    outer, inner = (
        Workspace("https://outer.cloud.databricks.com"),
        Workspace("https://inner.cloud.databricks.com"),
    )
    by_hand = Workspace("https://hand.cloud.databricks.com", clock=Clock())
    with outer.intercept(), by_hand.intercept():
        time.sleep(10)
        with inner.intercept():
            time.sleep(30)
        time.sleep(5)
    assert [_passed_ms(each) for each in (outer, inner, by_hand)] == [45_000, 30_000, 0]


def test_events_of_every_workspace_stop_time() -> None:
    """Sleepers of two interceptions wake in the order of what is left to them."""
    outer = Workspace("https://outer.cloud.databricks.com")
    inner = Workspace("https://inner.cloud.databricks.com")
    woken: list[tuple[str, int, int]] = []

    async def doze(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, _passed_ms(outer), _passed_ms(inner)))

    async def main() -> None:
        with outer.intercept():
            time.sleep(100)
            task = asyncio.create_task(doze("outer", 30))
            await asyncio.sleep(0)
            with inner.intercept():
                await doze("inner", 20)
            await task

    asyncio.run(main())
    assert woken == [("inner", 120_000, 20_000), ("outer", 130_000, 20_000)]


def test_everything_is_put_back(clock: Clock) -> None:
    """Afterwards each attribute is what it was, to the object, even when the body of the context raised."""
    before = (time.sleep, asyncio.sleep, anyio.sleep)
    workspace = Workspace(clock=clock)
    with contextlib.suppress(ZeroDivisionError), workspace.intercept():
        assert all(
            now is not then
            for now, then in zip((time.sleep, asyncio.sleep, anyio.sleep), before, strict=True)
        )
        assert inspect.iscoroutinefunction(asyncio.sleep) or asyncio.iscoroutinefunction(asyncio.sleep)
        raise ZeroDivisionError
    assert all(
        now is then for now, then in zip((time.sleep, asyncio.sleep, anyio.sleep), before, strict=True)
    )


def test_sleep_that_was_kept_is_the_original_afterwards(clock: Clock) -> None:
    """A module that was loaded meanwhile and took `sleep` for itself sleeps in truth from then on."""
    workspace = Workspace(clock=clock)
    with workspace.intercept():
        kept, kept_in_asyncio, kept_in_anyio = time.sleep, asyncio.sleep, anyio.sleep

    async def main() -> str:
        await kept_in_anyio(0.001)
        return await kept_in_asyncio(0.001, "slept")

    kept(0.001)
    assert asyncio.run(main()) == "slept"
    assert _passed_ms(workspace) == 0


def test_patch_of_somebody_else_is_left_to_him(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever replaces `time.sleep` meanwhile takes his own away, and finds virtual sleep when he does."""
    workspace, original = Workspace(clock=clock), time.sleep
    with workspace.intercept():
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)
        time.sleep(30)
    monkeypatch.undo()
    assert time.sleep is virtual_sleep_module.sleep
    time.sleep(0.001)
    with workspace.intercept():
        time.sleep(30)
    assert _passed_ms(workspace) == 30_000
    monkeypatch.setattr(time, "sleep", original)
    monkeypatch._setattr.clear()
    assert time.sleep is original


@pytest.mark.parametrize("policy", ["manual", "per-poll"])
def test_only_a_sleeping_clock_is_moved_by_sleep(policy: str) -> None:
    """Under other policies nothing of `time` is touched, and arguments about sleepers are refused."""
    workspace, original = Workspace(clock=Clock(policy)), time.sleep  # type: ignore[arg-type]
    with workspace.intercept():
        assert time.sleep is original
    with (
        pytest.raises(UsageError, match=rf"with the policy '{policy}' .*Clock\('sleeping'\)"),
        workspace.intercept(threads=["poller-*"]),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"patience_seconds": 0}, "patience_seconds: 0 is neither", id="patience"),
        pytest.param({"threads": [3]}, r"threads: 3 is no name; write threads=\['…'\]", id="threads"),
        pytest.param({"modules": [""]}, "modules: '' is no name", id="modules"),
    ],
)
def test_wrong_arguments_are_told(clock: Clock, options: dict[str, object], said: str) -> None:
    """Nothing is patched then."""
    original = time.sleep
    with pytest.raises(UsageError, match=said), Workspace(clock=clock).intercept(**options):  # type: ignore[arg-type]
        pass
    assert time.sleep is original


def test_single_name_is_one_pattern(clock: Clock) -> None:
    """A text where a list is expected is taken for its only entry, not for its letters."""
    workspace = Workspace(clock=clock)
    with workspace.intercept(threads="poller-0"):
        _run_threads(lambda: time.sleep(30))
    assert _passed_ms(workspace) == 30_000


def test_loop_of_the_server_takes_no_part(clock: Clock) -> None:
    """Not even when every name is a match: it would hold time, or race through it."""
    workspace = Workspace(clock=clock)
    with workspace.intercept(threads=["*"]), workspace.serve() as server:
        answer = httpx.get(f"{server.url}/api/2.1/jobs/runs/list", headers=workspace.headers, trust_env=False)
        assert answer.status_code == 200
        time.sleep(30)
        assert _passed_ms(workspace) == 30_000


def test_sleep_within_what_is_called_on_the_way(workspace: Workspace) -> None:
    """Whoever is called after an event may sleep himself; the sleeper wakes no earlier for it."""
    calls: list[int] = []

    class Nap:
        due: int | None = EPOCH_MS + 10_000

        def next_deadline_ms(self) -> int | None:
            return self.due

        def settle(self) -> None:
            if self.due is not None and workspace.clock.now_ms >= self.due:
                self.due = None
                time.sleep(5)
                calls.append(_passed_ms(workspace))

        def find_run(self, _run_id: int) -> None:
            return None

    workspace.clock.attach(Nap())
    time.sleep(30)
    assert (calls, _passed_ms(workspace)) == ([15_000], 30_000)
