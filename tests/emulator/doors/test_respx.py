"""The door for respx, and respx beside interception."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import respx
from respx.mocks import Mocker

from dbx_emulator import UsageError, WireFault, Workspace
from tests.emulator.support import flat_body

from .teapot import teapot

_SUBMIT = "/api/2.1/jobs/runs/submit"
_LIST = "/api/2.1/jobs/runs/list"

_USING = ["httpcore", "httpx"]
_ORDERS = ["respx-inside", "respx-outside"]


@pytest.mark.parametrize("using", _USING)
def test_mounted_workspace_answers_beside_other_routes(workspace: Workspace, using: str) -> None:
    """One router knows the workspace and the user's own routes, and asks for the latter only."""
    with respx.mock(using=using) as router:
        workspace.mount(router)
        mine = router.get("https://example.com/").respond(204)
        with httpx.Client(headers=workspace.headers) as client:
            assert client.post(workspace.url + _SUBMIT, json=flat_body()).json() == {
                "run_id": 400_000_000_000_001
            }
            assert client.get("https://example.com/").status_code == 204
        assert (mine.call_count, router.calls.call_count) == (1, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("using", _USING)
async def test_mounted_workspace_answers_async_clients(workspace: Workspace, using: str) -> None:
    """Broken connections included."""
    workspace.faults.add(WireFault("runs/submit", how="reset_in_body"))
    with respx.mock(using=using) as router:
        workspace.mount(router)
        async with httpx.AsyncClient(headers=workspace.headers) as client:
            assert (await client.get(workspace.url + _LIST)).status_code == 200
            with pytest.raises(httpx.ReadError):
                await client.post(workspace.url + _SUBMIT, json=flat_body())
    assert len(workspace.runs) == 1


def test_workspace_that_was_not_called_is_no_matter(workspace: Workspace) -> None:
    """`assert_all_called` is about the user's routes, and still about them."""
    with respx.mock as router:
        workspace.mount(router)
    router = respx.mock(assert_all_called=True)
    workspace.mount(router)
    router.get("https://example.com/").respond(204)
    with pytest.raises(AssertionError, match="some routes were not called"), router:
        httpx.get(workspace.url + _LIST)


def test_routes_of_ones_own_come_first_where_they_were_added_first(workspace: Workspace) -> None:
    """A route for the workspace's own host replaces that endpoint alone; `base_url` changes nothing."""
    with respx.mock(base_url="https://example.com") as router:
        router.get(workspace.url + _LIST).respond(418)
        workspace.mount(router)
        router.get("/mine").respond(204)
        assert httpx.get(workspace.url + _LIST).status_code == 418
        assert httpx.post(workspace.url + _SUBMIT, json={}, headers=workspace.headers).status_code == 400
        assert httpx.get("https://example.com/mine").status_code == 204


def test_other_hosts_and_ports_are_not_the_workspace() -> None:
    """Nobody mocks them, says respx."""
    workspace = Workspace("http://mine.example:8080")
    with respx.mock as router:
        workspace.mount(router)
        assert httpx.get(workspace.url + _LIST, headers=workspace.headers).status_code == 200
        for url in ("http://mine.example/", "http://other.example:8080/"):
            with pytest.raises(respx.models.AllMockedAssertionError):
                httpx.get(url)


def test_two_workspaces_cannot_claim_one_host(workspace: Workspace) -> None:
    """The second is refused; the first may be mounted again, and one at another host beside it."""
    other = Workspace("https://other.cloud.databricks.com")
    with respx.mock as router:
        workspace.mount(router)
        workspace.mount(router)
        other.mount(router)
        with pytest.raises(UsageError, match=f"host: {workspace.host} is mounted already"):
            Workspace().mount(router)
        for each in (workspace, other):
            assert httpx.get(each.url + _LIST, headers=each.headers).status_code == 200
    assert (len(workspace.journal), len(other.journal)) == (1, 1)


@contextmanager
def _both(workspace: Workspace, router: respx.MockRouter, order: str) -> Iterator[None]:
    with ExitStack() as stack:
        if order == "respx-outside":
            stack.enter_context(router)
        stack.enter_context(workspace.intercept())
        if order == "respx-inside":
            stack.enter_context(router)
        yield


@pytest.mark.parametrize("order", _ORDERS)
@pytest.mark.parametrize("using", _USING)
def test_respx_and_interception_nest(workspace: Workspace, using: str, order: str) -> None:
    """In both orders the workspace answers for its host, broken connections included, and respx for its own."""
    workspace.faults.add(WireFault("runs/submit", how="truncated"))
    router = respx.mock(using=using)
    mine = router.get("https://example.com/").respond(204)
    with _both(workspace, router, order), httpx.Client(headers=workspace.headers) as client:
        assert client.get(workspace.url + _LIST).status_code == 200
        assert client.get("https://example.com/").status_code == 204
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(workspace.url + _SUBMIT, json=flat_body())
        with pytest.raises(respx.models.AllMockedAssertionError):
            client.get("https://unknown.example/")
        assert mine.call_count == 1
    assert len(workspace.journal) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("order", _ORDERS)
@pytest.mark.parametrize("using", _USING)
async def test_respx_and_interception_nest_for_async_clients(
    workspace: Workspace, using: str, order: str
) -> None:
    """Async clients see the same."""
    workspace.faults.add(WireFault("runs/submit", how="truncated"))
    router = respx.mock(using=using)
    router.get("https://example.com/").respond(204)
    with _both(workspace, router, order):
        async with httpx.AsyncClient(headers=workspace.headers) as client:
            assert (await client.get(workspace.url + _LIST)).status_code == 200
            assert (await client.get("https://example.com/")).status_code == 204
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(workspace.url + _SUBMIT, json=flat_body())
    assert len(workspace.journal) == 2


@pytest.mark.parametrize("order", _ORDERS)
@pytest.mark.parametrize("using", _USING)
def test_everything_is_put_back(workspace: Workspace, using: str, order: str) -> None:
    """Afterwards httpx and respx are what they were, to the object, in whichever order they were patched."""
    before = (httpx.HTTPTransport.handle_request, httpx.Client._transport_for_url)
    router = respx.mock(using=using, assert_all_called=False)
    with _both(workspace, router, order):
        assert httpx.HTTPTransport.handle_request is not before[0]
    assert httpx.HTTPTransport.handle_request is before[0]
    assert httpx.Client._transport_for_url is before[1]
    assert not {"handler", "async_handler"} & set(vars(Mocker.registry["httpx"]))
    with teapot() as url:
        assert httpx.get(url).status_code == 418


def test_route_for_another_databricks_host_is_a_mock(workspace: Workspace) -> None:
    """Where respx is asked first, a host that would be refused can be mocked; without a route it is refused."""
    with workspace.intercept(), respx.mock(using="httpx") as router:
        router.get("https://accounts.cloud.databricks.com/").respond(204)
        assert httpx.get("https://accounts.cloud.databricks.com/").status_code == 204


def test_missing_library_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without respx there is nothing to mount on, and the message says what to install."""
    router = respx.mock()
    monkeypatch.setitem(sys.modules, "respx", None)
    monkeypatch.delitem(sys.modules, "dbx_emulator.doors._respx", raising=False)
    with pytest.raises(ImportError, match="pip install respx"):
        workspace.mount(router)
