"""One call for every door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbx_emulator import Workspace

from .ways import WAYS, Call


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time stands still."""
    return Workspace()


@pytest.fixture(params=WAYS)
def door(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[Call]:
    """A call to that workspace, by each way there is."""
    with WAYS[request.param].open(workspace) as call:
        yield call
