"""Each kind of fault, through every door: the same exception and the same number of runs afterwards."""

from __future__ import annotations

import httpx
import pytest

from dbx_emulator import LostResponse, StatusFault
from tests.emulator.support import flat_body, graph_body, task

from .conftest import Door, Json

_BODIES = [
    pytest.param(flat_body(), id="flat"),
    pytest.param(graph_body(task("a"), task("b", "a")), id="graph"),
]


@pytest.mark.parametrize("body", _BODIES)
def test_lost_response_is_a_read_error_and_leaves_a_run(door: Door, body: Json) -> None:
    """The run is made and the client does not hear of it; without a token the next submit makes a second one."""
    door.workspace.faults.add(LostResponse("runs/submit", times=1))
    with pytest.raises(httpx.ReadError) as raised:
        door.post("runs/submit", body)
    assert type(raised.value) is httpx.ReadError
    assert len(door.workspace.runs) == 1
    door.submit(body)
    assert len(door.workspace.runs) == 2


@pytest.mark.fact("runs.submit.idempotency")
def test_lost_response_with_a_token_leaves_one_run(door: Door) -> None:
    """This is what a token is for."""
    door.workspace.faults.add(LostResponse("runs/submit", times=2))
    body = flat_body(idempotency_token="t")
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            door.post("runs/submit", body)
    run_id = door.submit(body)
    assert [run.run_id for run in door.workspace.runs] == [run_id]
    assert [entry.fault for entry in door.workspace.journal] == ["lost_response", "lost_response", None]


@pytest.mark.parametrize("endpoint", ["runs/get", "runs/list", "runs/get-output"])
def test_lost_response_strikes_reads(door: Door, endpoint: str) -> None:
    """A poll that is lost is lost alike, and the next one is answered."""
    run_id = door.submit(flat_body())
    door.workspace.faults.add(LostResponse(endpoint, times=1))
    with pytest.raises(httpx.ReadError):
        door.get(endpoint, run_id=run_id)
    assert door.get(endpoint, run_id=run_id).status_code == 200


def test_lost_response_of_a_cancel_keeps_its_effect(door: Door) -> None:
    """The run is being cancelled although nobody was told."""
    run_id = door.submit(flat_body())
    door.workspace.faults.add(LostResponse("runs/cancel", times=1))
    with pytest.raises(httpx.ReadError):
        door.post("runs/cancel", {"run_id": run_id})
    assert door.run(run_id)["state"]["life_cycle_state"] == "TERMINATING"


@pytest.mark.parametrize("status_code", [400, 401, 403, 404, 409, 429, 500, 501, 502, 503, 504])
def test_status_fault_answers_and_leaves_no_run(door: Door, status_code: int) -> None:
    """The error has the service's form and the fault's headers, and nothing was done."""
    door.workspace.faults.add(
        StatusFault("runs/submit", status_code=status_code, headers={"Retry-After": "3"}, times=1)
    )
    response = door.post("runs/submit", flat_body())
    assert (response.status_code, response.headers["retry-after"]) == (status_code, "3")
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error_code", "message", "details"}
    assert len(door.workspace.runs) == 0
    door.submit(flat_body())
    assert len(door.workspace.runs) == 1


@pytest.mark.asyncio
async def test_faults_reach_async_clients(door: Door) -> None:
    """The same two faults, awaited."""
    door.workspace.faults.add(LostResponse("runs/submit", times=1))
    door.workspace.faults.add(StatusFault("runs/list", status_code=503, times=1))
    async with door.async_client() as client:
        with pytest.raises(httpx.ReadError):
            await client.post("/api/2.1/jobs/runs/submit", json=flat_body())
        assert len(door.workspace.runs) == 1
        assert (await client.get("/api/2.1/jobs/runs/list")).status_code == 503
        assert (await client.get("/api/2.1/jobs/runs/list")).status_code == 200
