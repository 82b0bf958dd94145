"""HTTPS with a generated authority: in a thread and as a process, the same service and the same trouble."""

from __future__ import annotations

import json
import re
import shlex
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import ResourceDoesNotExist

from dbx_emulator import UsageError, WireFault, Workspace
from dbx_emulator._core.faults.wire import WIRE_KINDS
from dbx_emulator.doors.server import RunningServer
from tests.e2e.processes import run_command, spawned
from tests.e2e.tls_connection import TlsConnection, opened
from tests.emulator.support import flat_body

_LIST = "/api/2.2/jobs/runs/list"
_SUBMIT = "/api/2.1/jobs/runs/submit"


def _context(server: RunningServer) -> ssl.SSLContext | bool:
    return True if server.ca_pem is None else ssl.create_default_context(cadata=server.ca_pem.decode())


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that ask the environment find no way around."""
    monkeypatch.setenv("NO_PROXY", "*")


def test_client_that_trusts_the_authority_is_served() -> None:
    """The certificate names both spellings of the loopback interface."""
    workspace = Workspace()
    with workspace.serve(tls=True) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        with httpx.Client(verify=_context(server), headers=workspace.headers, trust_env=False) as client:
            for url in (server.url, f"https://localhost:{server.port}"):
                assert client.get(url + _LIST).json() == {"has_more": False}


def test_client_that_does_not_trust_the_authority_is_warned() -> None:
    """Nothing on this machine trusts it by itself."""
    with (
        Workspace().serve(tls=True) as server,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        httpx.get(server.url, trust_env=False)


def test_server_answers_under_the_name_of_its_workspace() -> None:
    """A client that is led here by other means may call it by the workspace's own name."""
    workspace = Workspace("https://adb-7.12.azuredatabricks.net")
    with (
        workspace.serve(tls=True) as server,
        httpx.Client(verify=_context(server), trust_env=False) as client,
    ):
        response = client.get(
            server.url + _LIST,
            headers=workspace.headers | {"Host": workspace.host},
            extensions={"sni_hostname": workspace.host},
        )
    assert response.status_code == 200


def test_ca_file_is_what_other_clients_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_proxy: None
) -> None:
    """The unmodified SDK trusts the server by the variable that requests reads."""
    workspace = Workspace()
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "no-such-file")
    with workspace.serve(tls=True) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.write_ca_file(tmp_path / "ca.pem")))
        client = WorkspaceClient(host=server.url, token=workspace.token)
        with pytest.raises(ResourceDoesNotExist, match="Run 7 does not exist"):
            client.jobs.get_run(run_id=7)


def test_server_without_tls_has_no_ca_file(tmp_path: Path) -> None:
    """There is nothing to trust, and that is said."""
    with Workspace().serve() as server, pytest.raises(UsageError, match="is served without TLS"):
        server.write_ca_file(tmp_path / "ca.pem")


def test_server_stops_while_clients_are_connected() -> None:
    """Neither an idle connection nor one that waits for an answer outlives the server."""
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/get", how="hang"))
    with ExitStack() as stack:
        with workspace.serve(tls=True) as server:
            idle, waiting = (stack.enter_context(opened(server)) for _ in range(2))
            waiting.send(_get(workspace, "/api/2.2/jobs/runs/get?run_id=1"))
            idle.send(_get(workspace, _LIST))
            assert idle.read_until(b"}").endswith(b'{"has_more":false}')
        idle.read_to_end()
        waiting.read_to_end()


@pytest.mark.parametrize("how", ["reset", "reset_in_body"])
def test_reset_under_tls_is_a_reset(how: str) -> None:
    """What is sent below TLS is RST."""
    with _struck(how) as connection, pytest.raises(ConnectionResetError):
        connection.read_to_end()


@pytest.mark.parametrize("how", ["closed", "truncated", "wrong_length", "garbage"])
def test_orderly_end_under_tls_says_goodbye(how: str) -> None:
    """The end is announced within TLS, so that no client takes it for an attack."""
    with _struck(how) as connection:
        connection.read_to_end()
        assert connection.has_said_goodbye


@contextmanager
def _struck(how: str) -> Iterator[TlsConnection]:
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/list", how=how))
    with workspace.serve(tls=True) as server, opened(server) as connection:
        connection.send(_get(workspace, _LIST))
        yield connection


def _get(workspace: Workspace, target: str) -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {workspace.token}\r\n\r\n"
    ).encode()


