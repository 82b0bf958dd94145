"""The door for httpx2, which is that for httpx under other names."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest

from dbx_emulator import WireFault, Workspace
from tests.emulator.support import flat_body

from .teapot import teapot

httpx2 = pytest.importorskip("httpx2", reason="httpx2 needs Python 3.11")

_SUBMIT = "/api/2.1/jobs/runs/submit"
_LIST = "/api/2.1/jobs/runs/list"


def test_transport_serves_a_sync_client(workspace: Workspace) -> None:
    """A client with the workspace's transport submits a run, and the response is one of httpx2."""
    with httpx2.Client(transport=workspace.httpx2_transport(), headers=workspace.headers) as client:
        response = client.post(workspace.url + _SUBMIT, json=flat_body())
    assert isinstance(response, httpx2.Response)
    assert (response.status_code, response.json()) == (200, {"run_id": 400_000_000_000_001})
    assert response.headers == {"content-type": "application/json", "content-length": "26"}


@pytest.mark.asyncio
async def test_transport_serves_an_async_client(workspace: Workspace) -> None:
    """The same transport serves an async client, with a body that comes in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"run_name": "x", "existing_cluster_id": "c",'
        yield b'"sql_task": {"warehouse_id": "w"}}'

    async with httpx2.AsyncClient(
        transport=workspace.httpx2_transport(), headers=workspace.headers
    ) as client:
        response = await client.post(workspace.url + _SUBMIT, content=pieces())
    assert response.status_code == 200
    assert len(workspace.runs) == 1


@pytest.mark.asyncio
async def test_streamed_body_breaks_where_it_is_read(workspace: Workspace) -> None:
    """The response is there first, as on a socket, and the error knows its request."""
    workspace.faults.add(WireFault("runs/list", how="reset_in_body"))
    url = workspace.url + _LIST
    options = {"transport": workspace.httpx2_transport(), "headers": workspace.headers}
    with (
        httpx2.Client(**options) as client,
        client.stream("GET", url) as response,
        pytest.raises(httpx2.ReadError) as raised,
    ):
        response.read()
    assert raised.value.request.url.path == _LIST
    async with httpx2.AsyncClient(**options) as async_client, async_client.stream("GET", url) as response:
        assert response.status_code == 200
        with pytest.raises(httpx2.ReadError):
            await response.aread()


@pytest.mark.asyncio
async def test_clients_made_before_reach_the_workspace(workspace: Workspace) -> None:
    """Sync and async clients are intercepted, other hosts are left alone, and httpx2 is put back."""
    before = (httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request)
    async with httpx2.AsyncClient(headers=workspace.headers) as async_client:
        with httpx2.Client(headers=workspace.headers) as client, teapot() as url, workspace.intercept():
            assert client.get(workspace.url + _LIST).status_code == 200
            assert (await async_client.get(workspace.url + _LIST)).status_code == 200
            assert client.get(url).status_code == 418
            assert (await async_client.get(url)).status_code == 418
    after = (httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request)
    assert (before[0] is after[0], before[1] is after[1]) == (True, True)


def test_other_databricks_hosts_are_refused(workspace: Workspace) -> None:
    """A test that reaches for a real workspace is told so, in the words of httpx2."""
    with workspace.intercept(), pytest.raises(httpx2.ConnectError, match="dbx-emulator refused"):
        httpx2.get(f"https://other.cloud.databricks.com{_LIST}")


def test_missing_library_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without httpx2 the transport says what to install."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "dbx_emulator.doors._httpx2", raising=False)
    with pytest.raises(ImportError, match="pip install httpx2"):
        workspace.httpx2_transport()
