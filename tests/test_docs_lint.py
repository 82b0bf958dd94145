"""The pages about lint say what there is, and their example is found out as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbx_emulator import Workspace
from dbx_emulator.testing.lint import RULES

_DOCS = Path(__file__).parents[1] / "docs"
_PAGE = (_DOCS / "lint.md").read_text(encoding="utf-8")
_EXAMPLE = (_DOCS / "find-the-bug.md").read_text(encoding="utf-8")
_SECTIONS = dict(re.findall(r"^## (DBX\d{3})\n\n(.*?)(?=^## |\Z)", _PAGE, re.DOTALL | re.MULTILINE))


def _names(*blocks: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "find_the_bug"}
    for block in blocks:
        exec(block, names)
    return names


def test_page_has_a_section_for_each_rule() -> None:
    """In the order of the table, so that each finding's link leads somewhere."""
    assert list(_SECTIONS) == list(RULES)


@pytest.mark.parametrize("rule_id", RULES)
def test_section_says_what_the_rule_is(rule_id: str) -> None:
    """With its name and severity, a bad client and the corrected one, both of which are Python."""
    rule, section = RULES[rule_id], _SECTIONS[rule_id]
    assert section.startswith(f"**{rule.name}** · {rule.severity}\n")
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    compile(re.sub("return", "pass", block.replace("continue", "pass")), rule_id, "exec")
    bad, good = block.removeprefix("# bad\n").split("# good\n")
    assert bad.strip() != good.strip()


@pytest.mark.filterwarnings("ignore::pytest.PytestWarning")
def test_bug_is_found_as_the_page_says(databricks: Workspace) -> None:
    """The test of the page passes, and the finding is the one that it shows."""
    client, test, _ = re.findall(r"```python\n(.*?)```", _EXAMPLE, re.DOTALL)
    names = _names(client, test)
    names["test_nightly_load_survives_a_lost_answer"](databricks)  # type: ignore[operator]
    [shown] = re.findall(r"```text\n(.*?)\n```", _EXAMPLE, re.DOTALL)
    first, second = databricks.lint.findings()
    assert (str(first), second.rule_id) == (shown, "DBX004")


def test_corrected_client_of_the_page_is_left_alone(databricks: Workspace) -> None:
    """It makes one run, and breaks no rule."""
    names = _names(*re.findall(r"```python\n(.*?)```", _EXAMPLE, re.DOTALL))
    names["test_corrected_load_survives_a_lost_answer"](databricks)  # type: ignore[operator]
