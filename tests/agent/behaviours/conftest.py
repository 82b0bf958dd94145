"""An agent on the workspace's own time, and what it logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from dbx_emulator import Workspace

from .virtual import VirtualTime

if TYPE_CHECKING:
    from dbx_agent.agent import DatabricksAgentV2


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """What the agent logs, and flytekit's own way of printing it left out: drawing it takes longer than a poll."""
    monkeypatch.setattr(logging.getLogger("flytekit"), "handlers", [])
    # What is logged once for each process is logged once for each test.
    monkeypatch.setattr("dbx_agent.polling._LOGGED._seen", set())
    kept, logger = _Kept(), logging.getLogger("flytekit.dbx_agent")
    logger.addHandler(kept)
    yield kept.records
    logger.removeHandler(kept)


@pytest.fixture
def time(workspace: Workspace) -> VirtualTime:
    """The workspace's time, as an agent takes it."""
    return VirtualTime(workspace)


@pytest.fixture
def poller(workspace: Workspace, logged: list[logging.LogRecord]) -> DatabricksAgentV2:
    """The agent for the task type `databricks`; its pauses move the workspace's clock."""
    from dbx_agent.agent import DatabricksAgentV2

    return DatabricksAgentV2(clock=VirtualTime(workspace))
