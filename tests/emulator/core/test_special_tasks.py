"""Tasks whose work the service does itself: conditions and for-each tasks."""

from __future__ import annotations

import json

import pytest

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.outcomes import Outcome, Timing
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.scenarios import Match
from dbx_emulator._core.states import (
    ConditionOp,
    LifeCycleState,
    ResultState,
    RunIf,
    TerminationCode,
)
from dbx_emulator._core.submitted import Condition, Dependency, ForEach, SubmittedTask
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
