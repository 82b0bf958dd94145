"""What was asked for: runs and tasks as they are to be made, found valid.

Nothing here changes once it is made. What becomes of it is in `runs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from dbx_emulator._core.states import ConditionOp, RunIf

__all__ = ["Condition", "Dependency", "ForEach", "RunJob", "SubmittedRun", "SubmittedTask", "Work"]


class Dependency(NamedTuple):
    """A task that another one waits for.

    Attributes:
        task_key: Its name within the run.
        outcome: What it must have evaluated to, if it is a condition task; `None` if that does not matter.
    """

    task_key: str
    outcome: bool | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """The work of a condition task: a comparison, which needs no compute and is over at once.

    Attributes:
        op: How the operands are compared: EQUAL_TO and NOT_EQUAL as texts, the others as numbers.
        left: The left operand, which may hold references.
        right: The right operand, which may hold references.
    """

    op: ConditionOp
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class ForEach:
    """The work of a for-each task: another task, once for each input.

    Attributes:
        inputs: A JSON array, or a reference to one.
        task: What is run for each element; it is itself no for-each task.
        concurrency: How many iterations run at the same time at most, from 1.
    """

    inputs: str
    task: SubmittedTask
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class RunJob:
    """The work of a run-job task: a run of another job.

    Attributes:
        job_id: The id of that job.
        job_parameters: What that run is given in place of the job's defaults; values may hold references.
    """

    job_id: int
    job_parameters: Mapping[str, str] = field(default_factory=dict)


#: Work that the service does itself.
Work: TypeAlias = Condition | ForEach | RunJob


@dataclass(frozen=True, slots=True)
class SubmittedTask:
    """One task of a run that is to be made.

    Attributes:
        task_key: Its name within the run.
        depends_on: What it waits for.
        has_new_cluster: Whether the service is to make a cluster for it.
        existing_cluster_id: The cluster it names; an empty string if none.
        spec: What was submitted for it, as JSON, to be shown again by runs/get.
        run_if: What must have become of the tasks it depends on.
        is_disabled: Whether it is never run.
        timeout_ms: How long one attempt may take from its start on; 0 for as long as it takes.
        retry_on_timeout: Whether an attempt that took too long is tried again like one that failed.
        max_retries: How often the service tries again after a failure; -1 for ever.
        min_retry_interval_ms: How long after the start of a failed attempt the next one starts at the earliest.
        parameters: The named parameters of its work, for scenarios to match.
        work: What the service does for it; `None` if it runs the user's code.
    """

    task_key: str
    depends_on: tuple[Dependency, ...]
    has_new_cluster: bool
    existing_cluster_id: str
    spec: bytes
    run_if: RunIf = RunIf.ALL_SUCCESS
    is_disabled: bool = False
    timeout_ms: int = 0
    retry_on_timeout: bool = False
    max_retries: int = 0
    min_retry_interval_ms: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class SubmittedRun:
    """A run as it is to be made, whoever asked for it.

    Attributes:
        run_name: Its name.
        tasks: Its tasks, at least one.
        is_flat: Whether the body had no `tasks`, so that the run is its only task run.
        idempotency_token: The token it was submitted with, or an empty string.
        spec: The run-level fields that are shown again, as JSON.
        tags: Its tags, for scenarios to match.
        timeout_ms: How long the run may take from its start on; 0 for as long as it takes.
    """

    run_name: str
    tasks: tuple[SubmittedTask, ...]
    is_flat: bool
    idempotency_token: str
    spec: bytes
    tags: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 0

    def every_task(self) -> Iterator[SubmittedTask]:
        """Yield its tasks, each for-each task followed by the one it repeats."""
        for task in self.tasks:
            yield task
            if isinstance(task.work, ForEach):
                yield task.work.task
