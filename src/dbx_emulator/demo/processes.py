"""The two services as real processes: started, waited for, and stopped whatever happens."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["ProcessFailed", "StartedProcess", "start_agent", "start_emulator"]

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class ProcessFailed(Exception):  # noqa: N818 - it is told to a person as a sentence
    """A service did not start. The message says which one and shows the last it said."""


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A service that is ready.

    Attributes:
        name: Its command.
        pid: Its process id.
        address: Where it listens: a URL, or host and port for gRPC.
        token: What opens it; an empty string if nothing is needed.
    """

    name: str
    pid: int
    address: str
    token: str = ""


@contextmanager
def start_emulator() -> Iterator[StartedProcess]:
    """Run `dbx-emulator serve` on a free port, with a clock that moves only when it is told to.

    Raises:
        ProcessFailed: It did not become ready.
    """
    arguments = ["-m", "dbx_emulator", "serve", "--port", "0", "--clock", "manual", "--json"]
    with _run("dbx-emulator", arguments, {}, re.compile(r"(?P<ready>\{.*\})")) as (pid, ready):
        said = json.loads(ready)
        yield StartedProcess("dbx-emulator", pid, said["url"], said["token"])


@contextmanager
def start_agent(url: str, token: str) -> Iterator[StartedProcess]:
    """Run `dbx-agent serve` on a free port, with the emulator as its workspace.

    Raises:
        ProcessFailed: It did not become ready.
    """
    environment = {"FLYTE_DATABRICKS_INSTANCE": url, "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": token}
    arguments = ["-m", "dbx_agent", "serve", "--port", "0"]
    listening = re.compile(r"dbx-agent: listening on (?P<ready>\S+)")
    with _run("dbx-agent", arguments, environment, listening) as (pid, address):
        yield StartedProcess("dbx-agent", pid, address)


@contextmanager
def _run(
    name: str, arguments: list[str], environment: Mapping[str, str], is_ready: re.Pattern[str]
) -> Iterator[tuple[int, str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process.pid, _wait_until_ready(name, process, is_ready)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(name: str, process: subprocess.Popen[str], is_ready: re.Pattern[str]) -> str:
    """Return what the process says when it is ready; go on reading so that it never blocks on its output."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), name=f"{name} output", daemon=True).start()
    last: deque[str] = deque(maxlen=10)
    while True:
        try:
            line = lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            said = "".join(last).strip() or "nothing"
            raise ProcessFailed(f"{name} did not start; the last it said: {said}")
        if (match := is_ready.search(line)) is not None:
            return match["ready"]
        last.append(line)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None, "started with a pipe"
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)
