"""Attempts: what the service does after a failure, if it was told to try again."""

from __future__ import annotations

import dataclasses

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.outcomes import Outcome, Timing
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.scenarios import Match
from dbx_emulator._core.states import LifeCycleState, ResultState
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def _attempts(job_run: JobRun) -> list[tuple[str, int, str]]:
    return [
        (each.task_key, each.attempt_number, each.result_state.value if each.result_state else "")
        for each in job_run.task_runs
    ]


def _trace(job_run: JobRun, task_key: str) -> list[tuple[float, int, str]]:
    """Return when which attempt of a task came into which state, in seconds from the start."""
    return [
        ((entry.at_ms - EPOCH_MS) / 1_000, entry.attempt_number, entry.life_cycle_state.value)
        for entry in job_run.timeline
        if entry.task_key == task_key
    ]


@pytest.mark.fact("runs.retries.attempts")
def test_failed_attempt_is_followed_by_another_one() -> None:
    """It is a run of its own with the same task key, and the run above goes on."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE", retries=[outcome()])})])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=1), submitted_task("b", "a")))
    clock.advance(6)
    engine.drain()
    assert job_run.life_cycle_state is L.RUNNING
    clock.advance("1h")
    engine.drain()
    assert _attempts(job_run) == [("a", 0, "FAILED"), ("b", 0, "SUCCESS"), ("a", 1, "SUCCESS")]
    assert len({job_run.run_id, *(each.run_id for each in job_run.task_runs)}) == 4
    assert engine.store.find(job_run.task_runs[2].run_id) == (job_run, job_run.task_runs[2])
    assert (job_run.result_state, job_run.end_time_ms) == (ResultState.SUCCESS, EPOCH_MS + 18_000)
    assert _trace(job_run, "a") == [
        (0, 0, "PENDING"),
        (2, 0, "RUNNING"),
        (5, 0, "TERMINATING"),
        (6, 0, "INTERNAL_ERROR"),
        (6, 1, "WAITING_FOR_RETRY"),
        (6, 1, "PENDING"),
        (8, 1, "RUNNING"),
        (11, 1, "TERMINATING"),
        (12, 1, "TERMINATED"),
    ]


@pytest.mark.fact("runs.retries.interval")
@pytest.mark.parametrize(("interval_seconds", "retried_at"), [(0, 6), (5, 6), (10, 10)])
def test_interval_counts_from_the_start_of_the_failed_attempt(interval_seconds: int, retried_at: int) -> None:
    """An interval that is over when the attempt ends costs nothing more."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE", retries=[outcome()])])
    task = submitted_task("a", max_retries=1, min_retry_interval_ms=interval_seconds * 1_000)
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    assert [at for at, attempt, state in _trace(job_run, "a") if attempt and state == "PENDING"] == [
        retried_at
    ]


@pytest.mark.parametrize(
    ("max_retries", "attempts"), [pytest.param(0, 1, id="none"), pytest.param(2, 3, id="two")]
)
def test_last_failure_counts(max_retries: int, attempts: int) -> None:
    """After the last attempt the task has failed, and so has what depends on it."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"a": outcome("RUN_EXECUTION_ERROR")})])
    tasks = submitted_task("a", max_retries=max_retries), submitted_task("b", "a")
    job_run = engine.submit(submitted_run(*tasks))
    clock.advance("1h")
    engine.drain()
    assert [entry[2] for entry in _attempts(job_run) if entry[0] == "a"] == ["FAILED"] * attempts
    assert job_run.latest["b"].result_state is ResultState.UPSTREAM_FAILED
    assert job_run.life_cycle_state is L.INTERNAL_ERROR


@pytest.mark.fact("runs.retries.most")
def test_retries_without_end_have_one() -> None:
    """-1 is as often as the service does at all, and a task that never takes time does not hang the emulator."""
    engine, _, scenarios = make_engine(timing=Timing(0, 0, 0, 0))
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=-1)))
    engine.drain()
    assert len(job_run.task_runs) == 5_001
    assert job_run.is_terminal


def test_flat_run_shows_its_latest_attempt() -> None:
    """Its id stays, and its state is WAITING_FOR_RETRY between attempts."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("DRIVER_ERROR", retries=[outcome()])])
    task = submitted_task("only", max_retries=1, min_retry_interval_ms=60_000)
    job_run = engine.submit(submitted_run(task, is_flat=True))
    clock.advance(6)
    engine.drain()
    assert (job_run.life_cycle_state, job_run.result_state) == (L.WAITING_FOR_RETRY, None)
    assert job_run.task_runs[0].run_id == job_run.run_id != job_run.task_runs[1].run_id
    clock.advance("1h")
    engine.drain()
    assert (job_run.life_cycle_state, job_run.result_state) == (L.TERMINATED, ResultState.SUCCESS)
    assert job_run.only is job_run.task_runs[1]


