"""The JSON Schema of scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from dbx_emulator._api.scenario_data import describe_scenario
from dbx_emulator._api.scenario_schema import scenario_schema
from dbx_emulator._core.scenarios import Scenario
from dbx_emulator._core.states import TerminationCode
from tests.emulator.scenario_values import scenarios
from tests.reference import SCHEMA, render_schema

_VALIDATOR = jsonschema.Draft7Validator(scenario_schema())


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    """Yield each schema of an object with named fields."""
    if isinstance(schema, dict):
        if "properties" in schema and "type" in schema:
            yield schema
        for each in schema.values():
            yield from _objects(each)


def test_schema_is_one() -> None:
    """It is a schema by its own draft, and the copy for editors is what would be written now."""
    jsonschema.Draft7Validator.check_schema(scenario_schema())
    assert SCHEMA.read_text(encoding="utf-8") == render_schema()


def test_schema_knows_every_field_and_no_other() -> None:
    """Misspelt names are underlined, and each field comes with its words."""
    found = list(_objects(scenario_schema()))
    assert len(found) == 6
    assert [each for each in found if each["additionalProperties"] is not False] == []
    fields = [field for each in found[1:] for field in each["properties"].values()]
    assert all(field["description"] for field in fields)


def test_schema_lists_what_can_be_chosen() -> None:
    """An editor offers the codes."""
    outcome = scenario_schema()["definitions"]["Outcome"]["properties"]
    assert outcome["termination_code"]["enum"] == [each.value for each in TerminationCode]
    assert outcome["on_cancel"]["enum"] == ["obeys", "ignores", "finishes"]
    assert "" in outcome["result_state"]["enum"]


@settings(derandomize=True, deadline=None)
@given(scenario=scenarios())
def test_schema_takes_what_can_be_read(scenario: Scenario) -> None:
    """Whatever describes a scenario is valid."""
    _VALIDATOR.validate({"scenarios": [describe_scenario(scenario)]})


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param({"match": "x"}, id="no-outcomes"),
        pytest.param({"match": "x", "outcomes": []}, id="no-outcome"),
        pytest.param({"outcomes": [{}]}, id="no-way-to-choose"),
        pytest.param({"name": "1st", "outcomes": [{}]}, id="name"),
        pytest.param({"match": {"nth": 0}, "outcomes": [{}]}, id="nth"),
        pytest.param({"match": {"probability": 0}, "outcomes": [{}]}, id="never"),
        pytest.param({"match": {"tags": {"cost": 7}}, "outcomes": [{}]}, id="tag-number"),
        pytest.param({"match": "x", "outcomes": [{"rnu": "1m"}]}, id="unknown-field"),
        pytest.param({"match": "x", "outcomes": [{"run": "soon"}]}, id="duration"),
        pytest.param({"match": "x", "outcomes": [{"run": -1}]}, id="negative"),
        pytest.param({"match": "x", "outcomes": [{"run": "gauss(1m, 2m)"}]}, id="distribution"),
        pytest.param({"match": "x", "outcomes": [{"message": 5}]}, id="text"),
        pytest.param({"match": "x", "outcomes": [{"tasks": {"a": {"tasks": {}}}}]}, id="task-in-task"),
        pytest.param({"match": "x", "outcomes": [{"retries": [{"retries": []}]}]}, id="attempt-in-attempt"),
    ],
)
def test_schema_refuses_what_cannot_be_read(scenario: object) -> None:
    """The editor says so before the test does."""
    assert not _VALIDATOR.is_valid({"scenarios": [scenario]})
