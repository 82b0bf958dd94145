"""Tasks whose work the service does itself: runs of other jobs."""

from __future__ import annotations

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.states import (
    LifeCycleState,
    QueueCode,
    ResultState,
    RunType,
    TerminationCode,
    TriggerType,
)
from dbx_emulator._core.submitted import RunJob
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def test_run_job_runs_the_job_and_ends_as_its_run_does() -> None:
    """The run is one of the job, names the run that set it off, and has the parameters that the task gives."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("nightly", [outcome(), outcome("RUN_EXECUTION_ERROR")])
    job = engine.create_job(
        JobSettings("nightly", (submitted_task("a"),), parameters={"day": "1", "zone": "eu"})
    )
    work = RunJob(job.job_id, {"day": "{{job.run_id}}"})
    task = submitted_task("start", has_new_cluster=False, work=work)
    first, second = engine.submit(submitted_run(task)), engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    child = first.latest["start"].child
    assert child is not None
    assert (child.job, child.run_type, child.trigger, child.triggered_by) == (
        job,
        RunType.JOB_RUN,
        TriggerType.RUN_JOB_TASK,
        first,
    )
    assert child.job_parameters == {"day": str(first.run_id), "zone": "eu"}
    assert (first.result_state, first.end_time_ms) == (R.SUCCESS, child.end_time_ms)
    # The second run of the job came while the first was active, and the job takes one at a time.
    assert second.latest["start"].state_message.startswith("Skipping this run")
    assert second.result_state is R.FAILED


@pytest.mark.fact("runs.run-job.mirror")
@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("SUCCESS", R.SUCCESS),
        ("RUN_EXECUTION_ERROR", R.FAILED),
        ("CLOUD_FAILURE", R.FAILED),
        ("CANCELED", R.FAILED),
        ("SKIPPED", R.FAILED),
        ("MAX_CONCURRENT_RUNS_EXCEEDED", R.FAILED),
    ],
)
def test_run_job_mirrors_every_end(code: str, result: ResultState) -> None:
    """A task that started a run which did not succeed has failed, whatever the reason."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("nightly", [outcome(code)])
    job = engine.create_job(JobSettings("nightly", (submitted_task("a"),)))
    task = submitted_task("start", has_new_cluster=False, work=RunJob(job.job_id))
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    assert job_run.latest["start"].result_state is result


def test_cancel_of_a_run_job_task_reaches_the_run_and_waits_for_it() -> None:
    """The run that was started is CANCELED as well; cancelling that run alone cancels the task."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(JobSettings("nightly", (submitted_task("a"),), max_concurrent_runs=2))
    task = submitted_task("start", has_new_cluster=False, work=RunJob(job.job_id))
    above, beside = engine.submit(submitted_run(task)), engine.submit(submitted_run(task))
    clock.advance(3)
    engine.drain()
    child, other = above.latest["start"].child, beside.latest["start"].child
    assert child is not None
    assert other is not None
    assert engine.next_deadline_ms(above) == child.latest["a"].entered_ms + 3_000
    engine.cancel(above, None)
    engine.cancel(other, None)
    assert (above.life_cycle_state, beside.life_cycle_state) == (L.TERMINATING, L.RUNNING)
    clock.advance("1h")
    engine.drain()
    assert [each.result_state for each in (child, above, other, beside)] == [R.CANCELED] * 4
    assert above.end_time_ms == child.end_time_ms


def test_run_job_waits_while_the_run_is_queued() -> None:
    """The job takes one run at a time and lets others wait; so does the task."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(JobSettings("nightly", (submitted_task("a"),), is_queued=True))
    engine.run_now(job, job.settings.to_run())
    task = submitted_task("start", has_new_cluster=False, work=RunJob(job.job_id))
    above = engine.submit(submitted_run(task))
    engine.drain()
    child = above.latest["start"].child
    assert child is not None
    assert child.queue_code is QueueCode.MAX_CONCURRENT_RUNS_REACHED
    assert engine.next_deadline_ms(above) == engine.next_deadline_ms() == EPOCH_MS + 2_001
    clock.advance("1h")
    engine.drain()
    assert above.result_state is R.SUCCESS


def test_run_job_of_no_job_fails() -> None:
    """The job may be gone when the task begins."""
    engine, clock, _ = make_engine()
    task = submitted_task("start", has_new_cluster=False, work=RunJob(7))
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    assert job_run.latest["start"].code is TerminationCode.RESOURCE_NOT_FOUND


@pytest.mark.fact("runs.run-job.depth")
def test_run_job_nests_only_so_deep() -> None:
    """A job that runs itself comes to an end: the fourth run below the first is never started."""
    engine, clock, _ = make_engine()
    job_id = engine.store.new_job_id() + 1
    task = submitted_task("again", has_new_cluster=False, work=RunJob(job_id))
    job = engine.create_job(JobSettings("loop", (task,), max_concurrent_runs=10))
    assert job.job_id == job_id
    engine.run_now(job, job.settings.to_run())
    clock.advance("1h")
    engine.drain()
    runs = [job_run for _, job_run in engine.store.newest_first()]
    assert len(runs) == 4
    assert {each.result_state for each in runs} == {R.FAILED}
    assert runs[0].latest["again"].code is TerminationCode.INVALID_RUN_CONFIGURATION


@pytest.mark.fact("runs.run-job.stopped")
def test_retried_run_job_starts_another_run() -> None:
    """Each attempt has a run of its own, and an older one that comes late changes nothing."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("nightly", [outcome("RUN_EXECUTION_ERROR", retries=[outcome()]), outcome()])
    job = engine.create_job(JobSettings("nightly", (submitted_task("a"),)))
    work = RunJob(job.job_id)
    task = submitted_task("start", has_new_cluster=False, work=work, max_retries=1)
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    first, second = (each.child for each in job_run.task_runs)
    assert first is not None
    assert second is not None
    assert (first.result_state, second.result_state, job_run.result_state) == (
        R.FAILED,
        R.SUCCESS,
        R.SUCCESS,
    )
    engine.repair(first, {"a"})
    clock.advance("1h")
    engine.drain()
    assert first.result_state is R.SUCCESS
    assert job_run.task_runs[0].result_state is R.FAILED
