"""The door for aiohttp: sessions reach the workspace at its URL over real TLS, whoever made them and when."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from dbx_emulator import WireFault, Workspace
from dbx_emulator._core.faults.wire import WIRE_KINDS
from tests.emulator.support import flat_body

T = TypeVar("T")

_LIST = "/api/2.2/jobs/runs/list"
_SUBMIT = "/api/2.1/jobs/runs/submit"


def _in_session(use: Callable[[aiohttp.ClientSession], Awaitable[T]], **options: Any) -> T:
    """Run an async function with a session of its own, made in its loop."""

    async def run() -> T:
        async with aiohttp.ClientSession(**options) as session:
            return await use(session)

    return asyncio.run(run())


async def _status(session: aiohttp.ClientSession, workspace: Workspace, url: str = "", **options: Any) -> int:
    """Return the status of a list of runs; 403 comes from a workspace that another token opens."""
    url = f"{url or workspace.url}{_LIST}"
    async with session.get(url, headers=workspace.headers, **options) as response:
        await response.read()
        return response.status


def test_session_made_before_the_interception_is_answered(workspace: Workspace) -> None:
    """The session is the same before, within and after; only what happens to its requests changes."""

    async def use(session: aiohttp.ClientSession) -> int:
        with workspace.intercept():
            return await _status(session, workspace)

    assert _in_session(use) == 200
    assert [entry.route for entry in workspace.journal] == ["runs/list"]


def test_session_on_another_thread_is_answered(workspace: Workspace) -> None:
    """The interception is the process's, not the thread's or the loop's."""
    statuses: list[int] = []
    with workspace.intercept():
        thread = threading.Thread(
            target=lambda: statuses.append(_in_session(lambda session: _status(session, workspace)))
        )
        thread.start()
        thread.join()
    assert statuses == [200]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://workspace.example", id="http"),
        pytest.param("http://workspace.example:8080", id="http-port"),
        pytest.param("https://workspace.example:8443", id="https-port"),
        pytest.param("https://127.0.0.1:8443", id="address"),
        pytest.param("https://[::1]:8443", id="ipv6"),
    ],
)
def test_workspace_is_answered_for_at_its_own_url(url: str) -> None:
    """Scheme and port are the workspace's."""
    workspace = Workspace(url)
    with workspace.intercept():
        assert _in_session(lambda session: _status(session, workspace)) == 200


def test_another_port_is_another_host() -> None:
    """Who answers for a port does not answer for the host."""
    workspace = Workspace("https://ours.cloud.databricks.com:8443")

    async def use(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientConnectorError, match="refused to connect to ours"):
            await _status(session, workspace, "https://ours.cloud.databricks.com")

    with workspace.intercept():
        _in_session(use)


def test_other_databricks_hosts_are_refused(workspace: Workspace) -> None:
    """The message names who answers, and no server is started for it."""

    async def use(session: aiohttp.ClientSession) -> str:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await _status(session, workspace, "https://real.cloud.databricks.com")
        assert isinstance(refused.value.os_error, ConnectionRefusedError)
        assert threading.active_count() == threads
        return str(refused.value)

    threads = threading.active_count()
    with workspace.intercept():
        message = _in_session(use)
    assert message.startswith("Cannot connect to host real.cloud.databricks.com:443")
    assert f"it answers for {workspace.host}. Point the code under test at the workspace's url." in message


def test_pooled_connections_and_cached_addresses_do_not_cross(workspace: Workspace) -> None:
    """One session and one URL: a real server before and after, the workspace in between, twice."""

    async def use(session: aiohttp.ClientSession) -> list[int]:
        statuses = [await _status(session, workspace, url)]
        for _ in range(2):
            inside = Workspace(url, token="inside")
            with inside.intercept():
                statuses += [await _status(session, inside), await _status(session, workspace, url)]
            statuses.append(await _status(session, workspace, url))
        return statuses

    with workspace.serve() as server:
        url = f"http://localhost:{server.port}"
        assert _in_session(use) == [200, 200, 403, 200, 200, 403, 200]


def test_other_hosts_are_left_alone(workspace: Workspace) -> None:
    """A server on this machine is reached as ever, and so is a socket that the code under test chose."""
    real = Workspace("http://elsewhere.example", token="real")
    with real.serve() as server, workspace.intercept():
        assert _in_session(lambda session: _status(session, real, server.url)) == 200
    assert len(real.journal) == 1


