"""Reads what `runs/get` and `runs/get-output` answer, tolerantly: any JSON to a value, never an error.

The service adds fields and states without notice, proxies answer for it, and a poll that raises counts
against the task for the rest of its life. So a field of an unexpected type is read as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ClusterInstance",
    "RunOutput",
    "RunSnapshot",
    "RunState",
    "TaskSnapshot",
    "read_run",
    "read_run_output",
]

_INT64_DIGITS = 19

#: Fields of a run that hold an instant or a duration, as the API spells them; all in milliseconds.
_TIMES = (
    "start_time",
    "queue_duration",
    "setup_duration",
    "execution_duration",
    "cleanup_duration",
    "run_duration",
    "end_time",
)


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run or task run, in both vocabularies; empty text where the service says nothing.

    Attributes:
        life_cycle_state: `state.life_cycle_state`.
        result_state: `state.result_state`.
        state_message: `state.state_message`.
        queue_reason: `state.queue_reason`, or the newer `status.queue_details.message`.
        status_state: `status.state`.
        termination_code: `status.termination_details.code`.
        termination_type: `status.termination_details.type`.
        termination_message: `status.termination_details.message`.
    """

    life_cycle_state: str = ""
    result_state: str = ""
    state_message: str = ""
    queue_reason: str = ""
    status_state: str = ""
    termination_code: str = ""
    termination_type: str = ""
    termination_message: str = ""


@dataclass(frozen=True, slots=True)
class ClusterInstance:
    """Where a run or task run works; empty until the service knows, and on serverless.

    Attributes:
        cluster_id: `cluster_instance.cluster_id`.
        spark_context_id: `cluster_instance.spark_context_id`, known once the work began.
    """

    cluster_id: str = ""
    spark_context_id: str = ""


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One task run, or one iteration of a for-each task.

    Attributes:
        task_key: The name of the task in its run; empty if unsaid.
        run_id: The task run's own id; `None` if unsaid.
        attempt_number: From 0; a retried task appears once per attempt.
        state: Its state.
        run_page_url: Where people see it, as the service spells it; empty if unsaid.
        cluster: Where it works.
        is_for_each: Whether it repeats another task; its iterations are read with a `runs/get` of its own.
    """

    task_key: str = ""
    run_id: int | None = None
    attempt_number: int = 0
    state: RunState = field(default_factory=RunState)
    run_page_url: str = ""
    cluster: ClusterInstance = field(default_factory=ClusterInstance)
    is_for_each: bool = False


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run as one answer, or the pages of one, showed it.

    Attributes:
        run_id: The run's id; `None` if unsaid.
        job_id: Its job's id, which a submitted run has too; `None` if unsaid.
        run_name: Its name; empty if unsaid.
        run_page_url: Where people see it, as the service spells it; empty if unsaid.
        state: Its state.
        cluster: Where it works, if the service says so for the whole run.
        times_ms: Its instants and durations that are known, by the API's names, in milliseconds.
        tasks: Its task runs, as far as read.
        iterations: If it is the run of a for-each task, the runs of its iterations, as far as read.
        next_page_token: Names the next page of tasks or iterations; empty on the last.
    """

    run_id: int | None = None
    job_id: int | None = None
    run_name: str = ""
    run_page_url: str = ""
    state: RunState = field(default_factory=RunState)
    cluster: ClusterInstance = field(default_factory=ClusterInstance)
    times_ms: tuple[tuple[str, int], ...] = ()
    tasks: tuple[TaskSnapshot, ...] = ()
    iterations: tuple[TaskSnapshot, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a failed task run left behind.

    Attributes:
        error: The last line of the traceback, or the service's account; empty if none.
        error_trace: The traceback, which may hold terminal colours; empty if none.
    """

    error: str = ""
    error_trace: str = ""


def read_run(body: object) -> RunSnapshot:
    """Read the body of `runs/get`."""
    run = _mapping(body)
    return RunSnapshot(
        run_id=_integer(run.get("run_id")),
        job_id=_integer(run.get("job_id")),
        run_name=_text(run.get("run_name")),
        run_page_url=_text(run.get("run_page_url")),
        state=_read_state(run),
        cluster=_read_cluster(run),
        times_ms=tuple((name, time) for name in _TIMES if (time := _integer(run.get(name)))),
        tasks=tuple(_read_task(task) for task in _sequence(run.get("tasks"))),
        iterations=tuple(_read_task(task) for task in _sequence(run.get("iterations"))),
        next_page_token=_text(run.get("next_page_token")),
    )


def read_run_output(body: object) -> RunOutput:
    """Read the body of `runs/get-output`."""
    output = _mapping(body)
    return RunOutput(error=_text(output.get("error")), error_trace=_text(output.get("error_trace")))


def _read_task(body: object) -> TaskSnapshot:
    task = _mapping(body)
    return TaskSnapshot(
        task_key=_text(task.get("task_key")),
        run_id=_integer(task.get("run_id")),
        attempt_number=_integer(task.get("attempt_number")) or 0,
        state=_read_state(task),
        run_page_url=_text(task.get("run_page_url")),
        cluster=_read_cluster(task),
        is_for_each=isinstance(task.get("for_each_task"), dict),
    )


def _read_cluster(run: Mapping[str, Any]) -> ClusterInstance:
    instance = _mapping(run.get("cluster_instance"))
    return ClusterInstance(_text(instance.get("cluster_id")), _text(instance.get("spark_context_id")))


def _read_state(run: Mapping[str, Any]) -> RunState:
    state, status = _mapping(run.get("state")), _mapping(run.get("status"))
    details, queue = _mapping(status.get("termination_details")), _mapping(status.get("queue_details"))
    return RunState(
        life_cycle_state=_text(state.get("life_cycle_state")),
        result_state=_text(state.get("result_state")),
        state_message=_text(state.get("state_message")),
        queue_reason=_text(state.get("queue_reason")) or _text(queue.get("message")),
        status_state=_text(status.get("state")),
        termination_code=_text(details.get("code")),
        termination_type=_text(details.get("type")),
        termination_message=_text(details.get("message")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    # JSON can spell half of a surrogate pair, which nothing that goes to Flyte can hold.
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    # Some proxies and SDKs carry an int64 as text, which JSON numbers cannot hold in every language.
    if isinstance(value, str) and value.isdecimal() and len(value) <= _INT64_DIGITS:
        return int(value)
    return None
