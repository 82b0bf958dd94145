"""The stall guard."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from dbx_emulator import Clock, UsageError, Workspace
from tests.emulator.support import Caller, send


@pytest.fixture
def workspace() -> Workspace:
    """A workspace that may be asked the same three times."""
    return Workspace(clock=Clock(stall_after=3))


def _poll(caller: Caller, run_id: int, times: int) -> None:
    for _ in range(times):
        caller.run(run_id)


def test_polls_without_time_are_a_mistake(workspace: Workspace, caller: Caller) -> None:
    """The error names the run, who polls and what to do, and it is raised again for whoever goes on."""
    run_id = caller.submit()
    _poll(caller, run_id, 3)
    for _ in range(2):
        with pytest.raises(
            UsageError, match=rf"thread 'MainThread' has read run {run_id} .* 3 times .*advance\("
        ):
            caller.run(run_id)


def test_task_that_polls_is_named(workspace: Workspace, caller: Caller) -> None:
    """On an event loop it is the task that matters."""
    run_id = caller.submit()

    async def poll() -> None:
        _poll(caller, run_id, 4)

    async def main() -> None:
        await asyncio.create_task(poll(), name="poller")

    with pytest.raises(UsageError, match="task 'poller' in thread 'MainThread' has read"):
        asyncio.run(main())


def test_callback_of_a_loop_is_named_by_its_thread(workspace: Workspace, caller: Caller) -> None:
    """A callback runs in no task."""
    said: list[str] = []

    def poll() -> None:
        try:
            _poll(caller, run_id, 4)
        except UsageError as error:
            said.append(str(error))

    async def main() -> None:
        asyncio.get_running_loop().call_soon(poll)

    run_id = caller.submit()
    thread = threading.Thread(target=lambda: asyncio.run(main()), name="callbacks")
    thread.start()
    thread.join()
    assert [text.partition(" has read")[0] for text in said] == ["stall guard: thread 'callbacks'"]


def test_time_that_moves_forgives(workspace: Workspace, caller: Caller) -> None:
    """Only what is read at one moment counts."""
    run_id = caller.submit()
    for _ in range(10):
        _poll(caller, run_id, 3)
        workspace.clock.advance("1ms")


def test_each_target_counts_by_itself(workspace: Workspace, caller: Caller) -> None:
    """Whoever looks at many things once polls none of them, and what is no run is named as it is."""
    for run_id in [caller.submit() for _ in range(5)]:
        _poll(caller, run_id, 3)
    with pytest.raises(UsageError, match=r"has read GET /api/2\.1/jobs/runs/list 3 times"):
        [caller.get("runs/list") for _ in range(4)]


def test_only_reads_of_the_service_count(workspace: Workspace, caller: Caller) -> None:
    """Submitting is no polling, and a page that watches the emulator may look as often as it likes."""
    for _ in range(10):
        caller.submit()
        assert send(workspace, "GET", "/__dbx/journal").status_code == 200


def test_guard_can_be_switched_off() -> None:
    """Without a limit everybody polls on."""
    caller = Caller(Workspace(clock=Clock()))
    _poll(caller, caller.submit(), 1_001)


def test_workspace_allows_a_thousand_by_default() -> None:
    """The thousand-and-first poll at one moment is the mistake."""
    caller = Caller(Workspace())
    run_id = caller.submit()
    _poll(caller, run_id, 1_000)
    with pytest.raises(UsageError, match="1,000 times"):
        caller.run(run_id)


def test_mistake_reaches_the_test_through_a_client(workspace: Workspace, caller: Caller) -> None:
    """In process no client takes it for an error of the connection."""
    url = f"{workspace.url}/api/2.1/jobs/runs/get?run_id={caller.submit()}"
    with workspace.intercept(), pytest.raises(UsageError, match="stall guard"):
        [httpx.get(url, headers=workspace.headers) for _ in range(4)]


def test_mistake_is_an_answer_at_a_socket(workspace: Workspace, caller: Caller) -> None:
    """There it has no other way to the test."""
    path = f"/api/2.1/jobs/runs/get?run_id={caller.submit()}"
    with (
        workspace.serve() as server,
        httpx.Client(base_url=server.url, headers=workspace.headers, trust_env=False) as client,
    ):
        answers = [client.get(path) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 500]
    assert answers[-1].json()["error_code"] == "USAGE_ERROR"
    assert "stall guard" in answers[-1].json()["message"]
