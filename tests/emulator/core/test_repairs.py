"""Repairs: a run that is over is opened again, and some of its tasks are run anew."""

from __future__ import annotations

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Outcome, Timing
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.states import LifeCycleState, ResultState, RunIf
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def _attempts(job_run: JobRun) -> list[tuple[str, int, str]]:
    return [
        (each.task_key, each.attempt_number, (each.result_state or each.life_cycle_state).value)
        for each in job_run.task_runs
    ]


@pytest.mark.fact("runs.repair.attempts")
def test_repair_runs_the_failed_tasks_anew_under_the_same_run_id() -> None:
    """The attempts are numbered on, what succeeded stays, and the run's end covers all of it."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"b": outcome("CLOUD_FAILURE", retries=[outcome()])})])
    a, b, c = submitted_task("a"), submitted_task("b", "a"), submitted_task("c", "b")
    job_run = engine.submit(submitted_run(a, b, c))
    clock.advance("1h")
    engine.drain()
    assert (job_run.life_cycle_state, job_run.end_time_ms) == (L.INTERNAL_ERROR, EPOCH_MS + 12_000)
    failed = engine.failed_task_keys(job_run)
    assert failed == {"b", "c"}
    repair = engine.repair(job_run, failed)
    assert (job_run.life_cycle_state, job_run.result_state, job_run.end_time_ms) == (L.RUNNING, None, 0)
    assert engine.store.active() == [job_run]
    clock.advance("1h")
    engine.drain()
    assert _attempts(job_run) == [
        ("a", 0, "SUCCESS"),
        ("b", 0, "FAILED"),
        ("c", 0, "UPSTREAM_FAILED"),
        ("b", 1, "SUCCESS"),
        ("c", 1, "SUCCESS"),
    ]
    assert (job_run.result_state, job_run.end_time_ms) == (R.SUCCESS, repair.start_time_ms + 12_000)
    assert [each.repair_id for each in job_run.task_runs] == [0, 0, 0, *[repair.repair_id] * 2]
    assert engine.store.find(job_run.task_runs[3].run_id) == (job_run, job_run.task_runs[3])


def test_history_tells_the_original_run_and_each_repair() -> None:
    """Each with its times, the state at its end, and the attempts that it made."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE", retries=[outcome("DRIVER_ERROR"), outcome()])])
    job_run = engine.submit(submitted_run())
    assert (len(job_run.repairs), job_run.latest_repair_id) == (1, 0)
    for _ in range(2):
        clock.advance("1h")
        engine.drain()
        repair = engine.repair(job_run, {"only"})
        assert job_run.latest_repair_id == repair.repair_id != 0
    clock.advance("1h")
    engine.drain()
    assert [each.state.result_state for each in job_run.repairs] == [R.FAILED, R.FAILED, R.SUCCESS]
    assert job_run.repairs[2].state == job_run.state
    assert [each.task_run_ids for each in job_run.repairs] == [[each.run_id] for each in job_run.task_runs]
    assert len({each.repair_id for each in job_run.repairs}) == 3
    starts = [each.start_time_ms for each in job_run.repairs]
    ends = [each.end_time_ms for each in job_run.repairs]
    assert [end - start for start, end in zip(starts, ends, strict=True)] == [6_000] * 3
    assert job_run.start_time_ms == starts[0]
    assert job_run.end_time_ms == ends[2]


def test_repair_has_its_own_retries() -> None:
    """As many again as the task has, with attempts that are numbered on."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(submitted_task("a", max_retries=1)))
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, {"a"})
    clock.advance("1h")
    engine.drain()
    assert _attempts(job_run) == [("a", number, "FAILED") for number in range(4)]
    assert [len(each.task_run_ids) for each in job_run.repairs] == [2, 2]


def test_repaired_task_sees_what_became_of_the_others() -> None:
    """Those that are not repaired count as they are: a task below a failed one is skipped again."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE", retries=[outcome()])})])
    a, b = submitted_task("a"), submitted_task("b", "a")
    after = submitted_task("after", "a", run_if=RunIf.AT_LEAST_ONE_FAILED)
    job_run = engine.submit(submitted_run(a, b, after))
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, {"b", "after"})
    engine.drain()
    assert job_run.latest["b"].result_state is R.UPSTREAM_FAILED
    assert job_run.latest["after"].life_cycle_state is L.PENDING
    clock.advance("1h")
    engine.drain()
    assert engine.dependents(job_run, {"a"}) == {"b", "after"}
    engine.repair(job_run, {"a"} | engine.dependents(job_run, {"a"}))
    clock.advance("1h")
    engine.drain()
    assert [job_run.latest[key].result_state for key in ("a", "b", "after")] == [
        R.SUCCESS,
        R.SUCCESS,
        R.EXCLUDED,
    ]
    assert job_run.latest["b"].attempt_number == 2


def test_task_above_that_is_repaired_alone_leaves_those_below_as_they_are() -> None:
    """Nobody asked for them."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE", retries=[outcome()])})])
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b", "a")))
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, {"a"})
    clock.advance("1h")
    engine.drain()
    assert [each.result_state for each in job_run.latest.values()] == [R.SUCCESS, R.UPSTREAM_FAILED]
    assert job_run.life_cycle_state is L.INTERNAL_ERROR


@pytest.mark.parametrize("is_flat", [True, False])
def test_cancelled_run_can_be_repaired(*, is_flat: bool) -> None:
    """The cancel is history; the repair can be cancelled in its turn."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(is_flat=is_flat))
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, engine.failed_task_keys(job_run))
    assert not job_run.is_cancel_requested
    clock.advance("1h")
    engine.drain()
    assert job_run.result_state is R.SUCCESS
    engine.repair(job_run, {"only"})
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert [each.state.result_state for each in job_run.repairs] == [R.CANCELED, R.SUCCESS, R.CANCELED]


def test_repair_has_the_time_of_a_run() -> None:
    """A run that took too long begins to count again."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CANCELED", run="1h", retries=[outcome()])])
    job_run = engine.submit(submitted_run(timeout_ms=7_000))
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, {"only"})
    clock.advance("1h")
    engine.drain()
    assert [each.state.result_state for each in job_run.repairs] == [R.TIMEDOUT, R.SUCCESS]


@pytest.mark.fact("runs.repair.job-parameters")
def test_repair_of_a_jobs_run_takes_the_defaults_again_and_counts_for_its_limit() -> None:
    """What the run was given is not taken over; while the repair runs, others wait."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    settings = JobSettings("j", (submitted_task("a"),), parameters={"x": "1", "y": "2"}, is_queued=True)
    job = engine.create_job(settings)
    job_run = engine.run_now(job, settings.to_run(), job_parameters={"x": "7", "y": "8"})
    clock.advance("1h")
    engine.drain()
    engine.repair(job_run, {"a"}, job_parameters={"y": "9"})
    assert job_run.job_parameters == {"x": "1", "y": "9"}
    waiting = engine.run_now(job, settings.to_run())
    assert waiting.life_cycle_state is L.QUEUED
    clock.advance("1h")
    engine.drain()
    assert (job_run.result_state, waiting.result_state) == (R.SUCCESS, R.SUCCESS)


def test_run_that_was_refused_can_be_repaired() -> None:
    """A repair does not wait for its turn."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(JobSettings("j", (submitted_task("a"),), max_concurrent_runs=0))
    job_run = engine.run_now(job, job.settings.to_run())
    assert engine.failed_task_keys(job_run) == {"a"}
    engine.repair(job_run, {"a"})
    clock.advance("1h")
    engine.drain()
    assert job_run.result_state is R.SUCCESS
