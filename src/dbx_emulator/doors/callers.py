"""Who is calling, in the words of the code under test: its threads and its tasks."""

from __future__ import annotations

import sys
import threading

__all__ = ["describe_caller"]


def describe_caller() -> str:
    """Return the name of the running task, if there is one, and of the thread."""
    thread = f"thread {threading.current_thread().name!r}"
    # Whoever has not loaded asyncio runs no task, and loading it costs more than everything else here.
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:  # noqa: SLF001 - the one that does not raise
        return thread
    task = asyncio.current_task()
    return thread if task is None else f"task {task.get_name()!r} in {thread}"
