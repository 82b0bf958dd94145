"""Each kind of fault, through every door: the same exception and the same number of runs afterwards."""

from __future__ import annotations

import contextlib

import httpx
import pytest

from dbx_emulator import (
    DriftFault,
    DuplicateDelivery,
    LostResponse,
    RateLimit,
    ReadLag,
    StatusFault,
    WireFault,
    Workspace,
)
from tests.emulator.support import Caller, flat_body, graph_body, task

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


def test_duplicate_delivery_makes_a_second_run_that_nobody_knows(door: Door) -> None:
    """The client gets the second answer; with a token there is one run after all."""
    door.workspace.faults.add(DuplicateDelivery("runs/submit", times=2))
    run_id = door.submit(flat_body())
    assert [run.run_id for run in door.workspace.runs][1:] == [run_id]
    door.submit(flat_body(idempotency_token="t"))
    assert len(door.workspace.runs) == 3


def test_effect_is_kept_when_an_error_comes_after_it(door: Door) -> None:
    """A 504 that says nothing of the run that was made."""
    door.workspace.faults.add(StatusFault("runs/submit", status_code=504, point="after_effect", times=1))
    assert door.post("runs/submit", flat_body()).status_code == 504
    assert len(door.workspace.runs) == 1


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_connection_breaks_before_the_effect(door: Door, how: str) -> None:
    """The client sees what it sees of a lost answer, and nothing was done."""
    door.workspace.faults.add(WireFault("runs/submit", how=how, point="before_handler", times=1))
    with pytest.raises(httpx.TransportError):
        door.post("runs/submit", flat_body())
    assert len(door.workspace.runs) == 0


def test_reads_lag_behind_writes(door: Door) -> None:
    """After a submit the run is not found at first; after a cancel the reader sees it as it was."""
    workspace = door.workspace
    with workspace.faults.armed(ReadLag(reads=2)):
        run_id = door.submit(flat_body())
        assert [door.get("runs/get", run_id=run_id).status_code for _ in range(3)] == [400, 400, 200]
    with workspace.faults.armed(ReadLag(how="stale")):
        before = door.run(run_id)
        door.post("runs/cancel", {"run_id": run_id})
        assert door.run(run_id) == before
        assert door.run(run_id)["state"]["life_cycle_state"] == "TERMINATING"


def test_answers_drift(door: Door) -> None:
    """A 200 of another shape, complete and well framed."""
    run_id = door.submit(flat_body())
    with door.workspace.faults.armed(DriftFault("runs/get", body={})):
        assert door.run(run_id) == {}
    with door.workspace.faults.armed(
        DriftFault("runs/get", replace={"state.life_cycle_state": "HIBERNATING"}, remove=["status"])
    ):
        shown = door.run(run_id)
    assert shown["state"]["life_cycle_state"] == "HIBERNATING"
    assert "status" not in shown


def test_rate_is_limited_in_virtual_time(door: Door) -> None:
    """The refusal says when the next call is taken, and then it is."""
    door.workspace.faults.add(RateLimit("runs/list", per_second=0.1))
    assert door.get("runs/list").status_code == 200
    refused = door.get("runs/list")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    door.workspace.clock.advance("10s")
    assert door.get("runs/list").status_code == 200


def test_redirect_leads_where_it_says(door: Door) -> None:
    """It has no body, and the page behind it is there for everybody."""
    door.workspace.faults.add(StatusFault("*", status_code=302, headers={"Location": "/login.html"}))
    response = door.get("runs/list")
    assert (response.status_code, response.headers["location"], response.content) == (302, "/login.html", b"")
    page = door.client.get("/login.html", headers={"Authorization": ""})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_same_seed_gives_the_same_journal(door: Door) -> None:
    """Chaos through any door is the chaos that the workspace has without one."""
    twin, chaos = Caller(Workspace()), door.workspace
    for workspace in (twin.workspace, chaos):
        workspace.faults.add(LostResponse("*", probability=0.2))
        workspace.faults.apply("throttled", "schema_drift")
    for number in range(15):
        twin.reply("POST", "runs/submit", flat_body(f"run {number % 3}"))
        twin.reply("GET", "runs/list")
        for method, endpoint, body in (
            ("POST", "runs/submit", flat_body(f"run {number % 3}")),
            ("GET", "runs/list", None),
        ):
            with contextlib.suppress(httpx.ReadError):
                door.client.request(method, f"/api/2.1/jobs/{endpoint}", json=body)
        twin.workspace.clock.advance("3s")
        chaos.clock.advance("3s")
    assert chaos.journal.export() == twin.workspace.journal.export()
    assert b'"fault":"lost_response"' in chaos.journal.export()
