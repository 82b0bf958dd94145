"""Why a scenario took no run."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator import Clock, Match, Outcome, Workspace
from dbx_emulator._core.near_misses import describe_idle_scenario, match_misses, mended
from dbx_emulator._core.scenarios import Scenario
from tests.emulator.support import NOTEBOOK, Caller, flat_body, graph_body, task


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time is moved by hand."""
    return Workspace(clock=Clock())


def _idle(workspace: Workspace) -> list[str]:
    [scenario] = workspace.scenarios.never_taken()
    return describe_idle_scenario(scenario, list(workspace.runs)).splitlines()


def _succeeded(job_run: object) -> object:
    return job_run


def test_idle_scenario_shows_the_nearest_run_and_a_line_that_takes_it(workspace: Workspace) -> None:
    """The field that differs with both values; the line is Python and takes the run."""
    fails = Outcome(run="40m", termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])
    workspace.scenarios.add("etl_*", [Outcome(tasks={"train": fails}, on_cancel="ignores"), Outcome()])
    Caller(workspace).submit(flat_body("something else"))
    run_id = Caller(workspace).submit(flat_body("etl-1"))
    train = 'Outcome(run="40m", termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])'
    outcome = f'Outcome(on_cancel="ignores", tasks={{"train": {train}}})'
    said = _idle(workspace)
    assert said == [
        "scenario 'etl_*' took none of 2 runs",
        f"  nearest run {run_id} 'etl-1': match.run_name 'etl_*' ≠ 'etl-1'",
        f'  to paste: databricks.scenarios.add("etl-1", [{outcome}, Outcome()])',
    ]
    line = said[2].removeprefix("  to paste: ")
    eval(line, {"databricks": workspace, "Outcome": Outcome})
    Caller(workspace).submit(flat_body("etl-1"))
    taken = list(workspace.scenarios)[-1]
    assert (taken.taken, taken.outcomes) == (1, next(iter(workspace.scenarios)).outcomes)


def test_idle_scenario_of_a_silent_client(workspace: Workspace) -> None:
    """Without any run none is near."""
    workspace.scenarios.add("etl", [Outcome()])
    assert _idle(workspace) == ["scenario 'etl' took none of 0 runs"]


@pytest.mark.parametrize(
    ("match", "misses"),
    [
        pytest.param(Match(), [], id="all"),
        pytest.param(Match(run_name="nightly"), [("run_name", "nightly", "a[1]")], id="name"),
        pytest.param(Match(job_id=7), [("job_id", 7, None)], id="job"),
        pytest.param(
            Match(tags={"team": "data", "env": "prod", "x": "1"}),
            [("tags.env", "prod", "dev"), ("tags.x", "1", None)],
            id="tags",
        ),
        pytest.param(
            Match(parameters={"day": "2024-*", "mode": "full"}),
            [("parameters.mode", "full", "delta")],
            id="parameters",
        ),
        pytest.param(Match(task_key="lode"), [("task_key", "lode", "extract, load")], id="task"),
    ],
)
def test_match_is_mended_as_little_as_needed(
    workspace: Workspace, match: Match, misses: list[tuple[str, object, object]]
) -> None:
    """What does not hold, each with both values; changed so, it takes the run."""
    parameters = {"day": "2024-01-01", "mode": "delta"}
    load = task("load", notebook_task=NOTEBOOK | {"base_parameters": parameters})
    body = graph_body(task("extract"), load, run_name="a[1]", tags={"team": "data", "env": "dev"})
    run_id = Caller(workspace).submit(body)
    job_run = workspace.runs[run_id]
    assert match_misses(match, job_run) == misses
    assert bool(match.task_keys(job_run.submitted, job_id=job_run.job_id)) == (not misses)
    better = mended(match, job_run)
    assert better.task_keys(job_run.submitted, job_id=job_run.job_id)
    assert (better == match) == (not misses)