def test_cancelled_run_is_not_retried() -> None:
    """Neither while an attempt runs nor while it waits for the next one."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    task = submitted_task("a", max_retries=5, min_retry_interval_ms=60_000)
    running, waiting = engine.submit(submitted_run(task)), engine.submit(submitted_run(task))
    clock.advance(3)
    engine.cancel(running, None)
    clock.advance(10)
    engine.drain()
    assert waiting.latest["a"].life_cycle_state is L.WAITING_FOR_RETRY
    engine.cancel(waiting, None)
    clock.advance("1h")
    engine.drain()
    for job_run, attempts in ((running, 1), (waiting, 2)):
        assert len(job_run.task_runs) == attempts
        assert (job_run.life_cycle_state, job_run.result_state) == (L.TERMINATED, ResultState.CANCELED)


def test_task_that_ignores_the_cancel_of_its_run_is_not_retried() -> None:
    """It fails in a run that is being cancelled, and that is its end."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE", on_cancel="ignores")})])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=1), submitted_task("b")))
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert _attempts(job_run) == [("a", 0, "FAILED"), ("b", 0, "CANCELED")]


def test_run_goes_on_while_a_task_has_attempts_left_and_ends_with_its_last() -> None:
    """It is RUNNING while the first attempt is cleaned up, TERMINATING with the last one."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=1)))
    for seconds, state in ((5, L.RUNNING), (6, L.TERMINATING)):
        clock.advance(seconds)
        engine.drain()
        assert job_run.latest["a"].life_cycle_state is L.TERMINATING
        assert job_run.life_cycle_state is state


def test_run_that_is_going_to_obey_a_cancel_is_not_retried() -> None:
    """It fails before it obeys; what was asked for is known all the same."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE", cancel_after="1m")])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=1)))
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert _attempts(job_run) == [("a", 0, "FAILED")]


@pytest.mark.parametrize(
    ("fields", "trace"),
    [
        pytest.param({}, ["PENDING", "RUNNING", "TERMINATING", "TERMINATED/CANCELED"], id="obeys-at-once"),
        pytest.param(
            {"cancel_after": 1},
            ["PENDING", "RUNNING", "RUNNING", "TERMINATING", "TERMINATED/CANCELED"],
            id="obeys-later",
        ),
        pytest.param(
            {"cancel_after": "1h"},
            ["PENDING", "RUNNING", "RUNNING", "TERMINATING", "TERMINATED/SUCCESS"],
            id="ends-before-it-obeys",
        ),
        pytest.param(
            {"on_cancel": "ignores"},
            ["PENDING", "RUNNING", "RUNNING", "TERMINATING", "TERMINATED/SUCCESS"],
            id="ignores",
        ),
        pytest.param(
            {"on_cancel": "finishes"},
            ["PENDING", "RUNNING", "TERMINATING", "TERMINATED/SUCCESS"],
            id="finishes-first",
        ),
    ],
)
@pytest.mark.parametrize("is_flat", [pytest.param(True, id="flat"), pytest.param(False, id="tasks")])
def test_cancel_goes_as_the_outcome_says(
    fields: dict[str, object], trace: list[str], *, is_flat: bool
) -> None:
    """A run obeys, now or later, ignores it, or has just finished; the run above shows the same."""
    engine, clock, scenarios = make_engine(timing=Timing(0, 2, 60, 2))
    scenarios.add("*", [Outcome(**fields)])  # type: ignore[arg-type]
    job_run = engine.submit(submitted_run(is_flat=is_flat))
    seen = [job_run.life_cycle_state.value]
    clock.advance(5)
    engine.drain()
    seen.append(job_run.life_cycle_state.value)
    engine.cancel(job_run, None)
    engine.cancel(job_run, None)
    seen.append(job_run.life_cycle_state.value)
    while (deadline_ms := engine.next_deadline_ms()) is not None:
        clock.advance((deadline_ms - clock.now_ms) / 1_000)
        engine.drain()
        state = job_run.life_cycle_state.value
        seen.append(f"{state}/{job_run.result_state.value}" if job_run.result_state else state)
    assert [state for number, state in enumerate(seen) if number < 3 or state != seen[number - 1]] == trace


