"""Dependencies between tasks."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.dag import Weight, dependents, find_cycle, judge_upstream, weigh
from dbx_emulator._core.states import LifeCycleState, ResultState, RunIf
from dbx_emulator._core.submitted import Dependency
from tests.emulator.support import make_runs, submitted_task

R = ResultState

#: One result of each weight.
_RESULTS = {"S": R.SUCCESS, "F": R.FAILED, "E": R.EXCLUDED}

#: The documented table, written down a second time, over the letters of the dependencies: when the task runs, and
#: what it is otherwise.
_DOCUMENTED: dict[RunIf, tuple[Callable[[tuple[str, ...]], bool], ResultState]] = {
    RunIf.ALL_SUCCESS: (lambda deps: "F" not in deps, R.UPSTREAM_FAILED),
    RunIf.AT_LEAST_ONE_SUCCESS: (lambda deps: "S" in deps, R.UPSTREAM_FAILED),
    RunIf.NONE_FAILED: (lambda deps: "F" not in deps and "S" in deps, R.UPSTREAM_FAILED),
    RunIf.ALL_DONE: (lambda _deps: True, R.UPSTREAM_FAILED),
    RunIf.AT_LEAST_ONE_FAILED: (lambda deps: "F" in deps, R.EXCLUDED),
    RunIf.ALL_FAILED: (lambda deps: set(deps) == {"F"}, R.EXCLUDED),
}


def _judge(
    results: list[str],
    *,
    run_if: RunIf = RunIf.ALL_SUCCESS,
    outcome: bool | None = None,
    evaluated: bool | None = None,
    is_disabled: bool = False,
) -> ResultState | None:
    """Return the verdict on a task that depends on tasks with these results."""
    keys = [f"t{index}" for index, _ in enumerate(results)]
    job_run, task_runs = make_runs(*(submitted_task(key) for key in keys or ["t"]))
    for task_run, result in zip(task_runs, results, strict=False):
        task_run.life_cycle_state = LifeCycleState.TERMINATED
        task_run.result_state = ResultState(result) if result else None
        task_run.condition_outcome = evaluated
    dependencies = (Dependency(key, outcome) for key in keys)
    task = submitted_task("judged", *dependencies, run_if=run_if, is_disabled=is_disabled)
    return judge_upstream(task, job_run.latest)


@pytest.mark.fact("runs.depends-on.all-success")
@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        pytest.param([], None, id="no-upstream"),
        pytest.param(["SUCCESS", "SUCCESS"], None, id="all-succeeded"),
        pytest.param(["SUCCESS", "SUCCESS_WITH_FAILURES"], None, id="succeeded-with-failures"),
        pytest.param(["SUCCESS", "FAILED"], R.UPSTREAM_FAILED, id="one-failed"),
        pytest.param(["TIMEDOUT"], R.UPSTREAM_FAILED, id="timed-out"),
        pytest.param(["UPSTREAM_FAILED"], R.UPSTREAM_FAILED, id="skipped"),
        pytest.param([""], R.UPSTREAM_FAILED, id="without-a-result"),
        pytest.param(["CANCELED"], R.UPSTREAM_CANCELED, id="cancelled"),
        pytest.param(["FAILED", "UPSTREAM_CANCELED"], R.UPSTREAM_CANCELED, id="skipped-by-a-cancel"),
    ],
)
def test_judge_upstream_runs_a_task_after_all_succeeded(
    results: list[str], verdict: ResultState | None
) -> None:
    """Without more words, a task runs if all it depends on succeeded, and is skipped otherwise."""
    assert _judge(results) is verdict


@pytest.mark.fact("runs.run-if.truth-table")
@pytest.mark.parametrize("run_if", RunIf)
def test_run_if_is_the_documented_truth_table(run_if: RunIf) -> None:
    """Every condition, over every combination of up to four dependencies of the three weights."""
    runs, otherwise = _DOCUMENTED[run_if]
    for count in range(1, 5):
        for deps in itertools.product("SFE", repeat=count):
            expected = None if runs(deps) else otherwise
            if set(deps) == {"E"}:
                expected = R.EXCLUDED
            found = _judge([_RESULTS[each].value for each in deps], run_if=run_if)
            assert found is expected, (run_if, deps)


@pytest.mark.fact("runs.run-if.truth-table")
def test_every_result_has_a_weight() -> None:
    """What did not succeed and was not left out on purpose has failed."""
    succeeded = {R.SUCCESS, R.SUCCESS_WITH_FAILURES}
    excluded = {R.EXCLUDED, R.DISABLED}
    for result in R:
        expected = Weight.SUCCEEDED if result in succeeded else Weight.FAILED
        assert weigh(result) is (Weight.EXCLUDED if result in excluded else expected)


@pytest.mark.fact("runs.depends-on.outcome")
@pytest.mark.parametrize("run_if", RunIf)
@pytest.mark.parametrize("outcome", [True, False])
def test_branch_that_was_not_taken_is_excluded(outcome: bool, run_if: RunIf) -> None:  # noqa: FBT001
    """A task on the other branch of a condition is excluded under every `run_if`."""
    assert _judge(["SUCCESS"], run_if=run_if, outcome=outcome, evaluated=not outcome) is R.EXCLUDED
    runs = _judge(["SUCCESS"], run_if=run_if, outcome=outcome, evaluated=outcome) is None
    assert runs is (run_if not in {RunIf.AT_LEAST_ONE_FAILED, RunIf.ALL_FAILED})


def test_condition_that_never_evaluated_counts_as_what_it_became() -> None:
    """Neither branch of a condition that failed is excluded: both failed with it."""
    assert _judge(["FAILED"], outcome=True) is R.UPSTREAM_FAILED
    assert _judge(["FAILED"], outcome=False, run_if=RunIf.ALL_FAILED) is None


@pytest.mark.parametrize("result", ["SUCCESS", "FAILED", "EXCLUDED"])
def test_disabled_task_never_runs(result: str) -> None:
    """Whatever became of those it depends on."""
    assert _judge([result], is_disabled=True, run_if=RunIf.ALL_DONE) is R.DISABLED


def test_dependents_are_all_below() -> None:
    """Directly or through others, each once, and none that is not below."""
    downstream = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "x": ["a"]}
    assert dependents(downstream, ["a"]) == {"b", "c", "d"}
    assert dependents(downstream, ["d"]) == set()
    assert dependents(downstream, ["b", "x"]) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("depends_on", "cycle"),
    [
        pytest.param({}, set(), id="empty"),
        pytest.param({"a": [], "b": ["a"], "c": ["a", "b"]}, set(), id="diamond"),
        pytest.param({"a": ["a"]}, {"a"}, id="self"),
        pytest.param({"a": ["b"], "b": ["a"]}, {"a", "b"}, id="two"),
        pytest.param(
            {"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"], "y": []}, {"a", "b", "c"}, id="behind-a-tail"
        ),
    ],
)
def test_find_cycle_names_one_cycle(depends_on: dict[str, list[str]], cycle: set[str]) -> None:
    """The keys of a cycle, or nothing for a sound graph."""
    assert set(find_cycle(depends_on)) == cycle


def test_find_cycle_walks_a_long_chain_without_recursion() -> None:
    """The longest chain that can be submitted is no problem, closed or open."""
    chain = {str(index): [str(index - 1)] if index else [] for index in range(1_000)}
    assert find_cycle(chain) == []
    assert len(find_cycle(chain | {"0": ["999"]})) == 1_000


_GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4)).map(
    lambda graph: {key: [each for each in upstream if each in graph] for key, upstream in graph.items()}
)


@settings(derandomize=True, deadline=None)
@given(graph=_GRAPHS)
def test_find_cycle_finds_one_exactly_if_no_order_exists(graph: dict[str, list[str]]) -> None:
    """A cycle is found exactly where the tasks cannot be put in order, and what is found is one."""
    remaining = dict(graph)
    while ready := [key for key, upstream in remaining.items() if not set(upstream) & set(remaining)]:
        for key in ready:
            del remaining[key]
    cycle = find_cycle(graph)
    assert bool(cycle) == bool(remaining)
    assert all(after in graph[before] for before, after in zip(cycle, cycle[1:] + cycle[:1], strict=True))
