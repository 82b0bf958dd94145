"""The pages that are generated from the code; `python -m tests.reference` writes them anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dbx_emulator._api.scenario_schema import scenario_schema
from dbx_emulator.catalogue import CATALOGUE

__all__ = ["SCENARIOS", "SCHEMA", "render_scenarios", "render_schema"]

DOCS = Path(__file__).parents[1] / "docs"
SCENARIOS = DOCS / "scenarios.md"
SCHEMA = DOCS / "reference" / "scenarios.schema.json"

_TABLE = re.compile(r"(?<=<!-- catalogue -->\n).*(?=<!-- end of catalogue -->)", flags=re.DOTALL)


def render_schema() -> str:
    """Return docs/reference/scenarios.schema.json."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def render_scenarios() -> str:
    """Return docs/scenarios.md with the table of the catalogue as it is now."""
    lines = ["", "| name | what happens |", "|---|---|"]
    lines += [f"| `{name}` | {CATALOGUE[name].description} |" for name in CATALOGUE]
    table = "\n".join(lines) + "\n\n"
    return _TABLE.sub(lambda _found: table, SCENARIOS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    SCHEMA.write_text(render_schema(), encoding="utf-8")
    SCENARIOS.write_text(render_scenarios(), encoding="utf-8")
