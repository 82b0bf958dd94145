"""Clients of every kind, through every door: async ones, and many at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dbx_emulator import Outcome, Workspace
from tests.emulator.support import flat_body, graph_body, task

from .conftest import Door, Json

_SUBMIT = "/api/2.1/jobs/runs/submit"
_GET = "/api/2.1/jobs/runs/get"


@pytest.mark.asyncio
async def test_async_clients_run_side_by_side(door: Door) -> None:
    """Many awaited submits make as many runs, each with an id of its own."""
    async with door.async_client() as client:
        answers = await asyncio.gather(
            *(client.post(_SUBMIT, json=flat_body(f"run {each}")) for each in range(20))
        )
        run_ids = [answer.json()["run_id"] for answer in answers]
        shown = await asyncio.gather(*(client.get(_GET, params={"run_id": run_id}) for run_id in run_ids))
    assert len(set(run_ids)) == len(door.workspace.runs) == 20
    assert [each.json()["run_name"] for each in shown] == [f"run {each}" for each in range(20)]


def _is_of_one_moment(shown: Json) -> bool:
    """Return whether everything that a body says can be true at one time."""
    states = [shown["state"], *(each["state"] for each in shown["tasks"])]
    statuses = [shown["status"], *(each["status"] for each in shown["tasks"])]
    ends = [shown["end_time"], *(each["end_time"] for each in shown["tasks"])]
    are_over = ["result_state" in state for state in states]
    return (
        [end > 0 for end in ends] == are_over
        and [status["state"] == "TERMINATED" for status in statuses] == are_over
        and are_over[0] is all(are_over[1:])
        and (shown["tasks"][1]["state"]["life_cycle_state"] == "BLOCKED") is not are_over[1]
    )


def _poll(door: Door, run_id: int) -> list[Json]:
    """Read a run until it is over and return what was read."""
    bodies = [door.run(run_id)]
    while "result_state" not in bodies[-1]["state"]:
        bodies.append(door.run(run_id))
    return bodies


def _submit_ten(door: Door) -> list[int]:
    return [door.submit(flat_body(idempotency_token=f"token {index}")) for index in range(10)]


def test_concurrent_requests_each_see_one_state(door: Door) -> None:
    """While time moves and runs are made, every body is of one moment, and each token makes one run."""
    run_id = door.submit(graph_body(task("a"), task("b", "a")))
    with ThreadPoolExecutor(5) as threads:
        polls = [threads.submit(_poll, door, run_id) for _ in range(3)]
        submits = [threads.submit(_submit_ten, door) for _ in range(2)]
        for _ in range(400):
            door.workspace.clock.advance("1s")
    assert all(_is_of_one_moment(shown) for poll in polls for shown in poll.result())
    assert submits[0].result() == submits[1].result()
    assert len(door.workspace.runs) == 11


@pytest.mark.asyncio
async def test_asgi_application_gives_the_same_answers(door: Door) -> None:
    """Httpx's own ASGI transport on a second workspace of the same history gives the same bytes."""
    twin = Workspace()
    run_id = door.submit(graph_body(task("a"), task("b", "a")))
    transport = httpx.ASGITransport(twin.asgi())
    async with httpx.AsyncClient(transport=transport, base_url=twin.url, headers=twin.headers) as client:
        body = graph_body(task("a"), task("b", "a"))
        assert (await client.post(_SUBMIT, json=body)).json() == {"run_id": run_id}
        for _ in range(4):
            for target in (f"{_GET}?run_id={run_id}", "/api/2.1/jobs/runs/list", f"{_GET}?run_id=5"):
                mine, theirs = door.client.get(target), await client.get(target)
                assert (mine.status_code, mine.content) == (theirs.status_code, theirs.content)
            door.workspace.clock.advance("2m")
            twin.clock.advance("2m")


def test_host_header_of_a_loopback_name_is_accepted(door: Door) -> None:
    """The name by which a client calls a loopback port may be any of the interface's own."""
    for name in ("localhost", "127.0.0.1", "LOCALHOST:80"):
        assert door.client.get("/__dbx/health", headers={"Host": name}).status_code == 200


def test_run_without_duration_is_over_at_the_first_poll(door: Door) -> None:
    """A client must live with a run that is terminal before it asked once."""
    door.workspace.scenarios.add("*", [Outcome(queue=0, cluster=0, run=0, terminating=0)])
    assert door.run(door.submit(flat_body()))["state"]["result_state"] == "SUCCESS"
