"""Interception: this process's HTTP clients reach an engine, whoever made them and when.

Patches the two transports that httpx opens sockets with, on the class, so that clients made before count. The
engine answers for its own host; another Databricks host is refused with a message, because a test that reaches
a real workspace is a mistake; every other host goes where it always went.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from dbx_emulator._api.messages import Engine
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
_engines: list[Engine] = []


@contextmanager
def intercept(engine: Engine) -> Iterator[None]:
    """Answer for an engine's host while the context is open.

    Raises:
        UsageError: Another engine answers for that host already.
    """
    with _lock:
        if any(each.host == engine.host for each in _engines):
            raise UsageError(f"host: {engine.host} is intercepted already; give this workspace another host")
        if not _engines:
            _patch()
        _engines.append(engine)
    try:
        yield
    finally:
        with _lock:
            _engines.remove(engine)
            if not _engines:
                _unpatch()


_originals: dict[type, object] = {}


def _patch() -> None:
    """Put ourselves before whatever opens connections now, which may be another library's patch."""
    original = httpx.HTTPTransport.handle_request
    original_async = httpx.AsyncHTTPTransport.handle_async_request

    def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        engine = _engine_for(request)
        if engine is None:
            return original(transport, request)
        return answer(engine, request, request.read())

    async def handle_async_request(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        engine = _engine_for(request)
        if engine is None:
            return await original_async(transport, request)
        return answer(engine, request, await request.aread())

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


def _engine_for(request: httpx.Request) -> Engine | None:
    """Return who answers a request, or `None` if it is to go out.

    Raises:
        httpx.ConnectError: The host is another workspace of Databricks.
    """
    host = request.url.netloc.decode("ascii")
    for engine in _engines:
        if engine.host == host:
            return engine
    if _engines and request.url.host.endswith(DATABRICKS_DOMAINS):
        answered = ", ".join(engine.host for engine in _engines)
        raise httpx.ConnectError(
            f"dbx-emulator refused to connect to {host}: it answers for {answered}. "
            "Point the code under test at the workspace's url.",
            request=request,
        )
    return None
