"""What holds for every life, whatever happens to its calls. Judged from the emulator's own state."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from dbx_emulator._core.runs import JobRun
from dbx_emulator.testing.sweeps.kinds import SweepKind
from dbx_emulator.testing.sweeps.lives import LifeOutcome, SweptRun
from dbx_emulator.workspace import Workspace

__all__ = ["BUILT_IN", "Invariant", "Judge", "describe_other_end", "unprovoked", "usual_intent"]

#: What a user may add: is given the workspace and what came of the life, and says what is wrong, or nothing.
Invariant = Callable[[Workspace, LifeOutcome], str | None]

_CANCELS = frozenset({"runs/cancel", "runs/cancel-all"})

_SHOWN = 120

#: The names of those that always hold, and what they say.
BUILT_IN: dict[str, str] = {
    "ends": "the life comes to its end by itself: it neither stalls, nor waits for ever, nor until time ends",
    "bounded_calls": "it makes no more calls than `most_calls` says of the fault-free number",
    "no_duplicate_run": "there are no more runs for one intent than without faults, but for those that replace "
    "a run which failed or was cancelled",
    "no_leaked_run": "no run is active ten virtual minutes (`leaked_after`) after the last call, unless a "
    "cancel was refused by what is not transient",
    "same_end": "if all that happened was transient: what the life returns, the type of what it raises and the "
    "states in which its runs end are as without faults",
}


def usual_intent(job_run: JobRun) -> Hashable:
    """Return what a run is meant for: its name, or its job."""
    return job_run.key[0]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges lives.

    Attributes:
        base: What came of the fault-free life.
        kinds: The kinds that plans name.
        most_calls: How many calls a life may make.
        leaked_after: How long after the last call no run is active, in words; `None` if that does not matter.
        same: What of a life has to be the same if all that happened was transient; `None` takes the usual.
        invariants: What users ask besides.
    """

    base: LifeOutcome
    kinds: Mapping[str, SweepKind]
    most_calls: int
    leaked_after: str | None
    same: Callable[[LifeOutcome], object] | None
    invariants: Sequence[Invariant]

    def judge(self, workspace: Workspace, outcome: LifeOutcome) -> dict[str, str]:
        """Return what is broken and how, by the name of the invariant."""
        # A life that was ended from outside says nothing about the rest.
        if outcome.is_cut:
            return {
                "bounded_calls": f"it made more than {self.most_calls:,} calls, {len(self.base.calls):,} without"
            }
        if outcome.broken_off:
            return {"ends": outcome.broken_off}
        found = {
            "no_duplicate_run": self._duplicate_run(outcome),
            "no_leaked_run": self._leaked_run(outcome),
        }
        # One run too many is one mistake, and not another end as well.
        is_duplicate = bool(found["no_duplicate_run"])
        found["same_end"] = self._other_end(outcome, is_duplicate=is_duplicate)
        found |= {_name(each): _asked(each, workspace, outcome) for each in self.invariants}
        return {name: told for name, told in found.items() if told}

    def _duplicate_run(self, outcome: LifeOutcome) -> str:
        usual = unprovoked(self.base.runs)
        for intent, runs in unprovoked(outcome.runs).items():
            most = max(1, len(usual.get(intent, ())))
            if len(runs) > most:
                ids = ", ".join(str(run.run_id) for run in runs)
                return f"{len(runs)} runs of {intent!r} where {most} is meant: {ids}"
        return ""

    def _leaked_run(self, outcome: LifeOutcome) -> str:
        if self.leaked_after is None or any(
            strike.route in _CANCELS and not self.kinds[strike.kind].is_transient for strike in outcome.struck
        ):
            return ""
        for run in outcome.runs:
            if not run.end_time_ms:
                asked = "its cancel was asked for" if run.is_cancel_requested else "nobody asked to cancel it"
                return (
                    f"run {run.run_id} of {run.intent!r} is {run.life_cycle_state} {self.leaked_after} after the "
                    f"last call; {asked}"
                )
        return ""

    def _other_end(self, outcome: LifeOutcome, *, is_duplicate: bool) -> str:
        if not all(self.kinds[strike.kind].is_transient for strike in outcome.struck):
            return ""
        if self.same is not None:
            ours, theirs = self.same(outcome), self.same(self.base)
            return "" if ours == theirs else f"same() is {_shown(ours)} instead of {_shown(theirs)}"
        return describe_other_end(outcome, self.base, are_runs_compared=not is_duplicate)


def describe_other_end(outcome: LifeOutcome, base: LifeOutcome, *, are_runs_compared: bool = True) -> str:
    """Return how one life ended differently from another; an empty text if it did not."""
    value, error, states = outcome.end
    base_value, base_error, base_states = base.end
    if error != base_error or value != base_value:
        return f"it {_ending(outcome)}; without faults it {_ending(base)}"
    for intent in {**base_states, **states} if are_runs_compared else ():
        found, usual = (", ".join(each.get(intent, ())) or "no run" for each in (states, base_states))
        if found != usual:
            return f"{intent!r} ended as {found} instead of {usual}"
    return ""


def _ending(outcome: LifeOutcome) -> str:
    if outcome.error is None:
        return f"returned {_shown(outcome.value)}"
    return f"raised {type(outcome.error).__name__}: {str(outcome.error)[:_SHOWN]}"


def unprovoked(runs: Sequence[SweptRun]) -> dict[Hashable, list[SweptRun]]:
    """Return the runs of each intent but those that replace one that had not gone well."""
    found: dict[Hashable, list[SweptRun]] = {}
    latest: dict[Hashable, SweptRun] = {}
    for run in runs:
        if run.is_nested:
            continue
        before = latest.get(run.intent)
        latest[run.intent] = run
        if before is None or not _replaces(run, before):
            found.setdefault(run.intent, []).append(run)
    return found


def _replaces(run: SweptRun, before: SweptRun) -> bool:
    is_over = 0 < before.end_time_ms <= run.start_time_ms
    return is_over and before.result_state not in {"SUCCESS", "SUCCESS_WITH_FAILURES"}


def _name(invariant: Invariant) -> str:
    return getattr(invariant, "__name__", type(invariant).__name__)


def _asked(invariant: Invariant, workspace: Workspace, outcome: LifeOutcome) -> str:
    try:
        return invariant(workspace, outcome) or ""
    except AssertionError as error:
        # pytest writes below what it knows of the values.
        return str(error).partition("\n")[0] or "an assertion failed"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