def _post_with_httpx(server: RunningServer, workspace: Workspace, _folder: Path) -> None:
    with httpx.Client(verify=_context(server), timeout=0.3, trust_env=False) as client:
        client.post(server.url + _SUBMIT, json=flat_body(), headers=workspace.headers)


def _post_with_requests(server: RunningServer, workspace: Workspace, folder: Path) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(server.write_ca_file(folder / "ca.pem")) if server.ca_pem else True
        session.post(server.url + _SUBMIT, json=flat_body(), headers=workspace.headers, timeout=0.3)


@pytest.mark.parametrize("post", [_post_with_httpx, _post_with_requests])
@pytest.mark.parametrize("kind", WIRE_KINDS)
def test_broken_answers_over_tls_look_as_without(kind: str, post: object, tmp_path: Path) -> None:
    """The client's exception and the number of runs are the same."""
    assert callable(post)
    outcomes = []
    for tls in (False, True):
        workspace = Workspace()
        workspace.faults.add(WireFault("runs/submit", how=kind, delay="1h" if kind == "late" else 0))
        seen: type[Exception] | None = None
        with workspace.serve(tls=tls) as server:
            try:
                post(server, workspace, tmp_path)
            except Exception as error:  # noqa: BLE001 - which one is the question
                seen = type(error)
        # Python's ssl module reports a reset as an end of file under OpenSSL 3, and httpx has a name for each.
        is_reset = kind.startswith("reset") and seen in (httpx.ReadError, httpx.RemoteProtocolError)
        outcomes.append(("reset" if is_reset else seen, len(workspace.runs)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == 1


@contextmanager
def _announced(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    with spawned("dbx_emulator", "serve", "--port", "0", "--tls", "--json", *options) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())


def _status(announced: dict[str, str]) -> int:
    headers = {"Authorization": f"Bearer {announced['token']}"}
    context = ssl.create_default_context(cafile=announced["ca_file"])
    return httpx.get(announced["url"] + _LIST, headers=headers, verify=context, trust_env=False).status_code


def test_serve_tls_removes_its_ca_file_at_the_end() -> None:
    """The file is there as long as the server is, and nothing complains when both go."""
    with _announced() as (process, announced):
        assert announced["url"].startswith("https://127.0.0.1:")
        assert _status(announced) == 200
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")
        assert not Path(announced["ca_file"]).parent.exists()


def test_serve_tls_writes_the_ca_file_it_is_told_to(tmp_path: Path) -> None:
    """A file that was named stays, for whoever named it."""
    path = tmp_path / "ca.pem"
    with _announced("--ca-file", str(path)) as (process, announced):
        assert announced["ca_file"] == str(path)
        assert _status(announced) == 200
        process.terminate()
        process.communicate(timeout=30)
    assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_serve_tls_says_how_to_trust_it() -> None:
    """The variables and the option of curl name the file."""
    with spawned("dbx_emulator", "serve", "--port", "0", "--tls") as process:
        assert process.stdout is not None
        lines = [shlex.split(process.stdout.readline()) for _ in range(5)]
    (path,) = {word.partition("=")[2] for word in lines[3] if "=" in word}
    assert lines[3] == ["trust", "export", f"SSL_CERT_FILE={path}", f"REQUESTS_CA_BUNDLE={path}"]
    assert lines[4][:4] == ["try", "curl", "--cacert", path]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param(
            ["--ca-file", "ca.pem"], "Error: --ca-file names what clients .*; add --tls\n", id="no-tls"
        ),
        pytest.param(
            ["--tls", "--ca-file", "no/such/ca.pem"],
            "Error: cannot write .*/no/such/ca.pem: No such file or directory\n",
            id="no-folder",
        ),
        pytest.param(
            ["--tls", "--allow-host", "under_score"],
            "Error: host: a certificate cannot name it: .*under_score.*\n",
            id="no-host-name",
        ),
    ],
)
def test_serve_tls_refuses_what_cannot_be(
    options: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that names the way out, and exit status 2."""
    monkeypatch.chdir(tmp_path)
    done = run_command("dbx_emulator", "serve", "--port", "0", *options)
    assert done.returncode == 2
    assert re.fullmatch(complaint, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_serve_tls_without_its_library_is_one_line_and_exit_2() -> None:
    """What is missing is named together with how to get it."""
    program = "import sys; sys.modules['trustme'] = None; from dbx_emulator.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", "--tls", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert re.fullmatch("Error: --tls: .* needs trustme, which is not installed; .*\n", done.stderr)
