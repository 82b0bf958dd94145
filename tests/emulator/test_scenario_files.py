"""Scenarios from YAML files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from dbx_emulator import Match, Outcome, UsageError, Workspace
from dbx_emulator._api.scenario_data import describe_scenario
from dbx_emulator._core.scenarios import Scenario
from dbx_emulator.scenario_files import load_scenarios
from tests.emulator.scenario_values import scenarios
from tests.emulator.support import send

_TEXT = "tag:yaml.org,2002:str"

_FILE = """\
# What goes wrong at night.
scenarios:
  - name: lost
    description: "Lost: once."
    outcomes:
      - &lost {run: 38m, termination_code: CLOUD_FAILURE}
      - run: 90
  - match:
      run_name: etl-*
      parameters: {day: 2024-01-01, on: yes, hour: "3"}
      probability: 0.5
    outcomes: [*lost, {message: , cancel_after: 1e1}]
"""
_SCENARIOS = [
    Scenario(
        None,
        [Outcome(run="38m", termination_code="CLOUD_FAILURE"), Outcome(run=90)],
        "lost",
        description="Lost: once.",
    ),
    Scenario(
        Match("etl-*", parameters={"day": "2024-01-01", "on": "yes", "hour": "3"}, probability=0.5),
        [Outcome(run="38m", termination_code="CLOUD_FAILURE"), Outcome(cancel_after=10)],
    ),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a file of scenarios can be written."""
    return tmp_path / "night.yaml"


#: Each line has fifty aliases of the line before.
_LAUGHS = "a: &a [1, 1]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 50)}]" for before, name in ("ab", "bc", "cd", "de")
)


def _refusal(file: Path, content: str | bytes) -> list[str]:
    """Return what is wrong with a file, mistake by mistake, without its name."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        load_scenarios(file)
    return [line.removeprefix(f"{file}:") for line in str(caught.value).splitlines()]


def test_file_is_read_as_it_looks(file: Path) -> None:
    """Dates, `on` and `yes` without quotes stay the texts that they are; aliases stand for what they name."""
    file.write_text(_FILE, encoding="utf-8")
    assert load_scenarios(file) == load_scenarios(str(file)) == _SCENARIOS


def test_file_may_begin_with_a_byte_order_mark(file: Path) -> None:
    """As some editors write it."""
    file.write_text(_FILE, encoding="utf-8-sig")
    assert load_scenarios(file) == _SCENARIOS


class _Quoting(yaml.SafeDumper):
    """Quotes every text: what PyYAML leaves bare by the rules of YAML 1.1, such as 0e0, is a number since 1.2."""


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar(_TEXT, text, style='"'))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(scenario=scenarios())
def test_yaml_http_and_python_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario
) -> None:
    """The plain data of a scenario makes the same one wherever it is read."""
    described = describe_scenario(scenario)
    file = tmp_path_factory.getbasetemp() / "same.yaml"
    file.write_text(yaml.dump({"scenarios": [described]}, Dumper=_Quoting), encoding="utf-8")
    assert load_scenarios(file) == [scenario]
    workspace = Workspace()
    reply = send(workspace, "POST", "/__dbx/scenarios", json.dumps(described).encode())
    assert (reply.status_code, list(workspace.scenarios)) == (200, [scenario])


def test_workspace_takes_all_of_a_file_or_nothing(workspace: Workspace, file: Path) -> None:
    """A name that is taken keeps out the others, too."""
    file.write_text(_FILE, encoding="utf-8")
    assert workspace.load_scenarios(file) == list(workspace.scenarios) == _SCENARIOS
    with pytest.raises(UsageError, match="there is a scenario 'lost' already"):
        workspace.load_scenarios(file)
    assert len(workspace.scenarios) == 2


def test_all_mistakes_are_told_at_once_with_line_and_column(file: Path) -> None:
    """In the order of the file, whoever found them."""
    text = """\
