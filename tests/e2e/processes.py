"""Real processes for tests: started, waited for by what they say, and gone afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["is_alive", "run_command", "served", "spawned"]


@contextmanager
def spawned(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m …` with its output in a pipe while the context is open."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def served(*options: str) -> Iterator[dict[str, Any]]:
    """Run `dbx-emulator serve` on a free port; the value is what it announces: url, token, pid."""
    with spawned("dbx_emulator", "serve", "--port", "0", "--json", *options) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def run_command(*arguments: str, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )


def is_alive(pid: int) -> bool:
    """Say whether there is a process with that id that is not merely waiting to be collected."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
