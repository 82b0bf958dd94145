"""A run from create to its end through upstream's connector, as a program: it prints the phases it is told.

In a process of its own the connector finds the workspace, its token and whom to trust in the environment, as in
production: `python -m tests.upstream.lifecycle`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

from tests.agent.registry import RIVAL_MODULE
from tests.agent.support import load_template, phase_name

__all__ = ["make_connector", "template_for"]


def make_connector() -> Any:
    """Return a connector of upstream's, or an agent where the line says so; of its newest kind.

    Not the one that is registered for the task type: with this project installed, that is ours.
    """
    module = import_module(f"flytekitplugins.spark.{RIVAL_MODULE}")
    names = ("DatabricksConnectorV2", "DatabricksAgentV2", "DatabricksAgent")
    return next(getattr(module, name) for name in names if hasattr(module, name))()


def template_for(instance: str) -> Any:
    """Return a task that flytekitplugins-spark serialised, for the workspace at a host."""
    template = load_template("v2-existing")
    template.custom["databricksInstance"] = instance
    return template


async def _live(instance: str) -> list[list[str]]:
    connector = make_connector()
    finished = await connector.create(template_for(instance))
    told = [await _phases(connector, finished)]
    cancelled = await connector.create(template_for(instance))
    await connector.delete(cancelled)
    return [*told, await _phases(connector, cancelled)]


async def _phases(connector: Any, meta: Any) -> list[str]:
    """Ask until the run is over, and return each phase once."""
    phases = [phase_name(await connector.get(meta))]
    while phases[-1] not in ("SUCCEEDED", "FAILED"):
        phases.append(phase_name(await connector.get(meta)))
    return list(dict.fromkeys(phases))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_live(sys.argv[1]))))  # noqa: T201 - what the test reads
