"""The sleepers of this process: who sleeps until when, and who wakes next.

Time moves only when everybody who takes part is at rest and nobody holds it; then it moves to the next event or
to the first deadline, whichever comes first, and one sleeper wakes. It is moved by a thread that sleeps itself, or
by an event loop in which nothing but sleepers is left.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.at_rest import Stillness, describe_place, is_in_loop
from dbx_emulator.doors.callers import describe_caller
from dbx_emulator.doors.enrolment import Enrolment
from dbx_emulator.doors.loop_look import GLANCE_SECONDS, Look

__all__ = ["Sleepers", "real_sleep"]

#: What sleeps in truth, whoever is patched.
real_sleep = time.sleep

#: How long a thread stays in one place before it counts as waiting there.
_SETTLE_SECONDS = 0.002

#: How long a thread that was just woken by another has to show itself before time moves.
_BLINK_SECONDS = 0.0001

#: How often those look again whether all are at rest who leave that to somebody else.
_LONG_GLANCE_SECONDS = 0.05

#: How long sockets have to be quiet once anything has come over one.
_QUIET_SECONDS = 0.02


@dataclass(eq=False)
class _Sleeper:
    """Somebody who sleeps: a thread, or a task on the loop of a thread.

    Attributes:
        enrolment: Whose clock counts.
        deadline_ms: When it wants to wake, in epoch milliseconds of that clock.
        who: What messages call it.
        ident: The thread.
        order: Decides between two that wake at one moment.
        since: When it fell asleep, in real seconds.
        future: What wakes it, if it is a task.
        signal: What wakes it, if it is a thread that had to wait.
        is_awake: Whether it was woken; it is one of the sleepers until it has noticed.
        error: What it is to raise.
    """

    enrolment: Enrolment
    deadline_ms: int
    who: str
    ident: int
    order: tuple[str, int]
    since: float
    future: asyncio.Future[None] | None = None
    signal: threading.Event | None = None
    is_awake: bool = False
    error: BaseException | None = None

    @property
    def is_dormant(self) -> bool:
        """Whether it is a task that nobody runs at the moment."""
        return self.future is not None and not self.future.get_loop().is_running()

    @property
    def left_ms(self) -> int:
        """How long it still wants to sleep."""
        return self.deadline_ms - self.enrolment.clock.now_ms


class Sleepers:
    """All who sleep in this process, in whichever interception."""

    def __init__(self) -> None:
        self.enrolments: list[Enrolment] = []
        self._sleepers: list[_Sleeper] = []
        self._numbers = itertools.count()
        # Entered again by the clock's watchers: a test may move time from wherever it is.
        self._lock = threading.RLock()
        self._mover: int | None = None
        self._watcher: _Sleeper | None = None
        self._looks: dict[asyncio.AbstractEventLoop, Look] = {}
        self._stillness = Stillness(_SETTLE_SECONDS)
        self._progress = 0.0
        self._traffic: dict[int, tuple[int, float]] = {}

    def begin(self, enrolment: Enrolment) -> None:
        """Let an interception take part; the newest leads."""
        with self._lock:
            self.enrolments.append(enrolment)

    def end(self, enrolment: Enrolment) -> None:
        """Let an interception take part no longer, and have those raise who still sleep in it."""
        with self._lock:
            self.enrolments.remove(enrolment)
            for sleeper in [each for each in self._sleepers if each.enrolment is enrolment]:
                self._fail(
                    sleeper,
                    UsageError(
                        f"{sleeper.who} was still asleep when the interception of {enrolment.host} ended; end it "
                        "before: join the thread, await or cancel the task"
                    ),
                )
            if not self.enrolments:
                self._stillness = Stillness(_SETTLE_SECONDS)
                self._looks.clear()
                self._traffic.clear()

    def sleep_in_thread(self, enrolment: Enrolment, seconds: float) -> None:
        """Sleep as a thread: nothing else happens in it meanwhile.

        Raises:
            UsageError: Time does not move, or ends before.
        """
        sleeper = self._lie_down(enrolment, seconds)
        try:
            while not sleeper.is_awake:
                if not self.try_move():
                    self._wait(sleeper)
        finally:
            self._get_up(sleeper)
        if sleeper.error is not None:
            raise sleeper.error

    async def sleep_in_task(self, enrolment: Enrolment, seconds: float) -> None:
        """Sleep as a task of the running loop.

        Raises:
            UsageError: Time does not move, or ends before.
        """
        loop = asyncio.get_running_loop()
        sleeper = self._lie_down(enrolment, seconds, loop.create_future())
        assert sleeper.future is not None
        self._look_into(loop)
        try:
            await sleeper.future
        finally:
            self._get_up(sleeper)

    def wake_due(self, clock: Clock) -> None:
        """Wake all whose time has come, after somebody moved the clock by hand."""
        with self._lock:
            self._progress = time.perf_counter()
            due = [each for each in self._sleepers if each.enrolment.clock is clock and each.left_ms <= 0]
            for sleeper in sorted(due, key=lambda each: (each.deadline_ms, each.order)):
                self._wake(sleeper)

    def is_asleep_in(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether a task sleeps on a loop."""
        return any(
            each.future is not None and each.future.get_loop() is loop for each in tuple(self._sleepers)
        )

    def lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the tasks of a loop raise that have waited too long."""
        with self._lock:
            for sleeper in tuple(self._sleepers):
                if sleeper.future is not None and sleeper.future.get_loop() is loop:
                    self._check_patience(sleeper)

    def try_move(self) -> bool:
        """Move time a stretch or wake the next, for a thread or loop at rest; say whether it was done."""
        me = threading.get_ident()
        with self._lock:
            if self._mover not in (None, me) or not self._is_everybody_at_rest():
                return False
            mover, self._mover = self._mover, me
        try:
            return self._move()
        finally:
            self._mover = mover

    def _lie_down(
        self, enrolment: Enrolment, seconds: float, future: asyncio.Future[None] | None = None
    ) -> _Sleeper:
        enrolment.join()
        clock = enrolment.clock
        # As much as a millisecond, so that time moves whenever anybody sleeps.
        deadline_ms = clock.now_ms + max(1, round(seconds * 1_000))
        if clock.leap:
            deadline_ms = max(deadline_ms, clock.next_event_ms or 0)
        thread = threading.current_thread()
        sleeper = _Sleeper(
            enrolment,
            deadline_ms,
            f"{describe_caller()}, which sleeps {seconds:g} s,",
            threading.get_ident(),
            (thread.name, next(self._numbers)),
            time.perf_counter(),
            future,
        )
        with self._lock:
            self._sleepers.append(sleeper)
        return sleeper

    def _get_up(self, sleeper: _Sleeper) -> None:
        with self._lock:
            self._sleepers.remove(sleeper)
            if self._watcher is sleeper:
                self._watcher = None
            # Somebody has to look whether this one comes to rest in another way than by sleeping again.
            for each in self._sleepers:
                if each.signal is not None and not each.is_awake:
                    each.signal.set()
                    return

    def _wait(self, sleeper: _Sleeper) -> None:
        with self._lock:
            if sleeper.is_awake:
                return
            if sleeper.signal is None:
                sleeper.signal = threading.Event()
            if self._watcher is None:
                self._watcher = sleeper
            seconds = GLANCE_SECONDS if self._watcher is sleeper else _LONG_GLANCE_SECONDS
            self._check_patience(sleeper)
        sleeper.signal.wait(seconds)
        if not sleeper.is_awake:
            sleeper.signal.clear()

    def _move(self) -> bool:
        """Move time to the next event or to the first deadline; wake one sleeper if its time has come."""
        with self._lock:
            first = self._first()
            if first is None:
                return False
            clocks = {id(enrolment.clock): enrolment.clock for enrolment in self.enrolments}.values()
        left_ms = first.left_ms
        if left_ms > 0:
            events = [each for clock in clocks if (each := _until_next_event_ms(clock)) is not None]
            stretch_ms = min([left_ms, *events])
            try:
                # No lock is held: this calls whatever the test's author has asked to be called.
                for clock in clocks:
                    clock.wait(stretch_ms, who=first.who.rstrip(","))
            except Exception as error:  # noqa: BLE001 - raised by the one that wanted time to move
                with self._lock:
                    self._fail(first, error)
                return True
            self._progress = time.perf_counter()
            if first.left_ms > 0:
                return True
        with self._lock:
            self._wake(first)
        return True

    def _first(self) -> _Sleeper | None:
        """Return who wakes next. On a thread that sleeps itself, no task can; of its own sleeps, the last ends."""
        by_thread: dict[int, _Sleeper] = {each.ident: each for each in self._sleepers if each.future is None}
        able = [
            each
            for each in self._sleepers
            if by_thread.get(each.ident, each) is each and not each.is_awake and not each.is_dormant
        ]
        return min(able, key=lambda each: (each.left_ms, each.order), default=None)

    def _wake(self, sleeper: _Sleeper) -> None:
        if sleeper.is_awake:
            return
        sleeper.is_awake = True
        self._progress = time.perf_counter()
        if sleeper.future is not None:
            loop = sleeper.future.get_loop()
            if asyncio._get_running_loop() is loop:  # noqa: SLF001 - public, and the only one that does not raise
                _resolve(sleeper)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, sleeper)
        elif sleeper.signal is not None:
            sleeper.signal.set()

    def _fail(self, sleeper: _Sleeper, error: BaseException) -> None:
        sleeper.error = error
        self._wake(sleeper)

    def _is_everybody_at_rest(self) -> bool:
        now = time.perf_counter()
        if not self._is_quiet(now) or next(self._restless(now), None) is not None:
            return False
        if not self._waiting:
            return True
        # Whoever was woken a moment ago is where it waited until it gets to run.
        real_sleep(_BLINK_SECONDS)
        return next(self._restless(now), None) is None

    def _is_quiet(self, now: float) -> bool:
        """Say whether nobody holds time, and sockets have been quiet for long enough if there are any."""
        is_quiet = True
        for enrolment in self.enrolments:
            clock = enrolment.clock
            if clock.holds or clock.requests:
                return False
            if clock.traffic:
                count, since = self._traffic.get(id(clock), (0, now))
                last = max(each.since for each in self._sleepers)
                since = now if count != clock.traffic else max(since, last, self._progress)
                self._traffic[id(clock)] = (clock.traffic, since)
                is_quiet &= now - since >= _QUIET_SECONDS
        return is_quiet

    def _restless(self, now: float) -> Iterator[str]:
        """Yield who is not at rest, in words; note in `_waiting` whether any rests by waiting only."""
        self._waiting = False
        for sleeper in self._sleepers:
            if sleeper.is_awake and not sleeper.is_dormant:
                yield f"{sleeper.who} and was woken"
        # The running thread is at rest, or it would not ask.
        at_rest = {each.ident for each in self._sleepers if each.future is None} | {threading.get_ident()}
        others = {
            thread
            for enrolment in self.enrolments
            for thread in enrolment.participants()
            if thread.ident not in at_rest
        }
        # What a loop has others do for it, it waits for.
        others |= {
            thread for look in self._looks.values() for thread in look.workers if thread.ident not in at_rest
        }
        if not others:
            return
        frames = sys._current_frames()  # noqa: SLF001 - the documented way to see where threads are
        idle = {look.ident for look in self._looks.values() if look.is_idle}
        for thread in others:
            ident = thread.ident or 0
            frame = frames.get(ident)
            if ident in idle and frame is not None and is_in_loop(frame):
                continue
            self._waiting = True
            if not self._stillness.is_still(ident, frames, now):
                yield f"thread {thread.name!r} {describe_place(frame)}"

    def _check_patience(self, sleeper: _Sleeper) -> None:
        patience_seconds = sleeper.enrolment.patience_seconds
        now = time.perf_counter()
        if patience_seconds is None or sleeper.is_awake:
            return
        if now - max(sleeper.since, self._progress) < patience_seconds:
            return
        clocks = [enrolment.clock for enrolment in self.enrolments]
        held = [f"the hold {name!r}" for clock in clocks for name in clock.holds]
        held += [f"the request {name}" for clock in clocks for name in clock.requests]
        who = "; ".join([*held, *self._restless(now)]) or "nobody that is known"
        self._fail(
            sleeper,
            UsageError(
                f"{sleeper.who} has waited {patience_seconds:g} real seconds for time to move, and it is held by "
                f"{who}. Time moves when all who take part sleep or wait for one another; end what holds it, move "
                "the clock yourself, or wait longer: intercept(patience_seconds=60)"
            ),
        )

    def _look_into(self, loop: asyncio.AbstractEventLoop) -> None:
        look = self._looks.get(loop)
        if look is None:
            for each in [each for each in self._looks if each.is_closed()]:
                del self._looks[each]
            look = self._looks[loop] = Look(self, loop)
        look.start()


def _resolve(sleeper: _Sleeper) -> None:
    assert sleeper.future is not None
    if sleeper.future.done():
        return
    if sleeper.error is None:
        sleeper.future.set_result(None)
    else:
        sleeper.future.set_exception(sleeper.error)


def _until_next_event_ms(clock: Clock) -> int | None:
    next_event_ms = clock.next_event_ms
    return None if next_event_ms is None else max(0, next_event_ms - clock.now_ms)
