"""The door for httpx."""

from __future__ import annotations

import httpx
import pytest

from dbx_emulator import LostResponse, StatusFault, Workspace
from tests.emulator.support import flat_body

_SUBMIT = "/api/2.1/jobs/runs/submit"


def test_transport_serves_a_sync_client(workspace: Workspace) -> None:
    """A client with the workspace's transport submits a run, and the response is a real one."""
    with httpx.Client(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        response = client.post(_SUBMIT, json=flat_body())
    assert (response.status_code, response.json()) == (200, {"run_id": 400_000_000_000_001})
    assert response.headers == {"content-type": "application/json", "content-length": "26"}
    assert len(workspace.runs) == 1


def test_head_of_an_answer_is_the_clients_own(workspace: Workspace) -> None:
    """What a client does to the headers of one response shows in no other."""
    with httpx.Client(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        client.get("/api/2.1/jobs/runs/list").headers["content-type"] = "text/plain"
        assert client.get("/api/2.1/jobs/runs/list").headers["content-type"] == "application/json"


@pytest.mark.asyncio
async def test_transport_serves_an_async_client(workspace: Workspace) -> None:
    """The same transport serves an async client, with a body that comes in pieces."""

    async def pieces() -> object:
        yield b'{"run_name": "x", "existing_cluster_id": "c",'
        yield b'"sql_task": {"warehouse_id": "w"}}'

    async with httpx.AsyncClient(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        response = await client.post(_SUBMIT, content=pieces())  # type: ignore[arg-type]
        run_id = response.json()["run_id"]
        shown = await client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id})
    assert (shown.status_code, shown.json()["run_name"]) == (200, "x")


def test_lost_response_is_a_read_error(workspace: Workspace) -> None:
    """The client sees what it sees when a connection breaks, and the error knows its request."""
    workspace.faults.add(LostResponse("runs/submit"))
    with (
        httpx.Client(transport=workspace.transport(), headers=workspace.headers) as client,
        pytest.raises(httpx.ReadError) as raised,
    ):
        client.post(workspace.url + _SUBMIT, json=flat_body())
    assert raised.value.request.url.path == _SUBMIT
    assert len(workspace.runs) == 1


@pytest.mark.asyncio
async def test_lost_response_is_a_read_error_to_an_async_client(workspace: Workspace) -> None:
    """Sync or async makes no difference."""
    workspace.faults.add(LostResponse("runs/submit"))
    async with httpx.AsyncClient(transport=workspace.transport(), headers=workspace.headers) as client:
        with pytest.raises(httpx.ReadError):
            await client.post(workspace.url + _SUBMIT, json=flat_body())
    assert len(workspace.runs) == 1


def test_headers_of_a_fault_reach_the_client(workspace: Workspace) -> None:
    """`Retry-After` is where a client looks for it."""
    workspace.faults.add(StatusFault("*", status_code=503, headers={"Retry-After": "7"}))
    with httpx.Client(transport=workspace.transport(), headers=workspace.headers) as client:
        response = client.get(workspace.url + "/api/2.1/jobs/runs/list")
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")


def test_path_and_query_arrive_as_they_are_on_the_wire(workspace: Workspace) -> None:
    """Percent-encoding is left for the engine to read."""
    with httpx.Client(transport=workspace.transport(), headers=workspace.headers) as client:
        response = client.get(workspace.url + "/api/2.1/jobs/runs/get%2Doutput?run_id=%35")
    assert response.status_code == 404
    assert workspace.journal[0].path == "/api/2.1/jobs/runs/get%2Doutput"
