"""What the situations do as clients: submit, poll, look."""

from __future__ import annotations

import time
from typing import Any

import httpx
from databricks.sdk.service.jobs import (
    NotebookTask,
    Run,
    RunOutput,
    SubmitTask,
    TaskDependency,
    TerminationDetails,
)

from tests.situations.situation import Client

__all__ = [
    "ended",
    "get_run",
    "poll",
    "states",
    "submit",
    "submit_flat",
    "submit_over_http",
    "task",
    "task_output",
    "termination",
]

_CLUSTER_ID = "0101-000000-cluster1"
_OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")

Json = dict[str, Any]


def task(task_key: str = "load", *depends_on: str, **fields: Any) -> SubmitTask:
    """Return a task that runs a notebook on a cluster that exists."""
    return SubmitTask(
        task_key=task_key,
        existing_cluster_id=_CLUSTER_ID,
        notebook_task=NotebookTask(notebook_path=f"/{task_key}"),
        depends_on=[TaskDependency(task_key=each) for each in depends_on] or None,
        **fields,
    )


def submit(client: Client, run_name: str = "etl", *tasks: SubmitTask, **fields: Any) -> int:
    """Submit a run with `tasks` through the SDK and return its id."""
    return client.sdk.jobs.submit(run_name=run_name, tasks=list(tasks or (task(),)), **fields).run_id


def submit_over_http(client: Client, run_name: str = "etl", **fields: Any) -> httpx.Response:
    """Submit a run without `tasks` through httpx and return the answer."""
    body = {
        "run_name": run_name,
        "existing_cluster_id": _CLUSTER_ID,
        "spark_python_task": {"python_file": "dbfs:/load.py"},
    }
    return client.http.post("/api/2.1/jobs/runs/submit", json=body | fields)


def submit_flat(client: Client, run_name: str = "etl", **fields: Any) -> int:
    """Submit a run without `tasks` and return its id."""
    run_id: int = submit_over_http(client, run_name, **fields).raise_for_status().json()["run_id"]
    return run_id


def get_run(client: Client, run_id: int) -> httpx.Response:
    """Read a run through httpx, whatever the answer is."""
    return client.http.get("/api/2.1/jobs/runs/get", params={"run_id": run_id})


def states(run: Run) -> tuple[str | None, str | None]:
    """Return the two legacy states of a run, as far as the SDK knows them."""
    assert run.state is not None
    life_cycle, result = run.state.life_cycle_state, run.state.result_state
    return life_cycle and life_cycle.value, result and result.value


def termination(run: Run) -> TerminationDetails:
    """Return why a run ended."""
    assert run.status is not None
    assert run.status.termination_details is not None
    return run.status.termination_details


def poll(client: Client, run_id: int, *, every_seconds: float = 30) -> list[str | None]:
    """Poll as code under test does and return the states that were seen, each once."""
    seen: list[str | None] = []
    while True:
        state, _ = states(client.sdk.jobs.get_run(run_id))
        if seen[-1:] != [state]:
            seen.append(state)
        if state in _OVER:
            return seen
        time.sleep(every_seconds)  # noqa: TID251 - virtual, and at once


def ended(client: Client, run_id: int) -> Run:
    """Let half a day pass and read the run."""
    client.workspace.clock.advance("12h")
    return client.sdk.jobs.get_run(run_id)


def task_output(client: Client, run: Run) -> RunOutput:
    """Return the output of a run's first task."""
    assert run.tasks
    return client.sdk.jobs.get_run_output(run.tasks[0].run_id or 0)
