"""The records."""

from __future__ import annotations

from pprint import pformat

from dbx_emulator._core.runs import TimelineEntry
from dbx_emulator._core.states import LifeCycleState, ResultState
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task


def test_job_run_shows_what_was_submitted_and_where_it_is() -> None:
    """Name, shape and state can be read without knowing how they are kept."""
    engine, _, _ = make_engine()
    job_run = engine.submit(submitted_run(run_name="etl", is_flat=True))
    assert (job_run.run_name, job_run.is_flat, job_run.is_terminal) == ("etl", True, False)
    assert (job_run.life_cycle_state, job_run.result_state) == (LifeCycleState.PENDING, None)


def test_task_run_shows_the_message_of_its_state_and_then_of_its_end() -> None:
    """The text goes with the state, and at the end it says how it ended."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("RUN_EXECUTION_ERROR", message="ZeroDivisionError")])
    [task_run] = engine.submit(submitted_run(submitted_task("etl"))).task_runs
    assert (task_run.task_key, task_run.is_terminal, task_run.state_message) == (
        "etl",
        False,
        "Waiting for cluster",
    )
    clock.advance("1d")
    engine.drain()
    assert (task_run.is_terminal, task_run.state_message) == (True, "ZeroDivisionError")


def test_what_a_failed_assertion_shows_of_a_run_is_one_line() -> None:
    """Not all that is kept of it."""
    engine, clock, scenarios = make_engine()
    scenarios.add("etl", [outcome("RUN_EXECUTION_ERROR")])
    job_run = engine.submit(submitted_run(submitted_task("load"), run_name="etl"))
    shown = f"<JobRun {job_run.run_id} 'etl' PENDING>, <TaskRun {job_run.task_runs[0].run_id} 'load' PENDING>"
    assert f"{job_run!r}, {job_run.task_runs[0]!r}" == shown
    clock.advance("1d")
    engine.drain()
    assert repr(job_run) == f"<JobRun {job_run.run_id} 'etl' INTERNAL_ERROR FAILED>"
    assert pformat([job_run]) == f"[{job_run!r}]"


def test_timeline_is_the_record_of_every_change() -> None:
    """Each change of state is one entry with its virtual time, from creation to end."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(is_flat=True))
    start_ms = job_run.start_time_ms
    clock.advance("1d")
    engine.drain()
    assert job_run.timeline == [
        TimelineEntry(start_ms, "only", LifeCycleState.PENDING),
        TimelineEntry(start_ms + 120_000, "only", LifeCycleState.RUNNING),
        TimelineEntry(start_ms + 180_000, "only", LifeCycleState.TERMINATING),
        TimelineEntry(start_ms + 182_000, "only", LifeCycleState.TERMINATED),
    ]
    assert (job_run.end_time_ms, job_run.result_state) == (start_ms + 182_000, ResultState.SUCCESS)
