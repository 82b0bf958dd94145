"""`dbx-agent serve` as a process, called over real gRPC as Flyte's engine calls it."""

from __future__ import annotations

import json
import re
import signal
import socket
from typing import Any, BinaryIO

import grpc
import httpx
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub, AsyncAgentServiceStub
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from dbx_agent.errors import ConfigurationError
from dbx_agent.serve import ServeOptions
from dbx_agent.serve import serve as serve_agents
from dbx_agent.settings import Settings
from dbx_emulator import LostResponse, Outcome, StatusFault, Workspace

from .serving import (
    DEADLINE_SECONDS,
    LIVENESS,
    READY_TOGETHER,
    create,
    create_request,
    get,
    is_serving,
    run_to_its_end,
    serve,
    started,
)

pytestmark = pytest.mark.flyte


def _read_to_end(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _read_request(requests: BinaryIO) -> bytes:
    """Read one request to its end and return its first line."""
    first, length = requests.readline(), 0
    while header := requests.readline().strip():
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    requests.read(length)
    return first


def _answer(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _phase(resource: Any) -> str:
    return str(TaskExecution.Phase.Name(resource.phase))


def test_the_service_lists_creates_gets_and_deletes() -> None:
    """One claim per task type; a lost answer and a throttled poll in between; the second attempt succeeds."""
    workspace = Workspace()
    workspace.scenarios.add(
        "*", [Outcome(queue="30s", run="40m", termination_code="CLOUD_FAILURE"), Outcome()]
    )
    workspace.faults.add(LostResponse("runs/submit", times=1))
    workspace.faults.add(StatusFault("runs/get", status_code=429, headers={"Retry-After": "1"}, times=1))
    with (
        workspace.serve() as server,
        serve(server.url, workspace.token) as (_, address),
        grpc.insecure_channel(address) as channel,
    ):
        agents = AgentMetadataServiceStub(channel).ListAgents(agent_pb2.ListAgentsRequest()).agents
        assert {
            agent.name: [category.name for category in agent.supported_task_categories]
            for agent in agents
            if agent.name != "Sensor"
        } == {"Databricks Agent": ["spark", "databricks"]}
        stub = AsyncAgentServiceStub(channel)
        first = create(stub, attempt=0)
        phases = [_phase(get(stub, first))]
        # The task's own `max_retries` makes the service try once more, before Flyte does.
        workspace.clock.advance("2h")
        phases.append(_phase(get(stub, first)))
        second = create(stub, attempt=1)
        workspace.clock.advance("1h")
        done = get(stub, second)
        phases.append(_phase(done))
        assert phases == ["QUEUED", "RETRYABLE_FAILED", "SUCCEEDED"]
        assert [link.name for link in done.log_links] == ["Databricks Console", "Driver logs", "Spark UI"]
        third = create(stub, attempt=2)
        category = agent_pb2.TaskCategory(name="databricks", version=0)
        stub.DeleteTask(agent_pb2.DeleteTaskRequest(task_category=category, resource_meta=third))
        workspace.clock.advance("1h")
        assert get(stub, third).message.startswith("USER_CANCELED")
    submits = workspace.journal.calls("runs/submit")
    assert (len(submits), len(workspace.runs)) == (4, 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_cleanly(number: signal.Signals) -> None:
    """Exit status 0, and a log that says so and holds no traceback."""
    with serve("http://127.0.0.1:9", "t", "--grace", "3") as (process, _):
        process.send_signal(number)
        out, error = process.communicate(timeout=DEADLINE_SECONDS)
        assert (process.returncode, out) == (0, "")
    said = [line.partition(" INFO ")[2] for line in error.splitlines()]
    assert said[-2:] == ["stopping: calls under way have 3 s to end", "stopped"]
    assert said[:-2] in ([], ["ready"]), "a signal may come before the first check"


@pytest.mark.once
def test_a_taken_port_is_one_line() -> None:
    """Exit status 2, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_to_its_end("--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"dbx-agent: cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another with --host or --port; 0 is any free port.\n"
    )


@pytest.mark.once
def test_the_port_is_taken_for_good() -> None:
    """Not even a socket that asks to share it gets it."""
    with serve("http://127.0.0.1:9", "t") as (_, address), socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            rival.bind(("127.0.0.1", int(address.rpartition(":")[2])))


def test_a_submit_on_its_way_outlives_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller is gone; the workspace still gets the time to answer, and its run is cancelled."""
    for limit in ("CREATE_BUDGET", "REQUEST_TIMEOUT"):
        monkeypatch.setenv(f"DBX_AGENT_{limit}_SECONDS", str(DEADLINE_SECONDS))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_SECONDS)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            serve(url, "t", "--grace", str(DEADLINE_SECONDS)) as (process, address),
            grpc.insecure_channel(address) as channel,
        ):
            call = AsyncAgentServiceStub(channel).CreateTask.future(create_request(attempt=0))
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(DEADLINE_SECONDS)
                assert connection.recv(100).startswith(b"POST /api/2.1/jobs/runs/submit ")
                call.cancel()
                process.send_signal(signal.SIGTERM)
                connection.settimeout(1.0)
                # A process that ends closes the connection; one that waits for the answer says nothing.
                with pytest.raises(TimeoutError):
                    _read_to_end(connection)
                connection.settimeout(DEADLINE_SECONDS)
                _answer(connection, b'{"run_id": 7}')
                with connection.makefile("rb") as requests:
                    assert _read_request(requests).startswith(b"POST /api/2.1/jobs/runs/cancel ")
                    _answer(connection, b"{}")
                    assert _read_request(requests).startswith(b"GET /api/2.2/jobs/runs/get?run_id=7 ")
                    _answer(connection, b'{"state": {"life_cycle_state": "TERMINATING"}}')
                assert process.wait(timeout=DEADLINE_SECONDS) == 0


@pytest.mark.once
def test_whoever_watches_its_health_is_told_and_does_not_hold_the_stop() -> None:
    """A stream that a client leaves open ends with the last it has to say, and with it the process: at once."""
    names = ("", LIVENESS, "no.Service")
    with (
        serve("http://127.0.0.1:9", "t", "--grace", "600") as (process, address),
        grpc.insecure_channel(address) as channel,
    ):
        watches = [_watch(channel, name) for name in names]
        first = [next(watch).status for watch in watches]
        given_up = _watch(channel, "")
        next(given_up)
        given_up.cancel()
        process.send_signal(signal.SIGTERM)
        last = [[answer.status for answer in watch] for watch in watches]
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
    said = health_pb2.HealthCheckResponse
    assert first == [said.SERVING, said.SERVING, said.SERVICE_UNKNOWN]
    assert last == [[said.NOT_SERVING], [], []]
    assert (process.returncode, "Traceback" in error) == (0, False), error


def _watch(channel: grpc.Channel, name: str) -> Any:
    return HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_SECONDS)


