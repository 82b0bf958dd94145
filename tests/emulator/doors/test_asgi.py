"""The ASGI door."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from dbx_emulator import LostResponse, Workspace
from dbx_emulator._api.calls import MAX_BODY_BYTES
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.faults import Gate
from dbx_emulator.doors.asgi import TRANSPORT_EXTENSION, AsgiApp
from tests.emulator.support import flat_body

Message = MutableMapping[str, Any]


def _scope(workspace: Workspace, path: str = "/api/2.1/jobs/runs/submit", **fields: Any) -> Message:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in workspace.headers.items()],
    } | fields


async def _call(app: AsgiApp, scope: Message, messages: Iterable[Message]) -> list[Message]:
    """Call an application with the given messages and return what it sends."""
    sent: list[Message] = []
    incoming = iter(messages)

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _body(*chunks: bytes) -> list[Message]:
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": index < last}
        for index, chunk in enumerate(chunks)
    ]


@pytest.mark.asyncio
async def test_application_takes_header_lines_as_any_server_has_them(workspace: Workspace) -> None:
    """A line is a name and a value, in a tuple or, as the interface allows, in a list."""
    lines = [list(line) for line in _scope(workspace)["headers"]]
    scope = _scope(workspace, headers=iter(lines))
    start, _ = await _call(workspace.asgi(), scope, _body(json.dumps(flat_body()).encode()))
    assert start["status"] == 200
    said = workspace.journal[0].said
    assert said is not None
    assert list(said.headers) == [tuple(line) for line in lines]


@pytest.mark.asyncio
async def test_application_serves_a_client_of_any_asgi_server(workspace: Workspace) -> None:
    """Through httpx's own ASGI transport a run is submitted and read."""
    transport = httpx.ASGITransport(workspace.asgi())
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=workspace.headers
    ) as client:
        run_id = (await client.post("/api/2.1/jobs/runs/submit", json=flat_body())).json()["run_id"]
        shown = await client.get("/api/2.1/jobs/runs/get", params={"run_id": run_id})
        assert (shown.status_code, shown.json()["run_id"]) == (200, run_id)
        refused = await client.get("/api/2.1/jobs/runs/list", headers={"Authorization": ""})
        assert refused.status_code == 401


@pytest.mark.asyncio
async def test_answer_is_two_messages_with_its_length(workspace: Workspace) -> None:
    """A body in pieces is put together; the answer has a length."""
    content = json.dumps(flat_body()).encode()
    sent = await _call(workspace.asgi(), _scope(workspace), _body(content[:10], b"", content[10:]))
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"26")],
        },
        {"type": "http.response.body", "body": b'{"run_id":400000000000001}'},
    ]


@pytest.mark.asyncio
async def test_path_is_encoded_again_where_the_server_gives_none_raw(workspace: Workspace) -> None:
    """`raw_path` is optional in ASGI; the query stands apart."""
    scope = _scope(workspace, "/ä b", raw_path=None, method="GET", query_string=b"x=%20")
    await _call(workspace.asgi(), scope, _body(b""))
    assert workspace.journal[0].path == "/%C3%A4%20b"


@pytest.mark.asyncio
async def test_client_that_leaves_early_has_made_no_call(workspace: Workspace) -> None:
    """Half a request is none, even where its first half would be a whole one."""
    half = {"type": "http.request", "body": json.dumps(flat_body()).encode(), "more_body": True}
    sent = await _call(workspace.asgi(), _scope(workspace), [half, {"type": "http.disconnect"}])
    assert (sent, len(workspace.runs), len(workspace.journal)) == ([], 0, 0)


class _Recorder:
    """Hands requests on to a workspace and keeps them."""

    def __init__(self, workspace: Workspace) -> None:
        self.host = workspace.host
        self.requests: list[Request] = []
        self._workspace = workspace

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        return self._workspace.handle(request)

    def pass_time(self, ms: int) -> None:
        self._workspace.pass_time(ms)

    @property
    def gate(self) -> Gate:
        """A gate that is open."""
        return Workspace().gate

    def hold(self, name: str) -> AbstractContextManager[object]:
        return self._workspace.hold(name)

    def real_seconds(self, ms: int) -> float:
        return self._workspace.real_seconds(ms)


