"""Tasks whose work the service does itself: conditions, for-each tasks, runs of other jobs."""

from __future__ import annotations

import json

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Outcome, Timing
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.scenarios import Match
from dbx_emulator._core.states import (
    ConditionOp,
    LifeCycleState,
    QueueCode,
    ResultState,
    RunIf,
    RunType,
    TerminationCode,
    TriggerType,
)
from dbx_emulator._core.submitted import Condition, Dependency, ForEach, RunJob, SubmittedTask
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_SECONDS = Timing(queue=0, cluster=2, run=3, terminating=1)


def _condition(task_key: str, op: str, left: str, right: str, *depends_on: str) -> SubmittedTask:
    work = Condition(ConditionOp(op), left, right)
    return submitted_task(task_key, *depends_on, has_new_cluster=False, work=work)


def _for_each(inputs: object, *, concurrency: int = 1, **fields: object) -> SubmittedTask:
    """Return the for-each task `each` over the task `load`."""
    text = inputs if isinstance(inputs, str) else json.dumps(inputs)
    work = ForEach(text, submitted_task("load", **fields), concurrency)
    return submitted_task("each", has_new_cluster=False, work=work)


def _results(job_run: JobRun) -> dict[str, str]:
    return {
        key: task_run.result_state.value if task_run.result_state else task_run.life_cycle_state.value
        for key, task_run in job_run.latest.items()
    }


def _iterations(task_run: TaskRun) -> list[tuple[int | None, int, str]]:
    return [
        (
            each.iteration_index,
            each.attempt_number,
            (each.result_state or each.life_cycle_state).value,
        )
        for each in task_run.iterations
    ]


@pytest.mark.fact("runs.condition.compare")
@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("EQUAL_TO", "12", "12", True),
        ("EQUAL_TO", "12.0", "12", False),
        ("NOT_EQUAL", "a", "b", True),
        ("NOT_EQUAL", "a", "a", False),
        ("GREATER_THAN", "12.0", "12", False),
        ("GREATER_THAN", "13", "12.5", True),
        ("GREATER_THAN_OR_EQUAL", "12.0", "12", True),
        ("LESS_THAN", "9", "10", True),
        ("LESS_THAN", "10", "9", False),
        ("LESS_THAN_OR_EQUAL", "1e1", "10", True),
    ],
)
def test_condition_compares_texts_or_numbers(op: str, left: str, right: str, *, expected: bool) -> None:
    """Equality is one of texts, order one of numbers; the branch that was not taken is excluded."""
    engine, clock, _ = make_engine()
    taken, other = (
        submitted_task("yes", Dependency("if", True)),  # noqa: FBT003 - the outcome is the value
        submitted_task("no", Dependency("if", False)),  # noqa: FBT003
    )
    job_run = engine.submit(submitted_run(_condition("if", op, left, right), taken, other))
    engine.drain()
    condition = job_run.latest["if"]
    assert (condition.condition_outcome, condition.end_time_ms, condition.cluster_id) == (
        expected,
        EPOCH_MS,
        "",
    )
    clock.advance("1h")
    engine.drain()
    branches = ("SUCCESS", "EXCLUDED") if expected else ("EXCLUDED", "SUCCESS")
    assert (_results(job_run)["yes"], _results(job_run)["no"]) == branches
    assert job_run.result_state is R.SUCCESS


def test_condition_that_cannot_compare_fails() -> None:
    """Two texts have no order; what depends on the condition fails with it."""
    engine, clock, _ = make_engine()
    task = submitted_task("yes", Dependency("if", True))  # noqa: FBT003
    job_run = engine.submit(submitted_run(_condition("if", "LESS_THAN", "a", "2"), task))
    clock.advance("1h")
    engine.drain()
    assert job_run.latest["if"].code is TerminationCode.INVALID_RUN_CONFIGURATION
    assert job_run.latest["if"].condition_outcome is None
    assert _results(job_run) == {"if": "FAILED", "yes": "UPSTREAM_FAILED"}


def test_condition_reads_what_tasks_before_it_set() -> None:
    """Its operands are references, resolved when it is evaluated."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [Outcome(values={"rows": 12})])
    condition = _condition("if", "GREATER_THAN", "{{tasks.count.values.rows}}", "10", "count")
    job_run = engine.submit(submitted_run(submitted_task("count"), condition))
    clock.advance("1h")
    engine.drain()
    assert job_run.latest["if"].condition_outcome is True


def test_scenario_does_not_reach_work_of_the_service() -> None:
    """A lost cluster is no matter to a task that has none."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(_condition("if", "EQUAL_TO", "1", "1")))
    clock.advance("1h")
    engine.drain()
    assert job_run.result_state is R.SUCCESS


