"""The fault sweep: a scenario of 20 calls, over all kinds."""

from __future__ import annotations

import time

import httpx

from benchmarks.measure import Reported
from dbx_emulator import Timing, Workspace
from dbx_emulator.testing import SWEEP_KINDS, sweep

__all__ = ["sweep_of_twenty_calls"]

_BODY = {
    "run_name": "bench",
    "existing_cluster_id": "0101-1",
    "notebook_task": {"notebook_path": "/bench"},
    "idempotency_token": "bench",
}


def _workspace() -> Workspace:
    return Workspace(timing=Timing(run="15m"))


def _call(
    client: httpx.Client, method: str, endpoint: str, wanted: str, **options: object
) -> dict[str, object]:
    """Call until there is an answer that has a field, six times at most."""
    for _ in range(6):
        try:
            response = client.request(method, f"/api/2.2/jobs/runs/{endpoint}", **options)  # type: ignore[arg-type]
            if response.status_code == 200 and wanted in (answer := response.json()):
                return dict(answer)
        except (httpx.TransportError, ValueError):
            pass
        time.sleep(10)
    raise RuntimeError(endpoint)


def _life(workspace: Workspace) -> object:
    transport = workspace.transport()
    with httpx.Client(base_url=workspace.url, headers=workspace.headers, transport=transport) as client:
        run_id = _call(client, "POST", "submit", "run_id", json=_BODY)["run_id"]
        for _ in range(25):
            state = _call(client, "GET", "get", "state", params={"run_id": run_id})["state"]
            assert isinstance(state, dict)
            if "result_state" in state:
                return state["result_state"]
            time.sleep(60)
        raise RuntimeError("too long")


def sweep_of_twenty_calls() -> Reported:
    """Sweep, and divide by the lives that were lived."""
    # Once before: the libraries that interception patches are loaded by the first life.
    sweep(_life, workspace=_workspace, plan="")
    started = time.perf_counter()
    report = sweep(_life, workspace=_workspace, leaked_after=None)
    seconds = time.perf_counter() - started
    name = f"fault sweep of a life of {len(report.calls)} calls over all {len(SWEEP_KINDS)} kinds"
    per_life_ms = seconds / report.lives * 1_000
    return Reported(name, f"{seconds:.1f} s for {report.lives} lives, {per_life_ms:.1f} ms each")
