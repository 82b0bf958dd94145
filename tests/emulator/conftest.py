"""A workspace for each test, and a caller that needs no door."""

from __future__ import annotations

import pytest

from dbx_emulator import Workspace
from tests.emulator.support import Caller


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time stands still."""
    return Workspace()


@pytest.fixture
def caller(workspace: Workspace) -> Caller:
    """A caller of that workspace under API 2.1."""
    return Caller(workspace)
