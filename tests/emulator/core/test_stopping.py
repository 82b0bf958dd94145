"""How runs are stopped before their time: timeouts, and cancels of many."""

from __future__ import annotations

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Outcome, Timing
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode
from dbx_emulator._core.submitted import ForEach
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def _results(job_run: JobRun) -> list[ResultState | None]:
    return [job_run.result_state, *(each.result_state for each in job_run.task_runs)]


@pytest.mark.fact("runs.timeout.code")
@pytest.mark.parametrize(("timeout_ms", "end_ms"), [(1_000, 2_000), (4_000, 5_000), (5_000, 6_000)])
def test_task_that_takes_too_long_is_timed_out(timeout_ms: int, end_ms: int) -> None:
    """It is stopped wherever it is, counted from its start; at the very moment of its end it has made it."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(submitted_task("a", timeout_ms=timeout_ms), is_flat=True))
    clock.advance("1h")
    engine.drain()
    task_run = job_run.latest["a"]
    assert job_run.end_time_ms == EPOCH_MS + end_ms
    if timeout_ms == 5_000:
        assert task_run.result_state is R.SUCCESS
    else:
        assert (task_run.life_cycle_state, task_run.result_state, task_run.code) == (
            L.TERMINATED,
            R.TIMEDOUT,
            TerminationCode.CANCELED,
        )
        assert job_run.state.result_state is R.TIMEDOUT


def test_timeout_of_a_task_fails_the_run_and_skips_what_is_below() -> None:
    """To those that depend on it, taking too long is failing."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(
        submitted_run(submitted_task("a", timeout_ms=1_000), submitted_task("b", "a"), submitted_task("c"))
    )
    clock.advance("1h")
    engine.drain()
    assert _results(job_run) == [R.FAILED, R.TIMEDOUT, R.UPSTREAM_FAILED, R.SUCCESS]


@pytest.mark.fact("runs.retries.on-timeout")
@pytest.mark.parametrize("retry_on_timeout", [True, False])
def test_timeout_is_retried_only_if_the_task_says_so(*, retry_on_timeout: bool) -> None:
    """The next attempt has its own time."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CANCELED", run="1h", retries=[outcome()])])
    task = submitted_task("a", timeout_ms=5_500, retry_on_timeout=retry_on_timeout, max_retries=1)
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    expected = [R.SUCCESS, R.TIMEDOUT, R.SUCCESS] if retry_on_timeout else [R.FAILED, R.TIMEDOUT]
    assert _results(job_run) == expected


def test_cancel_before_the_timeout_wins() -> None:
    """Of two that would stop a task run, the earlier one does."""
    engine, clock, scenarios = make_engine(timing=Timing(0, 2, 60, 1))
    scenarios.add("*", [outcome(cancel_after=3), outcome(cancel_after=30)])
    task = submitted_task("a", timeout_ms=10_000)
    soon, late = engine.submit(submitted_run(task)), engine.submit(submitted_run(task))
    for job_run in (soon, late):
        engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert soon.latest["a"].result_state is R.CANCELED
    assert late.latest["a"].result_state is R.TIMEDOUT


@pytest.mark.fact("runs.timeout.whole-run", "runs.timeout.blocked")
def test_run_that_takes_too_long_is_stopped_as_a_whole() -> None:
    """What runs is timed out even if it ignores cancels, what is blocked is skipped, what is over stays."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(on_cancel="ignores", tasks={"b": Outcome(run="1h", on_cancel="ignores")})])
    tasks = submitted_task("a"), submitted_task("b"), submitted_task("c", "b")
    job_run = engine.submit(submitted_run(*tasks, timeout_ms=10_000))
    assert engine.next_deadline_ms(job_run) == EPOCH_MS + 2_000
    clock.advance(9)
    engine.drain()
    assert engine.next_deadline_ms(job_run) == EPOCH_MS + 10_000
    clock.advance(1)
    engine.drain()
    assert job_run.life_cycle_state is L.TERMINATING
    clock.advance("1h")
    engine.drain()
    assert _results(job_run) == [R.TIMEDOUT, R.SUCCESS, R.TIMEDOUT, R.UPSTREAM_FAILED]
    assert (job_run.life_cycle_state, job_run.end_time_ms) == (L.TERMINATED, EPOCH_MS + 11_000)


@pytest.mark.parametrize("limit_ms", [5_500, 6_000, 60_000])
def test_run_that_is_cleaned_up_in_time_keeps_its_outcome(limit_ms: int) -> None:
    """A limit that is reached when all work is done, or never, changes nothing."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(submitted_task("a"), timeout_ms=limit_ms))
    clock.advance("1h")
    engine.drain()
    assert _results(job_run) == [R.SUCCESS, R.SUCCESS]
    assert engine.next_deadline_ms() is None


def test_run_that_takes_too_long_reaches_iterations_that_ignored_a_cancel() -> None:
    """Their for-each task is being cancelled already, and waits for them."""
    engine, clock, scenarios = make_engine(timing=Timing(0, 2, 3_600, 1))
    scenarios.add("*", [Outcome(on_cancel="ignores")])
    task = submitted_task("each", has_new_cluster=False, work=ForEach("[1]", submitted_task("load")))
    job_run = engine.submit(submitted_run(task, timeout_ms=10_000))
    engine.drain()
    engine.cancel(job_run, None)
    clock.advance(20)
    engine.drain()
    assert job_run.latest["each"].iterations[0].result_state is R.TIMEDOUT
    assert (job_run.result_state, job_run.end_time_ms) == (R.CANCELED, EPOCH_MS + 11_000)


@pytest.mark.fact("runs.cancel-all")
def test_cancel_all_reaches_the_runs_that_are_meant() -> None:
    """Those of one job, or only those in the queue, or every one; what is over keeps its outcome."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    over = engine.submit(submitted_run())
    clock.advance("1h")
    jobs = [
        engine.create_job(JobSettings(name, (submitted_task("a"),), is_queued=True)) for name in ("x", "y")
    ]
    x, x_queued, y, y_queued = (engine.run_now(job, job.settings.to_run()) for job in jobs for _ in range(2))
    other = engine.submit(submitted_run())
    engine.cancel_all(job_id=jobs[0].job_id, is_queued_only=True)
    assert [each.is_cancel_requested for each in (x, x_queued, y, y_queued, other)] == [0, 1, 0, 0, 0]
    engine.cancel_all(job_id=jobs[0].job_id)
    assert [each.is_cancel_requested for each in (x, x_queued, y, y_queued, other)] == [1, 1, 0, 0, 0]
    engine.cancel_all(is_queued_only=True)
    assert [each.is_cancel_requested for each in (x, x_queued, y, y_queued, other)] == [1, 1, 0, 1, 0]
    engine.cancel_all()
    clock.advance("1h")
    engine.drain()
    assert {each.result_state for each in (x, x_queued, y, y_queued, other)} == {R.CANCELED}
    assert over.result_state is R.SUCCESS
