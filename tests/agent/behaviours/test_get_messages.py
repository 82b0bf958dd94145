"""What people read: the service's words whatever shape they have, and why a run failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flyteidl.admin.agent_pb2 import Resource as Message

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_emulator import Outcome, StatusFault, WireFault, Workspace
from tests.agent.support import CONF, TEMPLATE, Template, phase_name

from .polled import ended, served, submitted, submitted_tasks

pytestmark = pytest.mark.flyte

NOTEBOOK = {"existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}
FAILS = Outcome(
    termination_code="RUN_EXECUTION_ERROR", error="ValueError: no", error_trace="Traceback\n  ValueError: no"
)

BODIES = {
    "json": (
        b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Come back"}',
        "TEMPORARILY_UNAVAILABLE: Come back",
    ),
    "numeric-code": (b'{"error_code": 403, "message": "Invalid access token"}', "Invalid access token"),
    "old": (b'{"error": "Come back"}', "Come back"),
    "scim": (b'{"detail": "Come back", "status": "503"}', "Come back"),
    "other-json": (b'{"reason": {"why": 7}}', '{"reason": {"why": 7}}'),
    "list": (b'["Come back"]', '["Come back"]'),
    "coded-text": (b"SOME_CODE: Come back", "SOME_CODE: Come back"),
    "text": (b"Come\nback", "Come back"),
    "html": (
        b"<html><head><title>Come &amp; see</title></head><body>" + b"x" * 9000 + b"</body></html>",
        "Come & see",
    ),
    "html-pre": (b"<html><title>503</title><body><pre>Come <b>back</b></pre>", "Come back"),
    "empty": (b"", "Bad Request"),
    "binary": (b"\xff\xfe\x00\xd8", "\ufffd"),
    "endless": (b"word " * 200_000, "word word"),
    "half-surrogate": (b'{"message": "Come \\ud83d back"}', "Come ? back"),
}


@pytest.mark.behaviour(15)
@pytest.mark.weakness(5)
@pytest.mark.asyncio
@pytest.mark.parametrize("shape", BODIES)
async def test_the_services_words_are_shown_whatever_their_shape(
    workspace: Workspace, poller: DatabricksAgentV2, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    """On one readable line of bounded length, with the status; over a real socket."""
    # With a status that is not tried again within the call: the last try has little real time left.
    body, words = BODIES[shape]
    with served(400, {}, body) as url:
        monkeypatch.setenv("DBX_AGENT_ALLOWED_HOSTS", url.removeprefix("http://"))
        resource = await poller.get(DatabricksJobMetadata(url, "7"))
    assert phase_name(resource) == "QUEUED"
    assert resource.message.startswith(
        "Databricks run 7 could not be read, the next poll asks again: HTTP 400"
    )
    assert words in resource.message
    assert len(resource.message) < 1300
    assert "\n" not in resource.message
    Message(message=resource.message).SerializeToString()


@pytest.mark.behaviour(15)
@pytest.mark.asyncio
async def test_a_redirect_to_a_login_page_is_named_and_not_followed(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """The way a private link refuses; the token goes nowhere else."""
    meta = await submitted(workspace, poller, Outcome())
    elsewhere = {"Location": "/login.html?error=private-link-validation-error"}
    workspace.faults.add(StatusFault("runs/get", status_code=302, headers=elsewhere))
    resource = await poller.get(meta)
    assert phase_name(resource) == "QUEUED"
    assert "HTTP 302: the answer is a redirect, which is never followed" in resource.message
    assert {entry.route for entry in workspace.journal} == {"runs/submit", "runs/get"}


@pytest.mark.behaviour(18)
@pytest.mark.weakness(27)
@pytest.mark.asyncio
async def test_three_failed_tasks_of_150_are_all_explained_but_for_the_one_that_cannot_be(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Each with its exception and its trace, from the output of its own run; one output answers 500 for ever."""
    outcome = Outcome(tasks=dict.fromkeys(("t7", "t70", "t149"), FAILS))
    tasks = [{"task_key": f"t{number}", **NOTEBOOK} for number in range(150)]
    meta = await submitted_tasks(workspace, poller, tasks, outcome)
    workspace.clock.advance("1d")
    failed = {
        task.task_key: task.run_id
        for task in next(iter(workspace.runs)).task_runs
        if task.task_key in outcome.tasks
    }
    workspace.faults.add(
        StatusFault("runs/get-output", status_code=500, when=lambda call: str(failed["t70"]) in call.target)
    )
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    for name in ("t7", "t149"):
        assert (
            f"\ntask {name} (run {failed[name]}): ValueError: no\nTraceback\n  ValueError: no"
            in resource.message
        )
    assert (
        f"\ntask t70 (run {failed['t70']}): Workload failed, see run output for details" in resource.message
    )
    assert resource.message.startswith("RUN_EXECUTION_ERROR (CLIENT_ERROR): ")


