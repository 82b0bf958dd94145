"""`get` while a run cannot be read: what passes, what is borne for a time, what is never an exception."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_emulator import (
    ConnectionFault,
    DriftFault,
    LostResponse,
    Outcome,
    ReadLag,
    StatusFault,
    WireFault,
    Workspace,
)
from tests.agent.support import ManualClock, phase_name

from .polled import served, submitted

pytestmark = pytest.mark.flyte

LIFE: dict[str, Any] = {"queue": "2m", "cluster": "3m", "run": "10m", "terminating": "30s"}
LIVES = {
    "SUCCEEDED": Outcome(**LIFE),
    "FAILED": Outcome(**LIFE, termination_code="RUN_EXECUTION_ERROR", error="ValueError: no"),
    "RETRYABLE_FAILED": Outcome(**LIFE, termination_code="CLOUD_FAILURE"),
}

FAULTS: dict[str, Callable[[], Any]] = {
    "401": partial(StatusFault, "runs/get", status_code=401),
    "403": partial(StatusFault, "runs/get", status_code=403),
    "408": partial(StatusFault, "runs/get", status_code=408),
    "500": partial(StatusFault, "runs/get", status_code=500),
    "502-html": partial(StatusFault, "runs/get", status_code=502, dialect="html"),
    "503-empty": partial(StatusFault, "runs/get", status_code=503, dialect="empty"),
    "504-text": partial(StatusFault, "runs/get", status_code=504, dialect="text"),
    "520-binary": partial(StatusFault, "runs/get", status_code=520, dialect="binary"),
    "429": partial(StatusFault, "runs/get", status_code=429),
    "429-date": partial(StatusFault, "runs/get", status_code=429, retry_after="date+30s"),
    "429-huge": partial(StatusFault, "runs/get", status_code=429, retry_after="999999999"),
    "429-junk": partial(StatusFault, "runs/get", status_code=429, retry_after="soon"),
    "redirect": partial(StatusFault, "runs/get", status_code=302, headers={"Location": "/login.html"}),
    "lost": partial(LostResponse, "runs/get"),
    "refused": partial(ConnectionFault, how="refused"),
    "tls": partial(ConnectionFault, how="tls"),
    "hang": partial(WireFault, "runs/get", how="hang"),
    "reset": partial(WireFault, "runs/get", how="reset"),
    "closed": partial(WireFault, "runs/get", how="closed"),
    "garbage": partial(WireFault, "runs/get", how="garbage"),
    "truncated": partial(WireFault, "runs/get", how="truncated"),
    "reset-in-body": partial(WireFault, "runs/get", how="reset_in_body"),
    "slow-headers": partial(WireFault, "runs/get", how="slow_headers"),
    "late": partial(WireFault, "runs/get", how="late", delay="1m"),
    "empty-object": partial(DriftFault, "runs/get", body={}),
    "list": partial(DriftFault, "runs/get", body=[1]),
    "text": partial(DriftFault, "runs/get", body="busy"),
    "null-state": partial(DriftFault, "runs/get", nulls=["state", "status"]),
    "no-state": partial(DriftFault, "runs/get", remove=["state", "status"]),
}


@pytest.mark.behaviour(2)
@pytest.mark.weakness(3, 5)
@pytest.mark.fact("flyte.get.failures-add-up")
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", FAULTS)
async def test_twenty_polls_that_fail_change_nothing(
    workspace: Workspace, poller: DatabricksAgentV2, kind: str
) -> None:
    """Each repeats the phase and the links of the poll before, with the reason; the end is the right one."""
    phase = list(LIVES)[list(FAULTS).index(kind) % len(LIVES)]
    meta = await submitted(workspace, poller, LIVES[phase])
    failed = 0
    while True:
        known = await poller.get(meta)
        if phase_name(known) == phase:
            break
        workspace.faults.add(FAULTS[kind]())
        unread = await poller.get(meta)
        assert (unread.phase, unread.log_links) == (known.phase, known.log_links)
        assert f"Databricks run {meta.run_id} could not be read, the next poll asks again: " in unread.message
        workspace.faults.clear()
        failed += 1
        workspace.clock.advance("30s")
    assert failed >= 20
    assert known.log_links


@pytest.mark.behaviour(2)
@pytest.mark.asyncio
@pytest.mark.parametrize("phase", LIVES)
@pytest.mark.parametrize("kind", ["500", "hang", "empty-object", "403"])
async def test_a_run_that_ends_unseen_is_reported_as_it_ended(
    workspace: Workspace, poller: DatabricksAgentV2, phase: str, kind: str
) -> None:
    """No poll of its whole life can be answered; the first that can tells the truth."""
    meta = await submitted(workspace, poller, LIVES[phase])
    workspace.faults.add(FAULTS[kind]())
    for _ in range(20):
        unread = await poller.get(meta)
        assert (phase_name(unread), unread.log_links) == ("QUEUED", [])
        workspace.clock.advance("55s")
    workspace.faults.clear()
    assert phase_name(await poller.get(meta)) == phase


class _BrokenClock(ManualClock):
    async def sleep(self, seconds: float) -> None:
        raise KeyError("clock", seconds)


@pytest.mark.behaviour(2)
@pytest.mark.asyncio
async def test_an_exception_that_nobody_foresaw_is_answered_and_logged_once_in_full(
    workspace: Workspace, logged: list[logging.LogRecord]
) -> None:
    """The poll goes on; the traceback is in the log once for each place, and its words not in the message."""
    agent = DatabricksAgentV2(clock=_BrokenClock())
    meta = await submitted(workspace, agent, Outcome())
    workspace.faults.add(StatusFault("runs/get", status_code=503))
    for _ in range(3):
        resource = await agent.get(meta)
        assert phase_name(resource) == "QUEUED"
        assert resource.message.endswith("the agent met an unexpected KeyError; its log says more")
    unexpected = [record for record in logged if "unexpected KeyError" in record.getMessage()]
    assert [record.exc_info is not None for record in unexpected] == [True, False, False]


@pytest.mark.behaviour(2, 18)
@pytest.mark.asyncio
async def test_an_exception_while_explaining_never_hides_the_failure(workspace: Workspace) -> None:
    """The state, which was read, is answered without the explanation."""
    agent = DatabricksAgentV2(clock=_BrokenClock())
    meta = await submitted(workspace, agent, Outcome(termination_code="RUN_EXECUTION_ERROR", message="words"))
    workspace.clock.advance("1h")
    workspace.faults.add(StatusFault("runs/get-output", status_code=503))
    resource = await agent.get(meta)
    assert (phase_name(resource), resource.message) == ("FAILED", "RUN_EXECUTION_ERROR (CLIENT_ERROR): words")


@pytest.mark.behaviour(2)
@pytest.mark.asyncio
async def test_what_is_not_resource_meta_is_the_callers_mistake(poller: DatabricksAgentV2) -> None:
    """That is no trouble with a poll, and is raised."""
    with pytest.raises(AttributeError):
        await poller.get(b"{}")  # type: ignore[arg-type]


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
@pytest.mark.parametrize("status_code", [401, 403])
@pytest.mark.parametrize("dialect", ["json", "html"])
async def test_a_maintenance_window_of_ten_minutes_is_borne(
    workspace: Workspace, poller: DatabricksAgentV2, status_code: int, dialect: str
) -> None:
    """Valid tokens are refused for its time; the run, which went on, is then read to its end."""
    meta = await submitted(workspace, poller, LIVES["SUCCEEDED"])
    workspace.faults.add(
        StatusFault("runs/*", status_code=status_code, dialect=dialect, window=("3m", "13m"))
    )
    phases = []
    for _ in range(40):
        phases.append(phase_name(await poller.get(meta)))
        workspace.clock.advance("30s")
    assert list(dict.fromkeys(phases)) == ["QUEUED", "INITIALIZING", "RUNNING", "SUCCEEDED"]


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
async def test_a_token_that_is_revoked_for_good_fails_after_twenty_minutes(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Not before; the message says that it was not the run, and what to look at; the links stay."""
    meta = await submitted(workspace, poller, Outcome(run="10d"))
    workspace.clock.advance("5m")
    known = await poller.get(meta)
    workspace.faults.add(StatusFault("runs/get", status_code=403, message="Invalid access token."))
    for _ in range(40):
        assert phase_name(await poller.get(meta)) == "RUNNING"
        workspace.clock.advance("30s")
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    assert resource.message == (
        f"Databricks run {meta.run_id} could not be read for 20 minutes and is given up, although it may still "
        "go on in Databricks. See whether the agent's credentials are valid and may view the run. "
        f"HTTP 403 PERMISSION_DENIED: Invalid access token. (runs/get of {meta.run_id})"
    )
    assert resource.log_links == known.log_links


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
async def test_a_deployment_that_lost_its_token_is_borne_as_long(
    workspace: Workspace, poller: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is being mounted anew is there at a later poll; one that never comes is no endless wait."""
    meta = await submitted(workspace, poller, Outcome(run="10d"))
    monkeypatch.delenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    seen = []
    for _ in range(3):
        seen.append(phase_name(await poller.get(meta)))
        workspace.clock.advance("10m")
    assert seen == ["QUEUED", "QUEUED", "FAILED"]


@pytest.mark.behaviour(11)
@pytest.mark.asyncio
async def test_a_refusal_before_an_outage_and_one_after_it_are_not_added_up(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Only refusals in a row count."""
    meta = await submitted(workspace, poller, Outcome(run="10d"))
    for status_code in (403, 503, 503, 503, 403, 403):
        workspace.faults.add(StatusFault("runs/get", status_code=status_code))
        assert phase_name(await poller.get(meta)) == "QUEUED"
        workspace.faults.clear()
        workspace.clock.advance("15m")


@pytest.mark.behaviour(22)
@pytest.mark.fact("agent.get.late-visible")
@pytest.mark.asyncio
async def test_a_run_that_is_not_visible_right_after_its_submit_is_waited_for(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """The first two reads do not find it; the third does."""
    workspace.faults.add(ReadLag(reads=2, how="not_found"))
    meta = await submitted(workspace, poller, Outcome(queue="5m"))
    seen = []
    for _ in range(3):
        resource = await poller.get(meta)
        seen.append((phase_name(resource), "does not exist" in resource.message, bool(resource.log_links)))
        workspace.clock.advance("20s")
    assert seen == [("QUEUED", True, False), ("QUEUED", True, False), ("QUEUED", False, True)]


@pytest.mark.behaviour(22)
@pytest.mark.asyncio
@pytest.mark.parametrize("pause", ["1s", "30s", "1h"])
async def test_a_run_that_stays_unknown_fails_after_a_minute(
    workspace: Workspace, poller: DatabricksAgentV2, pause: str
) -> None:
    """Whether it ever was or not, and however rarely it is polled: never an endless loop."""
    meta = DatabricksJobMetadata(workspace.host, "123456789")
    started_ms = workspace.clock.now_ms
    while phase_name(resource := await poller.get(meta)) == "QUEUED":
        assert workspace.clock.now_ms < started_ms + 60_000
        workspace.clock.advance(pause)
    assert phase_name(resource) == "FAILED"
    assert "deleted, or older than the 60 days" in resource.message


@pytest.mark.behaviour(22)
@pytest.mark.asyncio
async def test_a_run_that_is_deleted_while_it_is_watched_keeps_its_links(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """It is RUNNING for the time that a stale read is given, then FAILED."""
    meta = await submitted(workspace, poller, Outcome(run="10d"))
    workspace.clock.advance("5m")
    known = await poller.get(meta)
    workspace.faults.add(
        StatusFault(
            "runs/get",
            status_code=400,
            error_code="INVALID_PARAMETER_VALUE",
            message=f"Run {meta.run_id} does not exist.",
        )
    )
    seen = []
    for _ in range(3):
        resource = await poller.get(meta)
        seen.append(phase_name(resource))
        assert resource.log_links == known.log_links
        workspace.clock.advance("30s")
    assert seen == ["RUNNING", "RUNNING", "FAILED"]


@pytest.mark.behaviour(2, 15)
@pytest.mark.asyncio
async def test_a_login_page_in_place_of_the_api_says_nothing_of_the_run(
    workspace: Workspace, poller: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is served with 200 for a day is no end."""
    with served(200, {"Content-Type": "text/html"}, b"<html><title>Log in</title></html>") as url:
        monkeypatch.setenv("DBX_AGENT_ALLOWED_HOSTS", url.removeprefix("http://"))
        for _ in range(3):
            resource = await poller.get(DatabricksJobMetadata(url, "7"))
            assert phase_name(resource) == "QUEUED"
            assert "could not be read, the next poll asks again: " in resource.message
            workspace.clock.advance("8h")


@pytest.mark.asyncio
async def test_what_the_service_says_again_is_not_worked_out_again(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """The same body is the same answer, down to its text as an object; the next event makes another."""
    meta = await submitted(workspace, poller, Outcome(cluster="2m", run="1h"))
    first, second = await poller.get(meta), await poller.get(meta)
    assert second.message is first.message
    workspace.clock.advance("2m")
    third = await poller.get(meta)
    assert (phase_name(first), phase_name(third)) == ("INITIALIZING", "RUNNING")
    assert third.message != first.message
