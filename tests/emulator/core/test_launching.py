"""How a run begins: jobs, their runs, and the queue of those that wait for their turn."""

from __future__ import annotations

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.errors import TokenOfDeletedRun
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.scenarios import Match
from dbx_emulator._core.states import (
    LifeCycleState,
    QueueCode,
    ResultState,
    RunIf,
    RunType,
    TerminationCode,
    TriggerType,
)
from dbx_emulator._core.submitted import SubmittedTask
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def _settings(*tasks: SubmittedTask, most: int = 1, is_queued: bool = True, **fields: object) -> JobSettings:
    return JobSettings(
        "nightly",
        tasks or (submitted_task("a"),),
        max_concurrent_runs=most,
        is_queued=is_queued,
        **fields,  # type: ignore[arg-type]
    )


def _states(*job_runs: JobRun) -> list[str]:
    return [(each.result_state or each.life_cycle_state).value for each in job_runs]


def test_run_of_a_job_knows_its_job() -> None:
    """It has the job's name and id, a trigger, and the values of the job's parameters."""
    engine, _, _ = make_engine()
    job = engine.create_job(_settings(parameters={"day": "1", "zone": "eu"}), principal=Principal.GUEST)
    job_run = engine.run_now(
        job, job.settings.to_run(), job_parameters={"day": "2"}, overriding_parameters=b"{}"
    )
    assert (engine.find_job(job.job_id), engine.store.jobs()) == (job, [job])
    assert (job.created_time_ms, job.creator_user_name) == (EPOCH_MS, "guest@example.com")
    assert (job_run.job, job_run.job_id, job_run.run_name) == (job, job.job_id, "nightly")
    assert (job_run.run_type, job_run.trigger) == (RunType.JOB_RUN, TriggerType.ONE_TIME)
    assert job_run.job_parameters == {"day": "2", "zone": "eu"}
    assert job_run.overriding_parameters == b"{}"
    assert job_run.task_runs[0].run_id != job_run.run_id


def test_submitted_run_has_a_hidden_job() -> None:
    """Its job id finds no job, and it has no trigger."""
    engine, _, _ = make_engine()
    job_run = engine.submit(submitted_run())
    assert engine.find_job(job_run.job_id) is None
    assert (job_run.job, job_run.run_type, job_run.trigger) == (None, RunType.SUBMIT_RUN, None)


def test_scenario_takes_runs_of_a_job_by_its_id_and_name() -> None:
    """As those that were submitted."""
    engine, clock, scenarios = make_engine()
    job = engine.create_job(_settings(most=5))
    scenarios.add(Match("night*", job_id=job.job_id), [outcome("CLOUD_FAILURE")])
    job_run = engine.run_now(job, job.settings.to_run())
    clock.advance("1h")
    engine.drain()
    assert job_run.state.code is TerminationCode.CLOUD_FAILURE


@pytest.mark.fact("jobs.concurrency.queued")
def test_run_beyond_the_limit_waits_for_its_turn() -> None:
    """First come, first served; its time in the queue is its own, and its work begins when it has its turn."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(_settings(most=2))
    runs = [engine.run_now(job, job.settings.to_run()) for _ in range(4)]
    assert _states(*runs) == ["PENDING", "PENDING", "QUEUED", "QUEUED"]
    waiting = runs[2]
    assert [each.queue_code for each in runs] == [None, None, *[QueueCode.MAX_CONCURRENT_RUNS_REACHED] * 2]
    assert waiting.queue_message == "Queued due to reaching maximum concurrent runs of 2."
    assert waiting.latest["a"].start_time_ms == 0
    clock.advance(6)
    engine.drain()
    assert _states(*runs) == ["SUCCESS", "SUCCESS", "PENDING", "PENDING"]
    assert {(each.queue_code, each.queue_message) for each in runs} == {(None, "")}
    assert waiting.queue_duration_ms == runs[0].end_time_ms - waiting.start_time_ms
    clock.advance("1h")
    engine.drain()
    assert _states(*runs) == ["SUCCESS"] * 4
    assert waiting.latest["a"].start_time_ms == runs[0].end_time_ms
    assert job.active == set()


@pytest.mark.fact("jobs.concurrency.skipped", "jobs.concurrency.zero")
@pytest.mark.parametrize(("most", "is_queued"), [(1, False), (3, False), (0, False), (0, True)])
def test_run_beyond_the_limit_is_skipped_where_none_may_wait(most: int, *, is_queued: bool) -> None:
    """The message names the limit; with 0 every run is skipped."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(
        _settings(submitted_task("a"), submitted_task("b", "a"), most=most, is_queued=is_queued)
    )
    *active, skipped = (engine.run_now(job, job.settings.to_run()) for _ in range(most + 1))
    assert skipped.life_cycle_state is L.SKIPPED
    assert (skipped.result_state, skipped.state.code) == (
        R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        TerminationCode.MAX_CONCURRENT_RUNS_EXCEEDED,
    )
    assert skipped.state.message == (
        f"Skipping this run because the limit of {most} maximum concurrent runs has been reached."
    )
    assert {each.life_cycle_state for each in skipped.task_runs} == {L.SKIPPED}
    assert engine.store.active() == active
    clock.advance("1h")
    engine.drain()
    assert {each.result_state for each in active} <= {R.SUCCESS}


