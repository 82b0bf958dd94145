"""Answers of another shape."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, DriftFault

_BODY = {"run_id": 5, "state": {"life_cycle_state": "RUNNING"}, "tasks": [{"key": "a", "n": 1}, {"key": "b"}]}


def test_drift_changes_answers_for_good() -> None:
    """It is in the answer, and trying again does not help."""
    fault = DriftFault("*", body={})
    assert (DriftFault.kind, fault.point, fault.is_transient) == ("drift", "in_answer", False)
    assert KINDS["drift"] is DriftFault


@pytest.mark.parametrize(
    ("edits", "changed"),
    [
        pytest.param({"body": {}}, {}, id="empty-object"),
        pytest.param({"body": [], "add": {"x": 1}}, [], id="list"),
        pytest.param({"body": {}, "add": {"x": 1}}, {"x": 1}, id="another-object"),
        pytest.param(
            {"replace": {"state.life_cycle_state": "HIBERNATING"}},
            _BODY | {"state": {"life_cycle_state": "HIBERNATING"}},
            id="unknown-value",
        ),
        pytest.param({"remove": ["state", "tasks"]}, {"run_id": 5}, id="missing"),
        pytest.param({"remove": ["tasks.*"]}, _BODY | {"tasks": []}, id="all-elements"),
        pytest.param({"remove": ["tasks.0"]}, _BODY | {"tasks": [{"key": "b"}]}, id="one-element"),
        pytest.param({"nulls": ["state", "run_id"]}, _BODY | {"state": None, "run_id": None}, id="null"),
        pytest.param(
            {"add": {"tasks.*.n": 2, "state.more": True}},
            {
                "run_id": 5,
                "state": {"life_cycle_state": "RUNNING", "more": True},
                "tasks": [{"key": "a", "n": 2}, {"key": "b", "n": 2}],
            },
            id="extra",
        ),
        pytest.param(
            {"replace": {"tasks.*.n": 2}},
            _BODY | {"tasks": [{"key": "a", "n": 2}, {"key": "b"}]},
            id="where-it-is",
        ),
        pytest.param({"add": {"tasks.*": 0}}, _BODY | {"tasks": [0, 0]}, id="every-element"),
    ],
)
def test_drift_edits_where_paths_lead(edits: dict[str, Any], changed: object) -> None:
    """Fields are replaced, removed, added and set to null; `*` is each element of a list."""
    assert DriftFault("*", **edits).changed(copy.deepcopy(_BODY))[0] == changed


def test_drift_says_which_paths_led_nowhere() -> None:
    """A path that is in no answer is a mistake that the author of a test wants to see."""
    fault = DriftFault(
        "*", remove=["stat"], replace={"tasks.7.n": 1, "run_id.x": 1}, nulls=["state.x"], add={"y": 1}
    )
    assert fault.changed(copy.deepcopy(_BODY)) == (
        _BODY | {"y": 1},
        ["stat", "state.x", "tasks.7.n", "run_id.x"],
    )


def test_drift_does_not_share_what_it_puts_in() -> None:
    """The body that is given serves many answers."""
    fault = DriftFault("*", body={"state": {}}, add={"state.x": 1})
    assert [fault.changed({})[0] for _ in range(2)] == [{"state": {"x": 1}}] * 2
    assert fault.body == {"state": {}}


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        pytest.param({}, "nothing is changed", id="nothing"),
        pytest.param({"remove": "status"}, "write a list of them", id="one-path"),
        pytest.param({"nulls": "status"}, "write a list of them", id="one-null"),
        pytest.param({"remove": ["a..b"]}, r"path: 'a\.\.b' is none", id="gap"),
        pytest.param({"add": {5: 1}}, "path: 5 is none", id="number"),
    ],
)
def test_drift_refuses_what_changes_nothing(edits: dict[str, Any], said: str) -> None:
    """The mistake is found when the fault is made."""
    with pytest.raises(UsageError, match=said):
        DriftFault("*", **edits)
