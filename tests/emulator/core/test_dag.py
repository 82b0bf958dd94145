"""Dependencies between tasks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.dag import find_cycle, judge_upstream
from dbx_emulator._core.states import LifeCycleState, ResultState
from tests.emulator.support import make_runs, submitted_task


@pytest.mark.fact("runs.depends-on.all-success")
@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        pytest.param([], "run", id="no-upstream"),
        pytest.param(["SUCCESS", "SUCCESS"], "run", id="all-succeeded"),
        pytest.param(["SUCCESS", "SUCCESS_WITH_FAILURES"], "run", id="succeeded-with-failures"),
        pytest.param(["SUCCESS", None], "wait", id="one-active"),
        pytest.param(["FAILED", None], "wait", id="failed-and-active"),
        pytest.param(["SUCCESS", "FAILED"], ResultState.UPSTREAM_FAILED, id="one-failed"),
        pytest.param(["TIMEDOUT"], ResultState.UPSTREAM_FAILED, id="timed-out"),
        pytest.param(["UPSTREAM_FAILED"], ResultState.UPSTREAM_FAILED, id="skipped"),
        pytest.param(["CANCELED"], ResultState.UPSTREAM_CANCELED, id="cancelled"),
        pytest.param(["UPSTREAM_CANCELED"], ResultState.UPSTREAM_CANCELED, id="skipped-by-a-cancel"),
    ],
)
def test_judge_upstream_runs_a_task_after_all_succeeded(results: list[str | None], verdict: str) -> None:
    """A task waits for all it depends on, runs if all succeeded, and is skipped otherwise."""
    _, task_runs = make_runs(*(submitted_task(f"t{index}") for index, _ in enumerate(results)))
    for task_run, result in zip(task_runs, results, strict=False):
        if result is not None:
            task_run.life_cycle_state = LifeCycleState.TERMINATED
            task_run.result_state = ResultState(result)
    assert judge_upstream(task_runs[: len(results)]) == verdict


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
