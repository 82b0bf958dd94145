"""What becomes of a scenario, rehearsed by the real engine under a clock of its own: for `scenario render`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.outcomes import OnCancel, Outcome, Timing
from dbx_emulator._core.runs import JobRun, SubmittedRun, SubmittedTask
from dbx_emulator._core.scenarios import Scenario, Scenarios
from dbx_emulator._core.states import LifeCycleState
from dbx_emulator._core.timeline import Lane, lane_of

__all__ = ["Rehearsal", "rehearse"]

#: The key of the only task of a run without `tasks`.
_FLAT = "run"

#: The key of a task that no outcome names.
_OTHERS = "others"

_NAME = "rehearsed"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One run of a scenario.

    Attributes:
        lanes: The attempts, in the order in which they were made.
        duration_ms: How long the run took.
        cancelled_ms: When it was cancelled, from its start; `None` if nobody did.
    """

    lanes: tuple[Lane, ...]
    duration_ms: int
    cancelled_ms: int | None


def rehearse(
    scenario: Scenario, *, task_keys: Sequence[str] = (), timing: Timing | None = None, seed: int = 0
) -> Iterator[Rehearsal]:
    """Yield what becomes of the first, second, … run that chooses a scenario, one for each of its outcomes.

    A run whose outcome says something about a cancel is cancelled half-way through its work. Each task may be
    retried as often as its outcome says something about.

    Args:
        scenario: The scenario.
        task_keys: The tasks of the run; without any, those that the outcome names, or a run without tasks.
        timing: How long the stages take that the scenario leaves open.
        seed: What chance depends on.
    """
    clock, draws = Clock(), Draws(seed)
    scenarios = Scenarios(draws=draws)
    scenarios.add_all([replace(scenario, match=None, name=_NAME)])
    engine = Engine(clock=clock, timing=timing or Timing(), scenarios=scenarios, draws=draws)
    for outcome in scenario.outcomes:
        job_run = engine.submit(_submitted(outcome, task_keys or _named(outcome)))
        cancelled_ms = _cancel(engine, clock, job_run) if _is_about_cancel(outcome) else None
        while _step(engine, clock, job_run):
            pass
        yield Rehearsal(
            lanes=tuple(lane_of(job_run, each, now_ms=clock.now_ms) for each in job_run.task_runs),
            duration_ms=job_run.end_time_ms - job_run.start_time_ms,
            cancelled_ms=cancelled_ms,
        )


def _submitted(outcome: Outcome, task_keys: Sequence[str]) -> SubmittedRun:
    """Return the run that an outcome is rehearsed with."""
    return SubmittedRun(
        run_name=f"rehearsal#{_NAME}",
        tasks=tuple(
            SubmittedTask(
                task_key=task_key,
                depends_on=(),
                has_new_cluster=True,
                existing_cluster_id="",
                spec=b"{}",
                max_retries=len(outcome.fate_of(task_key).attempts) - 1,
            )
            for task_key in task_keys or (_FLAT,)
        ),
        is_flat=not task_keys,
        idempotency_token="",
        spec=b"{}",
    )


def _named(outcome: Outcome) -> list[str]:
    """Return task keys for all that an outcome tells apart; none if it does not."""
    keys = [glob.replace("*", "1").replace("?", "1") for glob in outcome.tasks]
    return [*keys, _OTHERS] if keys else []


def _is_about_cancel(outcome: Outcome) -> bool:
    """Say whether an outcome, or one within it, says what a cancel does."""
    return (
        outcome.on_cancel is not OnCancel.OBEYS
        or outcome.cancel_after != 0
        or any(map(_is_about_cancel, (*outcome.retries, *outcome.tasks.values())))
    )


def _step(engine: Engine, clock: Clock, job_run: JobRun) -> bool:
    """Let the next thing happen to a run, and say whether there was one."""
    deadline_ms = engine.next_deadline_ms(job_run)
    if deadline_ms is None:
        return False
    clock.advance((deadline_ms - clock.now_ms) / 1_000)
    engine.drain()
    return True


def _cancel(engine: Engine, clock: Clock, job_run: JobRun) -> int | None:
    """Cancel a run in the middle of its work and return when, from its start; `None` if it never works."""
    while LifeCycleState.RUNNING not in job_run.states:
        if not _step(engine, clock, job_run):
            return None
    deadline_ms = engine.next_deadline_ms(job_run) or clock.now_ms
    clock.advance((deadline_ms - clock.now_ms) / 2_000)
    engine.cancel(job_run, None)
    return clock.now_ms - job_run.start_time_ms
