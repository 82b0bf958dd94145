"""Every way from a client to a workspace, behind one call."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
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


def _call_with(client: Any, workspace: Workspace, base_url: str, **options: Any) -> Call:
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
        response = client.request(
            method, url, json=body, headers=dict(lines), timeout=timeout_seconds, **options
        )
        return Answer(response.status_code, read_body(response.text))

    return call


class _Awaited:
    """An async client for synchronous tests, on an event loop of its own that runs while it is asked."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = make_client()

    def __enter__(self) -> _Awaited:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def request(self, *arguments: Any, **options: Any) -> Any:
        return self._loop.run_until_complete(self._client.request(*arguments, **options))


class _Aiohttp:
    """A client of aiohttp for synchronous tests, which answers as the others do."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._session = self._loop.run_until_complete(self._make_session())

    @staticmethod
    async def _make_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    def __enter__(self) -> _Aiohttp:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def request(self, method: str, url: str, *, timeout: float, **options: Any) -> Any:
        async def request() -> Any:
            limit = aiohttp.ClientTimeout(sock_read=timeout)
            async with self._session.request(method, url, timeout=limit, **options) as response:
                return SimpleNamespace(status_code=response.status, text=await response.text())

        return self._loop.run_until_complete(request())


def _client_of(library: str, **options: Any) -> Any:
    """Return a client whose library may be missing under this Python, which skips the test."""
    if library == "requests":
        return requests.Session()
    if library == "aiohttp":
        return _Aiohttp()
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
    with _Awaited(lambda: module.AsyncClient(transport=transport)) as client:
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
    with _Awaited(lambda: httpx.AsyncClient(transport=transport)) as client:
        yield _call_with(client, workspace, workspace.url)


@contextmanager
def _by_https(library: str, workspace: Workspace) -> Iterator[Call]:
    with ExitStack() as stack:
        server = stack.enter_context(workspace.serve(tls=True))
        assert server.ca_pem is not None
        trusted = ssl.create_default_context(cadata=server.ca_pem.decode())
        options: dict[str, Any] = {}
        if library == "requests":
            folder = stack.enter_context(TemporaryDirectory())
            options["verify"] = str(server.write_ca_file(Path(folder, "ca.pem")))
        elif library == "aiohttp":
            options["ssl"] = trusted
        client = stack.enter_context(
            _client_of(library, **({"verify": trusted} if library.startswith("httpx") else {}))
        )
        yield _call_with(client, workspace, server.url, **options)


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
    "https-httpx": Way("server", "httpx", lambda workspace: _by_https("httpx", workspace)),
    "https-httpx2": Way("server", "httpx2", lambda workspace: _by_https("httpx2", workspace)),
    "https-aiohttp": Way("server", "aiohttp", lambda workspace: _by_https("aiohttp", workspace)),
    "https-requests": Way("server", "requests", lambda workspace: _by_https("requests", workspace)),
    "socket-httpx": Way("server", "httpx", lambda workspace: _by_socket("httpx", workspace)),
    "socket-httpx2": Way("server", "httpx2", lambda workspace: _by_socket("httpx2", workspace)),
    "socket-aiohttp": Way("server", "aiohttp", lambda workspace: _by_socket("aiohttp", workspace)),
    "socket-requests": Way("server", "requests", lambda workspace: _by_socket("requests", workspace)),
}