scenarios:
  - name: one
    match: etl-*
    outcomes:
      - rnu: 1m
  - name: two
    name: twoo
    outcomes: [{run: 1:30}, !secret {}]
  - match: {run_name: x, probability: 3}
    outcomes:
      - termination_code: CLOUD_FALURE
"""
    found = _refusal(file, text)
    assert [line.split(": ")[:2] for line in found] == [
        ["5:9", "rnu"],
        ["7:5", "name stands in line 6 already"],
        ["8:17", "run"],
        ["8:29", "the tag '!secret' is none of those that can stand here"],
        ["9:26", "probability"],
        ["11:9", "termination_code"],
    ]
    assert [line.rpartition(" (")[2] for line in (found[0], found[-1])] == [
        "nearest: run)",
        "nearest: CLOUD_FAILURE)",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "1:1: a file of scenarios begins with 'scenarios:'", id="empty"),
        pytest.param("# nothing\n", "1:1: a file of scenarios begins with 'scenarios:'", id="comment"),
        pytest.param("- match: x\n", "1:1: a file of scenarios begins with 'scenarios:'", id="list"),
        pytest.param("scenario: []\n", "1:1: scenario: a file of scenarios has no such field", id="name"),
        pytest.param("scenarios:\n", "1:1: scenarios: None is no list", id="nothing-in-it"),
        pytest.param("scenarios: [{match: x}]\n", "1:13: outcomes: is missing", id="missing"),
        pytest.param("scenarios: [{outcomes: [{}]}]\n", "1:13: match: a scenario without", id="no-match"),
        pytest.param("[a, b]: 5\nscenarios: []\n", "1:1: a list or a mapping is no name", id="key"),
        pytest.param("a: b: c", "1:5: mapping values are not allowed here", id="syntax"),
        pytest.param("scenarios: [\n", "2:1: expected the node content", id="unfinished"),
        pytest.param("scenarios:\n\t- a", "2:1: found character '\\t' that cannot start", id="tab"),
        pytest.param("a: 1\n--- 2\n", "2:1: but found another document", id="two-documents"),
        pytest.param("a: é\n\x01", "2:1: a control character cannot stand in YAML", id="control"),
        pytest.param(b"a: \xc3\xa9\nb: \xff", "2:4: is not UTF-8; save the file as UTF-8", id="latin-1"),
        pytest.param("[" * 10_000, "1:1: this is nested too deep", id="deep"),
        pytest.param("a: &a [*a]", "1:1: this is nested too deep", id="alias-of-itself"),
        pytest.param("a: *b", "1:4: found undefined alias", id="alias-of-nothing"),
        pytest.param(
            _LAUGHS,
            "1:1: the file has more than 100000 values",
            id="aliases-of-aliases",
        ),
        pytest.param(
            "scenarios: [{match: x, outcomes: [{run: " + "9" * 5_000 + "}]}]",
            "1:36: run: inf is not between",
            id="number-without-end",
        ),
    ],
)
def test_file_that_cannot_be_is_refused_where_it_begins_to_be_wrong(
    file: Path, content: str | bytes, said: str
) -> None:
    """One mistake, with its place."""
    assert _refusal(file, content)[0].startswith(said)


def test_nothing_in_a_file_is_executed(file: Path) -> None:
    """A tag that other readers would turn into a call is a mistake like any other."""
    text = "scenarios: [{match: x, outcomes: [{message: !!python/object/apply:os.getcwd []}]}]"
    assert any("python/object/apply:os.getcwd' is none of those" in line for line in _refusal(file, text))


@pytest.mark.parametrize("where", ["missing.yaml", "."])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, where: str) -> None:
    """With the reason of the operating system."""
    with pytest.raises(UsageError, match=r": cannot be read: "):
        load_scenarios(tmp_path / where)


def test_missing_library_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML is needed for files alone, and by a name that differs from the module's."""
    file.write_text(_FILE, encoding="utf-8")
    absent: Any = None
    monkeypatch.setitem(sys.modules, "yaml", absent)
    with pytest.raises(ModuleNotFoundError, match=r"a file of scenarios needs PyYAML.*pip install PyYAML"):
        load_scenarios(file)
