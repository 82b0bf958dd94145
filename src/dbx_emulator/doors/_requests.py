"""The door for requests: an adapter for one session, and a patch for those that exist already.

requests and urllib3 do all of their work, down to a connection whose socket is a script. So each attempt that
urllib3 makes is one request to the workspace, and each error is the one that a socket would bring about.
"""

from __future__ import annotations

import io
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from dbx_emulator._api.messages import Reply, Request, RequestHandler
from dbx_emulator.doors.connections import Connections
from dbx_emulator.doors.patching import Finder, RefusedHost, Undo
from dbx_emulator.doors.script import Script

__all__ = ["RequestsAdapter", "patch"]

#: What requests itself does to send, whoever patches it later.
_SEND: Any = HTTPAdapter.send

#: Adapters keep connections for each session; each request here has a connection of its own.
_CONNECTIONS = Connections()

_USUAL_PORTS = {"http": ":80", "https": ":443"}


class RequestsAdapter(HTTPAdapter):
    """Carries the requests of a session to a workspace: `session.mount(workspace.url, adapter)`.

    Args:
        handler: Who answers.
        options: What `requests.adapters.HTTPAdapter` takes, such as `max_retries`.
    """

    def __init__(self, handler: RequestHandler, **options: Any) -> None:
        super().__init__(**options)
        self._handler = handler

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """Answer a request of the session."""
        return _send(self._handler, _netloc(request), self, request, *arguments, **options)


def patch(find: Finder) -> Undo:
    """Make every session of this process ask `find` first. Return what undoes it.

    Puts itself before whatever sends now, which may be another library's patch.
    """
    original: Any = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        try:
            netloc = _netloc(request)
            handler = find(netloc)
        except RefusedHost as error:
            raise RequestsConnectionError(str(error), request=request) from None
        if handler is None:
            response: Response = original(adapter, request, *arguments, **options)
            return response
        return _send(handler, netloc, adapter, request, *arguments, **options)

    def undo() -> None:
        HTTPAdapter.send = original  # type: ignore[method-assign]

    HTTPAdapter.send = send  # type: ignore[method-assign,assignment]
    return undo


def _send(
    handler: RequestHandler,
    netloc: str,
    adapter: HTTPAdapter,
    request: PreparedRequest,
    *arguments: Any,
    **options: Any,
) -> Response:
    is_tls = (request.url or "").lower().startswith("https:")
    answered: RequestHandler | _Answered = handler
    if _is_plain(adapter, request) and handler.gate.is_unguarded:
        # One attempt, and nothing to be seen on the connection: building one costs more than all the rest.
        is_reused = _CONNECTIONS.open(adapter, handler, is_tls=is_tls)
        reply = handler.handle(_plain(request, netloc, is_reused=is_reused))
        if not reply.wire and not reply.delay_ms:
            return _respond(adapter, request, reply)
        answered = _Answered(handler, reply)
    address = urlsplit(f"//{netloc}")
    pool = HTTPConnectionPool(
        address.hostname or "", address.port, handler=answered, owner=adapter, is_tls=is_tls
    )
    pool.ConnectionCls = _Connection
    response: Response = _SEND(_Rerouted(adapter, pool), request, *arguments, **options)
    return response


def _is_plain(adapter: HTTPAdapter, request: PreparedRequest) -> bool:
    """Say whether the library would send a request once, and all of it at once."""
    return adapter.max_retries.total == 0 and isinstance(request.body, (bytes, str, type(None)))


