"""The demo: a real Flyte task goes through the agent's gRPC service to the emulator and back.

Two real processes are started, `dbx-emulator serve` and `dbx-agent serve`. The demo plays Flyte's engine: it
speaks gRPC to the agent, moves the emulator's clock by one poll interval at a time, and tells what it is
answered. What it reports at the end comes from those answers and from the emulator's journal.
"""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from types import FrameType
from typing import Any

import grpc

from dbx_emulator.demo.engine import AgentConnection, run_task
from dbx_emulator.demo.processes import ProcessFailed, start_agent, start_emulator
from dbx_emulator.demo.remote import RemoteWorkspace
from dbx_emulator.demo.report import judge
from dbx_emulator.demo.story import FAULTS, SCENARIO, read_task_template
from dbx_emulator.demo.telling import Teller, make_teller

__all__ = ["main"]


def main(*, as_json: bool) -> int:
    """Run the demo and return the exit status: 0 if all happened that was to happen, else 1.

    Args:
        as_json: Whether to tell it as lines of JSON.
    """
    signal.signal(signal.SIGTERM, _stop)
    with make_teller(as_json=as_json) as teller:
        try:
            return _play(teller)
        except (ProcessFailed, grpc.RpcError) as error:
            teller.fail(_describe(error))
            return 1
        except KeyboardInterrupt:
            teller.fail("interrupted")
            return 130


def _play(teller: Teller) -> int:
    with ExitStack() as stack:
        emulator = stack.enter_context(start_emulator())
        teller.started(emulator)
        workspace = stack.enter_context(RemoteWorkspace(emulator.address, emulator.token))
        workspace.post("scenarios", SCENARIO)
        for fault in FAULTS:
            workspace.post("faults", fault)
        agent = stack.enter_context(start_agent(emulator.address, emulator.token))
        teller.started(agent)
        connection = stack.enter_context(AgentConnection(agent.address))
        phases = run_task(read_task_template(), connection, workspace, teller)
        report = judge(phases, workspace.journal())
        teller.report(report)
        return 1 if report.unmet else 0


def _describe(error: Exception) -> str:
    if isinstance(error, grpc.RpcError):
        call: Any = error  # what the stubs raise is both an RpcError and a Call
        return f"dbx-agent answered {call.code().name}: {call.details()}"
    return str(error)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave through the context managers, which stop the processes."""
    sys.exit(143)
