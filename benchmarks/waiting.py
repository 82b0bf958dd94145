"""Virtual time: what a wait of a day costs, and what the fixture does for each test."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, SubmitTask
from requests.adapters import HTTPAdapter

from benchmarks.measure import Ratio, Reported, compare
from dbx_emulator import Clock, Outcome, Timing, Workspace
from dbx_emulator._api.messages import Request

__all__ = ["WAITING"]

_TASK = SubmitTask(
    task_key="only", existing_cluster_id="0101-1", notebook_task=NotebookTask(notebook_path="/bench")
)


def _workspace(*, leap: bool = False) -> Workspace:
    clock = Clock("sleeping", end_of_time="30d", stall_after=1_000, leap=leap)
    return Workspace(clock=clock, timing=Timing(run="24h"))


def _wait() -> None:
    WorkspaceClient().jobs.submit(run_name="bench", tasks=[_TASK]).result()


def _wait_intercepted(*, leap: bool = False) -> int:
    """See a run of a day through with the SDK's own waiter, and return how often it polled."""
    workspace = _workspace(leap=leap)
    with workspace.intercept():
        _wait()
    return len([entry for entry in workspace.journal if entry.route == "runs/get"])


def waiter_of_the_sdk() -> Ratio:
    """The SDK's waiter over a run of a day ÷ the same waiter with as many constant answers and no sleep."""
    polls = _wait_intercepted()
    bodies = _bodies()
    with _workspace().intercept():
        # It asks the host about itself, once.
        client = WorkspaceClient()

    def constant() -> None:
        with _constant(bodies, polls):
            client.jobs.submit(run_name="bench", tasks=[_TASK]).result()

    ours_us, baseline_us = compare(_wait_intercepted, constant, batches=6, calls=1)
    value = ours_us / baseline_us
    name = f"databricks-sdk's waiter over a 24-hour run ({polls:,} polls) ÷ as many constant answers, time"
    return Ratio(name, ours_us, baseline_us, value, "≤ 1.5", value <= 1.5)


def leaping_polls() -> Reported:
    """How often the SDK's waiter polls over a run of a day if its sleeps end at events."""
    polls = _wait_intercepted(leap=True)
    verdict = "met" if polls <= 20 else "NOT MET"
    return Reported(
        "polls of databricks-sdk's waiter over a 24-hour run, leaping", f"{polls} (gate ≤ 20: {verdict})"
    )


def set_up_and_tear_down() -> Reported:
    """What the fixture does before and after each test."""

    def once() -> None:
        with _workspace().intercept():
            pass

    us, _ = compare(once, lambda: None, batches=20, calls=50)
    return Reported("fixture, set-up and tear-down", f"{us / 1_000:.2f} ms")


def stepped() -> Reported:
    """A run of a day in three attempts, from event to event, its state read after each."""
    task = {"task_key": "only", "existing_cluster_id": "0101-1", "max_retries": 2}
    body = {"tasks": [task | {"notebook_task": {"notebook_path": "/bench"}}]}
    polls = 0

    def once() -> None:
        nonlocal polls
        workspace = Workspace(timing=Timing(run="24h"), clock=Clock())
        lost = Outcome(
            termination_code="CLOUD_FAILURE", retries=[Outcome(termination_code="CLOUD_FAILURE"), Outcome()]
        )
        workspace.scenarios.add("*", [lost])
        with httpx.Client(transport=workspace.transport(), headers=workspace.headers) as client:
            submitted = client.post(f"{workspace.url}/api/2.2/jobs/runs/submit", json=body).json()
            run, polls = workspace.runs[submitted["run_id"]], 0
            while not run.is_terminal:
                workspace.clock.step()
                client.get(f"{workspace.url}/api/2.2/jobs/runs/get", params=submitted)
                polls += 1

    us, _ = compare(once, lambda: None, batches=10, calls=5)
    name = f"three attempts of 24 hours, stepped from event to event ({polls} polls)"
    return Reported(name, f"{us / 1_000:.1f} ms")


def _bodies() -> tuple[bytes, bytes, bytes]:
    """Return what the workspace answers to a submit and to polls, of a run at work and of one that is over."""
    workspace = _workspace()
    seen: list[bytes] = []
    handle = workspace.handle
    with workspace.intercept():
        client = WorkspaceClient()
        run_id = client.jobs.submit(run_name="bench", tasks=[_TASK]).run_id
        target = f"/api/2.2/jobs/runs/get?run_id={run_id}"
        token = ((b"authorization", f"Bearer {workspace.token}".encode()),)
        for state in ("RUNNING", "TERMINATED"):
            workspace.clock.run_until(run_id, state)
            seen.append(handle(Request("GET", target, token)).body)
    return b'{"run_id":%d}' % run_id, seen[0], seen[1]


@contextmanager
def _constant(bodies: tuple[bytes, bytes, bytes], polls: int) -> Iterator[None]:
    """Answer every request of requests from constants, and let nobody sleep."""
    submitted, running, over = bodies
    send, sleep = HTTPAdapter.send, time.sleep
    left = polls

    def answer(
        _adapter: HTTPAdapter, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> requests.Response:
        nonlocal left
        response = requests.Response()
        response.status_code = 200
        response.headers["content-type"] = "application/json"
        if request.method == "POST":
            body = submitted
        else:
            left -= 1
            body = running if left else over
        response.raw = io.BytesIO(body)
        response.url = request.url or ""
        response.request = request
        return response

    HTTPAdapter.send = answer  # type: ignore[method-assign,assignment]
    time.sleep = lambda _seconds: None
    try:
        yield
    finally:
        HTTPAdapter.send, time.sleep = send, sleep  # type: ignore[method-assign]


WAITING = (waiter_of_the_sdk, leaping_polls, set_up_and_tear_down, stepped)
