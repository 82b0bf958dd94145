"""Interception: this process's HTTP clients reach a workspace, whoever made them and when.

Each library is patched by its own door, on the class, so that clients made before count as well. A workspace
answers for its own host; another Databricks host is refused with a message, because a test that reaches a real
workspace is a mistake; every other host goes where it always went.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.loopback import lent_servers
from dbx_emulator.doors.patching import Undo, refuse

__all__ = ["DATABRICKS_DOMAINS", "intercept"]

#: Source: [hosts.databricks-domains] documented: Databricks documentation, workspace URLs on AWS, Azure and GCP
DATABRICKS_DOMAINS = (
    ".cloud.databricks.com",
    ".azuredatabricks.net",
    ".databricks.azure.cn",
    ".databricks.azure.us",
    ".gcp.databricks.com",
)

#: Library → the door that patches it. A library that is not installed needs no patch.
_DOORS = {
    "httpx": "dbx_emulator.doors._httpx",
    "httpx2": "dbx_emulator.doors._httpx2",
    "requests": "dbx_emulator.doors._requests",
    "respx": "dbx_emulator.doors._respx",
    "aiohttp": "dbx_emulator.doors._aiohttp",
}

_lock = threading.Lock()
_handlers: list[RequestHandler] = []
_undo: list[Undo] = []


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
        with lent_servers(handler):
            yield
    finally:
        with _lock:
            _handlers.remove(handler)
            if not _handlers:
                _unpatch()


def _patch() -> None:
    """Patch every library that is installed, or none if one cannot be."""
    try:
        for library, door in _DOORS.items():
            if importlib.util.find_spec(library) is not None:
                _undo.append(importlib.import_module(door).patch(_find))
    except BaseException:
        _unpatch()
        raise


def _unpatch() -> None:
    while _undo:
        _undo.pop()()


def _find(host: str) -> RequestHandler | None:
    """Return who answers for a host, or `None` if the request is to go out.

    Raises:
        RefusedHost: The host is another workspace of Databricks.
    """
    for handler in _handlers:
        if handler.host == host:
            return handler
    if _handlers and host.partition(":")[0].endswith(DATABRICKS_DOMAINS):
        raise refuse(host, [handler.host for handler in _handlers])
    return None
