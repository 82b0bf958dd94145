"""The gates: `runs/get` in process and on the loopback socket, against the same constant body."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from benchmarks.measure import Ratio, compare
from dbx_emulator import Clock, LostResponse, Outcome, Workspace

__all__ = ["beside_other_rules", "in_process", "on_the_socket", "served"]

_BODY = {"run_name": "bench", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/bench"}}


def in_process() -> Ratio:
    """`runs/get` through httpx ÷ `httpx.MockTransport` with the same constant body."""
    workspace = Workspace(clock=Clock())
    ours = httpx.Client(transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers)
    path, body = _submit(ours)

    def constant(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/json"}, content=body)

    baseline = httpx.Client(
        transport=httpx.MockTransport(constant), base_url=workspace.url, headers=workspace.headers
    )
    ours_us, baseline_us = compare(lambda: ours.get(path), lambda: baseline.get(path))
    value = ours_us / baseline_us
    name = "runs/get in process ÷ httpx.MockTransport, time"
    return Ratio(name, ours_us, baseline_us, value, "≤ 1.15", value <= 1.15)


def on_the_socket() -> Ratio:
    """`runs/get` on loopback, requests/s ÷ a constant raw ASGI app under the same server."""
    with ExitStack() as stack:
        ours = stack.enter_context(_client_of("workspace"))
        path, body = _submit(ours)
        baseline = stack.enter_context(_client_of(body.decode()))
        ours_us, baseline_us = compare(lambda: ours.get(path), lambda: baseline.get(path))
    value = baseline_us / ours_us
    name = "runs/get on loopback ÷ constant ASGI app under the same server, requests/s"
    return Ratio(name, ours_us, baseline_us, value, "≥ 0.7", value >= 0.7)


def beside_other_rules() -> Ratio:
    """`runs/get` with 100 armed rules and 100 scenarios that do not match ÷ without them.

    Half of the rules are of another route, half of the same route and of other runs.
    """
    paths, clients = [], []
    for count in (100, 0):
        workspace = Workspace(clock=Clock())
        client = httpx.Client(
            transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
        )
        paths.append(_submit(client)[0])
        clients.append(client)
        for number in range(count):
            workspace.scenarios.add(f"other-{number}", [Outcome()])
            workspace.faults.add(
                LostResponse("runs/get", run_name=f"other-{number}")
                if number % 2
                else LostResponse("runs/list")
            )
    (path, bare_path), (ours, baseline) = paths, clients
    ours_us, baseline_us = compare(lambda: ours.get(path), lambda: baseline.get(bare_path))
    value = ours_us / baseline_us
    name = "runs/get beside 100 rules and 100 scenarios that do not match ÷ without, time"
    return Ratio(name, ours_us, baseline_us, value, "≤ 1.1", value <= 1.1)


def _submit(client: httpx.Client) -> tuple[str, bytes]:
    """Submit a run and return the path that reads it, with what is read there."""
    run_id = client.post("/api/2.2/jobs/runs/submit", json=_BODY).raise_for_status().json()["run_id"]
    path = f"/api/2.2/jobs/runs/get?run_id={run_id}"
    return path, client.get(path).raise_for_status().content


@contextmanager
def _client_of(what: str) -> Iterator[httpx.Client]:
    with (
        served(what) as url,
        httpx.Client(base_url=url, headers=Workspace().headers, trust_env=False) as client,
    ):
        yield client


@contextmanager
def served(*what: str) -> Iterator[str]:
    """Run a server as a process and yield its URL, which it says in its first line."""
    arguments = [sys.executable, "-m", "benchmarks.serve", *what]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