@pytest.mark.behaviour(18)
@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["hang", "garbage", "truncated"])
async def test_no_trouble_with_an_output_hides_the_state(
    workspace: Workspace, poller: DatabricksAgentV2, how: str
) -> None:
    """The poll ends within its budget, with what is known of the run."""
    meta = await ended(workspace, poller, FAILS)
    workspace.faults.add(WireFault("runs/get-output", how=how))
    started_ms = workspace.clock.now_ms
    resource = await poller.get(meta)
    assert (phase_name(resource), resource.message) == (
        "FAILED",
        "RUN_EXECUTION_ERROR (CLIENT_ERROR): Workload failed, see run output for details",
    )
    assert workspace.clock.now_ms - started_ms <= 2_800


@pytest.mark.behaviour(18)
@pytest.mark.asyncio
async def test_the_end_of_a_huge_trace_is_kept(workspace: Workspace, poller: DatabricksAgentV2) -> None:
    """The message is bounded, whatever the job printed; colours are taken out."""
    trace = "\x1b[0;31m" + "\n".join(f"line {number}" for number in range(100_000))
    huge = Outcome(
        termination_code="RUN_EXECUTION_ERROR", message="m" * 9000, error="e" * 9000, error_trace=trace
    )
    resource = await poller.get(await ended(workspace, poller, huge))
    assert resource.message.endswith("\nline 99999")
    assert "\x1b" not in resource.message
    assert len(resource.message) < 4000


@pytest.mark.behaviour(18)
@pytest.mark.asyncio
async def test_tasks_that_only_followed_are_named_and_not_blamed(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Nobody asks for the output of what did not run."""
    tasks: list[dict[str, Any]] = [
        {"task_key": "b", "depends_on": [{"task_key": "a"}], **NOTEBOOK},
        {"task_key": "a", **NOTEBOOK},
    ]
    meta = await submitted_tasks(workspace, poller, tasks, Outcome(tasks={"a": FAILS}))
    workspace.clock.advance("1d")
    message = (await poller.get(meta)).message
    assert "\ntask a (run " in message
    assert message.endswith("\ndid not run because of that: b")
    assert len(workspace.journal.calls("runs/get-output")) == 1


@pytest.mark.behaviour(19)
@pytest.mark.asyncio
@pytest.mark.parametrize("count", [101, 250])
async def test_the_one_failed_task_is_found_on_the_last_page(
    workspace: Workspace, poller: DatabricksAgentV2, count: int
) -> None:
    """Each page is read once, and only when the run failed."""
    tasks = [{"task_key": f"t{number}", **NOTEBOOK} for number in range(count)]
    last = f"t{count - 1}"
    meta = await submitted_tasks(workspace, poller, tasks, Outcome(run="1h", tasks={last: FAILS}))
    workspace.clock.advance("10m")
    assert phase_name(await poller.get(meta)) == "RUNNING"
    assert len(workspace.journal.calls("runs/get")) == 1
    workspace.clock.advance("1d")
    resource = await poller.get(meta)
    assert f"\ntask {last} (run " in resource.message
    assert len(workspace.journal.calls("runs/get")) == 1 + -(-count // 100)


@pytest.mark.behaviour(18, 19)
@pytest.mark.asyncio
async def test_failed_iterations_are_explained_by_their_own_runs(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """A for-each task says only how many failed; the 120th iteration of 120 says why."""
    each = {
        "task_key": "each",
        "for_each_task": {
            "inputs": json.dumps(list(range(120))),
            "concurrency": 100,
            "task": {"task_key": "load", **NOTEBOOK},
        },
    }
    meta = await submitted_tasks(workspace, poller, [each], Outcome(tasks={"load/119": FAILS}))
    workspace.clock.advance("1d")
    resource = await poller.get(meta)
    assert "\ntask each/load (run " in resource.message
    assert "): ValueError: no\nTraceback\n  ValueError: no" in resource.message
    assert any(link.name.startswith("Failed task each/load (run ") for link in resource.log_links)


@pytest.mark.behaviour(18, 19)
@pytest.mark.asyncio
@pytest.mark.parametrize("skip", [1, 2])
async def test_iterations_that_cannot_be_read_leave_the_task_itself(
    workspace: Workspace, poller: DatabricksAgentV2, skip: int
) -> None:
    """Neither the run of a for-each task nor its second page may hide what is known."""
    each = {
        "task_key": "each",
        "for_each_task": {"inputs": json.dumps(list(range(120))), "task": {"task_key": "load", **NOTEBOOK}},
    }
    meta = await submitted_tasks(workspace, poller, [each], Outcome(tasks={"load/119": FAILS}))
    workspace.clock.advance("1d")
    workspace.faults.add(StatusFault("runs/get", status_code=503, skip=skip))
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    assert "iterations failed" in resource.message


@pytest.mark.behaviour(12)
@pytest.mark.asyncio
async def test_a_refused_submit_is_told_at_the_first_get(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """In the service's words, without any call."""
    workspace.faults.add(StatusFault("runs/submit", status_code=403, message="No clusters for you."))
    meta = await poller.create(Template({"databricksConf": CONF}))
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    assert "No clusters for you." in resource.message
    assert TEMPLATE.custom == {"databricksConf": CONF}
    assert workspace.journal.calls("runs/get") == []
