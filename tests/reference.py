"""The pages that are generated from the code; `python -m tests.reference` writes them anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dbx_emulator._api.scenario_schema import scenario_schema
from dbx_emulator.catalogue import CATALOGUE

__all__ = ["SCENARIOS", "SCHEMA", "render_scenarios", "render_schema"]

DOCS = Path(__file__).parents[1] / "docs"
SCENARIOS = DOCS / "scenarios.md"
SCHEMA = DOCS / "reference" / "scenarios.schema.json"

#: What `scenario check` is shown with.
_WRONG = """\
scenarios:
  - match: nightly-*
    outcomes:
      - rnu: 40m
        termination_code: CLOUD_FAILURE
  - match: {run_nme: etl}
    outcomes:
      - run: soon
"""


def render_schema() -> str:
    """Return docs/reference/scenarios.schema.json."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def render_scenarios() -> str:
    """Return docs/scenarios.md with the catalogue, and the output of the commands, as they are now."""
    rows = [f"| `{name}` | {CATALOGUE[name].description} |" for name in CATALOGUE]
    generated = {
        "catalogue": "\n".join(["| name | what happens |", "|---|---|", *rows]),
        "check": _console("check", "nightly.yaml"),
        "render": _console("render", "retried_by_service"),
    }
    page = SCENARIOS.read_text(encoding="utf-8")
    for name, text in generated.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- end of {name} -->)", flags=re.DOTALL)
        page = between.sub(lambda _found, text=text: f"\n{text}\n\n", page)  # type: ignore[misc] # bound now
    return page


def _console(*arguments: str) -> str:
    """Return a block that shows a command and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nightly.yaml").write_text(_WRONG, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "dbx_emulator", "scenario", *arguments],
            cwd=folder,
            env=os.environ | {"COLUMNS": "80"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    said = "\n".join([f"$ dbx-emulator scenario {' '.join(arguments)}", *lines])
    return f"```console\n{said}\n```"


if __name__ == "__main__":
    SCHEMA.write_text(render_schema(), encoding="utf-8")
    SCENARIOS.write_text(render_scenarios(), encoding="utf-8")
