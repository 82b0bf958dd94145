"""docs/scenarios.md says nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbx_emulator
from dbx_emulator import Workspace
from tests.reference import SCENARIOS

_PAGE = SCENARIOS.read_text(encoding="utf-8")
_PYTHON = re.findall(r"```python\n(.*?)```", _PAGE, flags=re.DOTALL)
_YAML = re.findall(r"```yaml\n(.*?)```", _PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("block", [pytest.param(block, id=block.splitlines()[0]) for block in _PYTHON])
@pytest.mark.filterwarnings("ignore:.*took none of")
def test_scenarios_page_python_block_runs(block: str, databricks: Workspace) -> None:
    """Each block is accepted as it stands, with the fixture and the names of the front door at hand."""
    names: dict[str, object] = {name: getattr(dbx_emulator, name) for name in dbx_emulator.__all__}
    exec(block, names | {"databricks": databricks})


@pytest.mark.parametrize("block", _YAML, ids=range(len(_YAML)))
def test_scenarios_page_file_can_be_loaded(block: str, databricks: Workspace, tmp_path: Path) -> None:
    """The example of a file is right."""
    (tmp_path / "nightly.yaml").write_text(block, encoding="utf-8")
    assert [each.name for each in databricks.load_scenarios(tmp_path / "nightly.yaml")] == ["nightly", "rare"]
