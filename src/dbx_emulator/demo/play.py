"""The play: the services are started, the story is run, and the verdict becomes an exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import grpc
import httpx

from dbx_emulator.demo.engine import AgentConnection, run_task
from dbx_emulator.demo.processes import ProcessFailed, StartedProcess, start_agent, start_emulator
from dbx_emulator.demo.remote import RemoteWorkspace
from dbx_emulator.demo.report import Report, judge
from dbx_emulator.demo.story import STORY, Story, read_task_template
from dbx_emulator.demo.telling import Teller, make_teller

__all__ = ["main"]

#: How long a service that no longer answers is given to be seen dead: its sockets close before it is gone.
_DEATH_SECONDS = 0.5


def main(*, as_json: bool, story: Story = STORY) -> int:
    """Run the demo and return the exit status: 0 if all happened that was to happen, else 1.

    Args:
        as_json: Whether to tell it as lines of JSON.
        story: What the emulator is told to let happen; the verdict does not know it.
    """
    signal.signal(signal.SIGTERM, _stop)
    with make_teller(as_json=as_json) as teller:
        try:
            report = _play(story, teller)
        except ProcessFailed as error:
            teller.fail(str(error))
            return 1
        except KeyboardInterrupt:
            teller.fail("interrupted")
            return 130
        return 1 if report.unmet else 0


def _play(story: Story, teller: Teller) -> Report:
    with start_emulator() as emulator:
        teller.started(emulator)
        with start_agent(emulator.address, emulator.token) as agent:
            teller.started(agent)
            try:
                return _run(story, emulator, agent, teller)
            except (grpc.RpcError, httpx.HTTPError) as error:
                raise ProcessFailed(_describe(error, (emulator, agent))) from error


def _run(story: Story, emulator: StartedProcess, agent: StartedProcess, teller: Teller) -> Report:
    with (
        RemoteWorkspace(emulator.address, emulator.token) as workspace,
        AgentConnection(agent.address) as connection,
    ):
        workspace.post("scenarios", story.scenario)
        for fault in story.faults:
            workspace.post("faults", fault)
        phases = run_task(read_task_template(), connection, workspace, teller)
        report = judge(phases, workspace.journal())
        teller.report(report)
        return report


def _describe(error: grpc.RpcError | httpx.HTTPError, services: Sequence[StartedProcess]) -> str:
    """Say which service died, if one did, and how the last call of a service ended."""
    said = [
        f"{service.name} (pid {service.pid}) died ({_name(status)})"
        for service in services
        if (status := service.wait_for_end(_DEATH_SECONDS)) is not None
    ]
    if isinstance(error, httpx.HTTPError):
        said.append(f"a call of dbx-emulator ended with {type(error).__name__}: {error}")
    else:
        call: Any = error  # what the stubs raise is both an RpcError and a Call
        said.append(f"a call of dbx-agent ended with {call.code().name}: {call.details()}")
    return "; ".join(said)


def _name(exit_status: int) -> str:
    return signal.Signals(-exit_status).name if exit_status < 0 else f"exit status {exit_status}"


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave through the context managers, which stop the processes."""
    sys.exit(143)
