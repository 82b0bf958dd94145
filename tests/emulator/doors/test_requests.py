"""The door for requests."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, SubmitTask
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from dbx_emulator import StatusFault, UsageError, WireFault, Workspace
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.faults import Gate
from tests.emulator.support import flat_body

from .teapot import teapot

_SUBMIT = "/api/2.1/jobs/runs/submit"
_LIST = "/api/2.1/jobs/runs/list"


def _session(workspace: Workspace, **options: Any) -> requests.Session:
    session = requests.Session()
    session.headers.update(workspace.headers)
    session.mount(workspace.url, workspace.requests_adapter(**options))
    return session


class _Recorder:
    """A handler that keeps what it was asked."""

    host = "two.example:8080"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(200, b"{}", ((b"content-type", b"application/json"),))

    def pass_time(self, ms: int) -> None:
        raise NotImplementedError

    @property
    def gate(self) -> Gate:
        """A gate that is open."""
        return Workspace().gate

    def hold(self, name: str) -> AbstractContextManager[object]:
        raise NotImplementedError

    def real_seconds(self, ms: int) -> float:
        raise NotImplementedError


def test_adapter_serves_a_session(workspace: Workspace) -> None:
    """A session with the workspace's adapter submits a run, and the response is a real one."""
    with _session(workspace) as session:
        response = session.post(workspace.url + _SUBMIT, json=flat_body())
    assert (response.status_code, response.reason) == (200, "OK")
    assert response.json() == {"run_id": 400_000_000_000_001}
    assert response.headers["Content-Type"] == "application/json"
    assert response.url == workspace.url + _SUBMIT
    assert len(workspace.runs) == 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: text, id="str"),
        pytest.param(lambda text: text.encode(), id="bytes"),
        pytest.param(lambda text: io.BytesIO(text.encode()), id="file"),
        pytest.param(lambda text: iter([text[:9].encode(), text[9:].encode()]), id="generator"),
    ],
)
def test_body_arrives_whatever_it_was_given_as(workspace: Workspace, make: Callable[[str], Any]) -> None:
    """A text, bytes, a file, or pieces that are sent in chunks."""
    with _session(workspace) as session:
        response = session.post(workspace.url + _SUBMIT, data=make(json.dumps(flat_body("x"))))
        shown = session.get(f"{workspace.url}/api/2.1/jobs/runs/get", params=response.json())
    assert (shown.status_code, shown.json()["run_name"]) == (200, "x")


def test_request_is_as_on_the_wire() -> None:
    """Target, host and the headers that the libraries add are what a server would read."""
    from dbx_emulator.doors._requests import RequestsAdapter

    recorder = _Recorder()
    with requests.Session() as session:
        session.mount("http://two.example:8080", RequestsAdapter(recorder))
        session.put("http://two.example:8080/a%2Fb?c=%20&d", data=b"ab", headers={"X-Y": "z"})
    (request,) = recorder.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a%2Fb?c=%20&d", b"ab")
    assert request.header(b"host") == b"two.example:8080"
    assert request.header(b"x-y") == b"z"
    assert request.header(b"content-length") == b"2"
    assert (request.header(b"user-agent") or b"").startswith(b"python-requests/")


def test_each_retry_is_a_call(workspace: Workspace) -> None:
    """urllib3's own retries are made and seen, after a status as after a broken connection."""
    workspace.faults.add(StatusFault("runs/list", status_code=503, times=1))
    workspace.faults.add(WireFault("runs/list", how="reset", times=1, skip=1))
    retry = Retry(total=3, status_forcelist=[503], backoff_factor=0)
    with _session(workspace, max_retries=retry) as session:
        assert session.get(workspace.url + _LIST).status_code == 200
    assert [entry.status_code for entry in workspace.journal] == [503, 200, 200]


def test_time_that_the_client_waits_passes_on_the_clock(workspace: Workspace) -> None:
    """The read timeout counts and not the one for connecting; the run is there afterwards."""
    workspace.faults.add(WireFault("runs/submit", how="hang"))
    before_ms = workspace.clock.now_ms
    with _session(workspace) as session, pytest.raises(requests.ReadTimeout) as raised:
        session.post(workspace.url + _SUBMIT, json=flat_body(), timeout=(1, 90))
    assert raised.value.request is not None
    assert raised.value.request.url == workspace.url + _SUBMIT
    assert 90_000 <= workspace.clock.now_ms - before_ms < 90_100
    assert len(workspace.runs) == 1


def test_waiting_for_ever_is_a_mistake(workspace: Workspace) -> None:
    """A client without timeout is told so in place of a test that never ends."""
    workspace.faults.add(WireFault("runs/list", how="hang"))
    with _session(workspace) as session, pytest.raises(UsageError, match="no timeout"):
        session.get(workspace.url + _LIST)