@pytest.mark.parametrize(("concurrency", "seconds"), [(1, 18), (2, 12), (3, 6), (10, 6)])
def test_for_each_runs_as_many_iterations_at_a_time_as_it_may(concurrency: int, seconds: int) -> None:
    """Three iterations of six seconds each, in order, each a task run with an id and an input of its own."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(_for_each([1, "b", {"k": 2}], concurrency=concurrency)))
    engine.drain()
    task_run = job_run.latest["each"]
    assert task_run.open_iterations == min(concurrency, 3)
    clock.advance("1h")
    engine.drain()
    assert _iterations(task_run) == [(0, 0, "SUCCESS"), (1, 0, "SUCCESS"), (2, 0, "SUCCESS")]
    assert [each.input for each in task_run.iterations] == ["1", '"b"', '{"k":2}']
    assert job_run.end_time_ms == EPOCH_MS + seconds * 1_000
    ids = {job_run.run_id, task_run.run_id, *(each.run_id for each in task_run.iterations)}
    assert len(ids) == 5
    assert [engine.store.find(each.run_id) for each in task_run.iterations] == [
        (job_run, each) for each in task_run.iterations
    ]
    assert job_run.task_runs == [task_run]


def test_iterations_draw_for_themselves() -> None:
    """Each attempt of each iteration has its own times."""
    engine, clock, scenarios = make_engine(timing=Timing(run="uniform(0, 1000)"))
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    job_run = engine.submit(submitted_run(_for_each([1, 2, 3], max_retries=1)))
    clock.advance("1d")
    engine.drain()
    assert len({each.times.run_ms for each in job_run.latest["each"].iterations}) == 6


def test_for_each_without_inputs_succeeds_at_once() -> None:
    """Nothing to do is no failure."""
    engine, _, _ = make_engine()
    job_run = engine.submit(submitted_run(_for_each([])))
    engine.drain()
    assert (job_run.result_state, job_run.latest["each"].iterations) == (R.SUCCESS, [])


@pytest.mark.fact("runs.for-each.one-failed")
def test_for_each_fails_with_one_of_its_iterations_and_runs_the_others() -> None:
    """The outcome names the iteration; what comes after it is run all the same."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"load/1": outcome("CLOUD_FAILURE")})])
    job_run = engine.submit(submitted_run(_for_each([1, 2, 3])))
    clock.advance("1h")
    engine.drain()
    task_run = job_run.latest["each"]
    assert _iterations(task_run) == [(0, 0, "SUCCESS"), (1, 0, "FAILED"), (2, 0, "SUCCESS")]
    assert (task_run.code, job_run.life_cycle_state) == (
        TerminationCode.RUN_EXECUTION_ERROR,
        L.INTERNAL_ERROR,
    )
    assert job_run.notes == []


def test_iterations_are_retried_one_by_one() -> None:
    """Retries belong to the nested task; its last attempt counts."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    lost = outcome("CLOUD_FAILURE", retries=[outcome()])
    scenarios.add(Match(task_key="load"), [Outcome(tasks={"load/0": lost})])
    job_run = engine.submit(submitted_run(_for_each([1, 2], max_retries=1)))
    clock.advance("1h")
    engine.drain()
    task_run = job_run.latest["each"]
    assert _iterations(task_run) == [(0, 0, "FAILED"), (0, 1, "SUCCESS"), (1, 0, "SUCCESS")]
    assert [each.input for each in task_run.iterations] == ["1", "1", "2"]
    assert job_run.result_state is R.SUCCESS


@pytest.mark.parametrize("inputs", ["{{tasks.no.values.x}}", "12", "[1"])
def test_for_each_over_something_else_fails(inputs: str) -> None:
    """What is no JSON array when the task begins cannot be iterated over."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(_for_each(inputs)))
    clock.advance("1h")
    engine.drain()
    assert job_run.latest["each"].code is TerminationCode.INVALID_RUN_CONFIGURATION


@pytest.mark.fact("runs.for-each.most")
@pytest.mark.parametrize(("count", "result"), [(5_000, R.SUCCESS), (5_001, R.FAILED)])
def test_for_each_has_a_limit(count: int, result: ResultState) -> None:
    """One input too many, and no iteration is run."""
    engine, clock, _ = make_engine()
    job_run = engine.submit(submitted_run(_for_each([0] * count, concurrency=1_000)))
    clock.advance("1h")
    engine.drain()
    assert job_run.result_state is result
    assert len(job_run.latest["each"].iterations) == (count if result is R.SUCCESS else 0)


