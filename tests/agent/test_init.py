"""The front door."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dbx_agent

from .support import SOURCES


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(SOURCES)))}
    return subprocess.run(
        [sys.executable, *arguments], env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def without_flytekit(tmp_path: Path) -> Path:
    """A folder that hides flytekit, as on a Python that it does not support."""
    (tmp_path / "flytekit.py").write_text("raise ImportError('No module named flytekit')\n")
    return tmp_path


@pytest.mark.flyte
def test_every_name_of_the_front_door_opens() -> None:
    """At most 25, sorted as a reader expects, the documented ones among them."""
    assert len(dbx_agent.__all__) <= 25
    for name in dbx_agent.__all__:
        assert getattr(dbx_agent, name) is not None
        assert name in dir(dbx_agent)
    from dbx_agent import agent

    assert dbx_agent.DatabricksAgent is agent.DatabricksAgent
    assert set(agent.__all__) <= set(dbx_agent.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = dbx_agent.nonsense


def test_without_flytekit_a_name_says_what_to_install(without_flytekit: Path) -> None:
    """The package itself can be imported, so that its command can answer."""
    code = "try:\n    from dbx_agent import DatabricksAgent\nexcept ImportError as error:\n    print(error)"
    done = _run(["-c", code], without_flytekit)
    assert done.stdout == (
        "dbx_agent.DatabricksAgent needs flytekit, which cannot be imported (No module named flytekit). It "
        'supports Python 3.10, 3.11 and 3.12; there, install it with: pip install "dbx-kit[agent]"\n'
    )


def test_without_flytekit_the_command_says_so_in_one_line(without_flytekit: Path) -> None:
    """Exit status 2 and no traceback."""
    done = _run(["-m", "dbx_agent", "serve", "--port", "0"], without_flytekit)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert 'pip install "dbx-kit[agent]"' in done.stderr


@pytest.mark.flyte
@pytest.mark.once
@pytest.mark.parametrize("missing", ["prometheus_client", "grpc_health"])
def test_without_the_rest_of_the_extra_the_command_says_so_in_one_line(tmp_path: Path, missing: str) -> None:
    """Bare flytekit does not bring what serving needs."""
    (tmp_path / f"{missing}.py").write_text(f"raise ImportError('No module named {missing}')\n")
    done = _run(["-m", "dbx_agent", "serve", "--port", "0"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert missing in done.stderr
    assert 'pip install "dbx-kit[agent]"' in done.stderr


def test_modules_that_do_not_know_flytekit_work_without_it(without_flytekit: Path) -> None:
    """All but those that make Flyte's objects; the plugin included, which must not fail."""
    flyte = {
        *("__init__", "__main__", "agent", "claims", "compat", "job_metadata", "readiness", "serve"),
        "submission",
    }
    modules = sorted({path.stem for path in (SOURCES / "dbx_agent").glob("*.py")} - flyte)
    code = "\n".join(f"import dbx_agent.{module}" for module in modules)
    assert len(modules) > 15
    assert _run(["-c", code], without_flytekit).returncode == 0
