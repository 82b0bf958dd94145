"""The workspace: the composition root. It holds the lock, and everything else hangs on it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dbx_emulator._api.adjacent import render_host_metadata
from dbx_emulator._api.calls import Service
from dbx_emulator._api.codec import Codec
from dbx_emulator._api.control import Control
from dbx_emulator._api.dispatch import Dispatcher
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._api.router import API_ROUTES
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Faults
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.scenarios import Scenarios, Timing

if TYPE_CHECKING:
    from dbx_emulator.doors._httpx import HttpxTransport
    from dbx_emulator.doors.asgi import AsgiApp
    from dbx_emulator.doors.server import RunningServer

__all__ = ["DEFAULT_TOKEN", "DEFAULT_URL", "RunsView", "Workspace"]

#: Where a workspace is in process unless told otherwise. The name ends as real ones do; nothing listens there.
DEFAULT_URL = "https://dbx-emulator.cloud.databricks.com"

#: The token that opens a workspace unless told otherwise. It looks like no real one.
DEFAULT_TOKEN = "dbx-emulator-token"  # noqa: S105 - opens nothing but an emulator

_WORKSPACE_ID = 900_800_700_600
_USER_NAME = "user@example.com"


class Workspace:
    """An emulated Databricks workspace.

    Args:
        host: Its URL, `https://…` or `http://…` without a path.
        clock: Its time; by default one that stands still until moved.
        timing: How long the stages of a run take unless a scenario says otherwise.
        token: The bearer token that opens it.
        further_tokens: More tokens that open it.

    Attributes:
        clock: Its time: `advance("5m")`, `now_ms`, `sleep`, `time`.
        scenarios: What happens to runs: `add("etl-*", [Outcome(…)])`.
        faults: What happens to calls: `add(StatusFault("runs/get", status_code=429))`.
        journal: What was called, oldest first.
        runs: The runs, by id.

    Raises:
        UsageError: `host` is no such URL, or the token is empty.
    """

    def __init__(
        self,
        host: str = DEFAULT_URL,
        *,
        clock: Clock | None = None,
        timing: Timing | None = None,
        token: str = DEFAULT_TOKEN,
        further_tokens: Iterable[str] = (),
    ) -> None:
        self.url, self.host = _parse_host(host)
        if not token:
            raise UsageError("token: an empty token opens nothing; leave it out for the usual one")
        self.token = token
        self.clock = clock or Clock()
        self.scenarios = Scenarios()
        self.faults = Faults(API_ROUTES)
        self.journal = Journal()
        self._lock = threading.Lock()
        self._engine = Engine(clock=self.clock, timing=timing or Timing(), scenarios=self.scenarios)
        self.runs = RunsView(self._engine, self._lock)
        service = Service(
            engine=self._engine,
            codec=Codec(url=self.url, workspace_id=_WORKSPACE_ID, user_name=_USER_NAME),
            control=Control(
                clock=self.clock, scenarios=self.scenarios, faults=self.faults, journal=self.journal
            ),
            host_metadata=render_host_metadata(url=self.url, workspace_id=_WORKSPACE_ID),
        )
        self._dispatcher = Dispatcher(service=service, tokens={token, *further_tokens})

    def __repr__(self) -> str:
        return f"<Workspace {self.url} with {len(self.runs)} runs>"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that open the workspace."""
        return {"Authorization": f"Bearer {self.token}"}

    def handle(self, request: Request) -> Reply:
        """Answer one request. This is the whole engine; everything else is a door onto it. It never waits."""
        with self._lock:
            return self._dispatcher.dispatch(request)

    def transport(self) -> HttpxTransport:
        """Return a transport for `httpx.Client(transport=…)` and `httpx.AsyncClient(transport=…)`."""
        from dbx_emulator.doors._httpx import HttpxTransport

        return HttpxTransport(self)

    def intercept(self) -> AbstractContextManager[None]:
        """Return a context in which this process's HTTP clients reach the workspace at its URL.

        Clients made before count too. Other Databricks hosts are refused, other hosts are left alone.
        """
        from dbx_emulator.doors.intercept import intercept

        return intercept(self)

    def asgi(self) -> AsgiApp:
        """Return the workspace as an ASGI application."""
        from dbx_emulator.doors.asgi import AsgiApp

        return AsgiApp(self)

    def serve(self, *, port: int = 0) -> AbstractContextManager[RunningServer]:
        """Return a context in which the workspace listens on a loopback port, 0 for any free one.

        Raises:
            UsageError: On entering, if the port is taken.
            ImportError: On entering, if uvicorn is missing.
        """
        from dbx_emulator.doors.server import serve_in_thread

        return serve_in_thread(self, port=port)


class RunsView:
    """The runs of a workspace, as they are at its present.

    Looking at them lets everything happen first that is due.
    """

    def __init__(self, engine: Engine, lock: threading.Lock) -> None:
        self._engine = engine
        self._lock = lock

    def __len__(self) -> int:
        return len(self._engine.store)

    def __getitem__(self, run_id: int | str) -> JobRun:
        """Return the job run with that id, or the one above the task run with that id.

        Raises:
            UsageError: There is no such run.
        """
        with self._lock:
            self._engine.drain()
            found = self._engine.store.find(int(run_id)) if str(run_id).isdecimal() else None
        if found is None:
            raise UsageError(f"run {run_id} does not exist; the workspace has {len(self)} runs")
        return found[0]

    def __iter__(self) -> Iterator[JobRun]:
        """Yield the job runs, oldest first."""
        with self._lock:
            self._engine.drain()
            newest_first = [job_run for _, job_run in self._engine.store.newest_first()]
        return reversed(newest_first)

    @property
    def active(self) -> list[JobRun]:
        """The job runs that are not over, oldest first."""
        with self._lock:
            self._engine.drain()
            return self._engine.store.active()


def _parse_host(url: str) -> tuple[str, str]:
    """Return a workspace's URL without trailing slash, and its host with port."""
    scheme, separator, host = url.rstrip("/").lower().partition("://")
    # As clients write it: without the port that goes without saying.
    host = host.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))
    if not separator or scheme not in ("http", "https") or not host or set(host) & set("/?#@ "):
        raise UsageError(f"host: {url!r} is no URL of a workspace; write 'https://name.cloud.databricks.com'")
    return f"{scheme}://{host}", host
