"""`dbx-emulator serve` as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from dbx_emulator import Timing, Workspace
from tests.e2e.processes import run_command, served, spawned
from tests.emulator.support import Caller


def _client(announced: dict[str, str]) -> httpx.Client:
    headers = {"Authorization": f"Bearer {announced['token']}"}
    return httpx.Client(base_url=announced["url"], headers=headers, trust_env=False)


def test_serve_can_be_scripted_and_moved_by_another_process() -> None:
    """Scenario, fault, clock and journal work over HTTP alone."""
    with served("--clock", "manual") as announced, _client(announced) as client:
        client.post(
            "/__dbx/scenarios",
            json={"match": "etl", "outcomes": [{"run": "24h", "termination_code": "DRIVER_ERROR"}]},
        ).raise_for_status()
        client.post(
            "/__dbx/faults", json={"kind": "status", "route": "runs/get", "status_code": 503, "times": 1}
        ).raise_for_status()
        body = {
            "run_name": "etl",
            "existing_cluster_id": "0101-1",
            "notebook_task": {"notebook_path": "/etl"},
        }
        run_id = client.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"]
        assert client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id}).status_code == 503
        client.post("/__dbx/clock", json={"advance": "25h"}).raise_for_status()
        run = client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id}).json()
        assert run["status"]["termination_details"]["code"] == "DRIVER_ERROR"
        assert run["run_page_url"].startswith(announced["url"])
        entries = client.get("/__dbx/journal").json()["entries"]
        assert [(entry["route"], entry["status_code"], entry["fault"]) for entry in entries] == [
            ("runs/submit", 200, None),
            ("runs/get", 503, "status"),
            ("runs/get", 200, None),
        ]


def test_serve_scaled_clock_moves_by_itself() -> None:
    """At a million virtual seconds in one, two requests do not see the same moment."""
    with served("--speed", "1000000") as announced, _client(announced) as client:
        first, second = (client.get("/__dbx/clock").json() for _ in range(2))
        assert first["policy"] == "scaled"
        assert second["now_ms"] > first["now_ms"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_cleanly(number: signal.Signals) -> None:
    """Either signal ends it with status 0 and not a word of complaint."""
    with spawned("dbx_emulator", "serve", "--port", "0") as process:
        assert process.stdout is not None
        assert "serves a Databricks workspace at" in process.stdout.readline()
        process.send_signal(number)
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")


def test_serve_port_in_use_is_one_line_and_exit_2() -> None:
    """A taken port is named together with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_command("dbx_emulator", "serve", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: port {port} on 127.0.0.1 is in use; choose another with --port, or --port 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("options", "word"),
    [
        pytest.param(["--speed", "0"], "speed", id="speed-0"),
        pytest.param(["--clock", "sundial"], "sundial", id="unknown-clock"),
        pytest.param(["--port", "99999"], "99999", id="no-port"),
        pytest.param(["--run", "soon"], "'soon' is no duration", id="no-duration"),
        pytest.param(["--cluster", "-1"], "is not between 0 and 100 years", id="negative-time"),
        pytest.param(["--seed", "x"], "--seed", id="no-seed"),
        pytest.param(["--scenarios", "none.yaml"], "none.yaml: cannot be read", id="no-file"),
        pytest.param(["--host", "203.0.113.1"], "203.0.113.1", id="not-our-address"),
    ],
)
def test_serve_refuses_bad_options(options: list[str], word: str) -> None:
    """What cannot be is named, with exit status 2."""
    done = run_command(
        "dbx_emulator", "serve", *(options if "--port" in options else ["--port", "0", *options])
    )
    assert done.returncode == 2
    assert word in done.stderr


