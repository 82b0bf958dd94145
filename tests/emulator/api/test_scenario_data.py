"""Scenarios as plain data."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._api.scenario_data import (
    DataError,
    Mistake,
    describe_scenario,
    read_match,
    read_scenario,
    read_scenarios,
)
from dbx_emulator._core.outcomes import OnCancel, Outcome
from dbx_emulator._core.scenarios import Match, Scenario
from tests.emulator.scenario_values import scenarios


@settings(derandomize=True, deadline=None)
@given(scenario=scenarios())
def test_plain_data_and_values_are_the_same(scenario: Scenario) -> None:
    """A scenario that is described and read again is the same, also when it went over the wire."""
    described = describe_scenario(scenario)
    assert read_scenario(described) == scenario
    assert read_scenario(json.loads(json.dumps(described))) == scenario


@pytest.mark.parametrize(
    ("data", "scenario"),
    [
        pytest.param({"match": "etl-*", "outcomes": [{}]}, Scenario(Match("etl-*"), [Outcome()]), id="glob"),
        pytest.param({"match": "*", "outcomes": [{}]}, Scenario(Match(), [Outcome()]), id="every-run"),
        pytest.param(
            {"name": "a", "description": "b", "outcomes": [{"run": 5}, {"run": "1m"}]},
            Scenario(None, [Outcome(run=5), Outcome(run="1m")], "a", description="b"),
            id="chosen-by-name",
        ),
        pytest.param(
            {"match": {"tags": {"team": "data"}, "nth": 2}, "outcomes": [{"result_state": ""}]},
            Scenario(Match(tags={"team": "data"}, nth=2), [Outcome(result_state="")]),
            id="fields-of-a-match",
        ),
        pytest.param(
            {
                "match": "graph",
                "outcomes": [
                    {
                        "termination_code": "CLOUD_FAILURE",
                        "retries": [{"run": "2m"}],
                        "tasks": {"load": {"on_cancel": "ignores"}},
                    }
                ],
            },
            Scenario(
                Match("graph"),
                [
                    Outcome(
                        termination_code="CLOUD_FAILURE",
                        retries=[Outcome(run="2m")],
                        tasks={"load": Outcome(on_cancel=OnCancel.IGNORES)},
                    )
                ],
            ),
            id="attempts-and-tasks",
        ),
    ],
)
def test_plain_data_describes_a_scenario(data: dict[str, Any], scenario: Scenario) -> None:
    """It is read as Python would have written it, and described without what is usual."""
    assert read_scenario(data) == scenario
    assert describe_scenario(scenario) == data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(5, "5 is not a scenario; write its fields, such as match", id="no-mapping"),
        pytest.param({"match": "x"}, "outcomes: is missing; a scenario needs it", id="missing"),
        pytest.param({"match": "x", "outcomes": {}}, "outcomes: {} is no list", id="no-list"),
        pytest.param({"match": "x", "outcomes": []}, "outcomes: a scenario needs at least one", id="none"),
        pytest.param({"outcomes": [{}]}, "match: a scenario without a match", id="no-way-to-choose"),
        pytest.param({"match": 5, "outcomes": [{}]}, "match: 5 is not a match", id="match-number"),
        pytest.param({"match": {"nth": 0}, "outcomes": [{}]}, "match.nth: 0 is no number", id="match-field"),
        pytest.param(
            {"match": "x", "outcomes": [{}], "on_success": "print"},
            "on_success: a scenario has no such field",
            id="python",
        ),
        pytest.param(
            {"match": "x", "outcomes": [{}, {"clusters": "2m"}]},
            "outcomes[1].clusters: an outcome has no such field; it has queue, cluster, run",
            id="unknown-field",
        ),
        pytest.param(
            {"match": "x", "outcomes": [{"termination_code": "DRIVER_ERROR", "retries": [{"run": "soon"}]}]},
            "outcomes[0].retries[0].run: 'soon' is no duration",
            id="attempt",
        ),
        pytest.param(
            {"match": "x", "outcomes": [{"retries": [{}]}]},
            "outcomes[0].retries: attempt 0 ends with SUCCESS",
            id="impossible-sequence",
        ),
        pytest.param(
            {"match": "x", "outcomes": [{"tasks": {"load": {"run": -1}}}]},
            "outcomes[0].tasks.load.run: -1 is not between 0 and 100 years",
            id="negative-time",
        ),
        pytest.param(
            {"match": "x", "outcomes": [{"tasks": []}]}, "outcomes[0].tasks: [] is no mapping", id="tasks"
        ),
        pytest.param(
            {"match": "x", "outcomes": ["y"]}, "outcomes[0]: 'y' is not an outcome", id="no-outcome"
        ),
    ],
)
def test_mistake_is_told_with_its_place(data: object, said: str) -> None:
    """The text begins with where it is, and says what Python would have said."""
    with pytest.raises(DataError) as caught:
        read_scenario(data)
    assert str(caught.value).startswith(said)


def test_nearest_name_is_told() -> None:
    """What was probably meant stands at the end."""
    with pytest.raises(DataError, match=r"\(nearest: cluster\)$"):
        read_scenario({"match": "x", "outcomes": [{"clusters": "2m"}]})


@pytest.mark.parametrize(
    ("data", "match"),
    [
        pytest.param("etl-*", Match("etl-*"), id="glob"),
        pytest.param({"job_id": 7}, Match(job_id=7), id="fields"),
    ],
)
def test_match_can_be_read_alone(data: object, match: Match) -> None:
    """A glob over run names, or the fields of a match."""
    assert read_match(data) == match


def test_match_that_is_none_is_told_as_one() -> None:
    """The place is the field that it was given in."""
    with pytest.raises(DataError, match=r"^match\.run_name: '' is no glob"):
        read_match("")


def test_file_has_a_list_of_scenarios() -> None:
    """In the order of the file."""
    data = {"scenarios": [{"name": "a", "outcomes": [{}]}, {"match": "x", "outcomes": [{}]}]}
    assert read_scenarios(data) == [Scenario(None, [Outcome()], "a"), Scenario(Match("x"), [Outcome()])]


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        pytest.param([], Mistake((), "a file of scenarios begins with 'scenarios:'"), id="list"),
        pytest.param({}, Mistake((), "scenarios: is missing; a file has a list of them"), id="nothing"),
        pytest.param(
            {"scenarios": [], "scenario": []},
            Mistake(
                ("scenario",),
                "scenario: a file of scenarios has no such field; it has scenarios (nearest: scenarios)",
            ),
            id="unknown-field",
        ),
        pytest.param(
            {"scenarios": [{"name": "a", "outcomes": [{}]}] * 2},
            Mistake(("scenarios", 1, "name"), "name: scenario 0 is 'a' already"),
            id="name-twice",
        ),
    ],
)
def test_file_that_is_none_is_refused(data: object, mistake: Mistake) -> None:
    """The mistake knows where it is."""
    with pytest.raises(DataError) as caught:
        read_scenarios(data)
    assert caught.value.mistakes == [mistake]


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    """A scenario that is wrong does not hide what is wrong with the next."""
    data = {
        "scenarios": [{"match": "", "outcomes": [{}]}, 7, {"match": "x", "outcomes": [{"rum": 1, "runn": 2}]}]
    }
    with pytest.raises(DataError) as caught:
        read_scenarios(data)
    assert [mistake.place for mistake in caught.value.mistakes] == [
        ("scenarios", 0, "match", "run_name"),
        ("scenarios", 1),
        ("scenarios", 2, "outcomes", 0, "rum"),
        ("scenarios", 2, "outcomes", 0, "runn"),
    ]


_NAMES = st.sampled_from(["scenarios", "name", "match", "outcomes", "run", "tasks", "retries"])


@settings(derandomize=True, deadline=None)
@given(
    data=st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner)
    )
)
def test_any_data_is_read_or_refused(data: object) -> None:
    """No data at all makes anything but scenarios or an error in words."""
    with contextlib.suppress(DataError):
        assert all(isinstance(each, Scenario) for each in read_scenarios({"scenarios": [data]}))
