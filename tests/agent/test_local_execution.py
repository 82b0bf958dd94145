"""flytekit's own loop for local execution, unmodified, over a run of a day under virtual sleep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbx_emulator import Outcome, Workspace
from dbx_emulator._core.clock import EPOCH_MS

from .local_run import do_the_job, pyflyte_run

pytestmark = pytest.mark.flyte

#: A task as a plugin of flytekit makes one that an agent runs, and whose function must not run here.
WORKFLOW = """
from flytekit import workflow
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.extend.backend.base_agent import AsyncAgentExecutorMixin

class DatabricksTask(AsyncAgentExecutorMixin, PythonFunctionTask):
    def get_custom(self, settings):
        return {"databricksConf": {"run_name": "etl", "existing_cluster_id": "0401-abc"}}

def _double(n: int) -> int:
    raise AssertionError("it is not run here")
    return n  # flytekit reads the source and insists on one

double = DatabricksTask(None, _double, task_type="databricks", container_image="ghcr.io/acme/img:1")

@workflow
def wf(n: int) -> int:
    return double(n=n)
"""


def _make_task() -> Any:
    """Return a task as a plugin of flytekit makes one that a connector runs."""
    from flytekit.configuration import SerializationSettings
    from flytekit.core.python_function_task import PythonFunctionTask
    from flytekit.extend.backend.base_agent import AsyncAgentExecutorMixin

    class DatabricksTask(AsyncAgentExecutorMixin, PythonFunctionTask):  # type: ignore[misc]
        def get_custom(self, _settings: SerializationSettings) -> dict[str, Any]:
            return {"databricksConf": {"run_name": "etl", "existing_cluster_id": "0401-abc"}}

    def nightly() -> None:
        raise AssertionError("it is not run here")

    return DatabricksTask(None, nightly, task_type="databricks", container_image="ghcr.io/acme/img:1")


@pytest.mark.databricks(leap=True)
def test_pyflyte_run_reads_what_the_job_wrote(databricks: Workspace, tmp_path: Path) -> None:
    """Created, polled, its outputs read from the store; the function itself is not called."""
    databricks.scenarios.add("etl", [Outcome(run="3h")], on_success=do_the_job)
    done = pyflyte_run(tmp_path, WORKFLOW, n=21)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "42"
    assert [run.result_state for run in databricks.runs] == ["SUCCESS"]


@pytest.mark.databricks(leap=True)
@pytest.mark.parametrize("code", ["CLOUD_FAILURE", "RUN_EXECUTION_ERROR"])
def test_pyflyte_run_ends_with_a_run_that_failed(databricks: Workspace, tmp_path: Path, code: str) -> None:
    """Also with what Flyte's engine would try again: nobody does here, and some lines would poll for ever."""
    databricks.scenarios.add("etl", [Outcome(run="3h", termination_code=code)])
    done = pyflyte_run(tmp_path, WORKFLOW, n=21)
    assert done.exit_code == 1
    assert code in done.output + str(done.exception)
    assert len(databricks.runs) == 1


@pytest.mark.once
@pytest.mark.databricks(run="24h", leap=True)
def test_local_execution_leaps_through_a_day(databricks: Workspace) -> None:
    """It sleeps a second between two polls, blocking its loop, and wakes at the events of the run."""
    _make_task()()
    [run] = databricks.runs
    assert (run.is_terminal, run.result_state) == (True, "SUCCESS")
    assert len(databricks.journal.calls("runs/get")) <= 20
    assert databricks.clock.now_ms - EPOCH_MS >= 86_400_000


@pytest.mark.once
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