def test_run_comes_after_what_ended_at_that_moment() -> None:
    """A run that is asked for when the one before it has just ended does not wait."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(_settings(is_queued=False))
    engine.run_now(job, job.settings.to_run())
    clock.advance(6)
    assert engine.run_now(job, job.settings.to_run()).life_cycle_state is L.PENDING


def test_run_that_is_cancelled_in_the_queue_gives_up_its_turn() -> None:
    """The next one has it, and the cancelled one never starts a cluster."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(_settings())
    first, second, third = (engine.run_now(job, job.settings.to_run()) for _ in range(3))
    clock.advance(5.5)
    engine.cancel(second, None)
    assert (second.life_cycle_state, first.life_cycle_state) == (L.TERMINATING, L.TERMINATING)
    clock.advance(0.5)
    engine.drain()
    assert _states(first, second, third) == ["SUCCESS", "TERMINATING", "PENDING"]
    clock.advance("1h")
    engine.drain()
    assert _states(first, second, third) == ["SUCCESS", "CANCELED", "SUCCESS"]
    assert (second.queue_code, second.latest["a"].cluster_id) == (None, "")


def test_single_tasks_cancelled_in_the_queue_leave_the_run_there() -> None:
    """What runs after a failure waits for the run's turn too; with its last task the run is over."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    tasks = submitted_task("a"), submitted_task("b", "a", run_if=RunIf.ALL_DONE)
    job = engine.create_job(_settings(*tasks))
    first, second, third = (engine.run_now(job, job.settings.to_run()) for _ in range(3))
    engine.cancel(second, second.latest["a"])
    for task_run in third.task_runs:
        engine.cancel(third, task_run)
    clock.advance(2)
    engine.drain()
    assert _states(first, second, third) == ["RUNNING", "QUEUED", "CANCELED"]
    assert [each.life_cycle_state for each in second.task_runs] == [L.TERMINATED, L.BLOCKED]
    assert engine.next_deadline_ms(second) == engine.next_deadline_ms()
    clock.advance("1h")
    engine.drain()
    assert [each.result_state for each in second.task_runs] == [R.CANCELED, R.SUCCESS]
    assert _states(first, second, third) == ["SUCCESS", "SUCCESS_WITH_FAILURES", "CANCELED"]


def test_disabled_task_of_a_waiting_run_waits_with_it() -> None:
    """Nothing of a run happens before it has its turn."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(_settings(submitted_task("a", is_disabled=True), submitted_task("b")))
    _, second = (engine.run_now(job, job.settings.to_run()) for _ in range(2))
    engine.drain()
    assert second.latest["a"].life_cycle_state is L.BLOCKED
    clock.advance("1h")
    engine.drain()
    assert [each.result_state for each in second.task_runs] == [R.DISABLED, R.SUCCESS]


@pytest.mark.fact("runs.timeout.from")
def test_time_in_the_queue_is_not_counted() -> None:
    """The run's time begins with its turn."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job = engine.create_job(_settings(timeout_ms=6_500))
    first, second = (engine.run_now(job, job.settings.to_run()) for _ in range(2))
    clock.advance("1h")
    engine.drain()
    assert _states(first, second) == ["SUCCESS", "SUCCESS"]


@pytest.mark.fact("jobs.concurrency.longest-wait")
def test_nobody_waits_for_ever() -> None:
    """A run whose turn does not come is skipped after two days, single tasks that were cancelled apart."""
    engine, clock, _ = make_engine(timing=Timing(0, 2, "90d", 1))
    job = engine.create_job(_settings(submitted_task("a"), submitted_task("b", "a")))
    engine.run_now(job, job.settings.to_run())
    waiting, touched = (engine.run_now(job, job.settings.to_run()) for _ in range(2))
    engine.cancel(touched, touched.latest["b"])
    clock.advance("47h")
    engine.drain()
    assert _states(waiting, touched) == ["QUEUED", "QUEUED"]
    clock.advance("1h")
    engine.drain()
    assert _states(waiting) == ["MAXIMUM_CONCURRENT_RUNS_REACHED"]
    assert [each.result_state for each in touched.task_runs] == [
        R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        R.UPSTREAM_CANCELED,
    ]
    assert not waiting.queue_code


@pytest.mark.fact("runs.submit.idempotency")
def test_token_makes_one_run_of_a_job() -> None:
    """However often it is asked for, and whether by run-now or by submit."""
    engine, clock, _ = make_engine()
    job = engine.create_job(_settings(most=5))
    first = engine.run_now(job, job.settings.to_run(idempotency_token="t"))
    clock.advance("1d")
    assert engine.run_now(job, job.settings.to_run(idempotency_token="t")) is first
    assert engine.submit(submitted_run(idempotency_token="t")) is first
    assert engine.run_now(job, job.settings.to_run()) is not first


@pytest.mark.fact("runs.idempotency.deleted")
def test_token_of_a_deleted_run_stays_reserved() -> None:
    """Nobody gets a run for it any more, and none is made."""
    engine, clock, _ = make_engine()
    job = engine.create_job(_settings())
    job_run = engine.run_now(job, job.settings.to_run(idempotency_token="t"))
    clock.advance("1d")
    engine.drain()
    engine.delete(job_run)
    with pytest.raises(TokenOfDeletedRun):
        engine.run_now(job, job.settings.to_run(idempotency_token="t"))
    with pytest.raises(TokenOfDeletedRun):
        engine.submit(submitted_run(idempotency_token="t"))
    assert len(engine.store) == 0