def _plain(request: PreparedRequest, netloc: str, *, is_reused: bool) -> Request:
    """Return a request as http.client would write it."""
    headers = [(_encoded(name), _encoded(value)) for name, value in request.headers.items()]
    headers.append((b"Host", netloc.encode("latin-1")))
    body = request.body or b""
    whole = body.encode() if isinstance(body, str) else body
    return Request(request.method or "", request.path_url, headers, whole, is_reused=is_reused)


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _respond(adapter: HTTPAdapter, request: PreparedRequest, reply: Reply) -> Response:
    """Return the library's response to a reply that arrives as it is."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    raw = HTTPResponse(
        body=io.BytesIO(reply.body),
        headers=headers | {"content-length": str(len(reply.body))},
        status=reply.status_code,
        version=11,
        reason=responses.get(reply.status_code, ""),
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )
    return adapter.build_response(request, raw)


class _Answered:
    """A workspace that has answered the request already."""

    def __init__(self, handler: RequestHandler, reply: Reply) -> None:
        self._reply = reply
        self.handler = handler

    def handle(self, _request: Request) -> Reply:
        return self._reply


def _netloc(request: PreparedRequest) -> str:
    """Return the host with its port, as a workspace knows it: without a port that goes without saying."""
    url = urlsplit(request.url or "")
    netloc = str(url.netloc).rpartition("@")[2].lower()
    return netloc.removesuffix(_USUAL_PORTS.get(str(url.scheme), ""))


class _Rerouted:
    """An adapter in all but where it connects to: no proxy, no TLS, but this pool."""

    def __init__(self, adapter: HTTPAdapter, pool: HTTPConnectionPool) -> None:
        self._adapter = adapter
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def get_connection_with_tls_context(self, *_arguments: Any, **_options: Any) -> HTTPConnectionPool:
        return self._pool

    def get_connection(self, *_arguments: Any, **_options: Any) -> HTTPConnectionPool:
        """Stand in for the same under requests before 2.32."""
        return self._pool

    def cert_verify(self, *_arguments: Any, **_options: Any) -> None:
        """Verify nothing: there is no certificate."""

    def request_url(self, request: PreparedRequest, *_arguments: Any, **_options: Any) -> str:
        return request.path_url


class _Connection(HTTPConnection):
    """A connection of urllib3 to a workspace."""

    def __init__(
        self,
        *arguments: Any,
        handler: RequestHandler | _Answered,
        owner: object,
        is_tls: bool,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._handler = handler
        self._owner = owner
        self._is_tls = is_tls

    def connect(self) -> None:
        """Open what passes for a socket.

        Raises:
            NewConnectionError: The connection is refused.
            SSLError: The handshake is.
        """
        if isinstance(self._handler, _Answered):
            self.sock = _Socket(self._handler, owner=self._owner)
            return
        try:
            is_reused = _CONNECTIONS.open(self._owner, self._handler, is_tls=self._is_tls)
        except ConnectionRefusedError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        self.sock = _Socket(self._handler, owner=self._owner, is_reused=is_reused)


class _Socket:
    """Gathers one request and plays the reply to it."""

    def __init__(
        self, handler: RequestHandler | _Answered, *, owner: object, is_reused: bool = False
    ) -> None:
        self._handler = handler
        self._owner = owner
        self._is_reused = is_reused
        self._sent = bytearray()
        self.timeout_seconds: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        self.timeout_seconds = seconds

    def sendall(self, data: bytes) -> None:
        self._sent += data

    def makefile(self, _mode: str, *_arguments: Any, **_options: Any) -> io.BufferedReader:
        """Return what the client reads from: it asks for it when it has sent the whole request."""
        request = _parse(bytes(self._sent))
        request.is_reused = self._is_reused
        reply = self._handler.handle(request)
        handler = self._handler.handler if isinstance(self._handler, _Answered) else self._handler
        if reply.wire:
            _CONNECTIONS.drop(self._owner, handler)
        return io.BufferedReader(_Reader(self, Script(handler, reply)))

    def shutdown(self, _how: int) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


class _Reader(io.RawIOBase):
    """Reads from a script with the timeout that the socket has at the moment."""

    def __init__(self, connection: _Socket, script: Script) -> None:
        self._connection = connection
        self._script = script

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._script.read(len(buffer), timeout_seconds=self._connection.timeout_seconds)
        buffer[: len(data)] = data
        return len(data)


def _parse(sent: bytes) -> Request:
    """Return the request that a client wrote."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    request = Request(method, target, headers, body)
    if (request.header(b"transfer-encoding") or b"").lower() == b"chunked":
        request.body = _join_chunks(body)
    return request


def _join_chunks(body: bytes) -> bytes:
    whole = bytearray()
    size, _, rest = body.partition(b"\r\n")
    while length := int(size, 16):
        whole += rest[:length]
        size, _, rest = rest[length + 2 :].partition(b"\r\n")
    return bytes(whole)
