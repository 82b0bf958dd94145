"""Interception: this process's HTTP clients reach a workspace, whoever made them and when.

Patches the two transports that httpx opens sockets with, on the class, so that clients made before count. The
workspace answers for its own host; another Databricks host is refused with a message, because a test that reaches
a real workspace is a mistake; every other host goes where it always went.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors._httpx import answer

__all__ = ["DATABRICKS_DOMAINS", "intercept"]

#: Source: [hosts.databricks-domains] documented: Databricks documentation, workspace URLs on AWS, Azure and GCP
DATABRICKS_DOMAINS = (
    ".cloud.databricks.com",
    ".azuredatabricks.net",
    ".databricks.azure.cn",
    ".databricks.azure.us",
    ".gcp.databricks.com",
)

_lock = threading.Lock()
_handlers: list[RequestHandler] = []


@contextmanager
def intercept(handler: RequestHandler) -> Iterator[None]:
    """Answer for a workspace's host while the context is open.

    Raises:
        UsageError: Another workspace answers for that host already.
    """
    with _lock:
        if any(each.host == handler.host for each in _handlers):
            raise UsageError(f"host: {handler.host} is intercepted already; give this workspace another host")
        if not _handlers:
            _patch()
        _handlers.append(handler)
    try:
        yield
    finally:
        with _lock:
            _handlers.remove(handler)
            if not _handlers:
                _unpatch()


_originals: dict[type, object] = {}


def _patch() -> None:
    """Put ourselves before whatever opens connections now, which may be another library's patch."""
    original = httpx.HTTPTransport.handle_request
    original_async = httpx.AsyncHTTPTransport.handle_async_request

    def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        handler = _handler_for(request)
        if handler is None:
            return original(transport, request)
        return answer(handler, request, request.read())

    async def handle_async_request(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        handler = _handler_for(request)
        if handler is None:
            return await original_async(transport, request)
        return answer(handler, request, await request.aread())

    _originals[httpx.HTTPTransport] = original
    _originals[httpx.AsyncHTTPTransport] = original_async
    httpx.HTTPTransport.handle_request = handle_request  # type: ignore[method-assign,assignment]
    httpx.AsyncHTTPTransport.handle_async_request = handle_async_request  # type: ignore[method-assign,assignment]


def _unpatch() -> None:
    """Put the originals back."""
    httpx.HTTPTransport.handle_request = _originals.pop(httpx.HTTPTransport)  # type: ignore[assignment,method-assign]
    httpx.AsyncHTTPTransport.handle_async_request = _originals.pop(  # type: ignore[assignment,method-assign]
        httpx.AsyncHTTPTransport
    )


def _handler_for(request: httpx.Request) -> RequestHandler | None:
    """Return who answers a request, or `None` if it is to go out.

    Raises:
        httpx.ConnectError: The host is another workspace of Databricks.
    """
    host = request.url.netloc.decode("ascii")
    for handler in _handlers:
        if handler.host == host:
            return handler
    if _handlers and request.url.host.endswith(DATABRICKS_DOMAINS):
        answered = ", ".join(handler.host for handler in _handlers)
        raise httpx.ConnectError(
            f"dbx-emulator refused to connect to {host}: it answers for {answered}. "
            "Point the code under test at the workspace's url.",
            request=request,
        )
    return None
