"""The records of jobs: what is kept to be run again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbx_emulator._core.submitted import SubmittedRun, SubmittedTask

if TYPE_CHECKING:
    from dbx_emulator._core.runs import JobRun

__all__ = ["Job", "JobSettings"]


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What a job is, found valid.

    Attributes:
        name: Its name, which its runs have as well.
        tasks: Its tasks, at least one.
        spec: The settings as they are shown again, as JSON.
        run_spec: The run-level fields that its runs show, as JSON.
        parameters: The defaults of its parameters, by name.
        max_concurrent_runs: How many of its runs are active at the same time at most; with 0 each is skipped.
        is_queued: Whether a run beyond that waits for its turn; if not, it is skipped.
        timeout_ms: How long a run may take from its start on; 0 for as long as it takes.
        tags: Its tags, for scenarios to match.
    """

    name: str
    tasks: tuple[SubmittedTask, ...]
    spec: bytes = b"{}"
    run_spec: bytes = b"{}"
    parameters: Mapping[str, str] = field(default_factory=dict)
    max_concurrent_runs: int = 1
    is_queued: bool = False
    timeout_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_run(self, *, idempotency_token: str = "") -> SubmittedRun:
        """Return a run of the job as it is to be made when nothing is said otherwise."""
        return SubmittedRun(
            run_name=self.name,
            tasks=self.tasks,
            is_flat=False,
            idempotency_token=idempotency_token,
            spec=self.run_spec,
            tags=self.tags,
            timeout_ms=self.timeout_ms,
        )


@dataclass(slots=True, eq=False)
class Job:
    """A job.

    Attributes:
        job_id: Its id.
        settings: What it is.
        created_time_ms: When it was created, in epoch milliseconds.
        creator_user_name: Who created it.
        active: The ids of its runs that are active and not held back.
        waiting: Its runs that are held back, or were until somebody stopped them, oldest first.
    """

    job_id: int
    settings: JobSettings
    created_time_ms: int
    creator_user_name: str
    active: set[int] = field(default_factory=set)
    waiting: deque[JobRun] = field(default_factory=deque)
