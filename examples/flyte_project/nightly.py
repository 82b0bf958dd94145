"""The project: a task that Databricks runs, and the workflow that needs it."""

from __future__ import annotations

from typing import Any

from flytekit import workflow
from flytekit.configuration import SerializationSettings
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.extend.backend.base_agent import AsyncAgentExecutorMixin

CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}


class DatabricksTask(AsyncAgentExecutorMixin, PythonFunctionTask):  # type: ignore[misc]
    """A function that runs on Databricks."""

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:  # noqa: ARG002 - flytekit's interface
        """Return what the agent reads: the body of `runs/submit` without the task."""
        return {"databricksConf": {"run_name": "nightly", "new_cluster": CLUSTER}}


def load_rows(day: str) -> None:
    """Load a day's rows; it needs the cluster."""
    raise RuntimeError(f"the rows of {day} are on the cluster, and this is not it")


load = DatabricksTask(None, load_rows, task_type="databricks", container_image="ghcr.io/acme/nightly:1")


@workflow  # type: ignore[untyped-decorator,unused-ignore]
def nightly(day: str) -> None:
    """Load the rows of a day."""
    load(day=day)