def test_cancel_of_a_for_each_task_reaches_its_iterations() -> None:
    """Those that run stop in their own time, no further one is started, and the task ends with the last."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(tasks={"load/1": Outcome(cancel_after=2)})])
    job_run = engine.submit(submitted_run(_for_each([1, 2, 3], concurrency=2)))
    clock.advance(2)
    engine.drain()
    task_run = job_run.latest["each"]
    engine.cancel(job_run, task_run)
    assert task_run.life_cycle_state is L.TERMINATING
    assert engine.next_deadline_ms(job_run) == EPOCH_MS + 3_000
    engine.cancel(job_run, task_run.iterations[1])
    clock.advance(2.5)
    engine.drain()
    assert not task_run.is_terminal
    clock.advance("1h")
    engine.drain()
    assert _iterations(task_run) == [(0, 0, "CANCELED"), (1, 0, "CANCELED")]
    assert (task_run.result_state, job_run.result_state) == (R.CANCELED, R.CANCELED)
    assert job_run.end_time_ms == EPOCH_MS + 5_000


def test_cancel_of_a_for_each_task_leaves_what_is_over() -> None:
    """An iteration that succeeded before has succeeded."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(_for_each([1, 2, 3])))
    clock.advance(8)
    engine.drain()
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert _iterations(job_run.latest["each"]) == [(0, 0, "SUCCESS"), (1, 0, "CANCELED")]


def test_cancel_of_an_iteration_leaves_the_others_alone() -> None:
    """The for-each task goes on and is CANCELED at the end, for nothing failed."""
    engine, clock, _ = make_engine(timing=_SECONDS)
    job_run = engine.submit(submitted_run(_for_each([1, 2])))
    engine.drain()
    engine.cancel(job_run, job_run.latest["each"].iterations[0])
    clock.advance("1h")
    engine.drain()
    assert _iterations(job_run.latest["each"]) == [(0, 0, "CANCELED"), (1, 0, "SUCCESS")]
    assert _results(job_run) == {"each": "CANCELED"}


def test_cancelled_for_each_does_not_retry_what_fails_meanwhile() -> None:
    """An iteration that ignores the cancel fails, and that is its end."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [outcome("CLOUD_FAILURE", on_cancel="ignores")])
    job_run = engine.submit(submitted_run(_for_each([1, 2], max_retries=3)))
    engine.drain()
    engine.cancel(job_run, None)
    clock.advance("1h")
    engine.drain()
    assert _iterations(job_run.latest["each"]) == [(0, 0, "FAILED")]
    assert job_run.result_state is R.CANCELED


def test_timeout_of_a_for_each_task_stops_its_iterations() -> None:
    """They are timed out with it, whatever they do when somebody cancels them."""
    engine, clock, scenarios = make_engine(timing=_SECONDS)
    scenarios.add("*", [Outcome(on_cancel="ignores")])
    work = ForEach("[1, 2]", submitted_task("load"))
    task = submitted_task("each", has_new_cluster=False, work=work, timeout_ms=4_000)
    job_run = engine.submit(submitted_run(task))
    clock.advance("1h")
    engine.drain()
    assert _iterations(job_run.latest["each"]) == [(0, 0, "TIMEDOUT")]
    assert _results(job_run) == {"each": "TIMEDOUT"}
    assert job_run.end_time_ms == EPOCH_MS + 5_000


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


@pytest.mark.parametrize("run_if", [RunIf.ALL_DONE, RunIf.AT_LEAST_ONE_FAILED])
def test_clean_up_runs_after_a_failure(run_if: RunIf) -> None:
    """The run has succeeded with failures: its only leaf did."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE")})])
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("b", "a", run_if=run_if)))
    clock.advance("1h")
    engine.drain()
    assert _results(job_run) == {"a": "FAILED", "b": "SUCCESS"}
    assert job_run.result_state is R.SUCCESS_WITH_FAILURES


def test_disabled_task_is_skipped_without_having_been_started() -> None:
    """At the head of a run as well as below others, and whoever depends on it is excluded."""
    engine, clock, _ = make_engine()
    a, b = submitted_task("a", is_disabled=True), submitted_task("b", "a")
    c, d = submitted_task("c"), submitted_task("d", "c", is_disabled=True)
    job_run = engine.submit(submitted_run(a, b, c, d))
    clock.advance("1h")
    engine.drain()
    assert _results(job_run) == {"a": "DISABLED", "b": "EXCLUDED", "c": "SUCCESS", "d": "DISABLED"}
    assert [job_run.latest[key].start_time_ms for key in "abd"] == [0, 0, 0]
    assert job_run.latest["a"].code is TerminationCode.DISABLED
    assert job_run.result_state is R.SUCCESS


@pytest.mark.fact("runs.skipped.messages")
def test_skipped_tasks_say_different_things() -> None:
    """One below a failure, one whose condition was not met, one that is disabled."""
    engine, clock, scenarios = make_engine()
    scenarios.add("*", [Outcome(tasks={"a": outcome("CLOUD_FAILURE")})])
    below, off = submitted_task("below", "a"), submitted_task("off", is_disabled=True)
    unmet = submitted_task("unmet", "c", run_if=RunIf.ALL_FAILED)
    job_run = engine.submit(submitted_run(submitted_task("a"), submitted_task("c"), below, unmet, off))
    clock.advance("1h")
    engine.drain()
    messages = [job_run.latest[key].state_message for key in ("below", "unmet", "off")]
    assert messages[0] == "An upstream task failed."
    assert len(set(messages)) == 3
