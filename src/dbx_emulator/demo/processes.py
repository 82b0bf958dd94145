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

__all__ = ["ProcessFailed", "StartedProcess", "make_environment", "start_agent", "start_emulator"]

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0

#: The beginnings of the variables that the services, and Flyte's and Databricks' libraries, are configured by.
_CONFIGURATION = ("DBX_EMULATOR_", "DBX_AGENT_", "DATABRICKS_", "FLYTE_", "_FSEC_")

_LOOPBACK = "127.0.0.1"
_NO_PROXY = f"{_LOOPBACK},localhost"


class ProcessFailed(Exception):  # noqa: N818 - it is told to a person as a sentence
    """A service did not start or did not do its work. The message says which one and what was last seen."""


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A service that is ready.

    Attributes:
        name: Its command.
        process: What runs.
        address: Where it listens: a URL, or host and port for gRPC.
        token: What opens it; an empty string if nothing is needed.
    """

    name: str
    process: subprocess.Popen[str]
    address: str
    token: str = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_for_end(self, timeout_seconds: float) -> int | None:
        """Return its exit status, negative for the signal that ended it; `None` if it goes on running."""
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None


def make_environment(environ: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a service: the user's without what would configure or divert it.

    Args:
        environ: The user's.
        own: What the service is to be told.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_CONFIGURATION) and not name.lower().endswith("_proxy")
    }
    # Without a proxy named, some platforms ask the system for one; these two keep them from it.
    return {**kept, "NO_PROXY": _NO_PROXY, "no_proxy": _NO_PROXY, **own, "PYTHONUNBUFFERED": "1"}


@contextmanager
def start_emulator() -> Iterator[StartedProcess]:
    """Run `dbx-emulator serve` on a free port, with a clock that moves only when it is told to.

    Raises:
        ProcessFailed: It did not become ready.
    """
    listen = ["--host", _LOOPBACK, "--port", "0"]
    arguments = ["-m", "dbx_emulator", "serve", *listen, "--clock", "manual", "--json"]
    with _run("dbx-emulator", arguments, {}, re.compile(r"(?P<ready>\{.*\})")) as (process, ready):
        said = json.loads(ready)
        yield StartedProcess("dbx-emulator", process, said["url"], said["token"])


@contextmanager
def start_agent(url: str, token: str) -> Iterator[StartedProcess]:
    """Run `dbx-agent serve` on a free port, with the emulator as its workspace.

    Raises:
        ProcessFailed: It did not become ready.
    """
    environment = {"FLYTE_DATABRICKS_INSTANCE": url, "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": token}
    arguments = ["-m", "dbx_agent", "serve", "--host", _LOOPBACK, "--port", "0"]
    listening = re.compile(r"dbx-agent: listening on (?P<ready>\S+)")
    with _run("dbx-agent", arguments, environment, listening) as (process, address):
        yield StartedProcess("dbx-agent", process, address)


@contextmanager
def _run(
    name: str, arguments: list[str], environment: Mapping[str, str], is_ready: re.Pattern[str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=make_environment(os.environ, environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, _wait_until_ready(name, process, is_ready)
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
