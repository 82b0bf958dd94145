"""Runs that the tests of `get` poll; no test of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_emulator import Outcome, Workspace
from tests.agent.support import TEMPLATE, Template, make_execution

__all__ = ["ended", "served", "submitted", "submitted_tasks"]


async def submitted(
    workspace: Workspace, agent: DatabricksAgentV2, outcome: Outcome
) -> DatabricksJobMetadata:
    """Submit a run that has this outcome."""
    workspace.scenarios.add("etl", [outcome])
    return await agent.create(TEMPLATE, task_execution_metadata=make_execution())


async def ended(workspace: Workspace, agent: DatabricksAgentV2, outcome: Outcome) -> DatabricksJobMetadata:
    """Submit a run that has this outcome, and let it end."""
    meta = await submitted(workspace, agent, outcome)
    workspace.clock.advance("1d")
    return meta


async def submitted_tasks(
    workspace: Workspace, agent: DatabricksAgentV2, tasks: Sequence[Mapping[str, Any]], outcome: Outcome
) -> DatabricksJobMetadata:
    """Submit a run of several tasks that has this outcome."""
    workspace.scenarios.add("many", [outcome])
    return await agent.create(
        Template({"databricksConf": {"run_name": "many", "tasks": list(tasks)}}),
        task_execution_metadata=make_execution(),
    )


@contextmanager
def served(status_code: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """Answer every GET on a socket of this machine so; gives the address."""

    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status_code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
