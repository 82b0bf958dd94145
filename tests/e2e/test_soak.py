"""Many runs under faults over a real socket, for a long time."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from dbx_emulator import LostResponse, StatusFault
from tests.e2e.processes import served

pytestmark = pytest.mark.soak

_RUNS = 20_000


def _post(client: httpx.Client, path: str, body: Mapping[str, object]) -> dict[str, object]:
    """Post until there is an answer, as a client with an idempotency token may."""
    while True:
        try:
            answer: dict[str, object] = client.post(path, json=body).raise_for_status().json()
        except (httpx.TransportError, httpx.HTTPStatusError):
            continue
        return answer


def test_every_token_makes_one_run() -> None:
    """However many answers are lost and calls refused, each token has exactly one run, and each run ends."""
    with served("--clock", "manual") as announced:
        headers = {"Authorization": f"Bearer {announced['token']}"}
        with httpx.Client(base_url=announced["url"], headers=headers, trust_env=False) as client:
            for skip in range(0, _RUNS, 7):
                lost = {"kind": LostResponse.kind, "route": "runs/submit", "skip": skip * 2, "times": 1}
                refused = {"kind": StatusFault.kind, "route": "runs/submit", "skip": skip * 3, "times": 1}
                for fault in (lost, refused | {"status_code": 503}):
                    client.post("/__dbx/faults", json=fault).raise_for_status()
            body = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/soak"}}
            ids = [
                _post(client, "/api/2.1/jobs/runs/submit", body | {"idempotency_token": str(number)})[
                    "run_id"
                ]
                for number in range(_RUNS)
            ]
            assert len(set(ids)) == _RUNS
            client.post("/__dbx/clock", json={"advance": "1h"}).raise_for_status()
            listed = client.get("/api/2.1/jobs/runs/list", params={"active_only": "true"}).json()
            assert listed == {"has_more": False}
