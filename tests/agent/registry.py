"""Who is registered in a fresh interpreter, and packages for it to find; no test of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .support import SOURCES

__all__ = [
    "LISTED",
    "OURS",
    "REPORT",
    "RIVAL_MODULE",
    "install",
    "install_rival",
    "read",
    "report",
    "run",
]

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

_RIVAL = """
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

#: Where the spark plugin of the installed line's era registers.
RIVAL_MODULE = (
    "agent" if importlib.util.find_spec("flytekit.extend.backend.connector_service") is None else "connector"
)

OURS = {"spark_v0": "dbx_agent.agent", "databricks_v0": "dbx_agent.agent"}
LISTED = {"Databricks Agent": [["spark", "databricks"], ["spark", "databricks"]]}


def install(folder: Path, name: str, entry_point: str) -> None:
    """Make what an installed distribution leaves behind for `importlib.metadata`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flytekit.plugins]\n{name} = {entry_point}\n")


def install_rival(folder: Path, *, name: str = "Databricks Agent", also: Sequence[str] = ()) -> None:
    """Make a package that registers as flytekitplugins-spark does, in the module of this line's era.

    Args:
        folder: Where.
        name: What its agent is called.
        also: Task types that it serves besides ours.
    """
    package = folder / "flytekitplugins" / "spark"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"import flytekit\nfrom .{RIVAL_MODULE} import *\n")
    source = _RIVAL.replace("NAME", repr(name)).replace("EXTRA", repr(tuple(also)))
    (package / f"{RIVAL_MODULE}.py").write_text(source)
    install(folder, "rival", "flytekitplugins.spark")


def run(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that finds what the folders have, in their order, before all else."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder) for folder in (*folders, SOURCES))}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )


def report(code: str, *folders: Path) -> dict[str, Any]:
    """Run code, and return who serves and who is listed after it."""
    done = run(code + REPORT, *folders)
    assert done.returncode == 0, done.stderr
    return read(done)


def read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the report, which flytekit's log may precede, without flytekit's own sensor."""
    report: dict[str, Any] = json.loads(done.stdout.partition("REPORT ")[2])
    report["listed"].pop("Sensor", None)
    report["served"] = {key: value for key, value in report["served"].items() if not key.startswith("sensor")}
    return report
