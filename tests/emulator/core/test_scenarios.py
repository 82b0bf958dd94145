"""What happens to a run."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.scenarios import Outcome, Scenario, Scenarios, StageTimes, Timing
from dbx_emulator._core.states import TerminationCode
from tests.emulator.support import outcome


def test_timing_by_default_starts_a_cluster_and_works_a_minute() -> None:
    """Two minutes of cluster, one of work, two seconds of clean-up, no queue."""
    assert Timing().stage_times() == StageTimes(0, 120_000, 60_000, 2_000)


@pytest.mark.parametrize("stage", ["queue", "cluster", "run", "terminating"])
def test_timing_names_the_stage_that_is_wrong(stage: str) -> None:
    """A wrong duration is found when it is written down, not when a run starts."""
    with pytest.raises(UsageError, match=f"^{stage}: "):
        Timing(**{stage: "soon"})
    with pytest.raises(UsageError, match=f"^{stage}: "):
        Outcome(**{stage: -1})  # type: ignore[arg-type]


def test_outcome_takes_from_the_timing_what_it_leaves_open() -> None:
    """Only the stages that are named differ from the workspace's timing."""
    timing = Timing(queue="1s", cluster="2s", run="3s", terminating="4s")
    assert Outcome().stage_times(timing) == StageTimes(1_000, 2_000, 3_000, 4_000)
    assert Outcome(queue=0, run="24h").stage_times(timing) == StageTimes(0, 2_000, 86_400_000, 4_000)


@pytest.mark.parametrize("code", [TerminationCode.CLOUD_FAILURE, "CLOUD_FAILURE"])
def test_outcome_knows_its_code_by_name(code: TerminationCode | str) -> None:
    """The enum and its text mean the same."""
    assert Outcome(termination_code=code).code is TerminationCode.CLOUD_FAILURE
    assert Outcome(termination_code=code) == Outcome(termination_code="CLOUD_FAILURE")


@pytest.mark.parametrize("code", [pytest.param("CANCELLED", id="misspelt"), pytest.param([], id="no-text")])
def test_outcome_refuses_a_code_that_the_api_does_not_know(code: Any) -> None:
    """The error lists the allowed codes."""
    with pytest.raises(UsageError, match=r"^termination_code: .* is none of SUCCESS, "):
        Outcome(termination_code=code)


def test_outcome_names_the_nearest_code() -> None:
    """A spelling that differs is answered with the API's."""
    with pytest.raises(UsageError, match=r"\(nearest: USER_CANCELED\)$"):
        Outcome(termination_code="USER_CANCELLED")


@pytest.mark.parametrize("name", ["message", "error", "error_trace", "logs", "notebook_output"])
def test_outcome_refuses_a_text_that_is_none(name: str) -> None:
    """What is shown as text must be one."""
    fields: dict[str, Any] = {name: 5}
    with pytest.raises(UsageError, match=f"^{name}: 5 is no text"):
        Outcome(**fields)


def test_scenario_gives_its_outcomes_in_turn_and_repeats_the_last() -> None:
    """The n-th run takes the n-th outcome."""
    lost, fine = outcome("CLOUD_FAILURE"), outcome()
    scenario = Scenario("*", [lost, fine])
    assert [scenario.claim() for _ in range(4)] == [lost, fine, fine, fine]
    assert scenario.matched == 4


def test_scenario_keeps_its_outcomes_from_later_changes() -> None:
    """The list that was given may be changed afterwards."""
    outcomes = [outcome()]
    scenario = Scenario("*", outcomes)
    outcomes.clear()
    assert scenario.claim() == outcome()


@pytest.mark.parametrize(
    ("run_name", "outcomes", "field"),
    [
        pytest.param("", [Outcome()], "run_name", id="no-name"),
        pytest.param("etl", [], "outcomes", id="no-outcome"),
    ],
)
def test_scenario_needs_a_name_and_an_outcome(run_name: str, outcomes: list[Outcome], field: str) -> None:
    """What would never match or never decide is a mistake."""
    scenarios = Scenarios()
    with pytest.raises(UsageError, match=f"^{field}: "):
        scenarios.add(run_name, outcomes)
    assert len(scenarios) == 0


@pytest.mark.parametrize(
    ("pattern", "run_name", "matches"),
    [
        pytest.param("etl", "etl", True, id="whole"),
        pytest.param("etl", "etl-2", False, id="no-prefix"),
        pytest.param("etl-*", "etl-2", True, id="star"),
        pytest.param("etl-?", "etl-22", False, id="one-character"),
        pytest.param("ETL", "etl", False, id="case"),
    ],
)
def test_scenarios_match_a_glob_over_the_whole_name(*, pattern: str, run_name: str, matches: bool) -> None:
    """Upper and lower case are told apart."""
    scenarios = Scenarios()
    scenarios.add(pattern, [outcome("CLOUD_FAILURE")])
    assert (scenarios.claim(run_name) == outcome("CLOUD_FAILURE")) is matches


def test_scenarios_prefer_what_was_added_last() -> None:
    """The one that does not get the run does not count it either."""
    scenarios = Scenarios()
    first = scenarios.add("*", [outcome("CLOUD_FAILURE")])
    second = scenarios.add("etl", [outcome("DRIVER_ERROR")])
    assert scenarios.claim("etl").code is TerminationCode.DRIVER_ERROR
    assert scenarios.claim("other").code is TerminationCode.CLOUD_FAILURE
    assert (first.matched, second.matched) == (1, 1)
    assert list(scenarios) == [first, second]


def test_scenarios_that_are_forgotten_decide_nothing_more() -> None:
    """Without a scenario a run succeeds in the workspace's own time."""
    scenarios = Scenarios()
    scenarios.add("*", [outcome("CLOUD_FAILURE")])
    scenarios.clear()
    assert scenarios.claim("etl") == Outcome()
