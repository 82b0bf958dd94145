"""The scenarios that come with the emulator."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from dbx_emulator import UsageError, Workspace
from dbx_emulator._api.scenario_schema import scenario_schema
from dbx_emulator.catalogue import CATALOGUE, FOLDER, Catalogue
from tests.emulator.support import Caller, flat_body
from tests.reference import SCENARIOS, render_scenarios

_FILES = sorted(FOLDER.glob("*.yaml"))


def test_catalogue_has_a_scenario_in_each_file() -> None:
    """Of the file's name, with a description in one line, chosen by name alone."""
    assert len(CATALOGUE) == len(_FILES) >= 30
    for name in CATALOGUE:
        scenario = CATALOGUE[name]
        assert (scenario.name, scenario.match) == (name, None)
        assert 20 < len(scenario.description) < 100
        assert scenario.description.endswith((".", "`."))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in _FILES])
def test_catalogue_is_valid_by_the_schema(path: Path) -> None:
    """Also for a reader of YAML that is not ours."""
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), scenario_schema())


def test_catalogue_page_is_up_to_date() -> None:
    """docs/scenarios.md has the table that `python -m tests.reference` would write now."""
    assert SCENARIOS.read_text(encoding="utf-8") == render_scenarios()


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_run_can_ask_for_a_scenario_of_the_catalogue(name: str) -> None:
    """The name after `#` is enough, and the run ends with the code of the first outcome."""
    workspace = Workspace()
    run_id = Caller(workspace).submit(flat_body(f"nightly#{name}"))
    workspace.clock.advance("7d")
    run = workspace.runs[run_id]
    assert (run.is_terminal, run.notes) == (True, [])
    assert run.task_runs[0].code is CATALOGUE[name].outcomes[0].code


def test_scenario_of_the_catalogue_can_be_used_for_a_match(workspace: Workspace) -> None:
    """Whoever submits need not know of it."""
    workspace.scenarios.use("spot_loss", "etl-*")
    codes = []
    for number in range(2):
        run_id = Caller(workspace).submit(flat_body(f"etl-{number}"))
        workspace.clock.advance("2h")
        codes.append(workspace.runs[run_id].task_runs[0].code)
    assert codes == ["CLOUD_FAILURE", "SUCCESS"]


def test_workspaces_count_the_runs_of_the_catalogue_for_themselves() -> None:
    """Each of them loses its first spot instance."""
    for workspace in (Workspace(), Workspace()):
        run_id = Caller(workspace).submit(flat_body("nightly#spot_loss"))
        workspace.clock.advance("2h")
        assert workspace.runs[run_id].task_runs[0].code == "CLOUD_FAILURE"


def test_unknown_name_is_told_with_the_nearest(workspace: Workspace) -> None:
    """In Python it is an error, for a run that asks it is a note."""
    with pytest.raises(UsageError, match=r"^name: 'spot_los' is none of .*\(nearest: spot_loss\)$"):
        workspace.scenarios.use("spot_los", "*")
    run_id = Caller(workspace).submit(flat_body("nightly#spot_los"))
    assert workspace.runs[run_id].notes == [
        "the run asks for the scenario 'spot_los', and there is none (nearest: spot_loss)"
    ]


def test_folder_reads_a_file_once_and_only_when_asked(tmp_path: Path) -> None:
    """Names come from the folder; what is in a file is read for its scenario alone."""
    (tmp_path / "good.yaml").write_text("scenarios: [{name: good, outcomes: [{}]}]")
    (tmp_path / "wrong.yaml").write_text("scenarios: [{name: other, outcomes: [{}]}]")
    catalogue = Catalogue(tmp_path)
    assert (list(catalogue), len(catalogue), "good" in catalogue) == (["good", "wrong"], 2, True)
    assert catalogue["good"] is catalogue["good"]
    assert catalogue.get("none") is None
    with pytest.raises(UsageError, match=r"wrong\.yaml: a file of the catalogue has one scenario"):
        catalogue["wrong"]
