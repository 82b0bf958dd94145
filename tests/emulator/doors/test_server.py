"""The server door."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from dbx_emulator import LostResponse, UsageError, Workspace
from dbx_emulator.doors.server import bind
from tests.emulator.support import environment, flat_body

_LIST = "/api/2.1/jobs/runs/list"


def test_server_listens_on_a_free_loopback_port(workspace: Workspace) -> None:
    """While the context is open it answers at its URL; afterwards nobody does, and no thread is left."""
    threads = threading.active_count()
    with workspace.serve() as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        response = httpx.get(server.url + _LIST, headers=workspace.headers)
        assert (response.status_code, response.json()) == (200, {"has_more": False})
        assert "server" not in response.headers
    assert threading.active_count() == threads
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + _LIST)


def test_server_listens_on_the_port_it_is_given(workspace: Workspace) -> None:
    """A port that was free a moment ago is taken, and can be taken again afterwards."""
    with workspace.serve() as server:
        port = server.port
    for _ in range(2):
        with workspace.serve(port=port) as server:
            assert server.port == port
            assert httpx.get(server.url + _LIST, headers=workspace.headers).status_code == 200


def test_port_in_use_is_told_with_a_remedy(workspace: Workspace) -> None:
    """One line says which port and what to do."""
    with (
        workspace.serve() as server,
        pytest.raises(UsageError, match=f"port {server.port} .* is in use; .*--port 0"),
    ):
        Workspace().serve(port=server.port).__enter__()


@pytest.mark.parametrize(
    ("host", "port"),
    [
        pytest.param("192.0.2.1", 0, id="address-of-another-machine"),
        pytest.param("127.0.0.1", 65_536, id="no-port"),
        pytest.param("no address", 0, id="no-address"),
    ],
)
def test_address_that_cannot_be_listened_on_is_told(host: str, port: int) -> None:
    """Any other reason is named as it is."""
    with pytest.raises(UsageError, match=f"cannot listen on {host} port {port}: "):
        bind(host, port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_bind_knows_ipv6() -> None:
    """An address with colons is one of IPv6."""
    try:
        listener = bind("::1", 0)
    except UsageError as error:
        pytest.skip(f"IPv6 is not configured on this machine: {error}")
    with listener:
        assert listener.family is socket.AF_INET6


def test_lost_response_is_a_reset_on_the_wire(workspace: Workspace) -> None:
    """The peer of a raw socket sees RST, not an orderly end, and the effect is kept."""
    workspace.faults.add(LostResponse("runs/submit"))
    body = httpx.Request("POST", "http://x", json=flat_body()).content
    head = (
        f"POST /api/2.1/jobs/runs/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {workspace.token}\r\n\r\n"
    ).encode()
    with workspace.serve() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head + body)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        assert len(workspace.runs) == 1
        assert httpx.get(server.url + _LIST, headers=workspace.headers).status_code == 200


def test_server_survives_what_is_no_http(workspace: Workspace) -> None:
    """Bytes that are no request are refused, and the next request is answered."""
    with workspace.serve() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"\x16\x03\x01 no http at all\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert httpx.get(server.url + _LIST, headers=workspace.headers).status_code == 200


def test_server_checks_the_host_header(workspace: Workspace) -> None:
    """Called by a name that is not of the loopback interface it does not answer."""
    with workspace.serve() as server:
        refused = httpx.get(server.url + _LIST, headers=workspace.headers | {"Host": "evil.example"})
        assert (refused.status_code, refused.json()["error_code"]) == (400, "BAD_REQUEST")
    assert len(workspace.journal) == 0


_SERVE_HERE = """
import sys
from dbx_emulator import Workspace
from dbx_emulator.doors.server import bind, serve_here
host, allowed = sys.argv[1], frozenset(sys.argv[2:])
listener = bind(host, 0)
serve_here(
    Workspace(), listener, allowed_hosts=allowed,
    on_ready=lambda: print(listener.getsockname()[1], flush=True),
)
print("returned", flush=True)
"""


@pytest.mark.parametrize(
    ("host", "allowed", "name", "status_code"),
    [
        pytest.param("127.0.0.1", [], "localhost", 200, id="loopback"),
        pytest.param("127.0.0.1", [], "dbx", 400, id="loopback-by-another-name"),
        pytest.param("127.0.0.1", ["dbx"], "dbx", 200, id="loopback-by-an-allowed-name"),
        pytest.param("0.0.0.0", [], "dbx", 200, id="everywhere"),
        pytest.param("0.0.0.0", ["dbx"], "other", 400, id="everywhere-by-another-name"),
    ],
)
def test_server_in_the_foreground_serves_until_it_is_told_to_stop(
    host: str, allowed: list[str], name: str, status_code: int
) -> None:
    """It says when it is ready, answers by the names it may be called, and returns on SIGINT and SIGTERM."""
    number = signal.SIGINT if host == "127.0.0.1" else signal.SIGTERM
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE_HERE, host, *allowed],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            response = httpx.get(f"http://127.0.0.1:{port}/__dbx/health", headers={"Host": name})
            assert response.status_code == status_code
            process.send_signal(number)
            assert process.communicate(timeout=30)[0] == "returned\n"
        finally:
            process.kill()
    assert process.returncode == 0
