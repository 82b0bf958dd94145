"""Interception of this process's HTTP clients."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack

import httpx
import pytest

from dbx_emulator import LostResponse, UsageError, Workspace
from dbx_emulator.doors import intercept as intercept_module
from dbx_emulator.doors.intercept import DATABRICKS_DOMAINS
from tests.emulator.doors.teapot import teapot
from tests.emulator.support import flat_body

_LIST = "/api/2.1/jobs/runs/list"


def test_client_made_before_reaches_the_workspace(workspace: Workspace) -> None:
    """Clients are intercepted whoever made them and when, for as long as the context is open."""
    with httpx.Client(base_url=workspace.url, headers=workspace.headers) as client, workspace.intercept():
        assert client.get(_LIST).json() == {"has_more": False}
        assert httpx.post(
            f"{workspace.url}/api/2.1/jobs/runs/submit", json=flat_body(), headers=workspace.headers
        ).json() == {"run_id": 400_000_000_000_001}
    assert len(workspace.journal) == 2


@pytest.mark.asyncio
async def test_async_client_made_before_reaches_the_workspace(workspace: Workspace) -> None:
    """So are async clients, faults included."""
    async with httpx.AsyncClient(base_url=workspace.url, headers=workspace.headers) as client:
        with workspace.intercept():
            assert (await client.get(_LIST)).json() == {"has_more": False}
            workspace.faults.add(LostResponse("runs/list"))
            with pytest.raises(httpx.ReadError):
                await client.get(_LIST)


@pytest.mark.fact("hosts.databricks-domains")
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("dbc-a1b2345c-d6e7.cloud.databricks.com", id="aws"),
        pytest.param("adb-1234567890123456.7.azuredatabricks.net", id="azure"),
        pytest.param("adb-1234567890123456.7.databricks.azure.cn", id="azure-china"),
        pytest.param("adb-1234567890123456.7.databricks.azure.us", id="azure-government"),
        pytest.param("1234567890123456.7.gcp.databricks.com", id="gcp"),
        pytest.param("accounts.cloud.databricks.com", id="accounts"),
    ],
)
def test_other_databricks_hosts_are_refused(workspace: Workspace, host: str) -> None:
    """A test that reaches for a real workspace is told so, and nothing is sent."""
    with (
        workspace.intercept(),
        pytest.raises(
            httpx.ConnectError, match=f"refused to connect to {host}: it answers for {workspace.host}"
        ),
    ):
        httpx.get(f"https://{host}{_LIST}")
    assert len(workspace.journal) == 0


@pytest.mark.fact("hosts.databricks-domains")
def test_databricks_domains_are_whole_labels() -> None:
    """A host that only ends in the same letters belongs to somebody else."""
    assert all(domain.startswith(".") for domain in DATABRICKS_DOMAINS)
    assert len(DATABRICKS_DOMAINS) == 5


@pytest.mark.asyncio
async def test_other_databricks_hosts_are_refused_to_async_clients(workspace: Workspace) -> None:
    """Both kinds of client are refused alike."""
    with workspace.intercept():
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="dbx-emulator refused"):
                await client.get(f"https://other.cloud.databricks.com{_LIST}")


def test_other_hosts_are_left_alone(workspace: Workspace) -> None:
    """Whoever is no workspace of Databricks is reached as always."""
    with teapot() as url, workspace.intercept():
        assert httpx.get(url, trust_env=False).status_code == 418
    assert len(workspace.journal) == 0


@pytest.mark.asyncio
async def test_other_hosts_are_left_alone_by_async_clients(workspace: Workspace) -> None:
    """So it is for async clients."""
    with teapot() as url, workspace.intercept():
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url)).status_code == 418
    assert len(workspace.journal) == 0


def test_patched_attributes_are_restored(workspace: Workspace) -> None:
    """Afterwards httpx is what it was, to the object, even when the body of the context raised."""
    before = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
    with contextlib.suppress(ZeroDivisionError), workspace.intercept():
        assert httpx.HTTPTransport.handle_request is not before[0]
        raise ZeroDivisionError
    assert httpx.HTTPTransport.handle_request is before[0]
    assert httpx.AsyncHTTPTransport.handle_async_request is before[1]


def test_another_patch_beneath_is_put_back(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What opened connections when the context was entered does so for other hosts, and afterwards."""

    def patched(_transport: httpx.HTTPTransport, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(299)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", patched)
    with workspace.intercept():
        assert httpx.get("https://example.com/").status_code == 299
        assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200
    assert httpx.HTTPTransport.handle_request is patched


def test_two_workspaces_share_a_process() -> None:
    """Each answers for its own host, and the second keeps answering when the first is gone."""
    one, two = Workspace("https://one.cloud.databricks.com"), Workspace("http://two.example:8080")
    before = httpx.HTTPTransport.handle_request
    with ExitStack() as first, two.intercept():
        first.enter_context(one.intercept())
        for workspace in (one, two):
            assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200
        first.close()
        assert httpx.get(two.url + _LIST, headers=two.headers).status_code == 200
        with pytest.raises(httpx.ConnectError, match=r"answers for two\.example:8080"):
            httpx.get(one.url + _LIST)
    assert httpx.HTTPTransport.handle_request is before


def test_two_workspaces_cannot_claim_one_host(workspace: Workspace) -> None:
    """The second is refused, and the first goes on as if nothing had happened."""
    with workspace.intercept():
        with pytest.raises(UsageError, match=f"host: {workspace.host} is intercepted already"):
            Workspace().intercept().__enter__()
        assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200
    with workspace.intercept():
        assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://mine.cloud.databricks.com:443", id="usual-port"),
        pytest.param("https://Mine.Cloud.Databricks.com", id="upper-case"),
        pytest.param("https://mine.cloud.databricks.com/", id="slash"),
    ],
)
def test_host_is_known_however_it_was_written(url: str) -> None:
    """A host is the same with its usual port and in capitals."""
    workspace = Workspace(url)
    with workspace.intercept():
        assert httpx.get(url.rstrip("/") + _LIST, headers=workspace.headers).status_code == 200
        assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200


def test_library_that_cannot_be_patched_leaves_no_other_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the libraries are patched or none: half an interception would send requests out."""
    original = httpx.HTTPTransport.handle_request
    monkeypatch.setitem(intercept_module._DOORS, "json", "dbx_emulator.no_such_door")
    with pytest.raises(ModuleNotFoundError, match="no_such_door"), Workspace().intercept():
        pass
    assert httpx.HTTPTransport.handle_request is original
    monkeypatch.undo()
    with Workspace().intercept():
        assert httpx.HTTPTransport.handle_request is not original