def test_cancel_that_is_obeyed_later_reaches_every_stage() -> None:
    """Asked in the queue, a run that takes its time goes on to PENDING and RUNNING before it stops."""
    engine, clock, scenarios = make_engine(timing=Timing(10, 10, 60, 2))
    scenarios.add("*", [Outcome(cancel_after="uniform(25, 25)")])
    job_run = engine.submit(submitted_run())
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert [state for _, _, state in _trace(job_run, "only")] == [
        "QUEUED",
        "PENDING",
        "RUNNING",
        "TERMINATING",
        "TERMINATED",
    ]
    assert job_run.end_time_ms == EPOCH_MS + 27_000
    assert job_run.result_state is ResultState.CANCELED


def test_finishing_first_is_for_those_who_work() -> None:
    """A run that has not begun cannot have finished, so it obeys."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(on_cancel="finishes")])
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b", "a")))
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert [each.result_state for each in job_run.task_runs] == [
        ResultState.CANCELED,
        ResultState.UPSTREAM_CANCELED,
    ]


def test_whoever_ignores_a_cancel_goes_on_with_all_its_tasks() -> None:
    """Blocked tasks too: it is as if nothing had been said."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(on_cancel="ignores")])
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b", "a")))
    engine.cancel(job_run, None)
    assert job_run.life_cycle_state is L.PENDING
    clock.advance("1h")
    engine.drain()
    assert job_run.result_state is ResultState.SUCCESS


def test_end_shows_what_the_outcome_overrides() -> None:
    """Another type, and no result, as the service does for some ends."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("DRIVER_ERROR", termination_type="CLIENT_ERROR", result_state="")])
    scenarios.add("skip", [outcome("SKIPPED", result_state="EXCLUDED")])
    run = submitted_run(is_flat=True)
    lost, skipped = engine.submit(run), engine.submit(dataclasses.replace(run, run_name="skip"))
    clock.advance("1h")
    engine.drain()
    assert lost.state.type == "CLIENT_ERROR"
    assert (lost.life_cycle_state, lost.result_state) == (L.INTERNAL_ERROR, None)
    assert (skipped.life_cycle_state, skipped.result_state) == (L.SKIPPED, ResultState.EXCLUDED)


def test_chance_depends_on_the_run_and_not_on_who_came_before() -> None:
    """Another run in between changes nothing; the second run of a name and another seed draw anew."""

    def run_ms(*names: str) -> list[int]:
        engine, _, _ = make_engine(timing=Timing(run="uniform(0, 1000)"))
        return [engine.submit(submitted_run(run_name=name)).task_runs[0].times.run_ms for name in names]

    first, second = run_ms("etl", "etl")
    assert first != second
    assert run_ms("other", "etl", "other", "etl")[1::2] == [first, second]


def test_tasks_and_attempts_draw_for_themselves() -> None:
    """Each attempt of each task has its own times."""
    engine, clock, scenarios = make_engine(timing=Timing(run="uniform(0, 1000)"))
    scenarios.add("*", [outcome("CLOUD_FAILURE", retries=[outcome()])])
    tasks = submitted_task("a", max_retries=1), submitted_task("b", max_retries=1)
    job_run = engine.submit(submitted_run(*tasks))
    clock.advance("1d")
    engine.drain()
    assert len({each.times.run_ms for each in job_run.task_runs}) == 4


def test_whoever_is_to_be_called_is_named_once_the_run_succeeded() -> None:
    """Not for a run that failed, not twice, and not before its end."""
    engine, clock, scenarios = make_engine()

    def called(_run: JobRun) -> None:
        """Never called here: the engine only says who is to be."""

    scenarios.add("*", [outcome(), outcome("CLOUD_FAILURE")], on_success=called)
    fine, lost = engine.submit(submitted_run()), engine.submit(submitted_run())
    assert not engine.to_call
    clock.advance("1h")
    engine.drain()
    assert lost.result_state is ResultState.FAILED
    assert list(engine.to_call) == [(called, fine)]


def test_next_event_of_one_run_is_its_own() -> None:
    """Others may have one before."""
    engine, clock, scenarios = make_engine()
    scenarios.add(Match("slow"), [Outcome(cluster="1h")])
    slow, fast = engine.submit(submitted_run(run_name="slow")), engine.submit(submitted_run(run_name="fast"))
    assert engine.next_deadline_ms() == engine.next_deadline_ms(fast) == fast.start_time_ms + 120_000
    assert engine.next_deadline_ms(slow) == slow.start_time_ms + 3_600_000
    clock.advance("1d")
    engine.drain()
    assert engine.next_deadline_ms(slow) is None