def test_streamed_body_breaks_where_it_is_read(workspace: Workspace) -> None:
    """The response is there first, as on a socket."""
    workspace.faults.add(WireFault("runs/list", how="reset_in_body"))
    with _session(workspace) as session:
        response = session.get(workspace.url + _LIST, stream=True)
        assert response.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            response.content  # noqa: B018 - is read here


def test_session_made_before_reaches_the_workspace(workspace: Workspace) -> None:
    """Sessions are intercepted whoever made them and when, on every thread, and let go afterwards."""
    before = HTTPAdapter.send
    statuses: list[int] = []
    with requests.Session() as session:
        session.headers.update(workspace.headers)
        with workspace.intercept():
            thread = threading.Thread(
                target=lambda: statuses.append(session.get(workspace.url + _LIST).status_code)
            )
            thread.start()
            thread.join()
            assert requests.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200
    assert statuses == [200]
    assert HTTPAdapter.send is before


def test_databricks_sdk_reaches_the_workspace(workspace: Workspace) -> None:
    """A client of the SDK submits and reads a run, also one whose sessions are from an earlier interception."""
    with workspace.intercept():
        client = WorkspaceClient(host=workspace.url, token=workspace.token)
    with workspace.intercept():
        task = SubmitTask(
            task_key="one", existing_cluster_id="c", notebook_task=NotebookTask(notebook_path="/etl")
        )
        client.jobs.submit(run_name="sdk", tasks=[task])
        assert [run.run_name for run in client.jobs.list_runs()] == ["sdk"]


def test_adapter_of_ones_own_is_kept(workspace: Workspace) -> None:
    """What a subclass adds to requests and responses stays, its retries too: only the connection is another."""

    class Adapter(HTTPAdapter):
        def add_headers(self, request: requests.PreparedRequest, **_options: Any) -> None:
            request.headers.update(workspace.headers)

        def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
            response = super().build_response(req, resp)
            response.headers["X-Mine"] = "yes"
            return response

    workspace.faults.add(WireFault("runs/list", how="closed", times=1))
    with requests.Session() as session, workspace.intercept():
        adapter = Adapter(max_retries=1)
        session.mount("https://", adapter)
        response = session.get(workspace.url + _LIST)
    assert (response.status_code, response.headers["X-Mine"]) == (200, "yes")
    assert getattr(response, "connection", None) is adapter
    assert len(workspace.journal) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxies_and_certificates_do_not_matter(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected to: neither the proxy of the environment nor its authorities are asked for."""
    workspace = Workspace(f"{scheme}://mine.example")
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with workspace.intercept():
        response = requests.get(workspace.url + _LIST, headers=workspace.headers)
    assert response.status_code == 200
    assert [entry.path for entry in workspace.journal] == [_LIST]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://dbx-emulator.cloud.databricks.com:443", id="usual-port"),
        pytest.param("https://DBX-Emulator.Cloud.Databricks.com", id="upper-case"),
        pytest.param("https://me:secret@dbx-emulator.cloud.databricks.com", id="user"),
    ],
)
def test_host_is_known_however_it_was_written(workspace: Workspace, url: str) -> None:
    """A host is the same with its usual port, in capitals and with a user before it."""
    with workspace.intercept(), requests.Session() as session:
        session.trust_env = False
        session.get(url + _LIST, headers=workspace.headers)
    assert len(workspace.journal) == 1


def test_other_databricks_hosts_are_refused(workspace: Workspace) -> None:
    """A test that reaches for a real workspace is told so, in the words of requests."""
    with (
        workspace.intercept(),
        pytest.raises(requests.exceptions.ConnectionError, match="refused to connect to other") as raised,
    ):
        requests.get(f"https://other.cloud.databricks.com{_LIST}")
    assert raised.value.request is not None
    assert len(workspace.journal) == 0


def test_adapter_is_nobody_elses_business() -> None:
    """A workspace that was mounted answers while only another one intercepts."""
    mounted, intercepting = Workspace("https://one.cloud.databricks.com"), Workspace()
    with intercepting.intercept(), _session(mounted) as session:
        assert session.get(mounted.url + _LIST).status_code == 200
    assert (len(mounted.journal), len(intercepting.journal)) == (1, 0)


def test_other_hosts_are_left_alone(workspace: Workspace) -> None:
    """Whoever is no workspace of Databricks is reached as always."""
    with teapot() as url, workspace.intercept():
        assert requests.get(url).status_code == 418
    assert len(workspace.journal) == 0


def test_missing_library_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without requests the adapter says what to install; interception has nothing to patch and goes on."""
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.delitem(sys.modules, "dbx_emulator.doors._requests", raising=False)
    with pytest.raises(ImportError, match="pip install requests"):
        workspace.requests_adapter()
    with workspace.intercept():
        pass
