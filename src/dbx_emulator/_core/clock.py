"""Virtual time: an epoch, a rate and moves forward, from event to event.

Owns the present. What is due it asks the agendas that are attached: a move stops at every deadline on its way and
lets happen what is due there before it goes on, so that whoever is called finds the clock at that moment.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from dbx_emulator._core.agenda import Agenda, read_state
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest

if TYPE_CHECKING:
    from dbx_emulator._core.runs import JobRun, TaskRun
    from dbx_emulator._core.states import LifeCycleState

__all__ = ["EPOCH_MS", "POLICIES", "Clock", "Policy", "Present"]

#: Virtual time starts at 2024-01-01T00:00:00Z, whatever the clock on the wall says.
EPOCH_MS = 1_704_067_200_000

Policy = Literal["manual", "sleeping", "per-poll", "scaled", "real"]

#: Virtual milliseconds that pass in one real millisecond; `None` stands for the speed that was asked for.
POLICIES: dict[str, float | None] = {
    "manual": 0.0,
    "sleeping": 0.0,
    "per-poll": 0.0,
    "scaled": None,
    "real": 1.0,
}


class Present(NamedTuple):
    """Where time is.

    Attributes:
        now_ms: The present, in epoch milliseconds of virtual time.
        ticked_ms: The last present that something was stamped with; 0 if nothing was.
    """

    now_ms: int = EPOCH_MS
    ticked_ms: int = 0


class Clock:
    """The present of one workspace or of several, in epoch milliseconds.

    A clock never goes back but to a snapshot. `advance`, `step` and `run_until` move it under every policy.

    Args:
        policy: `manual` (stands still until moved), `sleeping` (moves when the code under test sleeps, while an
            interception is open), `per-poll` (each `runs/get` moves it to that run's next event, after the
            answer), `scaled` (runs `speed` times as fast as real time) or `real`.
        speed: Virtual seconds in one real second, for `scaled`; above 0.
        real_ms: Where real time comes from, in milliseconds since any fixed moment. Only `scaled` and `real`
            need it.
        end_of_time: How long after its start time ends; a move beyond is a mistake. `None`: never.
        stall_after: How many times one target may be read while time stands still, at least 1; the next time is
            a mistake. `None`: as often as anybody likes.
        leap: Whether a sleeper wakes at the next event if that comes after its own time; for `sleeping`.

    Raises:
        UsageError: An unknown policy, a speed that is not above 0, no source of real time where one is needed, or
            one of the others is nothing that it can be.
    """

    #: What of it a snapshot holds. Who keeps time or waits for it belongs to the process.
    STATE: ClassVar[tuple[str, ...]] = ("present",)

    def __init__(
        self,
        policy: Policy = "manual",
        *,
        speed: float = 60.0,
        real_ms: Callable[[], float] | None = None,
        end_of_time: Duration | None = None,
        stall_after: int | None = None,
        leap: bool = False,
    ) -> None:
        self.rate = _rate(policy, speed)
        if self.rate and real_ms is None:
            raise UsageError(
                f"clock policy {policy!r} needs a source of real time: real_ms=lambda: time.monotonic() * 1000"
            )
        if stall_after is not None and (type(stall_after) is not int or stall_after < 1):
            raise UsageError(f"stall_after: {stall_after!r} is neither None nor a whole number from 1 on")
        if leap and policy != "sleeping":
            raise UsageError(f"leap: sleepers leap under the policy 'sleeping', and this clock is {policy!r}")
        self.policy = policy
        self.stall_after = stall_after
        self.leap = leap
        self.end_of_time_ms = (
            None if end_of_time is None else EPOCH_MS + duration_ms(end_of_time, name="end_of_time")
        )
        #: Grows with all that comes and goes over sockets; whoever sees it stand still knows that they are quiet.
        self.traffic = 0
        #: The requests that are being answered over sockets.
        self.requests: list[str] = []
        self._real_ms = real_ms or (lambda: 0.0)
        self._started_ms = self._real_ms()
        self._jumped_ms = 0
        self._ticked_ms = 0
        self._planned: tuple[int, str] | None = None
        self._lock = threading.RLock()
        self._holds: list[str] = []
        self._held_ms: float | None = None
        self._agendas: list[Agenda] = []
        self._watchers: list[Callable[[], None]] = []

    @property
    def now_ms(self) -> int:
        """The present, in epoch milliseconds of virtual time."""
        if not self.rate:
            return EPOCH_MS + self._jumped_ms
        real_ms = self._real_ms() if self._held_ms is None else self._held_ms
        now_ms = EPOCH_MS + self._jumped_ms + int((real_ms - self._started_ms) * self.rate)
        return now_ms if self.end_of_time_ms is None else min(now_ms, self.end_of_time_ms)

    @property
    def present(self) -> Present:
        """Where time is. To set it is the only way for time to go back, as a restored snapshot does.

        Raises:
            UsageError: Time ends before.
        """
        return Present(self.now_ms, self._ticked_ms)

    @present.setter
    def present(self, present: Present) -> None:
        self._refuse_beyond_end(present.now_ms, "a snapshot")
        with self._lock:
            self._jumped_ms = present.now_ms - EPOCH_MS
            self._ticked_ms = present.ticked_ms
            self._planned = None
            self._started_ms = self._real_ms()
            if self._held_ms is not None:
                self._held_ms = self._started_ms

    @property
    def next_event_ms(self) -> int | None:
        """When the next event is due, in epoch milliseconds; `None` if nothing is to come."""
        deadlines = [
            deadline_ms for agenda in self._agendas if (deadline_ms := agenda.next_deadline_ms()) is not None
        ]
        return min(deadlines, default=None)

    @property
    def holds(self) -> tuple[str, ...]:
        """The names of those who keep time from moving by itself."""
        return tuple(self._holds)

    def attach(self, agenda: Agenda) -> None:
        """Stop at what is due for `agenda` on every move from now on."""
        self._agendas.append(agenda)

    def is_shared(self, *own: Agenda) -> bool:
        """Say whether it has to stop for others besides these."""
        return any(all(agenda is not each for each in own) for agenda in self._agendas)

    def watch(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Have `moved` called after each `advance`, `step`, `run_until` and snapshot; return what ends that."""
        self._watchers.append(moved)
        return lambda: self._watchers.remove(moved)

    def advance(self, duration: Duration) -> int:
        """Move time forward and return the new present in epoch milliseconds.

        Raises:
            UsageError: The duration is negative or no duration, or time ends before.
        """
        self.wait(duration_ms(duration, name="advance"), who=f"advance({duration!r})")
        return self.moved()

    def step(self) -> int:
        """Move time to the next event, let that happen, and return the new present in epoch milliseconds.

        Raises:
            UsageError: Nothing is to come, or time ends before.
        """
        if not self._step("step()"):
            raise UsageError("step: nothing is to come; every run is over, or none was submitted")
        return self.moved()

    def run_until(self, run: JobRun | TaskRun | int, state: LifeCycleState | str) -> int:
        """Move time from event to event until a run is in a state, and return the present.

        A run that is there already moves nothing. A state that lasts no time is never seen.

        Args:
            run: The run of a job or of a task, or its id.
            state: The life-cycle state, or its name.

        Raises:
            UsageError: There is no such run or state, the run never comes there, or time ends before.
        """
        wanted = read_state(state)
        self._settle()
        found = self._find_run(run) if isinstance(run, int) else run
        who = f"run_until(run {found.run_id}, {wanted.value!r})"
        while found.life_cycle_state is not wanted:
            now = f"it is {found.life_cycle_state.value} at {_instant(self.now_ms)}"
            if found.is_terminal:
                raise UsageError(f"{who}: the run is over and can never come there; {now}")
            if not self._step(who):
                raise UsageError(f"{who}: nothing is to come for any run, so it can never come there; {now}")
        return self.moved()

    def wait(self, ms: int, *, who: str) -> None:
        """Let milliseconds pass, from event to event. The doors call this for clients that wait.

        Raises:
            UsageError: Time ends before; the message says who it was.
        """
        self.check_move(ms, who=who)
        left_ms = ms
        while True:
            due_ms = self.next_event_ms
            # Nobody is called while this is held, and each stretch is taken from where time is: two threads that
            # move one clock add up.
            with self._lock:
                stretch_ms = left_ms if due_ms is None else max(0, min(left_ms, due_ms - self.now_ms))
                self._jumped_ms += stretch_ms
            left_ms -= stretch_ms
            self._settle()
            if not left_ms:
                return

    def check_move(self, ms: int, *, who: str) -> None:
        """Refuse a move that is yet to be made, step by step.

        Raises:
            UsageError: Time ends before.
        """
        self._refuse_beyond_end(self.now_ms + ms, who)

    def plan_move(self, to_ms: int, *, who: str) -> None:
        """Move to a moment once the answer that is being made is finished, unless somebody holds time."""
        if not self._holds:
            self._planned = (to_ms, who)

    def make_planned_move(self) -> None:
        """Make the move that was planned, if there is one.

        Raises:
            UsageError: Time ends before.
        """
        planned, self._planned = self._planned, None
        if planned is not None:
            to_ms, who = planned
            self.wait(max(0, to_ms - self.now_ms), who=who)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Keep time from moving by itself while the context is open; `advance` and its like still move it.

        Args:
            name: Who holds it, for the message when somebody has waited too long.
        """
        with self._lock:
            self._holds.append(name)
            if self._held_ms is None:
                self._held_ms = self._real_ms()
        try:
            yield
        finally:
            with self._lock:
                self._holds.remove(name)
                if not self._holds:
                    # From here on anew: adding up what passed meanwhile would round, and might go back.
                    self._jumped_ms = self.now_ms - EPOCH_MS
                    self._started_ms = self._real_ms()
                    self._held_ms = None

    @contextmanager
    def answering(self, request: str) -> Iterator[None]:
        """Keep sleepers from moving time while a request from a socket is answered, and count it.

        Args:
            request: Which, for the message when somebody has waited too long.
        """
        with self._lock:
            self.traffic += 1
            self.requests.append(request)
        try:
            yield
        finally:
            with self._lock:
                self.traffic += 1
                self.requests.remove(request)

    def tick(self) -> int:
        """Return a present that no earlier tick returned, moving time by a millisecond if it must.

        Whatever is created is stamped with a tick, so that creation times order as creations did.

        Raises:
            UsageError: Time ends before.
        """
        with self._lock:
            now_ms = self.now_ms
            if now_ms <= self._ticked_ms:
                self._refuse_beyond_end(self._ticked_ms + 1, "the creation of a run")
                self._jumped_ms += self._ticked_ms + 1 - now_ms
                now_ms = self._ticked_ms + 1
            self._ticked_ms = now_ms
            return now_ms

    def moved(self) -> int:
        """Tell whoever watches that time was moved, and return the present in epoch milliseconds."""
        for moved in tuple(self._watchers):
            moved()
        return self.now_ms

    def time(self) -> float:
        """Return the present in epoch seconds, in place of `time.time` in code that takes its clock."""
        return self.now_ms / 1_000

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass at once, in place of `time.sleep` in code that takes its sleep.

        Raises:
            UsageError: `seconds` is negative, or time ends before.
        """
        self.advance(seconds)

    def _step(self, who: str) -> bool:
        """Move to the next event; say whether there was one."""
        self._settle()
        due_ms = self.next_event_ms
        if due_ms is None:
            return False
        self.wait(max(0, due_ms - self.now_ms), who=who)
        return True

    def _settle(self) -> None:
        for agenda in self._agendas:
            agenda.settle()

    def _find_run(self, run_id: int) -> JobRun | TaskRun:
        found = [run for agenda in self._agendas if (run := agenda.find_run(run_id)) is not None]
        if not found:
            raise UsageError(f"run {run_id} does not exist in any workspace of this clock")
        if len(found) > 1:
            raise UsageError(
                f"run {run_id} is in {len(found)} workspaces of this clock; say which: workspace.runs[{run_id}]"
            )
        return found[0]

    def _refuse_beyond_end(self, to_ms: int, who: str) -> None:
        end_ms = self.end_of_time_ms
        if end_ms is not None and to_ms > end_ms:
            raise UsageError(
                f"end of time: {who} would move the clock to {_instant(to_ms)}, and time ends at "
                f"{_instant(end_ms)}. If so much time is meant to pass, let it end later: "
                f"Clock({self.policy!r}, end_of_time='90d') or @pytest.mark.databricks(end_of_time='90d')"
            )


def _rate(policy: str, speed: float) -> float:
    if policy not in POLICIES:
        hint = nearest(str(policy), POLICIES)
        raise UsageError(f"clock policy: {policy!r} is none of {', '.join(POLICIES)}{hint}")
    if not 0 < speed < math.inf:
        raise UsageError(
            f"clock speed: {speed!r} is no number above 0; to stop time, use the policy 'manual'"
        )
    fixed = POLICIES[policy]
    return speed if fixed is None else fixed


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
