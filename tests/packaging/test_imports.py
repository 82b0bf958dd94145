"""What importing costs and in which order it may happen, in fresh interpreters with what is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "msgspec",
    "httpx",
    "uvicorn",
    "click",
    "rich",
    "yaml",
    "flytekit",
    "grpc",
    "respx",
    "faker",
    "trustme",
}

AGENT_ONCE = (pytest.mark.flyte, pytest.mark.once)


def _python(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.flyte
@pytest.mark.parametrize("first", ["dbx_agent", "flytekit", "dbx_agent.agent", "dbx_agent.plugin"])
def test_agent_and_flytekit_import_in_either_order(first: str, tmp_path: Path) -> None:
    """Whichever comes first, both are there and our classes serve both task types, each listed once."""
    code = f"""
import {first}
import dbx_agent, flytekit
from dbx_agent.compat import AgentRegistry as registry
print(type(registry.get_agent("spark")).__module__, type(registry.get_agent("databricks")).__module__)
print(sorted(c.name for a in registry._METADATA.values() for c in a.supported_task_categories
             if c.name in ("spark", "databricks")))
"""
    assert _python(code, tmp_path).splitlines()[-2:] == [
        "dbx_agent.agent dbx_agent.agent",
        "['databricks', 'spark']",
    ]


def test_importing_the_emulator_loads_nothing_else(tmp_path: Path) -> None:
    """`import dbx_emulator` loads no dependency and none of its own modules."""
    code = "import sys, dbx_emulator; print(sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = set(eval(_python(code, tmp_path)))
    assert loaded & HEAVY == set()


def test_pytest_run_that_uses_nothing_loads_only_the_plugin(tmp_path: Path) -> None:
    """In a project that does not use the fixture, the plugin costs one module and no dependency."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    ours = sorted(name for name in sys.modules if name.startswith('dbx_'))\n"
        "    assert ours == ['dbx_emulator', 'dbx_emulator.pytest_plugin'], ours\n"
        f"    heavy = {sorted(HEAVY - {'rich'})!r}\n"
        "    assert [name for name in heavy if name in sys.modules] == []\n"
    )
    # Other installed plugins load what they like; ours alone is measured.
    code = (
        "import os, sys, pytest\n"
        "os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'\n"
        "sys.exit(pytest.main(['-q', '-p', 'dbx_emulator.pytest_plugin', '.']))"
    )
    assert "1 passed" in _python(code, tmp_path)


def test_plugin_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """An installed distribution brings the fixture without any configuration."""
    code = "import sys, pytest; sys.exit(pytest.main(['-q', '--fixtures', '.']))"
    assert "databricks" in _python(code, tmp_path)


@pytest.mark.parametrize(
    ("module", "missing", "arguments"),
    [
        pytest.param("dbx_emulator", "click", ["serve"], id="emulator-without-click"),
        pytest.param("dbx_emulator", "uvicorn", ["serve"], id="emulator-without-uvicorn"),
        pytest.param("dbx_emulator", "grpc", ["demo"], id="demo-without-grpc"),
        pytest.param("dbx_agent", "grpc_health", ["serve"], id="agent-without-health", marks=AGENT_ONCE),
        pytest.param(
            "dbx_agent",
            "prometheus_client",
            ["serve"],
            id="agent-without-prometheus",
            marks=AGENT_ONCE,
        ),
    ],
)
def test_missing_extra_is_one_line_and_exit_2(
    module: str, missing: str, arguments: list[str], tmp_path: Path
) -> None:
    """A command whose extra is not installed names the missing package and the remedy."""
    code = (
        f"import sys, runpy; sys.modules[{missing!r}] = None; sys.argv = ['command', *{arguments!r}];"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert missing in last
    assert "pip install" in last
