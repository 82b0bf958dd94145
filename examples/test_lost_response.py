"""A test to copy: what the official SDK does when the answer to a submit is lost.

It repeats every call whose connection broke, a submit too. Without an idempotency token the service makes a second
run, of which nobody will ever know; with one it finds the first.
"""

from __future__ import annotations

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, SubmitTask

from dbx_emulator import LostResponse, Workspace

TASK = SubmitTask(
    task_key="nightly",
    existing_cluster_id="0101-000000-nightly1",
    notebook_task=NotebookTask(notebook_path="/Jobs/nightly"),
)


@pytest.mark.parametrize(
    ("idempotency_token", "runs"),
    [
        # Two rules of lint say that this is no way to submit; here it is the point.
        pytest.param(
            None,
            2,
            id="without-a-token",
            marks=pytest.mark.databricks(lint={"DBX003": "off", "DBX004": "off"}),
        ),
        pytest.param("nightly-2024-01-01", 1, id="with-a-token"),
    ],
)
def test_lost_answer_makes_a_second_run_unless_there_is_a_token(
    databricks: Workspace, idempotency_token: str | None, runs: int
) -> None:
    """One call of the SDK, two submits on the wire; how many runs that makes is up to the token."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    run = WorkspaceClient().jobs.submit(tasks=[TASK], idempotency_token=idempotency_token).result()
    assert run.run_id == list(databricks.runs)[-1].run_id
    assert len(databricks.journal.calls("runs/submit")) == 2
    assert len(databricks.runs) == runs
