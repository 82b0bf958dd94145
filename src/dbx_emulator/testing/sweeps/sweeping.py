"""The sweep: a life without faults, then one fault at every call and of every kind, then chaos."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from dbx_emulator._core.draws import Draws
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.runs import JobRun
from dbx_emulator.testing.sweeps.invariants import (
    BUILT_IN,
    Invariant,
    Judge,
    describe_other_end,
    usual_intent,
)
from dbx_emulator.testing.sweeps.kinds import SweepKind, SweptCall, read_kinds
from dbx_emulator.testing.sweeps.lives import LifeOutcome, Lives
from dbx_emulator.testing.sweeps.plans import Plan, Strike, can_strike, draw_plans, plan_text, read_plan
from dbx_emulator.testing.sweeps.report import BROKEN, HELD, UNTOUCHED, SweepFailure, SweepReport
from dbx_emulator.testing.sweeps.shrinking import shrink
from dbx_emulator.workspace import Workspace

__all__ = ["sweep"]

#: How many calls a life may make without faults. Whoever makes more is taken for one that does not end.
_MOST_CALLS = 10_000


def usual_workspace() -> Workspace:
    """Return a workspace whose runs last longer than `leaked_after` usually is, so that a leaked one is seen."""
    return Workspace(timing=Timing(run="15m"))


def usual_most_calls(calls: int) -> int:
    """Return how many calls a life may make that makes so many without faults."""
    return 2 * calls + 20


def sweep(
    life: Callable[..., object],
    *,
    workspace: Callable[[], Workspace] = usual_workspace,
    arguments: Mapping[str, object] | None = None,
    kinds: Iterable[str | SweepKind] | None = None,
    plan: str | None = None,
    chaos: int = 0,
    rate: float = 0.3,
    seed: int = 0,
    same: Callable[[LifeOutcome], object] | None = None,
    intent: Callable[[JobRun], Hashable] = usual_intent,
    invariants: Iterable[Invariant] = (),
    leaked_after: Duration | None = "10m",
    most_calls: Callable[[int], int] = usual_most_calls,
    progress: Callable[[int, int], object] | None = None,
) -> SweepReport:
    """Live a scenario again and again, each time with a fault at another call, and judge every life.

    While it is lived, the workspace intercepts this process's HTTP clients, and sleep is virtual. The first two
    lives meet no fault; the others are judged by the invariants of `docs/sweep.md`.

    Args:
        life: The scenario, `life(workspace)`, asynchronous or not. It makes its clients anew, or does not mind
            who used them before.
        workspace: Makes a workspace for each life, with its scenarios: a function of nothing. Usually a plain
            one whose runs work for 15 minutes.
        arguments: What the life is given besides, by keyword.
        kinds: Ids of kinds or kinds of your own, simplest first; `None` takes all of `SWEEP_KINDS`.
        plan: Live this plan alone, such as `"runs/submit[1]:lost_response"`; an empty text is the life without
            faults. `None` sweeps.
        chaos: How many plans of several transient strikes are drawn after the sweep.
        rate: How likely such a plan strikes each call, above 0 and at most 1.
        seed: What they are drawn from.
        same: What of a life has to be the same after transient faults, for `==`; `None` takes what it returned,
            the type of what it raised, and how its runs ended.
        intent: What a run is meant for; of two runs for one intent the second is a duplicate.
        invariants: More to ask of each life: functions of workspace and outcome that return what is wrong.
        leaked_after: How long after the last call no run may be active, in virtual time; `None`: that does not
            matter.
        most_calls: How many calls a life may make, from the number without faults.
        progress: Is told after each plan how many were judged, and of how many.

    Raises:
        UsageError: The life does not end without faults, or not the same way twice; the plan is no plan; or one
            of the others is nothing that it can be.
    """
    if not callable(life):
        raise UsageError(f"life: {life!r} cannot be called; write a function of the workspace")
    known = read_kinds(kinds)
    strikes = None if plan is None else read_plan(plan, known)
    _check(chaos=chaos, rate=rate, invariants=tuple(invariants))
    lives = Lives(
        life, dict(arguments or {}), workspace, known, intent, 0 if leaked_after is None else leaked_after
    )
    duration_ms(lives.aftermath, name="leaked_after")
    base = _live_without_faults(lives, same)
    judge = Judge(
        base,
        known,
        most_calls(len(base.calls)),
        None if leaked_after is None else str(leaked_after),
        same,
        tuple(invariants),
    )
    hints = "" if workspace is usual_workspace else "  # with the same workspace"
    replay = f"sweep({getattr(life, '__name__', 'life')}, plan={{!r}}){hints}"
    sweeping = _Sweep(lives, judge, replay, progress)
    if strikes is not None:
        return sweeping.replay(strikes)
    return sweeping.sweep(draw_plans(chaos, base.calls, known, rate=rate, draws=Draws(seed)), chaos)


@dataclass(slots=True)
class _Sweep:
    """One sweep under way.

    Attributes:
        lives: How lives are lived.
        judge: Who judges them.
        line: The line that replays a plan, with a gap for its text.
        progress: Whom to tell.
        lived: How many lives there were.
    """

    lives: Lives
    judge: Judge
    line: str
    progress: Callable[[int, int], object] | None
    lived: int = 2
    _known: dict[Plan, tuple[dict[str, str], Plan]] = field(default_factory=dict)

    def sweep(self, chaos: Iterable[Plan], count: int) -> SweepReport:
        """Judge the life without faults, every single strike, and the plans of chaos."""
        singles = list(self._singles())
        total = 1 + len(singles) + count
        cells: dict[tuple[str, str], str] = {}
        broken: list[Plan] = []
        for number, plan in enumerate(((), *singles, *chaos), start=1):
            found, struck = self._judge(plan)
            if found:
                broken.append(plan)
            if 0 < number - 1 <= len(singles):
                [strike] = plan
                cell = BROKEN if found else HELD if struck else UNTOUCHED
                cells[strike.kind, f"{strike.route}[{strike.nth}]"] = cell
            if self.progress is not None:
                self.progress(number, total)
        return self._report(total, cells, self._failures(broken), self._notes(()))

    def replay(self, plan: Plan) -> SweepReport:
        """Judge one plan, as it is."""
        found, struck = self._judge(plan)
        text = plan_text(plan)
        failures = [
            SweepFailure(name, told, text, (text,), self.line.format(text)) for name, told in found.items()
        ]
        missed = tuple(strike for strike in plan if strike not in struck)
        return self._report(1, {}, failures, self._notes(missed))

    def _judge(self, plan: Plan) -> tuple[dict[str, str], Plan]:
        """Live a plan, once, and return what it breaks and which of its strikes happened."""
        known = self._known.get(plan)
        if known is None:
            positions = {(call.route, call.nth): call.position for call in self.judge.base.calls}
            workspace, outcome = self.lives.live(plan, most_calls=self.judge.most_calls, positions=positions)
            self.lived += 1
            known = self._known[plan] = (self.judge.judge(workspace, outcome), outcome.struck)
        return known

    def _breaks(self, name: str, plan: Plan) -> bool:
        return name in self._judge(plan)[0]

    def _singles(self) -> Iterator[Plan]:
        for call in self.judge.base.calls:
            for kind in self.judge.kinds.values():
                if can_strike(kind, call):
                    yield (Strike(call.route, call.nth, kind.id),)

    def _failures(self, broken: Iterable[Plan]) -> list[SweepFailure]:
        calls: dict[tuple[str, int], SweptCall] = {
            (call.route, call.nth): call for call in self.judge.base.calls
        }
        found: dict[tuple[str, Plan], list[str]] = {}
        for plan in broken:
            for name in self._judge(plan)[0]:
                smallest = shrink(
                    plan,
                    partial(self._breaks, name),
                    kinds=self.judge.kinds,
                    calls=calls,
                )
                found.setdefault((name, smallest), []).append(plan_text(plan))
        return [
            SweepFailure(
                name,
                self._judge(plan)[0][name],
                plan_text(plan),
                tuple(plans),
                self.line.format(plan_text(plan)),
            )
            for (name, plan), plans in found.items()
        ]

    def _notes(self, missed: Plan) -> tuple[str, ...]:
        base = self.judge.base
        notes = []
        if missed:
            notes.append(f"{plan_text(missed)} struck nothing; the life has other calls now")
        if base.error is not None:
            notes.append(f"without faults the life raises {type(base.error).__name__}: {base.error}")
        after_ms = duration_ms(self.lives.aftermath, name="leaked_after")
        lasted_ms = [
            run.end_time_ms - run.start_time_ms
            for run in base.runs
            if run.end_time_ms and not run.is_cancel_requested
        ]
        if self.judge.leaked_after is not None and lasted_ms and max(lasted_ms) < after_ms:
            notes.append(
                f"every run is over within {self.judge.leaked_after} by itself, so that a leaked one may not be "
                "seen; let runs last longer (workspace=lambda: Workspace(timing=Timing(run='1h'))), or give a "
                "shorter leaked_after"
            )
        return tuple(notes)

    def _report(
        self,
        plans: int,
        cells: Mapping[tuple[str, str], str],
        failures: list[SweepFailure],
        notes: tuple[str, ...],
    ) -> SweepReport:
        return SweepReport(
            life=getattr(self.lives.life, "__name__", "life"),
            calls=tuple(call.address for call in self.judge.base.calls),
            kinds=tuple(self.judge.kinds),
            cells=cells,
            lives=self.lived,
            plans=plans,
            failures=tuple(failures),
            notes=notes,
        )


def _check(*, chaos: int, rate: float, invariants: tuple[Invariant, ...]) -> None:
    if isinstance(chaos, bool) or not isinstance(chaos, int) or chaos < 0:
        raise UsageError(f"chaos: {chaos!r} is no count of plans; 0 draws none")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1 or math.isnan(rate):
        raise UsageError(f"rate: {rate!r} is no number above 0 and up to 1")
    for each in invariants:
        if not callable(each):
            raise UsageError(
                f"invariants: {each!r} cannot be asked; write a function of workspace and outcome"
            )
        if getattr(each, "__name__", "") in BUILT_IN:
            raise UsageError(
                f"invariants: {each.__name__!r} is the name of one that always holds; rename yours"
            )


def _live_without_faults(lives: Lives, same: Callable[[LifeOutcome], object] | None) -> LifeOutcome:
    """Live twice without faults and return what came of it.

    Raises:
        UsageError: It does not end, or the two differ.
    """
    first = lives.live((), most_calls=_MOST_CALLS, positions={})[1]
    if first.is_cut:
        raise UsageError(f"life: it never ends, even without faults: it made {_MOST_CALLS:,} calls")
    if first.broken_off:
        raise UsageError(f"life: it never ends, even without faults: {first.broken_off}") from first.error
    if first.error is not None and not first.calls:
        raise UsageError(
            f"life: it raised {type(first.error).__name__} before it called the workspace: {first.error}"
        ) from first.error
    if not first.calls:
        raise UsageError("life: it made no call of the workspace; its clients are to call `workspace.url`")
    second = lives.live((), most_calls=_MOST_CALLS, positions={})[1]
    ours, theirs = ([call.address for call in each.calls] for each in (first, second))
    if ours != theirs:
        differing = next(
            (f"{a} and {b}" for a, b in zip(ours, theirs, strict=False) if a != b), "their number"
        )
        raise UsageError(
            f"life: it calls differently each time, even without faults ({differing}), so that no call can be "
            "named; let chance be the same in each life, as Python's random is"
        )
    if same is not None:
        told = "" if same(first) == same(second) else "what same() returns differs"
    else:
        told = describe_other_end(second, first)
    if told:
        raise UsageError(
            f"life: it ends differently each time, even without faults: {told}; return what can be compared, or "
            "give same=lambda outcome: …"
        )
    return first
