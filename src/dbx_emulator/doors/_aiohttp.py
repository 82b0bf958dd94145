"""The door for aiohttp: connections to a workspace's host end at a loopback server of that workspace.

Nothing is faked: aiohttp's own code speaks HTTP and TLS over a real socket, and what a reply does to the
connection really happens to it. The certificate names the workspace's host and is verified.

aiohttp loads the authorities it trusts when it is imported, so that an exported file comes too late for it. The
request is given what trusts this workspace instead. aiohttp keeps that in the key of its pool as well: no
connection of an interception is ever used outside of it, nor one from before it inside.
"""

from __future__ import annotations

import errno
import functools
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

import aiohttp
from yarl import URL

from dbx_emulator.doors.loopback import Address, address_of
from dbx_emulator.doors.patching import Finder, RefusedHost, Undo

__all__ = ["patch"]

#: Where the connection ends that is being made.
_address: ContextVar[Address | None] = ContextVar("dbx_emulator_address", default=None)


def patch(find: Finder) -> Undo:
    """Make every connection of this process ask `find` first. Return what undoes it."""
    connect = aiohttp.BaseConnector.connect
    resolve = aiohttp.TCPConnector._resolve_host  # noqa: SLF001 - the one place below which all is the socket's

    @functools.wraps(connect)
    async def find_and_connect(
        connector: aiohttp.BaseConnector, req: aiohttp.ClientRequest, *args: Any, **options: Any
    ) -> Any:
        address = _find(find, req) if isinstance(connector, aiohttp.TCPConnector) else None
        if address is not None:
            _redirect(req, address)
        token = _address.set(address)
        try:
            return await connect(connector, req, *args, **options)
        finally:
            _address.reset(token)

    @functools.wraps(resolve)
    async def resolve_here(
        connector: aiohttp.TCPConnector, host: str, port: int, *args: Any, **options: Any
    ) -> Sequence[Any]:
        address = _address.get()
        if address is None:
            return await resolve(connector, host, port, *args, **options)
        # Before the resolver and its cache, so that nothing of this stays behind.
        return [_resolved(host, address)]

    request = aiohttp.ClientSession._request  # noqa: SLF001 - what all of its methods come down to

    @functools.wraps(request)
    async def hold_and_request(
        session: aiohttp.ClientSession, method: str, str_or_url: Any, *args: Any, **options: Any
    ) -> Any:
        with _held(find, method, session._build_url(str_or_url)):  # noqa: SLF001 - the session may have a base
            return await request(session, method, str_or_url, *args, **options)

    def undo() -> None:
        aiohttp.ClientSession._request = request  # type: ignore[method-assign] # noqa: SLF001
        aiohttp.BaseConnector.connect = connect  # type: ignore[method-assign]
        aiohttp.TCPConnector._resolve_host = resolve  # type: ignore[method-assign] # noqa: SLF001

    aiohttp.ClientSession._request = hold_and_request  # type: ignore[method-assign,assignment] # noqa: SLF001
    aiohttp.BaseConnector.connect = find_and_connect  # type: ignore[method-assign,assignment]
    aiohttp.TCPConnector._resolve_host = resolve_here  # type: ignore[method-assign,assignment] # noqa: SLF001
    return undo


def _held(find: Finder, method: str, url: URL) -> AbstractContextManager[object]:
    """Return a context in which a request keeps sleepers from moving time, if a workspace answers it."""
    try:
        handler = find(_netloc(url))
    except RefusedHost:
        # Told where it is an error of the library's.
        handler = None
    return nullcontext() if handler is None else handler.hold(f"{method.upper()} {url.path} of aiohttp")


def _netloc(url: URL) -> str:
    """Return a URL's host as a workspace knows it: without a port that goes without saying."""
    host = url.raw_host or ""
    name = f"[{host}]" if ":" in host else host
    return name if url.is_default_port() else f"{name}:{url.port}"


def _find(find: Finder, req: aiohttp.ClientRequest) -> Address | None:
    """Return where a request is to be sent, or `None` if that is nobody's concern.

    Raises:
        aiohttp.ClientConnectorError: The host is another workspace of Databricks.
    """
    try:
        handler = find(_netloc(req.url))
        return None if handler is None else address_of(handler, tls=req.is_ssl())
    except RefusedHost as error:
        refused = ConnectionRefusedError(errno.ECONNREFUSED, str(error))
        raise aiohttp.ClientConnectorError(req.connection_key, refused) from None


def _redirect(req: aiohttp.ClientRequest, address: Address) -> None:
    # What the session or its environment says about proxies is about the network, which is not used.
    req.update_proxy(None, None, None)
    # Comes before what the session trusts.
    req._ssl = address.context  # noqa: SLF001 - it has no other place


def _resolved(host: str, address: Address) -> dict[str, Any]:
    return {
        "hostname": host,
        "host": "127.0.0.1",
        "port": address.port,
        "family": socket.AF_INET,
        "proto": 0,
        "flags": socket.AI_NUMERICHOST,
    }
