"""Prints the flytekit matrix: each cell's result and time, as its last run left them in tox's working directory.

A script, not a test: `tox run -e matrix` runs it after the cells. Exit status 1 if a cell failed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["Cell", "draw", "read_cells"]

_CELL = re.compile(r"(?P<python>py\d+|upstream)(?:-flytekit(?P<line>[\d.]+))?")
_NEWEST = "1.16"


@dataclass(frozen=True, slots=True)
class Cell:
    """One line on one Python.

    Attributes:
        passed: How many tests passed.
        failed: How many did not.
        seconds: How long pytest took, collection included.
    """

    passed: int
    failed: int
    seconds: float

    def __str__(self) -> str:
        verdict = f"FAILED {self.failed}" if self.failed or not self.passed else "ok"
        return f"{verdict} ({self.passed} in {self.seconds:.0f} s)"


def read_cells(work_dir: Path) -> dict[tuple[str, str], Cell]:
    """Read what the cells wrote; keys are line and Python."""
    cells = {}
    for path in sorted(work_dir.glob("*/tmp/cell.xml")):
        named = _CELL.fullmatch(path.parents[1].name)
        suite = ET.parse(path).getroot().find("testsuite")
        if named is None or suite is None:
            continue
        count = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
        failed = count["failures"] + count["errors"]
        passed = count["tests"] - failed - count["skipped"]
        cells[named["line"] or _NEWEST, named["python"]] = Cell(passed, failed, float(suite.attrib["time"]))
    return cells


def draw(cells: Mapping[tuple[str, str], Cell]) -> str:
    """Draw the cells as a table: a row for each line, a column for each Python; `-` was not run."""
    lines = sorted({line for line, _ in cells}, key=lambda line: [int(part) for part in line.split(".")])
    pythons = sorted({python for _, python in cells})
    rows = [["flytekit", *pythons]]
    rows += [[line, *(str(cells.get((line, python), "-")) for python in pythons)] for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


if __name__ == "__main__":
    found = read_cells(Path(sys.argv[1]))
    print(draw(found) if found else "no cell of the flytekit matrix has run yet")  # noqa: T201 - a script
    sys.exit(any(cell.failed or not cell.passed for cell in found.values()))
