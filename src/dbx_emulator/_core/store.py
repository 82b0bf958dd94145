"""Where the runs of a workspace are: by id, by idempotency token, in the order of their creation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = ["RunStore"]

_LAST_INT64 = 2**63 - 1

#: How many ids are to follow at least.
_ROOM = 2**32


class RunStore:
    """All runs of one workspace.

    Ids come from counters, so that the same calls give the same ids. They are int64 and stay below 2**53.

    Source: [runs.ids.below-2-53] measured: run ids in public records have up to 15 digits
    """

    _FIRST_RUN_ID = 400_000_000_000_001
    _FIRST_JOB_ID = 900_000_000_000_001

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[JobRun, TaskRun | None]] = {}
        self._by_token: dict[str, JobRun] = {}
        self._created: list[JobRun] = []
        self._active: dict[int, int] = {}
        self._named: Counter[str] = Counter()
        self._next_run_id = self._FIRST_RUN_ID
        self._next_job_id = self._FIRST_JOB_ID

    def __len__(self) -> int:
        return len(self._created)

    def new_run_id(self) -> int:
        """Return a run id that no other run has."""
        run_id = self._next_run_id
        self._next_run_id += 1
        return run_id

    def start_ids_at(self, run_id: int) -> None:
        """Give the next run that id, and those after it the ids that follow.

        Raises:
            UsageError: It is no int64, or there are runs with that id or a higher one.
        """
        if not self._next_run_id <= run_id < _LAST_INT64 - _ROOM:
            raise UsageError(f"run_id: {run_id!r} is none from {self._next_run_id} to {_LAST_INT64 - _ROOM}")
        self._next_run_id = run_id

    def new_key(self, run_name: str) -> tuple[str, int]:
        """Return a run's name and its number among the runs of that name, from 1."""
        self._named[run_name] += 1
        return run_name, self._named[run_name]

    def new_job_id(self) -> int:
        """Return a job id that no other run has."""
        job_id = self._next_job_id
        self._next_job_id += 1
        return job_id

    def add(self, job_run: JobRun) -> None:
        """Keep a new run and the task runs below it."""
        self._active[job_run.run_id] = len(self._created)
        self._created.append(job_run)
        for task_run in job_run.task_runs:
            self.add_task_run(job_run, task_run)
        # Last: a flat run has the id of its first attempt, and is meant by it.
        self._by_id[job_run.run_id] = (job_run, None)
        if job_run.submitted.idempotency_token:
            self._by_token[job_run.submitted.idempotency_token] = job_run

    def add_task_run(self, job_run: JobRun, task_run: TaskRun) -> None:
        """Keep a task run below a job run."""
        self._by_id[task_run.run_id] = (job_run, task_run)

    def ended(self, job_run: JobRun) -> None:
        """Note that a run is no longer active."""
        self._active.pop(job_run.run_id, None)

    def active(self) -> list[JobRun]:
        """Return the active runs, oldest first."""
        return [self._created[position] for position in self._active.values()]

    def find(self, run_id: int) -> tuple[JobRun, TaskRun | None] | None:
        """Return the job run with that id or above it, and the task run with that id, or `None`.

        For the id of a job run the second is `None`, also where its first attempt has the same id.
        """
        return self._by_id.get(run_id)

    def find_by_token(self, idempotency_token: str) -> JobRun | None:
        """Return the run that was submitted with that token, or `None`."""
        return self._by_token.get(idempotency_token)

    def newest_first(
        self, *, before: int | None = None, active_only: bool = False
    ) -> Iterator[tuple[int, JobRun]]:
        """Yield (position, job run) from the newest on.

        Args:
            before: Start below that position; `None` starts with the newest.
            active_only: Leave out runs that are over, without looking at them.
        """
        end = len(self._created) if before is None else min(before, len(self._created))
        positions = reversed(self._active.values()) if active_only else range(end - 1, -1, -1)
        for position in positions:
            if position < end:
                yield position, self._created[position]
