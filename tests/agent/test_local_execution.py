"""flytekit's own loop for local execution, unmodified, over a run of a day under virtual sleep."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator import Workspace
from dbx_emulator._core.clock import EPOCH_MS

pytestmark = [pytest.mark.flyte, pytest.mark.once]


def _make_task() -> Any:
    """Return a task as a plugin of flytekit makes one that a connector runs."""
    from flytekit.configuration import SerializationSettings
    from flytekit.core.python_function_task import PythonFunctionTask
    from flytekit.extend.backend.base_connector import AsyncConnectorExecutorMixin

    class DatabricksTask(AsyncConnectorExecutorMixin, PythonFunctionTask):  # type: ignore[misc]
        def get_custom(self, _settings: SerializationSettings) -> dict[str, Any]:
            return {"databricksConf": {"run_name": "etl", "existing_cluster_id": "0401-abc"}}

    def nightly() -> None:
        raise AssertionError("it is not run here")

    return DatabricksTask(None, nightly, task_type="databricks", container_image="ghcr.io/acme/img:1")


@pytest.mark.databricks(run="24h", leap=True)
def test_local_execution_leaps_through_a_day(databricks: Workspace) -> None:
    """It sleeps a second between two polls, blocking its loop, and wakes at the events of the run."""
    _make_task()()
    [run] = databricks.runs
    assert (run.is_terminal, run.result_state) == (True, "SUCCESS")
    assert len(databricks.journal.calls("runs/get")) <= 20
    assert databricks.clock.now_ms - EPOCH_MS >= 86_400_000


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(600, id="10m", marks=pytest.mark.databricks(run="10m")),
        pytest.param(86_400, id="24h", marks=[pytest.mark.databricks(run="24h"), pytest.mark.soak]),
    ],
)
def test_local_execution_polls_every_second(databricks: Workspace, seconds: int) -> None:
    """Without leaping it polls as often as it means to: once a second of the run's time."""
    _make_task()()
    [run] = databricks.runs
    assert run.is_terminal
    # All calls but the submit. The journal keeps the last of them; their numbers go on.
    polls = databricks.journal[-1].sequence - 1
    assert polls > seconds
    assert polls == (run.end_time_ms - run.start_time_ms) / 1_000
