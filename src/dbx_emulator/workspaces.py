"""Many workspaces behind one door: which of them a request is for.

The server uses it, so that tests that run at the same time can share one server without seeing each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

from dbx_emulator._api.auth import credentials_of
from dbx_emulator._api.dispatch import bearer_token
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Gate
from dbx_emulator.workspace import Workspace

__all__ = ["Workspaces"]

_LIMIT = 1_000


class Workspaces:
    """Sends each request to the workspace it is for.

    A request is for the workspace whose number stands in `X-Databricks-Workspace-Id`, else for the one whose host
    it was sent to if only one has that host, else for the one that its token opens. A token that opens none
    makes a workspace of its own, if `make` is given. A request for a token of OAuth is for the workspace of its
    client. Any other request without a token is answered by the first.

    Args:
        workspaces: The workspaces there are; at least one.
        make: Makes the private workspace of a token that nobody knows; `None` lets the first refuse it.
        limit: How many workspaces there may be, the given ones included; beyond, unknown tokens are refused.

    Raises:
        UsageError: There is no workspace, or one token opens two of them.
    """

    def __init__(
        self, *workspaces: Workspace, make: Callable[[str], Workspace] | None = None, limit: int = _LIMIT
    ) -> None:
        if not workspaces:
            raise UsageError("workspaces: there must be one to answer those who bring no token")
        self._workspaces: list[Workspace] = []
        self._make = make
        self._limit = limit
        self._lock = threading.Lock()
        for workspace in workspaces:
            self.add(workspace)

    def __iter__(self) -> Iterator[Workspace]:
        return iter(tuple(self._workspaces))

    def __len__(self) -> int:
        return len(self._workspaces)

    @property
    def host(self) -> str:
        """The host of the first workspace."""
        return self._workspaces[0].host

    @property
    def gate(self) -> Gate:
        """The gate of the first workspace; the others cannot close it."""
        return self._workspaces[0].gate

    def add(self, workspace: Workspace) -> None:
        """Answer for one more workspace.

        Raises:
            UsageError: Its token opens another one.
        """
        for each in self._workspaces:
            if each.opens(workspace.token):
                raise UsageError(
                    f"token: the workspaces at {each.url} and {workspace.url} are opened by the same token; "
                    "give each its own"
                )
        self._share(workspace)

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        return self._choose(request).handle(request)

    def pass_time(self, ms: int) -> None:
        """Let virtual milliseconds pass in every workspace."""
        for workspace in self:
            workspace.pass_time(ms)

    def hold(self, name: str) -> AbstractContextManager[object]:
        """Return a context in which a request from a socket keeps sleepers from moving any workspace's time."""
        holds = ExitStack()
        for workspace in self:
            holds.enter_context(workspace.hold(name))
        return holds

    def real_seconds(self, ms: int) -> float:
        """Return how long virtual milliseconds are for a client at a socket."""
        return self._workspaces[0].real_seconds(ms)

    def _choose(self, request: Request) -> Workspace:
        named = self._named(request)
        candidates = named or self._workspaces
        token = bearer_token(request.headers)
        if token is None:
            # One that asks for a token is known by its client.
            client_id = credentials_of(request).client_id
            return next((each for each in candidates if each.client_id == client_id), candidates[0])
        for workspace in candidates:
            if workspace.opens(token):
                return workspace
        return named[0] if named else self._private(token) or candidates[0]

    def _share(self, workspace: Workspace) -> None:
        """Let one more workspace be reached. Only the first may keep clients from connecting to all."""
        if self._workspaces:
            workspace.faults.share_listener()
        self._workspaces.append(workspace)

    def _named(self, request: Request) -> list[Workspace]:
        """Return the workspaces that a request names, if that leaves some out, else none."""
        number = (request.header(b"x-databricks-workspace-id") or b"").decode("latin-1")
        host = (request.header(b"host") or b"").decode("latin-1")
        by_number = [each for each in self._workspaces if str(each.workspace_id) == number]
        by_host = [each for each in self._workspaces if each.host == host]
        named = by_number or by_host
        return named if len(named) < len(self._workspaces) else []

    def _private(self, token: str) -> Workspace | None:
        with self._lock:
            for workspace in self._workspaces:
                if workspace.opens(token):
                    return workspace
            if self._make is None or len(self._workspaces) >= self._limit:
                return None
            workspace = self._make(token)
            self._share(workspace)
            return workspace
