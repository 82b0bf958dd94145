"""The simulation."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from dbx_emulator._core.clock import EPOCH_MS, Clock
from dbx_emulator._core.lifecycle import TRANSITIONS, Event, mirror_task_run
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType
from dbx_emulator._core.terminations import TERMINATIONS
from tests.emulator.support import make_engine, make_runs, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState


def _states(job_run: JobRun) -> list[str]:
    """Return the state of the job run, then those of its task runs."""
    return [job_run.life_cycle_state.value, *(each.life_cycle_state.value for each in job_run.task_runs)]


def _results(job_run: JobRun) -> list[ResultState | None]:
    return [job_run.result_state, *(each.result_state for each in job_run.task_runs)]


def test_submit_starts_a_run_at_a_moment_of_its_own() -> None:
    """Two runs of one moment have different creation times, in the order of their creation."""
    engine, clock, _ = make_engine()
    first, second = engine.submit(submitted_run()), engine.submit(submitted_run())
    assert (first.start_time_ms, second.start_time_ms) == (EPOCH_MS, EPOCH_MS + 1)
    assert clock.now_ms == EPOCH_MS + 1


def test_run_passes_its_stages_when_they_are_due() -> None:
    """A millisecond early nothing has happened yet."""
    engine, clock, _ = make_engine(timing=Timing(queue="10s", cluster="2m", run="1m", terminating="2s"))
    job_run = engine.submit(submitted_run())
    for state, duration_ms in [
        ("QUEUED", 10_000),
        ("PENDING", 120_000),
        ("RUNNING", 60_000),
        ("TERMINATING", 2_000),
    ]:
        assert engine.next_deadline_ms() == clock.now_ms + duration_ms
        clock.advance((duration_ms - 1) / 1_000)
        engine.drain()
        assert _states(job_run) == [state, state]
        clock.advance(0.001)
        engine.drain()
    assert _states(job_run) == ["TERMINATED", "TERMINATED"]
    assert engine.next_deadline_ms() is None


def test_stages_without_time_are_over_at_once() -> None:
    """A run can be over at the very first poll."""
    engine, _, _ = make_engine(timing=Timing(queue=0, cluster=0, run=0, terminating=0))
    job_run = engine.submit(submitted_run())
    engine.drain()
    assert _states(job_run) == ["TERMINATED", "TERMINATED"]


@pytest.mark.fact("runs.durations.whole-seconds")
def test_durations_are_whole_seconds() -> None:
    """Setup, execution and clean-up are cut to seconds, so that they never exceed the time that passed."""
    engine, clock, _ = make_engine(
        timing=Timing(queue="1500ms", cluster="2.9s", run="61.2s", terminating="1999ms")
    )
    [task_run] = engine.submit(submitted_run()).task_runs
    clock.advance("1h")
    engine.drain()
    assert (task_run.setup_duration_ms, task_run.execution_duration_ms, task_run.cleanup_duration_ms) == (
        2_000,
        61_000,
        1_000,
    )
    assert task_run.queue_duration_ms == 1_000
    assert task_run.end_time_ms - task_run.start_time_ms == 2_900 + 61_200 + 1_999


@pytest.mark.fact("runs.cluster-instance.id")
def test_cluster_id_tells_when_it_was_requested() -> None:
    """A new cluster is named MMDD-HHMMSS and a suffix of its own, an existing one keeps its name."""
    engine, clock, _ = make_engine(timing=Timing(queue="5m"))
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b")))
    existing = dataclasses.replace(
        submitted_task(), has_new_cluster=False, existing_cluster_id="0716-190309-boll22"
    )
    on_existing = engine.submit(submitted_run(existing))
    assert [each.cluster_id for each in job_run.task_runs] == ["", ""]
    clock.advance("5m")
    engine.drain()
    first, second = (each.cluster_id for each in job_run.task_runs)
    assert first.startswith("0101-000500-")
    assert second.startswith("0101-000500-")
    assert first != second
    assert len(first.split("-")[2]) == 8
    assert on_existing.task_runs[0].cluster_id == "0716-190309-boll22"


@pytest.mark.fact("runs.submit.idempotency")
def test_token_makes_one_run_however_often_it_is_submitted() -> None:
    """The same token gives the same run, even with another body and after the run is over."""
    engine, clock, scenarios = make_engine()
    scenario = scenarios.add("*", [outcome()])
    first = engine.submit(submitted_run(idempotency_token="t"))
    clock.advance("1d")
    engine.drain()
    assert engine.submit(submitted_run(run_name="another", idempotency_token="t")) is first
    assert engine.submit(submitted_run(idempotency_token="u")) is not first
    assert (len(engine.store), scenario.matched) == (2, 2)


def test_scenario_is_bound_when_the_run_is_created() -> None:
    """What is added or forgotten later does not change the fate of a run."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(is_flat=True))
    scenarios.clear()
    clock.advance("1d")
    engine.drain()
    assert (job_run.state.code, job_run.state.type) == (
        TerminationCode.CLOUD_FAILURE,
        TerminationType.CLOUD_FAILURE,
    )


