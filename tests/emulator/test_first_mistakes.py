"""What newcomers do, and what they are told or given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dbx_emulator import LostResponse, Outcome, StatusFault, UsageError, Workspace

NOTEBOOK = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
PYTHON = {"existing_cluster_id": "0101-1", "spark_python_task": {"python_file": "dbfs:/a.py"}}


def _client(workspace: Workspace) -> httpx.Client:
    return httpx.Client(transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers)


def _submit(client: httpx.Client, **body: object) -> int:
    run_id: int = client.post("/api/2.1/jobs/runs/submit", json=NOTEBOOK | body).json()["run_id"]
    return run_id


#: As somebody without a type checker calls them.
UNTYPED_STATUS: Any = StatusFault
UNTYPED_LOST: Any = LostResponse


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        pytest.param(lambda ws: ws.scenarios.add("n", Outcome()), r"write \[Outcome", id="one-outcome"),
        pytest.param(lambda ws: ws.scenarios.add("n", [{"run": "40m"}]), "is no Outcome", id="dict-outcome"),
        pytest.param(lambda ws: ws.faults.add(LostResponse), "make one, as in", id="fault-class"),
        pytest.param(lambda ws: ws.faults.add("runs/get"), "make one, as in", id="fault-route"),
        pytest.param(
            lambda ws: ws.faults.add(UNTYPED_LOST("/api/2.1/jobs/runs/get")), "nearest: runs/get", id="path"
        ),
        pytest.param(
            lambda _: UNTYPED_STATUS("runs/get", status_code="429"), "'429' is no status", id="status"
        ),
        pytest.param(
            lambda _: UNTYPED_STATUS("runs/get", status_code=429, headers={"Retry-After": 30}),
            "30 is no header line",
            id="header-number",
        ),
        pytest.param(
            lambda _: UNTYPED_STATUS("runs/get", status_code=429, headers={"Content-Length": "5"}),
            "frames the answer",
            id="header-framing",
        ),
        pytest.param(lambda _: UNTYPED_LOST("runs/get", skip="1"), "'1' is no count", id="skip"),
        pytest.param(lambda _: UNTYPED_LOST("runs/get", times=1.5), "1.5 is no count", id="times"),
        pytest.param(lambda _: Outcome(error="boom"), "RUN_EXECUTION_ERROR", id="error-of-a-success"),
    ],
)
def test_mistake_is_named_where_it_is_made(mistake: Callable[[Any], object], said: str) -> None:
    """The call that is wrong raises, and says how it is written right."""
    with pytest.raises(UsageError, match=said):
        mistake(Workspace())


def test_run_in_hand_moves_with_the_clock() -> None:
    """Whoever keeps a run sees it change when the clock is moved."""
    workspace = Workspace()
    with _client(workspace) as client:
        run = workspace.runs[_submit(client)]
    before = run.life_cycle_state
    workspace.clock.advance("1d")
    assert (before, run.life_cycle_state) == ("PENDING", "TERMINATED")
    assert run.timeline[-1].life_cycle_state == "TERMINATED"


@pytest.mark.parametrize(
    ("outcome", "is_cancelled"),
    [
        pytest.param(Outcome(run="24h", notebook_output="42", logs="done"), True, id="cancelled"),
        pytest.param(Outcome(termination_code="CLUSTER_ERROR"), False, id="never-began"),
    ],
)
@pytest.mark.parametrize("body", [pytest.param(NOTEBOOK, id="notebook"), pytest.param(PYTHON, id="python")])
def test_run_that_did_not_finish_its_work_has_no_output(
    body: dict[str, Any], outcome: Outcome, *, is_cancelled: bool
) -> None:
    """What a run would have said at its end, it has not said."""
    workspace = Workspace()
    workspace.scenarios.add("*", [outcome])
    with _client(workspace) as client:
        run_id = client.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"]
        workspace.clock.advance("1h")
        if is_cancelled:
            client.post("/api/2.1/jobs/runs/cancel", json={"run_id": run_id})
        workspace.clock.advance("1d")
        output = client.get("/api/2.1/jobs/runs/get-output", params={"run_id": run_id}).json()
    output.pop("metadata")
    assert output in ({}, {"notebook_output": {}})


def test_journal_is_read_while_calls_are_made() -> None:
    """A test looks at the journal while a server's thread writes it."""
    workspace = Workspace()
    is_over = threading.Event()

    def poll() -> None:
        with _client(workspace) as client:
            while not is_over.is_set():
                client.get("/api/2.1/jobs/runs/list")

    threads = [threading.Thread(target=poll) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while len(workspace.journal) < 500:
            assert len(workspace.journal.calls("runs/list")) <= len(workspace.journal)
            assert len(workspace.journal[:]) <= len(list(workspace.journal))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.fact("runs.list.filters")
def test_list_filters_by_job_type_and_start() -> None:
    """A filter leaves out what does not match, and a submitted run is of the type SUBMIT_RUN."""
    workspace = Workspace()
    with _client(workspace) as client:
        run_ids = []
        for _ in range(3):
            run_ids.append(_submit(client))
            workspace.clock.advance("1h")
        started = [workspace.runs[run_id].start_time_ms for run_id in run_ids]

        def listed(**filters: object) -> list[int]:
            answer = client.get("/api/2.1/jobs/runs/list", params={k: str(v) for k, v in filters.items()})
            return [run["run_id"] for run in answer.json().get("runs", [])]

        assert listed(job_id=workspace.runs[run_ids[1]].job_id) == [run_ids[1]]
        assert listed(run_type="SUBMIT_RUN") == run_ids[::-1]
        assert listed(run_type="JOB_RUN") == []
        assert listed(start_time_from=started[1]) == [run_ids[2], run_ids[1]]
        assert listed(start_time_to=started[1]) == [run_ids[1], run_ids[0]]
        assert listed(start_time_from=started[1], start_time_to=started[1]) == [run_ids[1]]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/__dbx"), ("GET", "/__dbx/runs"), ("PATCH", "/__dbx/clock")],
)
def test_unknown_control_call_lists_what_there_is(method: str, path: str) -> None:
    """It is no call of the code under test, so the journal leaves it out."""
    workspace = Workspace()
    with _client(workspace) as client:
        answer = client.request(method, path)
    assert answer.status_code == 404
    assert "POST /__dbx/clock" in answer.json()["message"]
    assert len(workspace.journal) == 0
