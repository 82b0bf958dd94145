"""The page about faults says what there is, and its lines do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbx_emulator
from dbx_emulator import Workspace
from dbx_emulator._core.faults import DIALECTS, KINDS, PROFILES, WIRE_KINDS
from dbx_emulator._core.faults.rules import POINTS
from dbx_emulator._core.tokens import REFUSALS

_PAGE = (Path(__file__).parents[1] / "docs" / "faults.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
_ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", _PAGE, re.MULTILINE))
_KINDS = "|".join(kind.__name__ for kind in KINDS.values())
_LINES = re.findall(rf"^\| .+ \| `((?:{_KINDS})\(.+)` \|$", _PAGE, re.MULTILINE)


@pytest.mark.parametrize("block", [pytest.param(block, id=block.splitlines()[0]) for block in _BLOCKS])
@pytest.mark.filterwarnings("ignore:.*never struck")
def test_block_runs(databricks: Workspace, block: str) -> None:
    """Each example runs as it stands."""
    exec(
        block,
        {"databricks": databricks} | {name: getattr(dbx_emulator, name) for name in dbx_emulator.__all__},
    )


@pytest.mark.parametrize("line", _LINES)
def test_line_makes_a_fault(line: str) -> None:
    """Each line of the table of kinds can be armed."""
    names = {name: getattr(dbx_emulator, name) for name in dbx_emulator.__all__}
    Workspace().faults.add(eval(line, names))


def test_page_names_everything_there_is() -> None:
    """Kinds, ways, dialects, points, refusals and profiles, with the words that stand in the code."""
    assert {line.partition("(")[0] for line in _LINES} == {kind.__name__ for kind in KINDS.values()}
    assert {name: _ROWS.get(name) for name in WIRE_KINDS} == WIRE_KINDS
    assert {name: _ROWS.get(name) for name in PROFILES} == {
        name: each.draws for name, each in PROFILES.items()
    }
    assert set(DIALECTS) <= set(_ROWS)
    assert [name for name in (*KINDS, *POINTS, *REFUSALS) if f"`{name}`" not in _PAGE] == []
