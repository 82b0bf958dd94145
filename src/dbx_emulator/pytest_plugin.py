"""The pytest plugin: the fixture `databricks`.

Every pytest run of an environment with this package loads this module, so it imports nothing but pytest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dbx_emulator.workspace import Workspace

__all__ = ["databricks"]

_SCRUBBED = ("DATABRICKS_", "FLYTE_DATABRICKS_", "_FSEC_FLYTE_DATABRICKS_")


@pytest.fixture
def databricks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A Databricks workspace of this test's own, at `databricks.url`.

    The httpx clients of this process reach it there, those made before the test included; other Databricks hosts
    are refused. Every `DATABRICKS_*` and `FLYTE_DATABRICKS_*` variable is taken away for the test, then host and
    token are set to the workspace's. Its clock stands still until the test moves it.
    """
    from dbx_emulator.workspace import Workspace

    workspace = Workspace()
    for name in [name for name in os.environ if name.startswith(_SCRUBBED)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", workspace.host)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", workspace.token)
    with workspace.intercept():
        yield workspace
    for entry in workspace.journal.calls(""):
        request.node.warn(
            pytest.PytestWarning(
                f"{entry.method} {entry.path} was called, which dbx-emulator does not serve: "
                f"it answered {entry.status_code} {entry.error_code}"
            )
        )
