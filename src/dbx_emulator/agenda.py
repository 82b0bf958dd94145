"""What is due in a workspace, for the clock that moves it, and whom to tell of it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from dbx_emulator._core.engine import Engine
from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = ["WorkspaceAgenda"]


class WorkspaceAgenda:
    """What is due in a workspace.

    Args:
        engine: Its runs.
        lock: What is held while they are looked at; never while anybody is told.
    """

    def __init__(self, engine: Engine, lock: AbstractContextManager[bool]) -> None:
        self._engine = engine
        self._to_call = engine.to_call
        self._lock = lock

    def next_deadline_ms(self) -> int | None:
        """Return when the next event is due, or `None` if nothing is to come."""
        with self._lock:
            return self._engine.next_deadline_ms()

    def settle(self) -> None:
        """Let happen what is due, so that a run in hand shows its state after the clock was moved."""
        with self._lock:
            self._engine.drain()
        self.call_back()

    def call_back(self) -> None:
        """Call, without the lock, whom scenarios want called about runs that succeeded."""
        while self._to_call:
            with self._lock:
                if not self._to_call:
                    return
                call, job_run = self._to_call.popleft()
            call(job_run)

    def find_run(self, run_id: int) -> JobRun | TaskRun | None:
        """Return the run with that id, or `None`."""
        with self._lock:
            found = self._engine.store.find(run_id)
        if found is None:
            return None
        job_run, task_run = found
        return job_run if task_run is None or job_run.is_flat else task_run