@pytest.mark.asyncio
async def test_a_grace_that_cuts_creates_off_is_refused() -> None:
    """A stop could leave a run that nobody knows; the message names both values."""
    options = ServeOptions(port=0, grace_seconds=0)
    with pytest.raises(ConfigurationError) as caught:
        await serve_agents(Settings(), options, announce=print)
    assert str(caught.value) == (
        "--grace is 0 s and DBX_AGENT_CREATE_BUDGET_SECONDS is 2.5 s: a create that a stop cuts off can leave a "
        "run that nobody knows. Raise --grace, or lower the other."
    )


def test_without_a_token_it_is_alive_and_not_ready() -> None:
    """A secret may be mounted later; an operator who forgot it learns so at once, and no call comes astray."""
    with serve("http://127.0.0.1:9", "") as (process, address):
        with grpc.insecure_channel(address) as channel:
            health = HealthStub(channel)
            assert is_serving(health, LIVENESS)
            assert not any(is_serving(health, name) for name in READY_TOGETHER)
            with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
                is_serving(health, "no.Service")
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert error.splitlines()[0].partition(" WARNING ")[2] == (
        "not ready: There is no Databricks token. Provide the secret FLYTE_DATABRICKS_ACCESS_TOKEN to the agent: "
        "the variable _FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN, or the file "
        "/etc/secrets/flyte_databricks_access_token. It is asked again every 5 s."
    )


def test_a_deployment_is_told_by_health_metrics_and_json_lines() -> None:
    """Ready and alive; flytekit's counters under its own names; each line of the log is an object."""
    workspace = Workspace()
    options = ("--metrics-port", "0", "--log-format", "json", "--task-types", "databricks")
    with (
        workspace.serve() as server,
        started(server.url, workspace.token, *options) as process,
    ):
        assert process.stderr is not None
        said: list[dict[str, str]] = []
        while not any(line["message"].startswith("metrics on ") for line in said):
            said.append(json.loads(process.stderr.readline()))
        told = {line["message"].partition(" on ")[0]: line["message"].partition(" on ")[2] for line in said}
        with grpc.insecure_channel(told["listening"]) as channel:
            health = HealthStub(channel)
            assert all(is_serving(health, name) for name in (*READY_TOGETHER, LIVENESS))
            agents = AgentMetadataServiceStub(channel).ListAgents(agent_pb2.ListAgentsRequest()).agents
            claimed = {agent.name: list(agent.supported_task_types) for agent in agents}
            assert claimed["Databricks Agent"] == ["databricks"]
            create(AsyncAgentServiceStub(channel), attempt=0)
        metrics = httpx.get(told["metrics"], trust_env=False).text
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert re.search(
        r'^flyte_(agent|connector)_requests_success_total\{operation="create",task_type="databricks"\} 1\.0$',
        metrics,
        re.MULTILINE,
    )
    said += [json.loads(line) for line in error.splitlines()]
    # asyncio has a word of its own after it where it is asked to debug.
    ours = [line["message"] for line in said if line["logger"] == "flytekit.dbx_agent"]
    assert (process.returncode, out, ours[-1]) == (0, "", "stopped")
    assert all(line.keys() == {"time", "level", "logger", "message"} for line in said)


@pytest.mark.once
def test_a_taken_port_for_metrics_is_one_line() -> None:
    """As one for calls."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_to_its_end("--port", "0", "--metrics-port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"dbx-agent: cannot listen on 127.0.0.1:{port} for metrics: Address already in use. Choose another port "
        "with --metrics-port; 0 is any free port.\n"
    )


@pytest.mark.once
def test_a_second_server_does_not_share_the_port() -> None:
    """GRPC alone would let it, and half of the calls would go astray."""
    with serve("http://127.0.0.1:9", "t") as (_, address):
        done = run_to_its_end("--port", address.rpartition(":")[2])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.once
@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64])
def test_an_address_of_no_machine_is_one_line(host: str) -> None:
    """As a taken port; a name that cannot even be asked for is no traceback."""
    done = run_to_its_end("--host", host, "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"cannot listen on {host}:0: " in done.stderr