def test_match_of_a_task_cannot_take_a_run_without_tasks(workspace: Workspace) -> None:
    """There is no key to name, so the whole run is taken."""
    job_run = workspace.runs[Caller(workspace).submit()]
    assert match_misses(Match(task_key="load"), job_run) == [("task_key", "load", None)]
    assert mended(Match(task_key="load"), job_run) == Match()


def test_line_has_a_whole_match_and_who_is_called(workspace: Workspace) -> None:
    """Where a glob over names does not say it all."""
    tagged = Match("etl", tags={"team": "data"})
    workspace.scenarios.add(tagged, [Outcome()], on_success=_succeeded)
    Caller(workspace).submit(flat_body("etl-1", tags={"team": "data"}))
    assert _idle(workspace)[-1] == (
        '  to paste: databricks.scenarios.add(Match(run_name="etl-1", tags={"team": "data"}), [Outcome()], '
        "on_success=_succeeded)"
    )


def test_scenario_may_fit_and_take_nothing(workspace: Workspace) -> None:
    """The number was another, somebody else took the run, or it was there before."""
    Caller(workspace).submit(flat_body("etl"))
    workspace.scenarios.add(Match("etl", nth=3), [Outcome()])
    assert _idle(workspace)[1].endswith("it fits, and was made before the scenario was added")
    Caller(workspace).submit(flat_body("etl"))
    assert _idle(workspace)[1].endswith("match.nth 3 ≠ 1, so many runs came")
    workspace.scenarios.clear()
    workspace.scenarios.add("new", [Outcome()])
    later = workspace.scenarios.add("ne*", [Outcome()], name="later")
    Caller(workspace).submit(flat_body("new"))
    assert later.taken == 1
    job_run = list(workspace.runs)[-1]
    [scenario] = workspace.scenarios.never_taken()
    said = describe_idle_scenario(scenario, [job_run])
    assert said.endswith("it fits, and later #1 took it: of two that match, the one added last does")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"match": Match("x", probability=0.5)}, id="chance"),
        pytest.param({"match": None, "name": "chosen"}, id="chosen"),
    ],
)
def test_only_what_was_meant_is_missed(workspace: Workspace, given: dict[str, Any]) -> None:
    """Chance may not come, a name may not be called, and a file is for many tests."""
    workspace.scenarios.add(given.pop("match"), [Outcome()], **given)
    workspace.scenarios.add_all([Scenario(Match("y"), [Outcome()])])
    assert workspace.scenarios.never_taken() == []


@pytest.mark.parametrize(
    ("match", "label"),
    [
        pytest.param(Match("etl-*", task_key="load"), "etl-* task_key='load' #1", id="task"),
        pytest.param(Match(tags={"team": "d*"}), "* tags={'team': 'd*'} #1", id="tags"),
    ],
)
def test_journal_names_the_scenario_by_what_it_asks(workspace: Workspace, match: Match, label: str) -> None:
    """The glob over names, then the rest; the last outcome repeats; a retry of a flat run is an attempt."""
    workspace.scenarios.add(match, [Outcome()])
    body = graph_body(task("load"), run_name="etl-1", tags={"team": "data"})
    for _ in range(2):
        Caller(workspace).submit(body)
    assert [entry.scenario for entry in workspace.journal] == [label, label]


def test_journal_knows_how_far_the_scenario_is(workspace: Workspace) -> None:
    """The second outcome, the second attempt."""
    fails = Outcome(termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])
    workspace.scenarios.add("etl", [Outcome(), fails], name="flaky")
    Caller(workspace).submit(flat_body("etl"))
    run_id = Caller(workspace).submit(flat_body("etl", max_retries=1))
    workspace.clock.run_until(run_id, "TERMINATED")
    Caller(workspace).run(run_id)
    assert [entry.scenario for entry in workspace.journal] == ["flaky #1", "flaky #2", "flaky #2, attempt 1"]