def test_session_over_a_unix_socket_is_left_alone(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a socket means it, whatever host stands in the URL."""

    async def use() -> bytes:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nother")
            writer.close()

        async with (
            await asyncio.start_unix_server(answer, "s"),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector("s")) as session,
            session.get(workspace.url.replace("https", "http")) as response,
        ):
            return await response.read()

    # The whole path may be longer than a socket's may be.
    monkeypatch.chdir(tmp_path)
    with workspace.intercept():
        assert asyncio.run(use()) == b"other"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"ssl": False}, id="unverified"),
        pytest.param({"ssl": ssl.create_default_context()}, id="own-context"),
        pytest.param({"ssl": aiohttp.Fingerprint(b"\0" * 32)}, id="fingerprint"),
        pytest.param({"proxy": "http://127.0.0.1:9"}, id="proxy"),
        pytest.param({"proxy": "http://127.0.0.1:9", "proxy_headers": {"x": "y"}}, id="proxy-headers"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_request_says_about_the_network_does_not_matter(scheme: str, options: dict[str, Any]) -> None:
    """The way to the workspace is the door's, twice in a row over one connection."""
    workspace = Workspace(f"{scheme}://workspace.example")

    async def use(session: aiohttp.ClientSession) -> list[int]:
        return [await _status(session, workspace, **options) for _ in range(2)]

    with workspace.intercept():
        assert _in_session(use) == [200, 200]


def test_what_the_environment_says_about_proxies_does_not_matter(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that trusts the environment reaches the workspace behind a proxy that is not there."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with workspace.intercept():
        assert _in_session(lambda session: _status(session, workspace), trust_env=True) == 200


def test_connector_with_a_resolver_of_its_own_is_answered(workspace: Workspace) -> None:
    """Nobody is asked for the address of a host that need not exist."""

    class Resolver(aiohttp.abc.AbstractResolver):
        async def resolve(self, host: str, *_: Any, **__: Any) -> Any:
            raise AssertionError(host)

        async def close(self) -> None:
            pass

    async def use() -> int:
        connector = aiohttp.TCPConnector(resolver=Resolver(), use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await _status(session, workspace)

    with workspace.intercept():
        assert asyncio.run(use()) == 200


def test_concurrent_requests_share_one_server(workspace: Workspace) -> None:
    """However many come first, each is answered, and one thread serves them."""

    async def use(session: aiohttp.ClientSession) -> list[int]:
        return await asyncio.gather(*(_status(session, workspace) for _ in range(20)))

    threads = threading.active_count()
    with workspace.intercept():
        assert _in_session(use) == [200] * 20
        assert threading.active_count() == threads + 1


def test_session_that_outlives_an_interception_on_a_resting_loop_is_answered_in_the_next(
    workspace: Workspace,
) -> None:
    """Its loop has not yet seen that the first server closed the connection, and it does not matter."""
    loop = asyncio.new_event_loop()
    try:
        session = loop.run_until_complete(_make_session())
        for _ in range(3):
            with workspace.intercept():
                assert loop.run_until_complete(_submit(session, workspace)) == 200
        loop.run_until_complete(session.close())
    finally:
        loop.close()
    assert len(workspace.runs) == 3


async def _make_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _submit(session: aiohttp.ClientSession, workspace: Workspace, url: str = "", **options: Any) -> int:
    url = f"{url or workspace.url}{_SUBMIT}"
    async with session.post(url, headers=workspace.headers, json=flat_body(), **options) as response:
        await response.read()
        return response.status


def test_server_ends_with_its_own_interception(workspace: Workspace) -> None:
    """A workspace inside another's interception takes its thread with it, and its host is refused then."""
    inner = Workspace("https://inner.cloud.databricks.com")

    async def use(session: aiohttp.ClientSession) -> None:
        assert await _status(session, workspace) == 200
        threads = threading.active_count()
        with inner.intercept():
            assert await _status(session, inner) == 200
            assert threading.active_count() == threads + 1
        assert threading.active_count() == threads
        with pytest.raises(aiohttp.ClientConnectorError, match=r"refused to connect to inner\."):
            await _status(session, inner)
        assert await _status(session, workspace) == 200

    with workspace.intercept():
        _in_session(use)


def test_interception_leaves_nothing_behind() -> None:
    """Patched attributes are the originals; no thread, descriptor or workspace is left."""
    originals = (aiohttp.TCPConnector.connect, aiohttp.TCPConnector._resolve_host)
    _use_once()
    gc.collect()
    before = (threading.active_count(), _open_files())
    used = [_use_once() for _ in range(3)]
    gc.collect()
    assert (threading.active_count(), _open_files()) == before
    assert [workspace() for workspace in used] == [None, None, None]
    assert (aiohttp.TCPConnector.connect, aiohttp.TCPConnector._resolve_host) == originals
    assert aiohttp.TCPConnector.connect is originals[0]
    assert aiohttp.TCPConnector._resolve_host is originals[1]


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _use_once() -> weakref.ref[Workspace]:
    workspace = Workspace()
    with workspace.intercept():
        assert _in_session(lambda session: _status(session, workspace)) == 200
    return weakref.ref(workspace)


def test_missing_library_is_one_sentence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interception needs nothing more until aiohttp is really used; then the remedy is named."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with workspace.intercept(), pytest.raises(ModuleNotFoundError, match=r"needs trustme, .*pip install"):
        _in_session(lambda session: _status(session, workspace))


@pytest.mark.parametrize("kind", WIRE_KINDS)
def test_broken_answers_look_as_on_a_socket(kind: str) -> None:
    """For each kind a redirected client sees the same as one at the socket, over HTTP and HTTPS."""
    outcomes = [_outcome(kind, way) for way in ("redirected", "http", "https")]
    assert outcomes[1:] == outcomes[:1] * 2
    assert outcomes[0][1] == 1


def _outcome(kind: str, way: str) -> tuple[str, int]:
    """Return what a client sees that waits for less than a pause, and how many runs there are then."""
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/submit", how=kind, delay="1h" if kind == "late" else 0))

    async def use(session: aiohttp.ClientSession) -> str:
        options: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(sock_read=0.3)}
        try:
            if way == "redirected":
                with workspace.intercept():
                    return str(await _submit(session, workspace, **options))
            with workspace.serve(tls=way == "https") as server:
                if server.ca_pem is not None:
                    options["ssl"] = ssl.create_default_context(cadata=server.ca_pem.decode())
                return str(await _submit(session, workspace, server.url, **options))
        except Exception as error:  # noqa: BLE001 - which one is the question
            return type(error).__name__

    return _in_session(use), len(workspace.runs)
