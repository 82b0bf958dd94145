"""The report of the flytekit matrix."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.packaging import matrix
from tests.packaging.matrix import draw, read_cells


def _write(work_dir: Path, cell: str, *, tests: int, failures: int, seconds: float) -> None:
    path = work_dir / cell / "tmp" / "cell.xml"
    path.parent.mkdir(parents=True)
    path.write_text(
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="0" skipped="1" time="{seconds}"/>'
        "</testsuites>"
    )


def test_matrix_shows_each_line_on_each_python_with_its_time(tmp_path: Path) -> None:
    """What was not run is a dash, and a failure cannot be overlooked."""
    _write(tmp_path, "py310-flytekit1.12", tests=41, failures=0, seconds=31.4)
    _write(tmp_path, "py312-flytekit1.16.0", tests=41, failures=2, seconds=8)
    _write(tmp_path, "upstream", tests=11, failures=0, seconds=20.6)
    _write(tmp_path, "coverage", tests=1, failures=0, seconds=1)
    rows = [re.split(r"\s{2,}", line) for line in draw(read_cells(tmp_path)).splitlines()]
    assert rows == [
        ["flytekit", "py310", "py312", "upstream"],
        ["1.12", "ok (40 in 31 s)", "-", "-"],
        ["1.16", "-", "-", "ok (10 in 21 s)"],
        ["1.16.0", "-", "FAILED 2 (38 in 8 s)", "-"],
    ]


def test_matrix_is_a_command_that_fails_with_its_cells(tmp_path: Path) -> None:
    """Nothing run is no failure; one failed test is."""
    command = [sys.executable, matrix.__file__, str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    _write(tmp_path, "py310-flytekit1.12", tests=41, failures=1, seconds=31.4)
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
