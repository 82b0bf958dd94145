"""Small lives for the sweep's own tests."""

from __future__ import annotations

import ssl
import time

import httpx

from dbx_emulator import Workspace

__all__ = ["BODY", "client_of", "fire_and_forget", "persistent", "plain", "tokenless"]

BODY = {"run_name": "etl", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/etl"}}

_TLS = ssl.create_default_context()


def client_of(workspace: Workspace) -> httpx.Client:
    """Return a client as people make it."""
    return httpx.Client(
        base_url=f"{workspace.url}/api/2.1/jobs", headers=workspace.headers, timeout=20, verify=_TLS
    )


def _call(client: httpx.Client, method: str, endpoint: str, **options: object) -> httpx.Response:
    for _ in range(8):
        try:
            response = client.request(method, endpoint, **options)  # type: ignore[arg-type]
            if response.status_code == 200:
                return response
        except httpx.TransportError:
            pass
        time.sleep(20)  # noqa: TID251 - virtual
    raise RuntimeError(endpoint)


def persistent(workspace: Workspace, token: str | None = "etl") -> str:
    """See a run through, and try again whatever happens."""
    with client_of(workspace) as client:
        run_id = _call(client, "POST", "runs/submit", json=BODY | {"idempotency_token": token}).json()[
            "run_id"
        ]
        for _ in range(4):
            time.sleep(900)  # noqa: TID251 - virtual
            state = _call(client, "GET", "runs/get", params={"run_id": run_id}).json()["state"]
            if "result_state" in state:
                return str(state["result_state"])
        raise RuntimeError("too long")


def tokenless(workspace: Workspace) -> str:
    """The same without a token."""
    return persistent(workspace, None)


def plain(workspace: Workspace) -> str:
    """The same without any repetition."""
    with client_of(workspace) as client:
        run_id = client.post("runs/submit", json=BODY).raise_for_status().json()["run_id"]
        time.sleep(1_200)  # noqa: TID251 - virtual
        answer = client.get("runs/get", params={"run_id": run_id}).raise_for_status()
        return str(answer.json()["state"]["result_state"])


def fire_and_forget(workspace: Workspace) -> None:
    """Submit a run, and never look at it."""
    with client_of(workspace) as client:
        client.post("runs/submit", json=BODY)
