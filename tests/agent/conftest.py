"""A clean environment for each test of the agent."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbx_emulator import Workspace

from .support import CANARY, CLIENT_CANARY, ManualClock

if TYPE_CHECKING:
    from dbx_agent.agent import DatabricksAgentV2

# Where flytekit cannot be installed (Python 3.13), modules whose tests all need it cannot even be imported.
if importlib.util.find_spec("flytekit") is None:
    collect_ignore = [
        str(path.relative_to(Path(__file__).parent))
        for path in Path(__file__).parent.rglob("test_*.py")
        if "pytestmark = pytest.mark.flyte" in path.read_text(encoding="utf-8")
    ]

_OURS = ("DBX_AGENT_", "FLYTE_DATABRICKS_", "DATABRICKS_", "_FSEC_FLYTE_DATABRICKS_")


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings and secrets of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only moves when something sleeps."""
    return ManualClock()


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An emulated workspace that the environment names, with time that stands still; canaries open it."""
    workspace = Workspace(token=CANARY, client_secret=CLIENT_CANARY)
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", workspace.host)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", workspace.token)
    with workspace.intercept():
        yield workspace


@pytest.fixture
def agent(clock: ManualClock) -> DatabricksAgentV2:
    """The agent for the task type `databricks`, whose pauses take no time."""
    from dbx_agent.agent import DatabricksAgentV2

    return DatabricksAgentV2(clock=clock)