@pytest.mark.fact("requests.max-body", "errors.request-too-large")
@pytest.mark.asyncio
async def test_large_body_is_read_to_the_end_but_not_held(workspace: Workspace) -> None:
    """A body above the limit is drained, so that the client hears why it is refused."""
    recorder = _Recorder(workspace)
    chunk = b" " * (MAX_BODY_BYTES // 2)
    incoming = iter(_body(*[chunk] * 6))
    sent = await _call(AsgiApp(recorder), _scope(workspace), incoming)
    assert sent[0]["status"] == 413
    assert list(incoming) == []
    [request] = recorder.requests
    assert (request.is_truncated, len(request.body)) == (True, 3 * len(chunk))


@pytest.mark.asyncio
async def test_endless_body_is_answered_before_its_end(workspace: Workspace) -> None:
    """Nobody can keep a connection busy without end."""
    chunk = b" " * MAX_BODY_BYTES
    received = 0

    def endless() -> Iterable[Message]:
        nonlocal received
        while True:
            received += 1
            yield {"type": "http.request", "body": chunk, "more_body": True}

    sent = await _call(workspace.asgi(), _scope(workspace), endless())
    assert (sent[0]["status"], received) == (413, 9)


@pytest.mark.asyncio
async def test_lost_response_under_a_server_without_extension_raises(workspace: Workspace) -> None:
    """A server that gives no way to the connection breaks it in its own way."""
    workspace.faults.add(LostResponse("runs/submit"))
    with pytest.raises(ConnectionResetError):
        await _call(workspace.asgi(), _scope(workspace), _body(json.dumps(flat_body()).encode()))
    assert len(workspace.runs) == 1


@pytest.mark.asyncio
async def test_what_is_no_transport_is_no_way_to_the_connection(workspace: Workspace) -> None:
    """An extension of another kind under that name is not called."""
    workspace.faults.add(LostResponse("runs/submit"))
    scope = _scope(workspace, extensions={TRANSPORT_EXTENSION: asyncio.Queue()})
    with pytest.raises(ConnectionResetError):
        await _call(workspace.asgi(), scope, _body(b"{}"))


@pytest.mark.asyncio
async def test_lost_response_resets_the_connection_and_waits_for_its_end(workspace: Workspace) -> None:
    """With the transport at hand the connection is aborted, and the call lasts until the server noticed."""
    workspace.faults.add(LostResponse("runs/submit"))
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    scope = _scope(workspace, extensions={TRANSPORT_EXTENSION: transport})
    messages = iter([*_body(json.dumps(flat_body()).encode()), *_body(b""), {"type": "http.disconnect"}])
    with theirs:
        assert await _call(workspace.asgi(), scope, messages) == []
    assert transport.is_closing()
    assert (list(messages), len(workspace.runs)) == ([], 1)


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
@pytest.mark.asyncio
async def test_other_protocols_are_refused(workspace: Workspace, kind: str) -> None:
    """A server that asks for more than HTTP is told."""
    with pytest.raises(NotImplementedError, match=kind):
        await _call(workspace.asgi(), {"type": kind}, [])


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        pytest.param("127.0.0.1:8765", True, id="address"),
        pytest.param("localhost", True, id="name"),
        pytest.param("LocalHost:8765", True, id="any-case"),
        pytest.param("[::1]:8765", True, id="ipv6"),
        pytest.param("[::1]", True, id="ipv6-without-port"),
        pytest.param("evil.example:8765", False, id="another-name"),
        pytest.param("localhost.evil.example", False, id="longer-name"),
        pytest.param("", False, id="empty"),
    ],
)
@pytest.mark.asyncio
async def test_host_header_must_be_allowed(workspace: Workspace, host: str, *, is_allowed: bool) -> None:
    """A page in a browser that reaches the port under a name of its own stays outside."""
    app = AsgiApp(workspace, allowed_hosts=frozenset({"localhost", "127.0.0.1", "::1"}))
    scope = _scope(workspace, "/__dbx/health", method="GET", headers=[(b"host", host.encode())])
    sent = await _call(app, scope, _body(b""))
    assert sent[0]["status"] == (200 if is_allowed else 400)
    if not is_allowed:
        assert "--allow-host" in json.loads(sent[1]["body"])["message"]


@pytest.mark.asyncio
async def test_any_host_is_allowed_unless_told_otherwise(workspace: Workspace) -> None:
    """In process there is nobody to keep out."""
    scope = _scope(workspace, "/__dbx/health", method="GET", headers=[(b"host", b"x")])
    assert (await _call(workspace.asgi(), scope, _body(b"")))[0]["status"] == 200
