"""Each endpoint's main path, through every door and under every version."""

from __future__ import annotations

import pytest
from dirty_equals import IsPartialDict, IsPositiveInt

from tests.emulator.support import flat_body, graph_body, task

from .conftest import Door, Json

_BODIES = [
    pytest.param(flat_body(), id="flat"),
    pytest.param(graph_body(task("a"), task("b", "a")), id="graph"),
]


@pytest.mark.fact("routes.three-versions")
@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("body", _BODIES)
def test_run_lives_from_submit_to_success(door: Door, version: str, body: Json) -> None:
    """Submitted, pending, running, over: one run under one version, read at every stage."""
    submitted = door.post("runs/submit", body, version)
    assert (submitted.status_code, submitted.json()) == (200, {"run_id": IsPositiveInt})
    assert submitted.headers["content-type"] == "application/json"
    run_id = submitted.json()["run_id"]
    states = [door.run(run_id, version)["state"]["life_cycle_state"]]
    for _ in range(3):
        door.workspace.clock.advance("2m")
        states.append(door.run(run_id, version)["state"]["life_cycle_state"])
    door.workspace.clock.advance("1d")
    assert states[:2] == ["PENDING", "RUNNING"]
    assert door.run(run_id, version)["state"] == {
        "life_cycle_state": "TERMINATED",
        "result_state": "SUCCESS",
        "state_message": "",
        "user_cancelled_or_timedout": False,
    }


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("body", _BODIES)
def test_run_can_be_cancelled(door: Door, version: str, body: Json) -> None:
    """A cancel is answered at once and shows when the run is over."""
    run_id = door.submit(body, version)
    cancelled = door.post("runs/cancel", {"run_id": run_id}, version)
    assert (cancelled.status_code, cancelled.content) == (200, b"{}")
    door.workspace.clock.advance("2s")
    assert door.run(run_id, version)["state"]["result_state"] == "CANCELED"


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_runs_can_be_listed(door: Door, version: str) -> None:
    """Runs come newest first, page by page."""
    run_ids = [door.submit(body, version) for body in (flat_body(), graph_body(task("a")), flat_body())]
    first = door.get("runs/list", version, limit=2).json()
    assert first == {
        "runs": [IsPartialDict(run_id=run_ids[2]), IsPartialDict(run_id=run_ids[1])],
        "has_more": True,
        "next_page_token": first["next_page_token"],
    }
    second = door.get("runs/list", version, limit=2, page_token=first["next_page_token"]).json()
    assert second == {
        "runs": [IsPartialDict(run_id=run_ids[0])],
        "has_more": False,
        "prev_page_token": second["prev_page_token"],
    }
    back = door.get("runs/list", version, limit=2, page_token=second["prev_page_token"])
    assert back.json() == first


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_output_can_be_read_from_a_task_run(door: Door, version: str) -> None:
    """A flat run's id is its task's; a run with tasks has one id for each."""
    flat, graph = door.submit(flat_body(), version), door.submit(graph_body(task("a")), version)
    [a] = door.run(graph)["tasks"]
    for run_id in (flat, a["run_id"]):
        output = door.get("runs/get-output", version, run_id=run_id)
        assert (output.status_code, output.json()["metadata"]["run_id"]) == (200, run_id)
    assert door.get("runs/get-output", version, run_id=graph).status_code == 400


@pytest.mark.fact("runs.submit.idempotency")
@pytest.mark.parametrize("body", _BODIES)
def test_token_makes_one_run(door: Door, body: Json) -> None:
    """The same token is the same run, under whatever version it comes again."""
    with_token = body | {"idempotency_token": "t"}
    assert len({door.submit(with_token, version) for version in ("2.0", "2.1", "2.2")}) == 1
    assert len(door.workspace.runs) == 1


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_job_runs_and_is_repaired(door: Door, version: str) -> None:
    """Created, read, run, repaired, deleted: each endpoint of jobs that runs need."""
    created = door.post("create", {"name": "nightly", "tasks": [task("a")]}, version)
    assert (created.status_code, created.json()) == (200, {"job_id": IsPositiveInt})
    job_id = created.json()["job_id"]
    assert door.get("get", version, job_id=job_id).json()["settings"]["name"] == "nightly"
    run_id = door.post("run-now", {"job_id": job_id}, version).json()["run_id"]
    assert door.post("runs/cancel-all", {"job_id": job_id}, version).content == b"{}"
    door.workspace.clock.advance("1h")
    assert door.run(run_id, version)["state"]["result_state"] == "CANCELED"
    repaired = door.post("runs/repair", {"run_id": run_id, "rerun_all_failed_tasks": True}, version)
    assert (repaired.status_code, repaired.json()) == (200, {"repair_id": IsPositiveInt})
    door.workspace.clock.advance("1h")
    assert door.run(run_id, version)["state"]["result_state"] == "SUCCESS"
    [a] = door.run(run_id, version)["tasks"][1:]
    [view] = door.get("runs/export", version, run_id=a["run_id"]).json()["views"]
    assert view["type"] == "NOTEBOOK"
    assert door.post("runs/delete", {"run_id": run_id}, version).content == b"{}"
    assert door.get("runs/get", version, run_id=run_id).status_code == 400


def test_reading_twice_gives_the_same_bytes(door: Door) -> None:
    """Nothing about a poll shows in its answer."""
    run_id = door.submit(graph_body(task("a"), task("b", "a")))
    bodies = {door.get("runs/get", "2.2", run_id=run_id).content for _ in range(3)}
    assert len(bodies) == 1


@pytest.mark.fact("auth.host-metadata")
def test_host_metadata_needs_no_credentials(door: Door) -> None:
    """The SDK asks it before it has any."""
    response = door.client.get("/.well-known/databricks-config", headers={"Authorization": ""})
    assert (response.status_code, response.json()["workspace_id"]) == (200, "900800700600")


def test_workspace_can_be_steered(door: Door) -> None:
    """Scenario, fault, clock and journal: another process can do what a test in Python can."""
    client = door.client
    assert client.get("/__dbx/health").json()["status"] == "ok"
    outcomes = [{"termination_code": "CLOUD_FAILURE"}]
    client.post("/__dbx/scenarios", json={"match": "*", "outcomes": outcomes}).raise_for_status()
    fault = {"kind": "status", "route": "runs/get", "status_code": 429, "times": 1}
    client.post("/__dbx/faults", json=fault).raise_for_status()
    run_id = door.submit(flat_body())
    client.post("/__dbx/clock", json={"advance": "1h"}).raise_for_status()
    assert door.get("runs/get", run_id=run_id).status_code == 429
    assert door.run(run_id)["status"]["termination_details"]["code"] == "CLOUD_FAILURE"
    entries = client.get("/__dbx/journal").json()["entries"]
    assert [(entry["route"], entry["status_code"], entry["fault"]) for entry in entries] == [
        ("runs/submit", 200, None),
        ("runs/get", 429, "status"),
        ("runs/get", 200, None),
    ]
    for name in ("scenarios", "faults", "journal"):
        assert client.delete(f"/__dbx/{name}").json() == {}
        assert not any(client.get(f"/__dbx/{name}").json().values())
