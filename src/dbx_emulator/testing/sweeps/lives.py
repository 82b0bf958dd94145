"""Lives: the scenario, lived once in a workspace of its own while a plan happens to its calls."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from dbx_emulator._api.messages import Request
from dbx_emulator._api.router import ROUTES, is_control
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import ConnectionFault, Fault, FaultCall
from dbx_emulator._core.journal import JournalEntry
from dbx_emulator._core.runs import JobRun
from dbx_emulator.testing.sweeps.kinds import SweepKind, SweptCall
from dbx_emulator.testing.sweeps.plans import Plan, Strike
from dbx_emulator.workspace import Workspace

__all__ = ["LifeOutcome", "Lives", "SweptRun"]

_OVER = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})


class _OutOfCallsError(BaseException):
    """The life made all the calls that it may; a client that catches every error must not catch this one."""


@dataclass(frozen=True, slots=True)
class SweptRun:
    """A run as a life left it.

    Attributes:
        run_id: Its id.
        intent: What it was meant for: runs of one intent stand for one another.
        start_time_ms: When it was created, in epoch milliseconds of virtual time.
        end_time_ms: When it ended; 0 if it is active.
        life_cycle_state: Its life-cycle state.
        result_state: Its result; `None` while it is active or if it has none.
        is_cancel_requested: Whether somebody asked to cancel it.
        is_nested: Whether a task of another run set it off.
    """

    run_id: int
    intent: Hashable
    start_time_ms: int
    end_time_ms: int
    life_cycle_state: str
    result_state: str | None
    is_cancel_requested: bool
    is_nested: bool

    @property
    def state(self) -> str:
        """Both states in words."""
        return f"{self.life_cycle_state} {self.result_state}" if self.result_state else self.life_cycle_state


@dataclass(frozen=True, slots=True)
class LifeOutcome:
    """What came of a life.

    Attributes:
        plan: What was to happen to its calls.
        value: What the life returned; `None` if it raised.
        error: What it raised; `None` if it returned.
        calls: Its calls, in order.
        runs: Its runs, oldest first, as they were some time after its last call.
        struck: Which strikes of the plan happened.
        broken_off: Why it did not come to its end by itself; an empty text if it did.
        is_cut: Whether it was ended because it made too many calls.
    """

    plan: Plan
    value: object
    error: BaseException | None
    calls: tuple[SweptCall, ...]
    runs: tuple[SweptRun, ...]
    struck: Plan
    broken_off: str = ""
    is_cut: bool = False

    @property
    def end(self) -> tuple[object, str, dict[Hashable, list[str]]]:
        """How it ended: what it returned, the type of what it raised, and how the runs of each intent ended."""
        states: dict[Hashable, list[str]] = {}
        for run in self.runs:
            states.setdefault(run.intent, []).append(run.state)
        return (
            self.value,
            "" if self.error is None else type(self.error).__name__,
            {intent: sorted(each) for intent, each in states.items()},
        )


class _Turnstile:
    """Counts the calls of a life before anything is done with them.

    Args:
        most: How many there may be.
        at_position: Arms what has to be there before a call, by the number of that call.
    """

    def __init__(self, most: int, at_position: Mapping[int, Callable[[], object]]) -> None:
        self._most = most
        self._at_position = at_position
        self._counts: Counter[str] = Counter()
        self.position = 0
        self._arm()

    def nth(self, route: str) -> int:
        """Return the number of the present call among those of its route."""
        return self._counts[route]

    def __call__(self, request: Request) -> None:
        """Count a request.

        Raises:
            _OutOfCallsError: There were enough.
        """
        path = request.target.partition("?")[0]
        if is_control(path):
            return
        if self.position >= self._most:
            raise _OutOfCallsError
        match = ROUTES.get((request.method, path))
        self.position += 1
        self._counts["" if match is None else match.route.name] += 1
        self._arm()

    def _arm(self) -> None:
        arm = self._at_position.get(self.position + 1)
        if arm is not None:
            arm()


class _Turn:
    """Says of each call whether it is the one that is to be struck, or one of those after it that are too."""

    def __init__(self, strike: Strike, kind: SweepKind) -> None:
        self._nth = strike.nth
        self._lasts_ms = kind.lasts_seconds * 1_000
        self._since_ms: int | None = None
        self.turnstile: _Turnstile

    def __call__(self, call: FaultCall) -> bool:
        if self.turnstile.nth(call.route) == self._nth:
            self._since_ms = call.now_ms
            return True
        return self._since_ms is not None and call.now_ms - self._since_ms < self._lasts_ms


@dataclass(frozen=True, slots=True)
class Lives:
    """How lives are lived.

    Attributes:
        life: The scenario: is given a workspace, and may be asynchronous.
        arguments: What it is given besides, by keyword.
        make_workspace: Makes a workspace for each life.
        kinds: The kinds that plans name.
        intent: What a run is meant for.
        aftermath: How much virtual time passes after the last call before the runs are looked at.
    """

    life: Callable[..., object]
    arguments: Mapping[str, object]
    make_workspace: Callable[[], Workspace]
    kinds: Mapping[str, SweepKind]
    intent: Callable[[JobRun], Hashable]
    aftermath: Duration

    def live(
        self, plan: Plan, *, most_calls: int, positions: Mapping[tuple[str, int], int]
    ) -> tuple[Workspace, LifeOutcome]:
        """Live once and return the workspace as it is some time after, and what came of it.

        Args:
            plan: What happens to the calls.
            most_calls: How many calls it may make; it is ended at the next.
            positions: The number among all calls of the fault-free life, by route and number among its calls.

        Raises:
            UsageError: The workspace is none in which a life can be repeated.
        """
        workspace = self._workspace()
        faults = self._arm(workspace, plan, most_calls=most_calls, positions=positions)
        value: object = None
        error: BaseException | None = None
        is_cut = False
        try:
            with _same_chance(workspace.seed), workspace.intercept():
                value = _ended(self.life(workspace, **self.arguments))
        except _OutOfCallsError:
            is_cut = True
        # What ends a program ends a life; what a person or pytest ends is theirs.
        except (Exception, SystemExit, asyncio.CancelledError) as raised:  # noqa: BLE001 - it is what is judged
            error = raised
        self._let_time_pass(workspace)
        return workspace, LifeOutcome(
            plan=plan,
            value=value,
            error=error,
            calls=_calls(workspace.journal),
            runs=tuple(self._run(job_run) for job_run in workspace.runs),
            struck=tuple(strike for strike, fault in zip(plan, faults, strict=True) if fault.fired),
            broken_off=_usage_error(error),
            is_cut=is_cut,
        )

    def _workspace(self) -> Workspace:
        workspace = self.make_workspace()
        if not isinstance(workspace, Workspace):
            raise UsageError(
                f"workspace: it made {workspace!r}; write workspace=lambda: Workspace(timing=Timing(run='1h'))"
            )
        if workspace.journal:
            raise UsageError(
                "workspace: it made one that has been used; make a new one for each life, as in "
                "workspace=lambda: Workspace(…)"
            )
        if workspace.clock.rate:
            raise UsageError(
                f"workspace: its clock is {workspace.clock.policy!r}, so that no life can be lived again at the "
                "same times; leave the clock out, or give Clock('sleeping')"
            )
        return workspace

    def _arm(
        self,
        workspace: Workspace,
        plan: Plan,
        *,
        most_calls: int,
        positions: Mapping[tuple[str, int], int],
    ) -> list[Fault]:
        turns: list[_Turn] = []
        faults: list[Fault] = []
        later: dict[int, Callable[[], object]] = {}
        for strike in plan:
            kind = self.kinds[strike.kind]
            fault = kind.make(strike.route)
            faults.append(fault)
            if isinstance(fault, ConnectionFault):
                # It strikes before there is a call that could be counted, and so is armed after the one before.
                position = positions.get((strike.route, strike.nth))
                if position is not None:
                    later[position] = partial(workspace.faults.add, fault)
            else:
                fault.when = turn = _Turn(strike, kind)
                turns.append(turn)
                workspace.faults.add(fault)
        turnstile = _Turnstile(most_calls, later)
        for turn in turns:
            turn.turnstile = turnstile
        workspace.on_request(turnstile)
        return faults

    def _let_time_pass(self, workspace: Workspace) -> None:
        clock, journal = workspace.clock, workspace.journal
        last_ms = journal[-1].now_ms if journal else clock.now_ms
        until_ms = last_ms + duration_ms(self.aftermath, name="leaked_after")
        if clock.end_of_time_ms is not None:
            until_ms = min(until_ms, clock.end_of_time_ms)
        if until_ms > clock.now_ms:
            clock.wait(until_ms - clock.now_ms, who="the sweep")

    def _run(self, job_run: JobRun) -> SweptRun:
        result = job_run.result_state
        return SweptRun(
            run_id=job_run.run_id,
            intent=self.intent(job_run),
            start_time_ms=job_run.start_time_ms,
            end_time_ms=job_run.end_time_ms,
            life_cycle_state=job_run.life_cycle_state.value,
            result_state=None if result is None else result.value,
            is_cancel_requested=job_run.is_cancel_requested,
            is_nested=job_run.above is not None,
        )


@contextmanager
def _same_chance(seed: int) -> Iterator[None]:
    """Let whoever draws from Python's `random`, as clients do for their pauses, draw the same in each life."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _ended(value: object) -> object:
    """Return what a life returned; one that is asynchronous is lived on a loop of its own.

    Raises:
        UsageError: A loop is running, on which nobody can wait for another one.
    """
    if not inspect.iscoroutine(value):
        return value
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(value)
    value.close()
    raise UsageError("life: it is asynchronous, and a loop is running already; call sweep() where none is")


def _usage_error(error: BaseException | None) -> str:
    """Return what the emulator said to a life that stalls or outlives time; an empty text if nothing."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, UsageError):
            return str(error)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return ""


def _calls(journal: Sequence[JournalEntry]) -> tuple[SweptCall, ...]:
    counts: Counter[str] = Counter()
    #: For each run the route that wrote to it last, as long as nobody has read it since.
    written: dict[int | None, str] = {}
    calls = []
    for position, entry in enumerate(journal, start=1):
        counts[entry.route] += 1
        is_write = entry.method == "POST" and entry.run_id is not None
        after = entry.states[1]
        calls.append(
            SweptCall(
                entry.route,
                counts[entry.route],
                position,
                method=entry.method,
                run_id=entry.run_id,
                status_code=entry.status_code,
                fault=entry.fault,
                written_by="" if is_write else written.pop(entry.run_id, ""),
                is_active=after is not None and getattr(after, "value", after) not in _OVER,
            )
        )
        if is_write:
            written[entry.run_id] = entry.route
    return tuple(calls)
