"""A test to copy: a job of a day ends in milliseconds.

`run_to_the_end` stands for your code. It sleeps as code does that polls, and under the fixture that takes no time:
a day goes by at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dbx_emulator import LostResponse, Outcome, StatusFault, Workspace

JOB = {
    "run_name": "nightly",
    "idempotency_token": "nightly-2024-01-01",
    "existing_cluster_id": "0101-000000-nightly1",
    "notebook_task": {"notebook_path": "/Jobs/nightly"},
}


def run_to_the_end(client: httpx.Client) -> dict[str, Any]:
    """Submit the nightly job, poll it every minute, and return the run when it is over."""
    run_id = _with_retries(lambda: client.post("/api/2.1/jobs/runs/submit", json=JOB))["run_id"]
    while True:
        run = _with_retries(lambda: client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id}))
        if run["status"]["state"] == "TERMINATED":
            return run
        time.sleep(60)


def _with_retries(call: Callable[[], httpx.Response]) -> dict[str, Any]:
    while True:
        try:
            response = call()
        except httpx.TransportError:
            time.sleep(1)
            continue
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            time.sleep(float(response.headers["Retry-After"]))
            continue
        body: dict[str, Any] = response.raise_for_status().json()
        return body


@pytest.fixture
def client(databricks: Workspace) -> httpx.Client:
    """A client as your code makes it: it learns of the workspace from nothing but its URL and token."""
    return httpx.Client(base_url=databricks.url, headers=databricks.headers)


def test_nightly_job_of_a_day_succeeds(databricks: Workspace, client: httpx.Client) -> None:
    """Twenty-four hours pass on the workspace's clock, milliseconds on yours."""
    databricks.scenarios.add("nightly", [Outcome(cluster="5m", run="24h")])
    started_ms = databricks.clock.now_ms
    run = run_to_the_end(client)
    assert run["state"]["result_state"] == "SUCCESS"
    assert databricks.clock.now_ms - started_ms >= 24 * 3600 * 1000


def test_nightly_job_is_submitted_once_though_the_answer_is_lost(
    databricks: Workspace, client: httpx.Client
) -> None:
    """The idempotency token makes the repeated submit find the first run."""
    databricks.faults.add(LostResponse("runs/submit", times=1))
    run_to_the_end(client)
    assert len(databricks.journal.calls("runs/submit")) == 2
    assert len(databricks.runs) == 1


def test_nightly_job_waits_as_long_as_it_is_told(databricks: Workspace, client: httpx.Client) -> None:
    """A throttled poll is repeated after the time that the service asks for."""
    databricks.faults.add(StatusFault("runs/get", status_code=429, headers={"Retry-After": "600"}, times=1))
    run_to_the_end(client)
    throttled, repeated = databricks.journal.calls("runs/get")[:2]
    assert throttled.status_code == 429
    assert repeated.now_ms - throttled.now_ms == 600_000


def test_nightly_job_that_fails_says_why(databricks: Workspace, client: httpx.Client) -> None:
    """A bug in the notebook is the client's error, with the trace in runs/get-output."""
    databricks.scenarios.add(
        "nightly", [Outcome(termination_code="RUN_EXECUTION_ERROR", error="ValueError: no rows")]
    )
    run = run_to_the_end(client)
    assert run["status"]["termination_details"]["type"] == "CLIENT_ERROR"
    output = client.get("/api/2.1/jobs/runs/get-output", params={"run_id": run["run_id"]}).json()
    assert output["error"] == "ValueError: no rows"