@pytest.mark.parametrize("code", TerminationCode)
def test_flat_run_ends_as_its_termination_says(code: TerminationCode) -> None:
    """Whatever the code, a flat run and its task run come to the end of its row."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome(code.value)])
    job_run = engine.submit(submitted_run(is_flat=True))
    clock.advance("1d")
    engine.drain()
    row = TERMINATIONS[code]
    assert job_run.state == mirror_task_run(job_run.task_runs[0])
    assert (
        job_run.life_cycle_state,
        job_run.state.code,
        job_run.state.type,
        job_run.result_state,
        job_run.state.message,
    ) == (row.life_cycle_state, code, row.type, row.result_state, row.message)


@pytest.mark.fact("runs.depends-on.all-success")
def test_blocked_task_starts_when_all_it_depends_on_succeeded() -> None:
    """A diamond runs in three waves, the run above it from first to last."""
    engine, clock, _ = make_engine(timing=Timing(cluster="1m", run="1m", terminating="1m"))
    a, b, c = submitted_task("a"), submitted_task("b", "a"), submitted_task("c", "a")
    job_run = engine.submit(submitted_run(a, b, c, submitted_task("d", "b", "c")))
    waves = [_states(job_run)]
    for _ in range(9):
        clock.advance("1m")
        engine.drain()
        waves.append(_states(job_run))
    assert [wave[0] for wave in waves] == ["PENDING", *["RUNNING"] * 7, "TERMINATING", "TERMINATED"]
    assert waves[0][1:] == ["PENDING", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert waves[3][1:] == ["TERMINATED", "PENDING", "PENDING", "BLOCKED"]
    assert waves[6][1:] == ["TERMINATED", "TERMINATED", "TERMINATED", "PENDING"]
    assert _results(job_run) == [R.SUCCESS] * 5


@pytest.mark.fact("runs.depends-on.all-success")
def test_failure_skips_everything_downstream() -> None:
    """Tasks below a failed one are skipped through the whole chain; others run on."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("RUN_EXECUTION_ERROR")])
    a, b, c = submitted_task("a"), submitted_task("b", "a"), submitted_task("c", "b")
    job_run = engine.submit(submitted_run(a, b, c))
    clock.advance("1d")
    engine.drain()
    assert _states(job_run) == ["INTERNAL_ERROR", "TERMINATED", "SKIPPED", "SKIPPED"]
    assert _results(job_run) == [R.FAILED, R.FAILED, R.UPSTREAM_FAILED, R.UPSTREAM_FAILED]
    assert [each.start_time_ms for each in job_run.task_runs[1:]] == [0, 0]


def test_long_chain_of_skipped_tasks_is_no_recursion() -> None:
    """The longest chain that can be submitted fails at its head without trouble."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("RUN_EXECUTION_ERROR")])
    chain = [submitted_task("0"), *(submitted_task(str(index), str(index - 1)) for index in range(1, 1_000))]
    job_run = engine.submit(submitted_run(*chain))
    clock.advance("1d")
    engine.drain()
    assert {each.life_cycle_state for each in job_run.task_runs[1:]} == {L.SKIPPED}


@pytest.mark.fact("runs.cancel.asynchronous")
def test_cancel_takes_its_time() -> None:
    """A run that works is TERMINATING first, and CANCELED only when it is cleaned up."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b")))
    clock.advance("2m30s")
    engine.drain()
    engine.cancel(job_run, None)
    assert (_states(job_run), job_run.result_state) == (["TERMINATING"] * 3, None)
    clock.advance("2s")
    engine.drain()
    assert _states(job_run) == ["TERMINATED"] * 3
    assert _results(job_run) == [R.CANCELED] * 3
    assert [each.execution_duration_ms for each in job_run.task_runs] == [30_000, 30_000]


def test_cancel_before_the_cluster_is_ready_leaves_no_setup() -> None:
    """What never worked has neither set-up nor execution time, only clean-up."""
    engine, clock, _ = make_engine()
    [task_run] = (job_run := engine.submit(submitted_run(is_flat=True))).task_runs
    clock.advance("1m")
    engine.drain()
    engine.cancel(job_run, task_run)
    clock.advance("1d")
    engine.drain()
    assert (task_run.setup_duration_ms, task_run.execution_duration_ms, task_run.cleanup_duration_ms) == (
        0,
        0,
        2_000,
    )
    assert (_results(job_run), task_run.has_worked) == ([R.CANCELED] * 2, False)


