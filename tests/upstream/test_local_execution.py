"""`pyflyte run` of a task of flytekitplugins-spark's, on the installed line, with our agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbx_emulator import Outcome, Workspace
from tests.agent.local_run import do_the_job, pyflyte_run

pytestmark = pytest.mark.upstream

#: The task's function raises, because the plugin swallows what an agent raises and runs it here instead.
WORKFLOW = """
import flytekitplugins.spark as spark
from flytekit import task, workflow

Config = getattr(spark, "DatabricksV2", None) or spark.Databricks
CONF = {"run_name": "etl", "existing_cluster_id": "0401-abc"}

@task(task_config=Config(databricks_conf=CONF), container_image="ghcr.io/acme/img:1")
def double(n: int) -> int:
    raise AssertionError("it is run here")
    return n  # flytekit reads the source and insists on one

@workflow
def wf(n: int) -> int:
    return double(n=n)
"""


@pytest.mark.databricks(leap=True)
def test_pyflyte_run_reads_what_the_job_wrote(databricks: Workspace, tmp_path: Path) -> None:
    """Created, polled, its outputs read from the store; the function itself is not called."""
    databricks.scenarios.add("etl", [Outcome(run="3h")], on_success=do_the_job)
    done = pyflyte_run(tmp_path, WORKFLOW, n=21)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "42"
    assert [run.result_state for run in databricks.runs] == ["SUCCESS"]


@pytest.mark.databricks(leap=True)
def test_pyflyte_run_ends_with_a_run_that_is_lost(databricks: Workspace, tmp_path: Path) -> None:
    """The plugin then says why, and runs the function here."""
    databricks.scenarios.add("etl", [Outcome(run="3h", termination_code="CLOUD_FAILURE")])
    done = pyflyte_run(tmp_path, WORKFLOW, n=21)
    assert done.exit_code == 1
    assert "CLOUD_FAILURE" in done.output
    assert "it is run here" in done.output + str(done.exception)
    assert len(databricks.runs) == 1
