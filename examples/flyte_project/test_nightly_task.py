"""What Databricks can do to the nightly workflow, without Databricks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbx_emulator import LostResponse, Outcome, StatusFault, Workspace

pytest.importorskip("flytekit", reason="flytekit is for Python 3.10 to 3.12")

pytestmark = [pytest.mark.flyte, pytest.mark.databricks(leap=True)]


@pytest.fixture
def raw_data() -> str:
    """Where inputs and outputs go: memory, which counts as a remote store."""
    return "memory://bucket/raw"


@pytest.fixture(autouse=True)
def flyte(raw_data: str, tmp_path: Path) -> object:
    """Flyte's context, as `pyflyte run --raw-output-data-prefix` makes it."""
    from flytekit import FlyteContextManager
    from flytekit.core.data_persistence import FileAccessProvider

    access = FileAccessProvider(str(tmp_path), raw_data)
    with FlyteContextManager.with_context(
        FlyteContextManager.current_context().with_file_access(access)
    ) as context:
        yield context


def run_nightly() -> None:
    """Run the workflow, as `pyflyte run` does."""
    from nightly import nightly  # type: ignore[import-not-found,unused-ignore]

    nightly(day="2024-01-01")


def test_nightly_submits_one_run_on_a_cluster_of_its_own(databricks: Workspace) -> None:
    """What was asked for arrives, with the variable by which a failed function fails the run."""
    databricks.scenarios.add("nightly", [Outcome(cluster="7m", run="20h")])
    run_nightly()
    [run] = databricks.runs
    cluster = json.loads(run.submitted.tasks[0].spec)["new_cluster"]
    assert cluster["num_workers"] == 2
    assert cluster["spark_env_vars"]["FLYTE_FAIL_ON_ERROR"] == "true"


def test_nightly_is_submitted_once_though_the_answer_is_lost(databricks: Workspace) -> None:
    """The agent repeats the submit, and the service finds the first run."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    run_nightly()
    assert len(databricks.runs) == 1


def test_nightly_survives_a_throttled_hour(databricks: Workspace) -> None:
    """A poll that is refused is no failure of the task."""
    databricks.faults.add(StatusFault("runs/get", status_code=429, times=20))
    run_nightly()


def test_nightly_says_why_it_failed(databricks: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """The words of the run's own error reach whoever started the workflow."""
    databricks.scenarios.add(
        "nightly", [Outcome(termination_code="RUN_EXECUTION_ERROR", error="ValueError: no rows")]
    )
    with pytest.raises((Exception, SystemExit)) as failed:
        run_nightly()
    assert "ValueError: no rows" in str(failed.value) + capsys.readouterr().out
