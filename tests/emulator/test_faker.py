"""Realistic data, and histories made of it."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator import Clock, StatusFault, UsageError, Workspace
from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator.faker import CLOUDS, OUTCOMES, TASK_TYPES, DatabricksProvider
from tests.emulator.support import Caller, graph_body

Json = dict[str, Any]


def _fake(seed: int) -> Any:
    fake = Faker()
    fake.add_provider(DatabricksProvider)
    fake.seed_instance(seed)
    return fake


def _everything(seed: int) -> list[object]:
    fake = _fake(seed)
    return [
        *(fake.databricks_user(), fake.databricks_tags(), fake.databricks_node_type("gcp")),
        *(fake.databricks_spark_version(), fake.databricks_cluster(), fake.databricks_cluster_id()),
        *(fake.databricks_notebook_path(), fake.databricks_job_name(), fake.databricks_run_name()),
        *(fake.databricks_run(), fake.databricks_job(), fake.databricks_outcome()),
        *(fake.databricks_task(task_type) for task_type in TASK_TYPES),
    ]


def test_same_seed_says_the_same_whatever_others_ask() -> None:
    """Nothing is drawn from what Fakers, or anybody else, share."""
    first = _everything(7)
    Faker.seed(1)
    random.seed(1)
    other = _fake(7)
    other.databricks_job()
    assert _everything(7) == first
    assert _everything(8) != first


@given(seed=st.integers(0, 2**32), tasks=st.none() | st.integers(0, 8))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_every_run_and_job_is_accepted(seed: int, tasks: int | None) -> None:
    """Whatever comes of a seed, the emulator takes it, runs it and ends it."""
    fake, workspace = _fake(seed), Workspace()
    caller = Caller(workspace, "2.2")
    run_id = caller.submit(fake.databricks_run(tasks))
    job_id = caller.post("create", fake.databricks_job(tasks))["job_id"]
    caller.post("run-now", {"job_id": job_id})
    workspace.clock.advance("20d")
    assert len(caller.run(run_id)["tasks"]) >= (tasks or 1)
    assert workspace.runs.active == []


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_every_type_of_task_is_accepted(caller: Caller, task_type: str) -> None:
    """Alone in a run, on the compute that it comes with."""
    for seed in range(5):
        task = _fake(seed).databricks_task(task_type)
        run_id = caller.submit(graph_body(task))
        assert task_type in caller.run(run_id)["tasks"][0]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_cluster_is_one_of_its_cloud(cloud: str) -> None:
    """Nodes and attributes go together."""
    cluster = _fake(0).databricks_cluster(cloud)
    assert cluster["node_type_id"] in CLOUDS[cloud][0]
    assert [name for name in cluster if name.endswith("_attributes")] == [f"{cloud}_attributes"]


def test_outcomes_come_by_their_shares() -> None:
    """Of a hundred runs about eighty succeed, and each way of ending comes."""
    fake = _fake(0)
    found = Counter(id(fake.databricks_outcome()) for _ in range(2_000))
    assert 0.76 < found[id(OUTCOMES[0][1])] / 2_000 < 0.84
    assert len(found) == len(OUTCOMES)


def test_unknown_words_are_refused_with_the_nearest() -> None:
    """A cloud or a type of task that is none."""
    with pytest.raises(UsageError, match=r"cloud: 'aw' is none of aws, azure, gcp \(nearest: aws\)"):
        _fake(0).databricks_cluster("aw")
    with pytest.raises(UsageError, match=r"task_type: 'notebook' is none of .* \(nearest: notebook_task\)"):
        _fake(0).databricks_task("notebook")


def test_populate_makes_a_week_that_looks_like_one() -> None:
    """Runs over the whole of it, most of them good, some of them bad, the last ones active; and nothing else."""
    workspace = Workspace()
    history = workspace.populate(runs=100, over="7d", active=3)
    assert workspace.clock.now_ms == EPOCH_MS + 7 * 86_400_000
    assert [run.run_id for run in workspace.runs if run.run_id in history.run_ids] == list(history.run_ids)
    assert len(history.run_ids) == 100
    assert set(history.run_ids[-3:]) <= set(history.active_run_ids)
    assert {run.run_id for run in workspace.runs.active} == set(history.active_run_ids)
    assert sum(history.ends.values()) + len(history.active_run_ids) == 100
    assert 60 <= history.ends["SUCCESS"] <= 95
    assert len(history.ends) >= 4
    starts = [run.start_time_ms for run in workspace.runs]
    assert starts[0] < EPOCH_MS + 86_400_000
    assert any(len(run.repairs) > 1 for run in workspace.runs)
    assert {run.job_id for run in workspace.runs} & set(history.job_ids)
    assert (len(workspace.journal), len(workspace.scenarios)) == (0, 0)


def test_populate_is_drawn_from_the_seed() -> None:
    """The same seed makes the same bytes, another one others, and a second history is not the first again."""
    first, again, other = Workspace(seed=1), Workspace(seed=1), Workspace(seed=2)
    history = first.populate(runs=20)
    assert again.populate(runs=20) == history
    assert again.snapshot() == first.snapshot()
    other.populate(runs=20)
    assert _names(other) != _names(first)
    first.populate(runs=20)
    assert _names(first)[20:] != _names(first)[:20]


def _names(workspace: Workspace) -> list[str]:
    return [run.run_name for run in workspace.runs]


def test_populate_leaves_the_scenarios_of_the_test_alone() -> None:
    """What was added before holds for what comes after."""
    workspace = Workspace()
    workspace.scenarios.use("user_error", "*")
    history = workspace.populate(runs=5)
    assert len(history.active_run_ids) >= 3
    [scenario] = workspace.scenarios
    assert scenario.taken == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"runs": 0}, "runs: 0 is no count from 1 on", id="no runs"),
        pytest.param({"runs": "many"}, "runs: 'many' is no count", id="no number"),
        pytest.param({"active": 101}, "active: 101 is no count from 0 to 100", id="too many active"),
        pytest.param({"active": -1}, "active: -1 is no count", id="fewer than none"),
        pytest.param({"over": "soon"}, "over: 'soon' is no duration", id="no duration"),
        pytest.param({"over": "31d"}, "end of time: a history would move the clock", id="beyond the end"),
    ],
)
def test_populate_refuses_what_it_cannot_make(arguments: Json, says: str) -> None:
    """In words, and with nothing made."""
    workspace = Workspace()
    before = workspace.snapshot()
    with pytest.raises(UsageError, match=says):
        workspace.populate(**arguments)
    assert workspace.snapshot() == before


def test_populate_refuses_faults() -> None:
    """They would strike the calls that make the history."""
    workspace = Workspace(clock=Clock())
    workspace.faults.add(StatusFault("*"))
    with pytest.raises(UsageError, match="arm faults afterwards"):
        workspace.populate()


def test_populate_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without faker the line to run is told."""
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(
        ModuleNotFoundError,
        match="populate needs faker, which is not installed; get it with: pip install faker",
    ):
        Workspace().populate()


def test_scenario_that_is_removed_is_one_of_these(workspace: Workspace) -> None:
    """Another one is refused, an equal one too."""
    workspace.scenarios.use("user_error", "a")
    workspace.scenarios.use("user_error", "a")
    first, second = workspace.scenarios
    workspace.scenarios.remove(first)
    [left] = workspace.scenarios
    assert left is second
    with pytest.raises(UsageError, match="is none of these"):
        workspace.scenarios.remove(first)
