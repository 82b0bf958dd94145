"""The examples that are projects of their own."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "examples" / "flyte_project"


def _read(path: Path) -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(path, encoding="utf-8")
    return config


def _pins(deps: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in deps.splitlines() if line.startswith("flytekit1."))


def test_the_flyte_project_names_the_lines_that_are_tested_here() -> None:
    """Whoever copies its tox.ini gets the matrix that the agent is promised for."""
    theirs = _read(PROJECT / "tox.ini")["testenv"]["deps"]
    ours = _read(PROJECT.parents[1] / "tox.ini")["testenv"]["deps"]
    assert _pins(theirs).keys() == _pins(ours).keys() - {"flytekit1.16.0"}
    assert "flytekit1.12: pyarrow<18" in theirs


@pytest.mark.soak
def test_the_flyte_project_s_own_tox_run_is_green(tmp_path: Path, outer_environment: dict[str, str]) -> None:
    """From the sources here, on every line."""
    done = subprocess.run(
        [sys.executable, "-m", "tox", "run", "--workdir", str(tmp_path), "-c", str(PROJECT / "tox.ini")],
        env=outer_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
