"""The two ways in, behind one fixture: what is promised is promised through both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dbx_emulator import Workspace
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.faults import Gate
from dbx_emulator.doors.server import serve_in_thread

from .sdk_oracle import check_response

Json = dict[str, Any]

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Door:
    """A workspace and a way into it.

    Attributes:
        workspace: The workspace behind the door.
        url: The URL by which clients reach it.
        client: A client that has its credentials.
    """

    workspace: Workspace
    url: str
    client: httpx.Client

    def async_client(self) -> httpx.AsyncClient:
        """Return an async client through the same door."""
        transport = self.workspace.transport() if self.url == self.workspace.url else None
        return httpx.AsyncClient(
            transport=transport,
            base_url=self.url,
            headers=self.workspace.headers,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )

    def get(self, endpoint: str, version: str = "2.1", **parameters: Any) -> httpx.Response:
        """Call a GET of the Jobs API."""
        return self.client.get(f"/api/{version}/jobs/{endpoint}", params=parameters)

    def post(self, endpoint: str, body: Json, version: str = "2.1") -> httpx.Response:
        """Call a POST of the Jobs API."""
        return self.client.post(f"/api/{version}/jobs/{endpoint}", json=body)

    def submit(self, body: Json, version: str = "2.1") -> int:
        """Submit a run and return its id."""
        response = self.post("runs/submit", body, version)
        assert response.status_code == 200, response.text
        run_id: int = response.json()["run_id"]
        return run_id

    def run(self, run_id: int, version: str = "2.1") -> Json:
        """Return the body of runs/get."""
        response = self.get("runs/get", version, run_id=run_id)
        assert response.status_code == 200, response.text
        shown: Json = response.json()
        return shown


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time stands still."""
    return Workspace()


class _Front:
    """What the one server of this folder serves: the workspace of the test that is running."""

    def __init__(self) -> None:
        self.workspace = Workspace()

    @property
    def host(self) -> str:
        """The host name of that workspace."""
        return self.workspace.host

    @property
    def gate(self) -> Gate:
        """The gate of that workspace."""
        return self.workspace.gate

    def handle(self, request: Request) -> Reply:
        """Let that workspace answer."""
        return self.workspace.handle(request)

    def pass_time(self, ms: int) -> None:
        """Let time pass there."""
        self.workspace.pass_time(ms)

    def hold(self, name: str) -> AbstractContextManager[object]:
        """Hold time there."""
        return self.workspace.hold(name)

    def real_seconds(self, ms: int) -> float:
        """Return how long that is at a socket."""
        return self.workspace.real_seconds(ms)


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[_Front, str]]:
    """One server for all tests, because starting and stopping one takes longer than a test, and its URL."""
    served = _Front()
    with serve_in_thread(served) as server:
        yield served, server.url


@pytest.fixture(params=["inprocess", "socket"])
def door(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[Door]:
    """A client onto the workspace, in process and over a real socket."""
    if request.param == "inprocess":
        transport, url = workspace.transport(), workspace.url
    else:
        served, url = request.getfixturevalue("front")
        served.workspace, transport = workspace, None

    def check(response: httpx.Response) -> None:
        # A fault may be there to say what the service does not.
        if not any(True for _ in workspace.faults):
            check_response(response)

    with httpx.Client(
        transport=transport,
        base_url=url,
        headers=workspace.headers,
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
        event_hooks={"response": [check]},
    ) as client:
        yield Door(workspace, url, client)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail what is skipped: a door through which something cannot be had breaks the contract."""
    report: pytest.TestReport = yield  # type: ignore[assignment] # what pluggy sends back
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and the contract has no exceptions"
    return report  # type: ignore[return-value] # what pluggy wants back
