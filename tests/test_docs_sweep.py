"""The page about the sweep says what there is, and its blocks do what they say, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbx_emulator.testing import SWEEP_KINDS
from dbx_emulator.testing.sweeps.invariants import BUILT_IN

_PAGE = (Path(__file__).parents[1] / "docs" / "sweep.md").read_text(encoding="utf-8")
_ROWS = re.findall(r"^\| `(\w+)` \| (.+?)(?: \| (.+))? \|$", _PAGE, re.MULTILINE)


def test_blocks_run_and_print_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Each block goes on where the one before has ended; the first prints the report that is shown."""
    names: dict[str, object] = {}
    first, *others = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", _PAGE, re.DOTALL)
    exec(first, names)
    assert capsys.readouterr().out == shown
    for block in others:
        exec(block, names)


def test_tables_say_what_the_code_says() -> None:
    """Kinds and invariants, in their order and in their words."""
    ends = {True: "the same end", False: "no harm"}
    assert [
        *((name, told, "") for name, told in BUILT_IN.items()),
        *((kind.id, kind.shows, ends[kind.is_transient]) for kind in SWEEP_KINDS.values()),
    ] == _ROWS
