"""Registration, alone and beside flytekitplugins-spark, in interpreters of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.flyte

SOURCES = Path(__file__).parents[2] / "src"

REPORT = """
import json
from dbx_agent.compat import AgentRegistry as registry
print("REPORT", json.dumps({
    "served": {str(key): type(agent).__module__ for key, agent in registry._REGISTRY.items()},
    "listed": {
        agent.name: [[item.name for item in agent.supported_task_categories], list(agent.supported_task_types)]
        for agent in registry._METADATA.values()
    },
}))
"""

RIVAL = """
from dataclasses import dataclass
from flytekit.extend.backend.base_agent import AsyncAgentBase, AgentRegistry, ResourceMeta

class Rival(AsyncAgentBase):
    name = NAME
    async def create(self, **kwargs): ...
    async def get(self, **kwargs): ...
    async def delete(self, **kwargs): ...

for task_type in ("spark", "databricks", *EXTRA):
    AgentRegistry.register(Rival(metadata_type=ResourceMeta, task_type_name=task_type))
"""

OURS = {"spark_v0": "dbx_agent.agent", "databricks_v0": "dbx_agent.agent"}
LISTED = {"Databricks Agent": [["spark", "databricks"], ["spark", "databricks"]]}


def _install(folder: Path, name: str, entry_point: str) -> None:
    """Make what an installed distribution leaves behind for `importlib.metadata`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flytekit.plugins]\n{name} = {entry_point}\n")


def _install_rival(folder: Path, source: str) -> None:
    package = folder / "flytekitplugins" / "spark"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .connector import *\n")
    (package / "connector.py").write_text(source)
    _install(folder, "rival", "flytekitplugins.spark")


def _run(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder) for folder in (*folders, SOURCES))}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )


def _report(code: str, *folders: Path) -> dict[str, Any]:
    done = _run(code + REPORT, *folders)
    assert done.returncode == 0, done.stderr
    return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the report, which flytekit's log may precede, without flytekit's own sensor."""
    report: dict[str, Any] = json.loads(done.stdout.partition("REPORT ")[2])
    report["listed"].pop("Sensor", None)
    report["served"] = {key: value for key, value in report["served"].items() if not key.startswith("sensor")}
    return report


@pytest.mark.parametrize("first", ["flytekit", "dbx_agent", "dbx_agent.agent", "dbx_agent.plugin"])
def test_our_entry_point_registers_whatever_is_imported_first(tmp_path: Path, first: str) -> None:
    """Flytekit loads it during its own import, which ours may have begun."""
    _install(tmp_path, "ours", "dbx_agent.plugin")
    assert _report(f"import {first}, flytekit, dbx_agent", tmp_path) == {"served": OURS, "listed": LISTED}


def test_importing_the_package_registers_nothing_and_reads_no_environment() -> None:
    """Only the plugin module registers; wrong settings are no trouble before a call."""
    code = """
import importlib.metadata, os
all_groups = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda group=None: [] if group == "flytekit.plugins" else all_groups()
os.environ["DBX_AGENT_ALLOW_HTTP"] = "maybe"
import dbx_agent.agent
"""
    assert _report(code) == {"served": {}, "listed": {}}


@pytest.mark.fact("flyte.registry.override-appends")
@pytest.mark.parametrize("name", ["Databricks Agent", "Databricks Connector"])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["ours-first", "rival-first"])
def test_ours_serves_and_is_listed_alone_beside_the_spark_plugin(
    tmp_path: Path, name: str, order: list[int]
) -> None:
    """Whichever entry point comes first, and whatever the other agent is called."""
    folders = [tmp_path / "ours", tmp_path / "rival"]
    _install(folders[0], "ours", "dbx_agent.plugin")
    _install_rival(folders[1], RIVAL.replace("NAME", repr(name)).replace("EXTRA", "()"))
    assert _report("import flytekit", *[folders[index] for index in order]) == {
        "served": OURS,
        "listed": LISTED,
    }


def test_what_else_the_other_plugin_serves_stays_its_own(tmp_path: Path) -> None:
    """Only the claims on our task types are taken over."""
    _install_rival(tmp_path, RIVAL.replace("NAME", "'Rival'").replace("EXTRA", "('ray',)"))
    _install(tmp_path, "ours", "dbx_agent.plugin")
    report = _report("import flytekit", tmp_path)
    assert report["served"] == {**OURS, "ray_v0": "flytekitplugins.spark.connector"}
    assert report["listed"] == {"Rival": [["ray"], ["ray"]], **LISTED}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("raise RuntimeError('broken')", id="raises"),
        pytest.param("import a_module_that_is_missing", id="lacks-a-dependency"),
        pytest.param("raise ModuleNotFoundError('nameless')", id="nameless"),
    ],
)
def test_a_broken_rival_is_logged_and_ours_serves(tmp_path: Path, source: str) -> None:
    """Its trouble is not ours; here it has no entry point that would fail by itself."""
    package = tmp_path / "flytekitplugins" / "spark"
    package.mkdir(parents=True)
    (package / "connector.py").write_text(source)
    _install(tmp_path, "ours", "dbx_agent.plugin")
    done = _run("import flytekit" + REPORT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _read(done) == {"served": OURS, "listed": LISTED}
    said = done.stdout + done.stderr  # the older lines log to the one, the newer ones to the other
    assert "could not be imported beside dbx_agent" in " ".join(said.split())


def test_registering_again_keeps_the_agents_and_their_settings(tmp_path: Path) -> None:
    """Repeatable; but another's registration is overridden again."""
    code = """
import dbx_agent.plugin as plugin
from dbx_agent.compat import AgentRegistry as registry
before = registry.get_agent("spark")
plugin.register()
assert registry.get_agent("spark") is before
class Other(type(before)): ...
registry.register(Other(), override=True)
plugin.register()
assert type(registry.get_agent("spark")) is type(before)
"""
    report = _report(code, tmp_path)
    assert report == {"served": OURS, "listed": {"Databricks Agent": [["databricks", "spark"]] * 2}}


def test_the_plugin_never_takes_flytekit_down(tmp_path: Path) -> None:
    """A flytekit that is not as expected: the import goes on, and the log says what is lost."""
    (tmp_path / "flytekit").mkdir()
    (tmp_path / "flytekit" / "__init__.py").write_text("")
    done = _run("import dbx_agent.plugin; print('still here')", tmp_path)
    assert (done.returncode, done.stdout) == (0, "still here\n")
    assert "dbx_agent could not register its agents" in done.stderr


@pytest.mark.parametrize(
    ("claimed", "served", "said"),
    [
        pytest.param("databricks", ["databricks_v0"], "", id="one"),
        pytest.param("Sparks,databricks", [], "DBX_AGENT_TASK_TYPES contains 'Sparks'", id="wrong"),
    ],
)
def test_what_is_claimed_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: str, served: list[str], said: str
) -> None:
    """What is not claimed stays with whoever has it; a wrong setting is one line and claims nothing."""
    monkeypatch.setenv("DBX_AGENT_TASK_TYPES", claimed)
    _install(tmp_path / "ours", "ours", "dbx_agent.plugin")
    _install_rival(tmp_path / "rival", RIVAL.replace("NAME", "'Rival'").replace("EXTRA", "()"))
    done = _run("import flytekit" + REPORT, tmp_path / "rival", tmp_path / "ours")
    ours = [key for key, module in _read(done)["served"].items() if module == "dbx_agent.agent"]
    assert ours == served
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr
