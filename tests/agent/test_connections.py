"""Connections: which one is lent, which are closed, and which proxy they go through."""

from __future__ import annotations

import os

import httpx
import pytest

from dbx_agent.connections import KEEPALIVE_SECONDS, Connections, proxy_url
from dbx_agent.instance import Instance, read_instance

ONE = Instance("https", "one.cloud.databricks.com", 443)
TWO = Instance("https", "two.cloud.databricks.com", 443)


class _Transport(httpx.AsyncBaseTransport):
    """Says whether it was closed."""

    is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


def _connections(max_connections: int = 10) -> Connections:
    return Connections(max_connections=max_connections, transport=_Transport)


def _is_closed(*connections: object) -> list[bool]:
    return [each.transport.is_closed for each in connections]  # type: ignore[attr-defined]


def test_a_connection_is_lent_to_one_request_at_a_time() -> None:
    """Two requests have two, and the one that was given back last is the next."""
    connections = _connections()
    first, second = connections.lend(ONE, now=0.0), connections.lend(ONE, now=0.0)
    assert first is not second
    connections.take_back(second, now=1.0)
    connections.take_back(first, now=2.0)
    assert [connections.lend(ONE, now=3.0) for _ in range(2)] == [first, second]


def test_a_connection_serves_one_workspace() -> None:
    """Another workspace has its own, whatever was given back last."""
    connections = _connections()
    one, two = connections.lend(ONE, now=0.0), connections.lend(TWO, now=0.0)
    connections.take_back(one, now=1.0)
    connections.take_back(two, now=2.0)
    assert connections.lend(ONE, now=3.0) is one
    assert connections.lend(TWO, now=3.0) is two


@pytest.mark.asyncio
async def test_a_connection_that_was_idle_for_long_is_closed() -> None:
    """By the next request to any workspace; the one that was idle for as long as it may is still good."""
    connections = _connections()
    one, two = connections.lend(ONE, now=0.0), connections.lend(TWO, now=0.0)
    connections.take_back(one, now=0.0)
    connections.take_back(two, now=1.0)
    assert connections.lend(TWO, now=KEEPALIVE_SECONDS + 1.0) is two
    assert connections.lend(ONE, now=KEEPALIVE_SECONDS + 1.0) is not one
    await connections.aclose()
    assert _is_closed(one, two) == [True, False]


@pytest.mark.asyncio
async def test_an_idle_connection_makes_room() -> None:
    """The one that was idle for longest; those that are lent are left alone."""
    connections = _connections(max_connections=3)
    one, two, other = (connections.lend(ONE, now=0.0) for _ in range(3))
    connections.take_back(one, now=1.0)
    connections.take_back(two, now=2.0)
    new = connections.lend(TWO, now=3.0)
    await connections._closings.drain()
    assert _is_closed(one, two, other, new) == [True, False, False, False]
    await connections.aclose()
    assert _is_closed(one, two, other, new) == [True, True, False, False]


@pytest.mark.asyncio
async def test_room_is_made_only_when_there_is_none() -> None:
    """Two idle and one new are three."""
    connections = _connections(max_connections=3)
    one, two = connections.lend(ONE, now=0.0), connections.lend(ONE, now=0.0)
    connections.take_back(one, now=1.0)
    connections.take_back(two, now=2.0)
    connections.lend(TWO, now=3.0)
    assert [connections.lend(ONE, now=3.0) for _ in range(2)] == [two, one]


@pytest.mark.asyncio
async def test_a_connection_that_broke_leaves_room() -> None:
    """It is closed and counts no more."""
    connections = _connections(max_connections=2)
    one, two = connections.lend(ONE, now=0.0), connections.lend(ONE, now=0.0)
    await connections.discard(one)
    connections.take_back(two, now=1.0)
    connections.lend(TWO, now=2.0)
    assert connections.lend(ONE, now=2.0) is two
    assert _is_closed(one, two) == [True, False]


@pytest.mark.parametrize(
    ("environment", "address", "url"),
    [
        ({}, "https://one.example", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://one.example", "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "https://one.example", "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://one.example", "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "https://one.example", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://one.example", "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy:3128"}, "https://one.example", "http://proxy:3128"),
        (
            {"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://proxy:2"},
            "https://one.example",
            "http://proxy:2",
        ),
        ({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "https://one.example", None),
        ({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "example"}, "https://one.example:8443", None),
        (
            {"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "two.example"},
            "https://one.example",
            "http://proxy:3128",
        ),
        ({"ALL_PROXY": "http://proxy:3128"}, "https://localhost:8443", None),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8080", None),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str, url: str | None
) -> None:
    """As httpx reads it, except that nothing comes between this machine and itself."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_url(read_instance(address, field="f", allow_http=True)) == url