def test_serve_options_can_come_from_the_environment() -> None:
    """Each option is also a variable, and several tokens open one workspace."""
    environment = {"DBX_EMULATOR_SERVE_PORT": "0", "DBX_EMULATOR_SERVE_TOKEN": "one two"}
    with spawned("dbx_emulator", environment=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        statuses = [
            httpx.get(
                f"{url}/api/2.2/jobs/runs/list",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            ).status_code
            for token in ("one", "two", "three")
        ]
    assert statuses == [200, 200, 403]


def test_serve_in_a_thread_answers_for_the_same_workspace() -> None:
    """What a test scripts in Python is what a client at the socket sees."""
    workspace = Workspace()
    with workspace.serve() as server:
        response = httpx.get(
            f"{server.url}/api/2.2/jobs/runs/list", headers=workspace.headers, trust_env=False
        )
    assert response.json() == {"has_more": False}
    assert [entry.route for entry in workspace.journal] == ["runs/list"]


def test_serve_gives_each_unknown_token_a_workspace_of_its_own() -> None:
    """Tests that run at the same time share a server and see only what is theirs."""
    body = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    with served("--clock", "manual") as announced:
        one, two = (_client(announced | {"token": token}) for token in ("one", "two"))
        with one, two:
            run_id = one.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"]
            one.post("/__dbx/clock", json={"advance": "1h"}).raise_for_status()
            assert [run["run_id"] for run in one.get("/api/2.1/jobs/runs/list").json()["runs"]] == [run_id]
            assert two.get("/api/2.1/jobs/runs/list").json() == {"has_more": False}
            times = [client.get("/__dbx/clock").json()["now_ms"] for client in (one, two)]
            assert times[0] - times[1] == 3_600_000


def test_serve_with_given_tokens_refuses_others() -> None:
    """Tokens that are given mean one workspace and only those tokens."""
    with served("--token", "mine") as announced, _client(announced | {"token": "yours"}) as client:
        assert client.get("/api/2.1/jobs/runs/list").status_code == 403


def test_serve_is_the_default_also_with_options() -> None:
    """The bare command serves, and so it does when it is given an option of `serve`."""
    with spawned("dbx_emulator", "--port", "0", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")


def test_serve_on_every_address_names_one_that_can_be_called() -> None:
    """A wildcard is where it listens, and not where anybody can call."""
    with served("--host", "0.0.0.0") as announced, _client(announced) as client:
        assert announced["url"].startswith("http://127.0.0.1:")
        assert client.get("/api/2.2/jobs/runs/list").status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 has to be configured first")
def test_serve_checks_the_host_on_every_loopback_address() -> None:
    """A page in a browser cannot reach it under a name of its own, whichever loopback address it listens on."""
    with served("--host", "127.0.0.2") as announced, _client(announced) as client:
        assert client.get("/__dbx/clock").status_code == 200
        assert client.get("/__dbx/clock", headers={"Host": "attacker.example"}).status_code == 400


def test_serve_gives_every_workspace_scenarios_times_and_seed(tmp_path: Path) -> None:
    """Files may be several; each workspace counts its own runs; a bare number is in seconds."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(
            f"scenarios: [{{match: {name}, outcomes: [{{termination_code: DRIVER_ERROR}}, {{}}]}}]"
        )
    files = [option for name in ("one", "two") for option in ("--scenarios", str(tmp_path / f"{name}.yaml"))]
    body = {"run_name": "two", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    times = ["--queue", "60", "--cluster", "uniform(1s, 1h)", "--run", "3h", "--terminating", "0"]
    with served("--clock", "manual", "--seed", "7", *files, *times) as announced:
        seen = []
        for token in ("one", "two"):
            with _client(announced | {"token": token}) as client:
                run_id = client.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"]
                assert len(client.get("/__dbx/scenarios").json()["scenarios"]) == 2
                client.post("/__dbx/clock", json={"advance": "1d"}).raise_for_status()
                run = client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id}).json()
            assert run["status"]["termination_details"]["code"] == "DRIVER_ERROR"
            seen.append([run["queue_duration"], run["setup_duration"], run["execution_duration"]])
        workspace = Workspace(seed=7, timing=Timing("60s", "uniform(1s, 1h)", "3h", 0))
        expected = workspace.runs[Caller(workspace).submit(body)].task_runs[0].times.cluster_ms
        assert seen == [[60_000, expected // 1_000 * 1_000, 10_800_000]] * 2


def test_serve_names_every_mistake_in_its_files(tmp_path: Path) -> None:
    """As `scenario check` does, before anything is opened."""
    path = tmp_path / "bad.yaml"
    path.write_text("scenarios: [{match: x, outcomes: [{rnu: 1, cluster: soon}]}, 5]")
    done = run_command("dbx_emulator", "serve", "--port", "0", "--scenarios", str(path))
    assert done.returncode == 2
    assert [line.rpartition(f"{path}:")[2].split(": ")[0] for line in done.stderr.splitlines()] == [
        "1:36",
        "1:62",
    ]
