"""The story of the demo as data: what will happen to the runs and to the calls.

The demo's report is *not* made from this; it is what the emulator is told at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from flyteidl.core.tasks_pb2 import TaskTemplate

__all__ = ["POLL_SECONDS", "STORY", "Story", "read_task_template"]

#: How often Flyte's engine asks for a task's state.
#: Source: [flyte.engine.poll-interval] documented: flyteorg/flyte, webApi.caching.resyncInterval (30 s)
POLL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Story:
    """What the emulator is told at the start.

    Attributes:
        scenario: What happens to the runs, as the control API takes it.
        faults: What happens to the calls, likewise.
    """

    scenario: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]


STORY = Story(
    scenario={
        "match": "flytekit databricks *",
        "outcomes": [
            {
                "queue": "2m",
                "cluster": "4m",
                "run": "40m",
                "termination_code": "CLOUD_FAILURE",
                "message": "The cloud provider reclaimed the spot instance of the driver",
            },
            {"queue": "1m", "cluster": "3m30s", "run": "38m"},
        ],
    },
    faults=(
        {"kind": "lost_response", "route": "runs/submit", "times": 1},
        {
            "kind": "status",
            "route": "runs/get",
            "status_code": 429,
            "headers": {"Retry-After": "30"},
            "skip": 24,
            "times": 1,
        },
    ),
)


def read_task_template() -> TaskTemplate:
    """Return a task template as `flytekitplugins-spark` 1.16.31 serialised it: task type `databricks`."""
    return TaskTemplate.FromString(files(__package__).joinpath("task-template.pb").read_bytes())
