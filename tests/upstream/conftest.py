"""The connector of flytekitplugins-spark, which only the tox environment `upstream` has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upstream.lifecycle import make_connector


@pytest.fixture
def connector() -> Any:
    """Upstream's connector for the task type `databricks`, made as its own module makes it."""
    return make_connector()
