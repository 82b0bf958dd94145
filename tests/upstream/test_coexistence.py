"""Ours beside the real flytekitplugins-spark of the installed line, in fresh interpreters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.registry import LISTED, OURS, RIVAL_MODULE, install, report

pytestmark = pytest.mark.upstream

ENTRY_POINTS = {"ours-first": "dbx_agent.plugin", "rival-first": "flytekitplugins.spark"}


@pytest.mark.parametrize("order", ENTRY_POINTS)
@pytest.mark.parametrize("first", ["flytekit", f"flytekitplugins.spark.{RIVAL_MODULE}", "dbx_agent"])
def test_ours_serves_and_is_listed_alone(tmp_path: Path, first: str, order: str) -> None:
    """Whichever entry point comes first, and whatever the user imports first."""
    install(tmp_path, "first", ENTRY_POINTS[order])
    found = report(f"import {first}, flytekit, dbx_agent, flytekitplugins.spark", tmp_path)
    assert found == {"served": OURS, "listed": LISTED}
