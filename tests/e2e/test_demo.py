"""The main job: a real Flyte task goes through the agent, over gRPC, to the emulator and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.processes import is_alive, run_command, spawned

pytestmark = pytest.mark.flyte


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


@pytest.mark.fact("flyte.engine.attempts", "flyte.engine.poll-interval")
def test_demo_tells_the_story_and_exits_0() -> None:
    """Two attempts, three submits of which one answer is lost, two runs and a throttled poll."""
    done = run_command("dbx_emulator", "demo", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1] == {
        "event": "report",
        "phases": ["RETRYABLE_FAILED", "SUCCEEDED"],
        "submit_calls": 3,
        "lost_answers": 1,
        "runs": 2,
        "throttled_calls": 1,
        "calls": events[-1]["calls"],
        "unmet": [],
    }
    told = [(event["attempt"], event["what"]) for event in events if event["event"] == "happened"]
    phases = [each for each in dict.fromkeys(told) if each[0] is not None and each[1].isupper()]
    assert phases == [
        (0, "QUEUED"),
        (0, "INITIALIZING"),
        (0, "RUNNING"),
        (0, "RETRYABLE_FAILED"),
        (1, "QUEUED"),
        (1, "INITIALIZING"),
        (1, "RUNNING"),
        (1, "SUCCEEDED"),
    ]
    polled_ms = [event["at_ms"] for event in events if event["event"] == "happened" and event["link"]]
    assert {(at_ms - polled_ms[0]) % 30_000 for at_ms in polled_ms} <= {0, 1}, "one poll every 30 s"
    links = {event["link"] for event in events if event["event"] == "happened" and event["link"]}
    assert len(links) == 2


@pytest.mark.once
def test_demo_without_the_lost_response_exits_1_and_says_why() -> None:
    """The verdict is on what was seen, not on what was planned: another story does not pass for this one."""
    code = (
        "import dataclasses, sys; from dbx_emulator.demo import main; from dbx_emulator.demo.story import STORY;"
        "sys.exit(main(as_json=True, story=dataclasses.replace(STORY, faults=STORY.faults[1:])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["event"] == "report"
    assert report["unmet"] == [
        "expected 3 calls of runs/submit, saw 2",
        "expected 1 answer to runs/submit lost, saw 0",
    ]


@pytest.mark.once
def test_demo_in_a_strange_environment_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and settings of the user do not reach the services; a file gets no escape sequences."""
    strange = {
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9"),
        "all_proxy": "socks5://127.0.0.1:9",
        "DBX_EMULATOR_SERVE_HOST": "0.0.0.0",
        "DBX_EMULATOR_SERVE_SPEED": "abc",
        "DBX_AGENT_GET_BUDGET_SECONDS": "abc",
    }
    for name, value in strange.items():
        monkeypatch.setenv(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    done = run_command("dbx_emulator", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert "at http://127.0.0.1:" in lines[0]
    assert "at 127.0.0.1:" in lines[1]
    assert lines[-1].endswith("Attempts: RETRYABLE_FAILED, SUCCEEDED.")


@pytest.mark.once
@pytest.mark.parametrize("victim", ["dbx-agent", "dbx-emulator"])
def test_demo_fails_when_a_service_is_killed(victim: str) -> None:
    """The report comes from real answers: without one of the services there are none."""
    with spawned("dbx_emulator", "demo", "--json") as process:
        pids: dict[str, int] = {}
        last: dict[str, Any] = {}
        for last in _events(process):
            if last["event"] == "started":
                pids[last["name"]] = last["pid"]
            elif last["event"] == "happened" and last["what"] == "RUNNING" and is_alive(pids[victim]):
                os.kill(pids[victim], signal.SIGKILL)
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert last["event"] == "failed"
    assert last["message"].startswith(f"{victim} (pid {pids[victim]}) died (SIGKILL); a call of dbx-")
    assert [name for name, pid in pids.items() if is_alive(pid)] == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "status"),
    [pytest.param(signal.SIGINT, 130, id="ctrl-c"), pytest.param(signal.SIGTERM, 143, id="terminate")],
)
def test_demo_interrupted_leaves_no_process_behind(number: signal.Signals, status: int) -> None:
    """Whoever stops the demo stops both services with it."""
    with spawned("dbx_emulator", "demo", "--json") as process:
        pids: dict[str, int] = {}
        for event in _events(process):
            if event["event"] == "started":
                pids[event["name"]] = event["pid"]
            elif event["event"] == "happened" and event["what"] == "CreateTask":
                process.send_signal(number)
        assert process.wait(60) == status
    assert sorted(pids) == ["dbx-agent", "dbx-emulator"]
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
