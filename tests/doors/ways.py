"""Every way from a client to a workspace, behind one call."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import aiohttp
import httpx
import pytest
import requests
import respx

from dbx_emulator import Workspace

#: More than anything takes that is not meant to be slow.
_PLENTY_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """An answer as a client gets it."""

    status_code: int
    body: Any


def read_body(text: str) -> Any:
    """Return a body as JSON, or as the text it is if it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


class Call(Protocol):
    """One call, however it gets there."""

    def __call__(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = _PLENTY_SECONDS,
    ) -> Answer:
        """Return the answer; `headers` of `None` are the workspace's credentials."""
        ...


@dataclass(frozen=True)
class Way:
    """A client and how it reaches a workspace.

    Attributes:
        door: The door, as the table of kinds calls it.
        library: Whose client it is.
        open: Opens the way to a workspace.
    """

    door: str
    library: str
    open: Callable[[Workspace], AbstractContextManager[Call]]


#: The only library here that some supported Python lacks.
_NO_HTTPX2 = "httpx2 needs Python 3.11"


def _call_with(client: Any, workspace: Workspace, base_url: str) -> Call:
    def call(
        method: str,
        target: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = _PLENTY_SECONDS,
    ) -> Answer:
        lines = workspace.headers if headers is None else headers
        url = base_url + target
        response = client.request(method, url, json=body, headers=dict(lines), timeout=timeout_seconds)
        return Answer(response.status_code, read_body(response.text))

    return call


class _Awaited:
    """An async client for synchronous tests: each request has an event loop of its own."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client

    def request(self, *arguments: Any, **options: Any) -> Any:
        async def request() -> Any:
            async with self._make_client() as client:
                return await client.request(*arguments, **options)

        return asyncio.run(request())


class _Aiohttp:
    """A client of aiohttp for synchronous tests, which answers as the others do."""

    def request(self, method: str, url: str, *, timeout: float, **options: Any) -> Any:
        async def request() -> Any:
            limit = aiohttp.ClientTimeout(sock_read=timeout)
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.request(method, url, **options) as response,
            ):
                return SimpleNamespace(status_code=response.status, text=await response.text())

        return asyncio.run(request())


def _client_of(library: str, **options: Any) -> Any:
    """Return a client whose library may be missing under this Python, which skips the test."""
    if library == "requests":
        return requests.Session()
    if library == "aiohttp":
        return nullcontext(_Aiohttp())
    return pytest.importorskip(library, reason=_NO_HTTPX2).Client(**options)


@contextmanager
def _by_transport(library: str, workspace: Workspace) -> Iterator[Call]:
    pytest.importorskip(library, reason=_NO_HTTPX2)
    transport = workspace.transport() if library == "httpx" else workspace.httpx2_transport()
    with _client_of(library, transport=transport) as client:
        yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_async_transport(library: str, workspace: Workspace) -> Iterator[Call]:
    module = pytest.importorskip(library, reason=_NO_HTTPX2)
    transport = workspace.transport() if library == "httpx" else workspace.httpx2_transport()
    client = _Awaited(lambda: module.AsyncClient(transport=transport))
    yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_adapter(workspace: Workspace) -> Iterator[Call]:
    with requests.Session() as session:
        session.mount(workspace.url, workspace.requests_adapter())
        yield _call_with(session, workspace, workspace.url)


@contextmanager
def _by_interception(library: str, workspace: Workspace) -> Iterator[Call]:
    with _client_of(library) as client, workspace.intercept():
        yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_respx(workspace: Workspace) -> Iterator[Call]:
    with respx.mock() as router, httpx.Client() as client:
        workspace.mount(router)
        yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_asgi(workspace: Workspace) -> Iterator[Call]:
    transport = httpx.ASGITransport(app=workspace.asgi())
    client = _Awaited(lambda: httpx.AsyncClient(transport=transport))
    yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_https(workspace: Workspace) -> Iterator[Call]:
    with ExitStack() as stack:
        server = stack.enter_context(workspace.serve(tls=True))
        assert server.ca_pem is not None
        trusted = ssl.create_default_context(cadata=server.ca_pem.decode())
        client = stack.enter_context(httpx.Client(verify=trusted))
        yield _call_with(client, workspace, server.url)


@contextmanager
def _by_socket(library: str, workspace: Workspace) -> Iterator[Call]:
    with ExitStack() as stack:
        client = stack.enter_context(_client_of(library))
        server = stack.enter_context(workspace.serve())
        yield _call_with(client, workspace, server.url)


WAYS: dict[str, Way] = {
    "httpx": Way("httpx", "httpx", lambda workspace: _by_transport("httpx", workspace)),
    "httpx-async": Way("httpx", "httpx", lambda workspace: _by_async_transport("httpx", workspace)),
    "httpx-intercepted": Way("httpx", "httpx", lambda workspace: _by_interception("httpx", workspace)),
    "httpx2": Way("httpx2", "httpx2", lambda workspace: _by_transport("httpx2", workspace)),
    "httpx2-async": Way("httpx2", "httpx2", lambda workspace: _by_async_transport("httpx2", workspace)),
    "httpx2-intercepted": Way("httpx2", "httpx2", lambda workspace: _by_interception("httpx2", workspace)),
    "requests": Way("requests", "requests", _by_adapter),
    "requests-intercepted": Way(
        "requests", "requests", lambda workspace: _by_interception("requests", workspace)
    ),
    "respx": Way("respx", "httpx", _by_respx),
    "aiohttp": Way("aiohttp", "aiohttp", lambda workspace: _by_interception("aiohttp", workspace)),
    "asgi": Way("asgi", "httpx", _by_asgi),
    "https-httpx": Way("server", "httpx", _by_https),
    "socket-httpx": Way("server", "httpx", lambda workspace: _by_socket("httpx", workspace)),
    "socket-httpx2": Way("server", "httpx2", lambda workspace: _by_socket("httpx2", workspace)),
    "socket-aiohttp": Way("server", "aiohttp", lambda workspace: _by_socket("aiohttp", workspace)),
    "socket-requests": Way("server", "requests", lambda workspace: _by_socket("requests", workspace)),
}
