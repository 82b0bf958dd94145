"""The README and the pages beside it say nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbx_emulator
from dbx_emulator import Workspace
from tests.e2e.processes import run_command

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": README, "time.md": (PROJECT / "docs" / "time.md").read_text(encoding="utf-8")}
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.filterwarnings("ignore:.*never struck", "ignore:.*took none of")
def test_readme_python_block_runs(block: str, databricks: Workspace) -> None:
    """Each block of Python does what it says, with the fixture and the names of the front door at hand."""
    names: dict[str, object] = {name: getattr(dbx_emulator, name) for name in dbx_emulator.__all__}
    names["databricks"] = databricks
    exec(block, names)
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            value(databricks)


def test_readme_names_both_commands() -> None:
    """The two lines that a newcomer copies are there as the project's checks run them."""
    assert '$ pip install ".[all]" && dbx-emulator demo\n' in README
    assert "$ pip install tox tox-uv && tox run -m ci\n" in README


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`?dbx-emulator serve (--[a-z-]+)", README))))
def test_readme_options_exist(option: str) -> None:
    """An option that the README uses is one that the command has."""
    assert option in run_command("dbx_emulator", "serve", "--help").stdout