def test_cancel_in_the_queue_never_starts_a_cluster() -> None:
    """A queued run is terminated without having been started."""
    engine, clock, _ = make_engine(timing=Timing(queue="1h"))
    [task_run] = (job_run := engine.submit(submitted_run(is_flat=True))).task_runs
    engine.cancel(job_run, None)
    clock.advance("1d")
    engine.drain()
    assert (task_run.result_state, task_run.cluster_id, task_run.start_time_ms) == (R.CANCELED, "", 0)


@pytest.mark.fact("runs.cancel.terminal-noop")
def test_cancel_after_the_end_changes_nothing() -> None:
    """What is over keeps its outcome."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b", "a")))
    clock.advance("1d")
    engine.drain()
    before = (job_run.state, list(job_run.timeline))
    engine.cancel(job_run, None)
    engine.cancel(job_run, job_run.task_runs[0])
    assert (job_run.state, job_run.timeline) == before
    assert not job_run.is_cancel_requested


def test_cancel_while_terminating_comes_too_late() -> None:
    """Why a task run ends is settled when its work ends."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(is_flat=True))
    clock.advance("3m1s")
    engine.drain()
    engine.cancel(job_run, None)
    clock.advance("1d")
    engine.drain()
    assert _results(job_run) == [R.SUCCESS, R.SUCCESS]


@pytest.mark.fact("runs.cancel.task-only")
def test_cancel_of_a_task_leaves_the_others_alone() -> None:
    """Only that task stops and what depends on it is skipped; the rest of the run goes on."""
    engine, clock, _ = make_engine()
    a, b, c = submitted_task("a"), submitted_task("b"), submitted_task("c", "a")
    job_run = engine.submit(submitted_run(a, b, c))
    engine.cancel(job_run, job_run.task_runs[0])
    assert _states(job_run) == ["RUNNING", "TERMINATING", "PENDING", "BLOCKED"]
    clock.advance("1d")
    engine.drain()
    assert _states(job_run) == ["TERMINATED", "TERMINATED", "TERMINATED", "SKIPPED"]
    assert _results(job_run) == [R.CANCELED, R.CANCELED, R.SUCCESS, R.UPSTREAM_CANCELED]


@pytest.mark.fact("runs.cancel.blocked")
def test_cancel_of_a_blocked_task_skips_it_at_once() -> None:
    """A task that waits has nothing to clean up, and what waits for it is skipped with it."""
    engine, _, _ = make_engine()
    a, b, c = submitted_task("a"), submitted_task("b", "a"), submitted_task("c", "b")
    job_run = engine.submit(submitted_run(a, b, c))
    engine.cancel(job_run, job_run.task_runs[1])
    assert _states(job_run) == ["RUNNING", "PENDING", "SKIPPED", "SKIPPED"]
    assert _results(job_run)[2:] == [R.UPSTREAM_CANCELED, R.UPSTREAM_CANCELED]


@pytest.mark.parametrize("cluster", ["225ms", "275ms"])
def test_cancel_under_a_running_clock_keeps_the_record_in_order(cluster: str) -> None:
    """What fell due while the call was on its way happens before the cancel, whenever the clock is looked at."""
    ticks = itertools.count(0, 50)
    clock = Clock("real", real_ms=lambda: float(next(ticks)))
    engine, _, _ = make_engine(clock=clock, timing=Timing(cluster=cluster))
    job_run = engine.submit(submitted_run(*(submitted_task(str(index)) for index in range(5))))
    for task_run in job_run.task_runs:
        engine.cancel(job_run, task_run)
    moments = [entry.at_ms for entry in job_run.timeline]
    assert moments == sorted(moments)
    assert "RUNNING" in [entry.life_cycle_state for entry in job_run.timeline]


_ILLEGAL = [
    pytest.param(state, event, id=f"{state.value}-{event.value}")
    for state, event in itertools.product(L, Event)
    if event not in TRANSITIONS[state]
]


@pytest.mark.parametrize(("state", "event"), _ILLEGAL)
def test_illegal_event_leaves_the_record_unchanged(state: LifeCycleState, event: Event) -> None:
    """An event that cannot happen raises before it touches anything."""
    engine, _, _ = make_engine()
    job_run, [task_run] = make_runs(submitted_task())
    task_run.life_cycle_state = state
    fields = [field.name for field in dataclasses.fields(TaskRun)]
    before = {name: getattr(task_run, name) for name in fields}
    timeline, rendered = list(job_run.timeline), {"2.1": b"{}"}
    job_run.rendered.update(rendered)
    with pytest.raises(RuntimeError, match="cannot happen"):
        engine._machine.apply(job_run, task_run, event, EPOCH_MS + 10_000)
    assert {name: getattr(task_run, name) for name in fields} == before
    assert (job_run.timeline, job_run.rendered) == (timeline, rendered)
