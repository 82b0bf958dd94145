"""Servers whose listening socket is really closed, and what is counted where."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from dbx_emulator import Clock, ConnectionFault, RateLimit, UsageError, WireFault, Workspace, Workspaces
from dbx_emulator.doors.connections import Connections
from tests.emulator.support import send

_LIST = "/api/2.1/jobs/runs/list"
_DEADLINE_SECONDS = 20.0


def _client(url: str, workspace: Workspace) -> httpx.Client:
    return httpx.Client(base_url=url, headers=workspace.headers, trust_env=False)


def _wait_until(condition: Callable[[], bool]) -> None:
    """Poll what another thread is about to do."""
    started = time.perf_counter()
    while not condition():
        assert time.perf_counter() - started < _DEADLINE_SECONDS


def _is_refused(client: httpx.Client) -> bool:
    """Say whether a call is refused; one on a connection that is just ending is neither refused nor answered."""
    try:
        client.get(_LIST)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        pass
    return False


def _call_in_vain(client: httpx.Client) -> None:
    with pytest.raises(httpx.HTTPError):
        client.get(_LIST)


def test_gate_may_be_closed_before_the_server_starts() -> None:
    """Then it does not listen until the gate opens, on the port that it said."""
    workspace = Workspace()
    fault = workspace.faults.add(ConnectionFault())
    with workspace.serve() as server, _client(server.url, workspace) as client:
        assert _is_refused(client)
        workspace.faults.remove(fault)
        assert client.get(_LIST).status_code == 200


def test_server_may_end_while_the_gate_is_closed() -> None:
    """Nothing of it stays: the port can be had by another."""
    workspace = Workspace()
    with workspace.serve() as server:
        workspace.faults.add(ConnectionFault())
    workspace.faults.clear()
    with workspace.serve(port=server.port) as again, _client(again.url, workspace) as client:
        assert client.get(_LIST).status_code == 200


def test_gate_follows_a_clock_that_is_moved() -> None:
    """A window of virtual time closes and opens it, for a client that was there before, too."""
    workspace = Workspace()
    with workspace.serve() as server, _client(server.url, workspace) as client:
        workspace.faults.add(ConnectionFault(window=("10m", "25m")))
        found = [_is_refused(client)]
        for step in ("10m", "14m", "1m"):
            workspace.clock.advance(step)
            found.append(_is_refused(client))
    assert found == [False, True, True, False]


def test_gate_follows_a_clock_that_runs() -> None:
    """Time alone closes and opens it."""
    clock = Clock("scaled", speed=1_000, real_ms=lambda: time.perf_counter() * 1_000)
    workspace = Workspace(clock=clock)
    with workspace.serve() as server, _client(server.url, workspace) as client:
        workspace.faults.add(ConnectionFault(window=("5m", "10h")))
        _wait_until(lambda: _is_refused(client))
        # All but the last minutes at once, so that the test need not wait for hours either.
        clock.advance("9h50m")
        _wait_until(lambda: not _is_refused(client))


def test_gate_can_be_closed_over_http() -> None:
    """Whoever asked for it gets the answer, and then nobody gets in until it is over."""
    clock = Clock("scaled", speed=1_000, real_ms=lambda: time.perf_counter() * 1_000)
    workspace = Workspace(clock=clock)
    with workspace.serve() as server, _client(server.url, workspace) as client:
        body = {"kind": "connection", "window": ["0s", "10h"]}
        assert client.post("/__dbx/faults", json=body).status_code == 200
        _wait_until(lambda: _is_refused(client))
        clock.advance("10h")
        assert not _is_refused(client)


def test_gate_can_be_closed_by_a_call_without_any_door() -> None:
    """The server is told when the workspace can answer again, for it may be about to ask it."""
    workspace = Workspace()
    with workspace.serve() as server, _client(server.url, workspace) as client:
        workspace.faults.add(ConnectionFault(window=("1m", "2m")))
        assert send(workspace, "POST", "/__dbx/clock", b'{"advance":"1m"}').status_code == 200
        assert _is_refused(client)
        assert send(workspace, "POST", "/__dbx/clock", b'{"advance":"1m"}').status_code == 200
        assert not _is_refused(client)


def test_answer_that_is_under_way_is_given_before_the_connection_ends() -> None:
    """Nobody gets in any more, but who is in is served."""
    clock = Clock("scaled", speed=100, real_ms=lambda: time.perf_counter() * 1_000)
    workspace = Workspace(clock=clock)
    workspace.faults.add(WireFault("runs/list", delay="30s", times=1))
    answers: list[int] = []
    with workspace.serve() as server, _client(server.url, workspace) as client:
        asking = threading.Thread(target=lambda: answers.append(client.get(_LIST).status_code))
        asking.start()
        _wait_until(lambda: len(workspace.journal) == 1)
        workspace.faults.add(ConnectionFault())
        asking.join()
        with _client(server.url, workspace) as newcomer:
            assert (answers, _is_refused(newcomer)) == ([200], True)


def test_counted_refusals_are_resets_on_a_socket() -> None:
    """The machine counts nobody that it refuses, so the connection is accepted and reset."""
    workspace = Workspace()
    with workspace.serve() as server, _client(server.url, workspace) as client:
        fault = workspace.faults.add(ConnectionFault(times=2))
        for _ in range(2):
            with pytest.raises((httpx.ReadError, httpx.WriteError, httpx.ConnectError)):
                client.get(_LIST)
        assert client.get(_LIST).status_code == 200
        assert (fault.fired, len(workspace.journal)) == (2, 1)


def test_counted_refusals_in_process_are_refusals() -> None:
    """Where no machine is in between, each is counted and looks as it should."""
    workspace = Workspace()
    workspace.faults.add(ConnectionFault(times=2))
    with httpx.Client(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        assert [_is_refused(client) for _ in range(3)] == [True, True, False]


def test_counted_handshakes_are_refused_with_an_alert() -> None:
    """Each handshake asks anew."""
    workspace = Workspace()
    with workspace.serve(tls=True) as server:
        assert server.ca_pem is not None
        trusted = ssl.create_default_context(cadata=server.ca_pem.decode())
        fault = workspace.faults.add(ConnectionFault(how="tls", times=2))
        with httpx.Client(
            base_url=server.url, headers=workspace.headers, verify=trusted, trust_env=False
        ) as client:
            assert [_is_refused(client) for _ in range(3)] == [True, True, False]
        assert fault.fired == 2


def test_requests_under_way_are_counted() -> None:
    """One that is not answered yet fills the workspace for the next."""
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/list", how="hang", times=1))
    workspace.faults.add(RateLimit("runs/get", in_flight=1))
    with (
        workspace.serve() as server,
        _client(server.url, workspace) as client,
        _client(server.url, workspace) as other,
    ):
        asking = threading.Thread(target=_call_in_vain, args=(client,))
        asking.start()
        _wait_until(lambda: len(workspace.journal) == 1)
        answer = other.get("/api/2.1/jobs/runs/get?run_id=5")
        assert (answer.status_code, "concurrent limit of 1 requests" in answer.json()["message"]) == (
            429,
            True,
        )
        client.close()
        asking.join()
        _wait_until(lambda: other.get("/api/2.1/jobs/runs/get?run_id=5").status_code == 400)


def test_shared_server_is_closed_by_its_first_workspace_alone() -> None:
    """Its clients are those of all."""
    workspaces = Workspaces(Workspace(), make=lambda token: Workspace(token=token))
    first = next(iter(workspaces))
    assert workspaces.gate is first.gate
    second = Workspace("https://b.cloud.databricks.com", token="second")
    workspaces.add(second)
    with pytest.raises(UsageError, match="several workspaces share"):
        second.faults.add(ConnectionFault())
    first.faults.add(ConnectionFault())


def test_connections_are_kept_for_each_owner_and_workspace() -> None:
    """The first request opens one, further ones use it, until it ends or nobody gets in."""

    class Owner:
        pass

    connections, one, other = Connections(), Owner(), Owner()
    first, second = Workspace(), Workspace()
    found = [
        connections.open(owner, ws, is_tls=True) for owner, ws in ((one, first), (one, first), (other, first))
    ]
    assert found == [False, True, False]
    assert not connections.open(one, second, is_tls=True)
    connections.drop(one, first)
    assert not connections.open(one, first, is_tls=True)
    with first.faults.armed(ConnectionFault(how="tls")):
        assert connections.open(one, first, is_tls=False)
        with pytest.raises(ssl.SSLError):
            connections.open(one, first, is_tls=True)
    assert not connections.open(one, first, is_tls=True)
