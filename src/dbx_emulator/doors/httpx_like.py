"""What the doors for httpx and httpx2 share: the two libraries differ in their names only.

Knows neither of them; each door says which library it is for.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from dbx_emulator._api.messages import Reply, Request, RequestHandler
from dbx_emulator.doors.connections import Connections
from dbx_emulator.doors.patching import Finder, RefusedHost, Undo
from dbx_emulator.doors.script import Script

__all__ = ["HttpxLike", "PlayedBody", "Transport"]


class HttpxLike:
    """The door for one of the libraries.

    Args:
        client: The library: `httpx` or `httpx2`.
        core: What opens its connections: `httpcore` or `httpcore2`.
        played_body: `PlayedBody` as the library's kind of stream.
    """

    def __init__(self, client: Any, core: Any, played_body: type[PlayedBody]) -> None:
        self._client = client
        self._core = core
        self._played_body = played_body
        self._response = client.Response
        # A client that polls is told the same head each time; a response takes a copy of it.
        self._headers = functools.lru_cache(maxsize=1_024)(client.Headers)
        self._byte_stream = client.ByteStream
        self._connections = Connections()

    def answer(self, handler: RequestHandler, request: Any, body: bytes, *, owner: object) -> Any:
        """Return the workspace's answer.

        Args:
            handler: Who answers.
            request: The request.
            body: Its whole body.
            owner: Whose connection it would come on: connections are kept for each owner.

        Raises:
            TransportError: What becomes of the connection, as the library would report it.
        """
        try:
            is_reused = self._connections.open(owner, handler, is_tls=request.url.scheme == "https")
        except OSError as error:
            raise self._client.ConnectError(str(error), request=request) from error
        reply = handler.handle(
            Request(
                request.method,
                request.url.raw_path.decode("ascii"),
                request.headers.raw,
                body,
                is_reused=is_reused,
            )
        )
        if reply.wire or reply.delay_ms:
            if reply.wire:
                self._connections.drop(owner, handler)
            return self._play(handler, reply, request, body)
        # A stream, as from a real transport: `content=` would make the client look at the body twice.
        headers = self._headers((*reply.headers, (b"content-length", b"%d" % len(reply.body))))
        response = self._response(reply.status_code, headers=headers, stream=self._byte_stream(reply.body))
        # Known of the head already; the response would go through its lines to find out.
        response.headers.encoding = headers.encoding
        return response

    def patch(self, find: Finder) -> Undo:
        """Make every client of this process ask `find` first. Return what undoes it.

        Puts itself before whatever opens connections now, which may be another library's patch.
        """
        transport_class, async_transport_class = self._client.HTTPTransport, self._client.AsyncHTTPTransport
        original = transport_class.handle_request
        original_async = async_transport_class.handle_async_request

        def handle_request(transport: Any, request: Any) -> Any:
            handler = self._find(find, request)
            if handler is None:
                return original(transport, request)
            return self.answer(handler, request, request.read(), owner=transport)

        async def handle_async_request(transport: Any, request: Any) -> Any:
            handler = self._find(find, request)
            if handler is None:
                return await original_async(transport, request)
            return self.answer(handler, request, await request.aread(), owner=transport)

        def undo() -> None:
            transport_class.handle_request = original
            async_transport_class.handle_async_request = original_async

        transport_class.handle_request = handle_request
        async_transport_class.handle_async_request = handle_async_request
        return undo

    def _find(self, find: Finder, request: Any) -> RequestHandler | None:
        try:
            return find(request.url.netloc.decode("ascii"))
        except RefusedHost as error:
            raise self._client.ConnectError(str(error), request=request) from None

    def _play(self, handler: RequestHandler, reply: Reply, request: Any, body: bytes) -> Any:
        """Let the library's own connection read the reply from a script, the body as the client asks for it."""
        core_request = self._core.Request(
            request.method,
            self._core.URL(scheme=b"http", host=request.url.raw_host, port=None, target=request.url.raw_path),
            headers=request.headers.raw,
            content=body,
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        # A connection and no pool: respx patches the pools, and would be asked for the answer once more.
        connection = self._core.HTTP11Connection(
            origin=core_request.url.origin, stream=_Stream(self._core, Script(handler, reply))
        )
        with self.errors(request):
            response = connection.handle_request(core_request)
        return self._response(
            response.status, headers=response.headers, stream=self._played_body(self, request, response)
        )

    @contextlib.contextmanager
    def errors(self, request: Any) -> Iterator[None]:
        """Raise the errors of the connection as the client's: the classes have the same names."""
        core = self._core
        try:
            yield
        except (core.NetworkError, core.ProtocolError, core.TimeoutException) as error:
            raise getattr(self._client, type(error).__name__)(str(error), request=request) from error


class Transport:
    """Carries the requests of sync and async clients to a workspace, in process.

    Args:
        handler: Who answers.
    """

    _door: ClassVar[HttpxLike]

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler

    def handle_request(self, request: Any) -> Any:
        """Answer a request of a sync client."""
        return self._door.answer(self._handler, request, request.read(), owner=self)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request of an async client."""
        return self._door.answer(self._handler, request, await request.aread(), owner=self)


class PlayedBody:
    """A body that the library's own connection reads from a script, for sync and async clients.

    Args:
        door: Whose errors it raises.
        request: What it is the answer to.
        response: The response of the connection.
    """

    def __init__(self, door: HttpxLike, request: Any, response: Any) -> None:
        self._door = door
        self._request = request
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with self._door.errors(self._request):
            yield from self._response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()

    async def aclose(self) -> None:
        """Let go of the connection."""
        self._response.close()


class _Stream:
    """A connection to read from; what is written is known already."""

    def __init__(self, core: Any, script: Script) -> None:
        self._core = core
        self._script = script

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._script.read(max_bytes, timeout_seconds=timeout)
        except TimeoutError as error:
            raise self._core.ReadTimeout(str(error)) from error
        except ConnectionResetError as error:
            raise self._core.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Take what the client says; the reply to it is made."""

    def close(self) -> None:
        """Nothing is open."""

    def get_extra_info(self, _info: str) -> None:
        """Know nothing of a socket."""
