"""The door for respx: a workspace among the routes of a router, and peace between respx and interception."""

from __future__ import annotations

from typing import Any

import httpx
import respx
from respx.mocks import Mocker
from respx.models import PassThrough

from dbx_emulator._api.messages import RequestHandler
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors._httpx import answer
from dbx_emulator.doors.patching import Finder, RefusedHost, Undo

__all__ = ["WorkspaceRoute", "mount", "patch"]

_USUAL_PORTS = (80, 443)


class WorkspaceRoute(respx.Route):
    """The host of a workspace as a route.

    Args:
        handler: Who answers.

    Attributes:
        handler: Who answers.
    """

    def __init__(self, handler: RequestHandler) -> None:
        url = httpx.URL(f"//{handler.host}")
        super().__init__(host=url.host, port__in=(url.port,) if url.port else _USUAL_PORTS)
        self.handler = handler
        self.side_effect = self._answer

    @property
    def called(self) -> bool:
        """Say yes: that `assert_all_called` holds is no matter of the workspace. `call_count` tells the truth."""
        return True

    def _answer(self, request: httpx.Request) -> httpx.Response:
        # A router does not know which client asks: all share the connections to the workspace.
        response: httpx.Response = answer(self.handler, request, request.content, owner=self.handler)
        return response


def mount(handler: RequestHandler, router: respx.Router) -> None:
    """Let a router answer for a workspace's host.

    Raises:
        UsageError: Another workspace answers for that host there.
    """
    for route in router.routes:
        if isinstance(route, WorkspaceRoute) and route.handler.host == handler.host:
            if route.handler is handler:
                return
            raise UsageError(f"host: {handler.host} is mounted already; give this workspace another host")
    router.add(WorkspaceRoute(handler))


def patch(find: Finder) -> Undo:
    """Let requests to hosts that are answered for pass through `respx.mock(using="httpx")`.

    That one asks before a transport is chosen; `respx.mock` itself only asks when a connection is wanted, and
    so never hears of them.
    """
    mocker: Any = Mocker.registry["httpx"]
    original, original_async = mocker.handler, mocker.async_handler

    def handler(request: httpx.Request) -> Any:
        _let_pass(find, request)
        return original(request)

    async def async_handler(request: httpx.Request) -> Any:
        _let_pass(find, request)
        return await original_async(request)

    def undo() -> None:
        del mocker.handler, mocker.async_handler

    mocker.handler, mocker.async_handler = staticmethod(handler), staticmethod(async_handler)
    return undo


def _let_pass(find: Finder, request: httpx.Request) -> None:
    try:
        found = find(request.url.netloc.decode("ascii"))
    except RefusedHost:
        return  # A route for it is a mock; without one respx refuses it itself.
    if found is not None:
        raise PassThrough("dbx-emulator answers", request=request, origin=respx.Route())
