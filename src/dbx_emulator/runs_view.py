"""The runs of a workspace as a test looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from dbx_emulator._core.engine import Engine
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.timeline import Timeline, timeline_of

__all__ = ["RunsView"]


class RunsView:
    """The runs of a workspace, as they are at its present.

    Looking at them lets everything happen first that is due.
    """

    def __init__(self, engine: Engine, lock: AbstractContextManager[bool]) -> None:
        self._engine = engine
        self._lock = lock

    def __len__(self) -> int:
        return len(self._engine.store)

    def __getitem__(self, run_id: int | str) -> JobRun:
        """Return the job run with that id, or the one above the task run with that id.

        Raises:
            UsageError: There is no such run.
        """
        with self._lock:
            self._engine.drain()
            found = self._engine.store.find(int(run_id)) if str(run_id).isdecimal() else None
        if found is None:
            raise UsageError(f"run {run_id} does not exist; the workspace has {len(self)} runs")
        return found[0]

    def __iter__(self) -> Iterator[JobRun]:
        """Yield the job runs, oldest first."""
        with self._lock:
            self._engine.drain()
            newest_first = [job_run for _, job_run in self._engine.store.newest_first()]
        return reversed(newest_first)

    def timeline(self, run_id: int | str) -> Timeline:
        """Return how the job run with that id went until now: `str(…)` is its text, `svg()` a picture.

        Raises:
            UsageError: There is no such run.
        """
        job_run = self[run_id]
        with self._lock:
            return timeline_of(job_run, now_ms=self._engine.drain())

    @property
    def active(self) -> list[JobRun]:
        """The job runs that are not over, oldest first."""
        with self._lock:
            self._engine.drain()
            return self._engine.store.active()
