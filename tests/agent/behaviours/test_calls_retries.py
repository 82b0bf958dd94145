"""Which failed calls are made again, how often, and after which pause."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.budget import Budget
from dbx_agent.client import JobsClient
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ApiCallError
from dbx_agent.instance import read_instance
from dbx_agent.settings import Settings
from dbx_emulator import ConnectionFault, StatusFault, WireFault, Workspace
from tests.agent.support import called

from .virtual import BUDGET_SECONDS, VirtualTime, submit

pytestmark = pytest.mark.flyte

BODY = {"run_name": "etl", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}

#: Status → whether a GET or a POST with a token is made again; whether a POST without one is.
STATUSES = {
    400: (False, False),
    401: (False, False),
    403: (False, False),
    404: (False, False),
    408: (False, False),
    409: (False, False),
    429: (True, True),
    500: (True, False),
    501: (False, False),
    502: (True, False),
    503: (True, True),
    504: (True, False),
}


async def _call(workspace: Workspace, clock: VirtualTime, *, kind: str) -> Any:
    """Make one call of a kind: a read, a submit with a token or one without."""
    client = JobsClient(
        Settings(),
        credentials=Credentials(lambda _: workspace.token, clock=clock),
        clock=clock,
        flytekit_version="x",
    )
    instance = read_instance(workspace.host, field="f", allow_http=False)
    budget = Budget(started_at=clock.time(), limit_seconds=BUDGET_SECONDS)
    if kind == "get":
        return await client.get_run(instance, 7, budget=budget)
    if kind == "cancel":
        return await client.cancel_run(instance, 7, budget=budget)
    token = {"idempotency_token": "t"} if kind == "submit-with-token" else {}
    return await client.submit_run(instance, BODY | token, budget=budget)


_ROUTES = {
    "get": "runs/get",
    "cancel": "runs/cancel",
    "submit-with-token": "runs/submit",
    "submit-without-token": "runs/submit",
}


@pytest.mark.behaviour(13)
@pytest.mark.weakness(6)
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", _ROUTES)
@pytest.mark.parametrize("status_code", STATUSES)
async def test_a_call_is_made_again_by_its_status_and_what_a_second_one_could_do(
    workspace: Workspace, kind: str, status_code: int
) -> None:
    """Once in trouble, whatever can be repeated is sent twice and all else once."""
    clock = VirtualTime(workspace)
    workspace.faults.add(StatusFault(_ROUTES[kind], status_code=status_code, times=1))
    again = STATUSES[status_code][kind == "submit-without-token"]
    with contextlib.suppress(ApiCallError):  # in the end there is no run 7
        await _call(workspace, clock, kind=kind)
    assert [route for route, _ in called(workspace)] == [_ROUTES[kind]] * (2 if again else 1)
    assert len(workspace.runs) == (1 if again and kind.startswith("submit") else 0)
    assert len(clock.sleeps) == (1 if again else 0)


@pytest.mark.behaviour(13)
@pytest.mark.weakness(7)
@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["reset", "closed", "truncated", "garbage", "wrong_length"])
@pytest.mark.parametrize("kind", ["submit-with-token", "submit-without-token"])
async def test_a_lost_answer_is_asked_for_again_only_with_a_token(
    workspace: Workspace, how: str, kind: str
) -> None:
    """The service acted: with a token the same run comes back, without one nobody submits a second."""
    clock = VirtualTime(workspace)
    workspace.faults.add(WireFault("runs/submit", how=how, times=1))
    has_token = kind == "submit-with-token"
    if has_token:
        assert await _call(workspace, clock, kind=kind) == next(iter(workspace.runs)).run_id
    else:
        with pytest.raises(ApiCallError):
            await _call(workspace, clock, kind=kind)
    assert (len(called(workspace)), len(workspace.runs)) == (2 if has_token else 1, 1)


@pytest.mark.behaviour(13)
@pytest.mark.asyncio
async def test_what_never_arrived_is_sent_again_even_without_a_token(workspace: Workspace) -> None:
    """A refused connection, twice; then one run."""
    clock = VirtualTime(workspace)
    workspace.faults.add(ConnectionFault(how="tls", times=2))
    assert await _call(workspace, clock, kind="submit-without-token")
    assert (len(workspace.runs), len(clock.sleeps)) == (1, 2)


@pytest.mark.behaviour(13)
@pytest.mark.asyncio
async def test_a_stale_connection_is_no_failure(workspace: Workspace) -> None:
    """A kept connection that the service has closed: the poll does not even mention it."""
    clock = VirtualTime(workspace)
    agent = DatabricksAgentV2(clock=clock)
    meta = await submit(agent)
    workspace.faults.add(WireFault("runs/get", how="stale_keep_alive", times=1))
    assert "could not be read" not in (await agent.get(meta)).message
    assert len(workspace.journal.calls("runs/get")) == 2


@pytest.mark.behaviour(14)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("retry_after", "between"),
    [
        pytest.param(1, (1.0, 1.1), id="seconds"),
        pytest.param("Mon, 01 Jan 2024 00:00:02 GMT", (2.0, 2.2), id="date"),
        pytest.param("Sun, 31 Dec 2023 23:59:30 GMT", (0.1, 0.2), id="date-in-the-past"),
        pytest.param(None, (1.0, 1.1), id="missing"),
        pytest.param(0, (0.1, 0.2), id="zero"),
        pytest.param(-1, (0.1, 0.2), id="negative"),
        pytest.param("soon", (1.0, 1.1), id="junk"),
        pytest.param(0.5, (1.0, 1.1), id="fraction"),
        pytest.param("nan", (1.0, 1.1), id="nan"),
        pytest.param(60, None, id="beyond-the-budget"),
        pytest.param(10**9, None, id="huge"),
        pytest.param("9" * 400, (1.0, 1.1), id="beyond-any-number"),
        pytest.param("Tue, 02 Jan 2024 00:00:00 GMT", None, id="date-far-away"),
    ],
)
async def test_a_pause_is_what_retry_after_asks_for(
    workspace: Workspace, retry_after: float | str | None, between: tuple[float, float] | None
) -> None:
    """At least that and a tenth more at most; what does not fit the budget is not slept at all."""
    clock = VirtualTime(workspace)
    agent = DatabricksAgentV2(clock=clock)
    meta = await submit(agent)
    headers = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    workspace.faults.add(
        StatusFault("runs/get", status_code=429, retry_after=retry_after, headers=headers, times=1)
    )
    message = (await agent.get(meta)).message
    if between is None:
        assert clock.sleeps == []
        assert "HTTP 429" in message
    else:
        [pause] = clock.sleeps
        assert between[0] <= pause <= between[1]
        assert "HTTP 429" not in message


@pytest.mark.behaviour(14)
@pytest.mark.behaviour(25)
@pytest.mark.asyncio
async def test_calls_that_fail_together_do_not_come_back_together(workspace: Workspace) -> None:
    """Twenty submits are told the same second; each waits a little differently."""
    clock = VirtualTime(workspace)
    agent = DatabricksAgentV2(clock=clock)
    for attempt in range(20):
        workspace.faults.add(StatusFault("runs/submit", status_code=429, retry_after=1, times=1))
        await submit(agent, attempt=attempt)
    assert len(set(clock.sleeps)) == 20
    assert len(workspace.runs) == 20


@pytest.mark.weakness(6)
@pytest.mark.asyncio
async def test_a_refusal_keeps_the_services_words(workspace: Workspace) -> None:
    """A page of HTML and a status: both reach the user, instead of the parser's complaint."""
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    workspace.faults.add(
        StatusFault(
            "runs/submit", status_code=400, dialect="html", message="Cluster policy forbids it", times=1
        )
    )
    meta: DatabricksJobMetadata = await submit(agent)
    assert "HTTP 400: " in meta.rejected
    assert "Cluster policy forbids it" in meta.rejected
