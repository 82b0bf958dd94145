"""What a type cannot say about a submitted run, and the texts of the service when it is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from dbx_emulator._api.errors import invalid_parameter, not_implemented
from dbx_emulator._api.structs import JsonObject, SubmitRun, SubmitTask, TaskFields
from dbx_emulator._core.dag import find_cycle
from dbx_emulator._core.errors import ApiError
from dbx_emulator._core.submitted import Dependency, SubmittedRun, SubmittedTask

__all__ = ["MAX_TASKS", "too_many_tasks", "validate_submit"]

#: How many tasks a run may have when submitted.
#: Source: [runs.submit.max-tasks] documented: Databricks documentation, Jobs with a large number of tasks
MAX_TASKS = {"2.0": 100, "2.1": 100, "2.2": 1_000}

#: Source: [runs.submit.token-length] sdk: databricks-sdk-py, jobs.py (at most 64 characters)
_TOKEN_LENGTH = 64

#: Source: [runs.submit.task-key] documented: Jobs API 2.1 OpenAPI document (TaskKey)
_TASK_KEY = re.compile(r"[\w\-]{1,100}")

_TASK_TYPES = tuple(name for name in TaskFields.__struct_fields__ if name.endswith("_task"))

#: Task types whose run differs from plain work, and which are not emulated yet.
_SPECIAL_TYPES = ("condition_task", "for_each_task", "run_job_task")

#: Task types that run on a cluster, or without one as serverless if `environment_key` names an environment.
_ENVIRONMENT_TYPES = ("spark_python_task", "python_wheel_task", "dbt_task")

#: Task types that run on a cluster only.
_CLUSTER_TYPES = ("spark_jar_task", "spark_submit_task")

#: Run-level fields that a run shows again.
_RUN_FIELDS = ("git_source", "environments", "performance_target")

_NO_COMPUTE = "One of job_cluster_key, new_cluster, or existing_cluster_id must be specified."


def too_many_tasks(count: int) -> ApiError:
    """Return the error for a run with more tasks than the API version can handle.

    Source: [runs.get.more-than-100-tasks] documented: Databricks documentation, Jobs with a large number of tasks
    """
    return invalid_parameter(
        "Resources with more than 100 tasks can only be handled by API 2.2 and above. "
        f"Your resource has {count} tasks"
    )


def validate_submit(body: SubmitRun, *, version: str) -> SubmittedRun:
    """Return a run as the engine takes it.

    Raises:
        ApiError: 400 INVALID_PARAMETER_VALUE, or 501 for what the emulator does not do.
    """
    if body.job_clusters is not UNSET:
        # Source: [runs.submit.no-job-clusters] measured: databrickslabs/dbx#646
        raise invalid_parameter("Shared job cluster feature is not supported in runs/submit API.")
    if len(body.idempotency_token) > _TOKEN_LENGTH:
        raise invalid_parameter(f"The idempotency_token must have at most {_TOKEN_LENGTH} characters.")
    run_name = body.run_name or "Untitled"
    if body.tasks is UNSET:
        tasks: Sequence[SubmittedTask] = [_validate_flat(body, run_name)]
    else:
        tasks = _validate_tasks(body.tasks, version)
    run_fields = {name: getattr(body, name) for name in _RUN_FIELDS if getattr(body, name) is not UNSET}
    return SubmittedRun(
        run_name=run_name,
        tasks=tuple(tasks),
        is_flat=body.tasks is UNSET,
        idempotency_token=body.idempotency_token,
        spec=msgspec.json.encode(_integral(run_fields)),
        tags=body.tags or {},
    )


def _validate_flat(body: SubmitRun, run_name: str) -> SubmittedTask:
    """Validate a body without `tasks`.

    Source: [runs.get.flat-task-key] measured: flyteorg/flytekit#1935 (the run name, blanks made underscores)
    """
    if body.new_cluster is UNSET and body.existing_cluster_id is UNSET:
        # Source: [runs.submit.no-compute] measured: databricks/cli#838
        raise invalid_parameter(_NO_COMPUTE)
    return _validate_task(body, run_name.replace(" ", "_"), ())


def _validate_tasks(tasks: Sequence[SubmitTask], version: str) -> list[SubmittedTask]:
    if not tasks:
        raise invalid_parameter(_NO_COMPUTE)
    if len(tasks) > MAX_TASKS[version]:
        raise too_many_tasks(len(tasks))
    depends_on = {}
    for task in tasks:
        task_key = _validate_task_key(task.task_key)
        if task_key in depends_on:
            raise invalid_parameter(f"Invalid dependency graph, task key '{task_key}' is not unique.")
        depends_on[task_key] = _validate_depends_on(task, task_key)
    _validate_graph(depends_on)
    return [
        _validate_task(task, task_key, depends_on[task_key])
        for task, task_key in zip(tasks, depends_on, strict=True)
    ]


def _validate_task_key(task_key: object) -> str:
    if not isinstance(task_key, str) or not task_key:
        # Source: [runs.submit.no-task-key] measured: databricks/cli#998
        raise invalid_parameter("Missing required field: settings.tasks.task_key.")
    if not _TASK_KEY.fullmatch(task_key):
        raise invalid_parameter(
            f"Invalid task key '{task_key}'. It must have 1 to 100 letters, digits, hyphens or underscores."
        )
    return task_key


def _validate_depends_on(task: SubmitTask, task_key: str) -> tuple[str, ...]:
    depends_on = []
    for dependency in task.depends_on or ():
        if not isinstance(dependency.task_key, str):
            # Source: [runs.submit.no-depends-on-key] measured: databricks/terraform-provider-databricks#1527
            raise invalid_parameter("Missing required field: settings.tasks.depends_on.task_key")
        if dependency.task_key == task_key:
            # Source: [runs.submit.self-dependency] measured: apache/airflow#47983
            raise invalid_parameter(f"Invalid dependency graph, task '{task_key}' can not reference itself.")
        depends_on.append(dependency.task_key)
    return tuple(sorted(set(depends_on)))


def _validate_graph(depends_on: dict[str, tuple[str, ...]]) -> None:
    for task_key, upstream in depends_on.items():
        for each in upstream:
            if each not in depends_on:
                raise invalid_parameter(
                    f"Invalid dependency graph, task '{task_key}' depends on '{each}', which does not exist."
                )
    if cycle := find_cycle(depends_on):
        raise invalid_parameter(f"Invalid dependency graph, tasks {', '.join(cycle)} form a cycle.")


def _validate_task(task: TaskFields, task_key: str, depends_on: tuple[str, ...]) -> SubmittedTask:
    _validate_task_type(task, task_key)
    if task.new_cluster is not UNSET:
        _validate_new_cluster(task.new_cluster)
    fields = {name: getattr(task, name) for name in TaskFields.__struct_fields__}
    for name in ("run_if", "description", "disable_auto_optimization"):
        fields[name] = getattr(task, name, UNSET)
    spec = {name: _integral(value) for name, value in fields.items() if value is not UNSET}
    return SubmittedTask(
        task_key=task_key,
        depends_on=tuple(Dependency(each) for each in depends_on),
        has_new_cluster=task.new_cluster is not UNSET,
        existing_cluster_id=task.existing_cluster_id or "",
        spec=msgspec.json.encode(spec),
        max_retries=task.max_retries or 0,
        min_retry_interval_ms=task.min_retry_interval_millis or 0,
        parameters=dict(_named_parameters(spec)),
    )


def _named_parameters(spec: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a task's work that have names: given by name, or as `--name value`."""
    for field in (value for name, value in spec.items() if name in _TASK_TYPES):
        for named in ("base_parameters", "named_parameters"):
            if isinstance(parameters := field.get(named), dict):
                yield from ((name, str(value)) for name, value in parameters.items())
        if isinstance(parameters := field.get("parameters"), list):
            yield from _options([str(each) for each in parameters])


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands on a command line as `--name value` or `--name=value`."""
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        name, is_given, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and is_given:
            yield name, value
        elif argument.startswith("--") and not following.startswith("--"):
            yield name, following


def _validate_task_type(task: TaskFields, task_key: str) -> None:
    given = [name for name in _TASK_TYPES if getattr(task, name) is not UNSET]
    if len(given) > 1:
        raise invalid_parameter(f"Task {task_key} has more than one task type: {', '.join(given)}.")
    _refuse_unemulated(task, given)
    has_cluster = task.new_cluster is not UNSET or task.existing_cluster_id is not UNSET
    if not has_cluster and (
        not given
        or given[0] in _CLUSTER_TYPES
        or (given[0] in _ENVIRONMENT_TYPES and task.environment_key is UNSET)
    ):
        raise invalid_parameter(_NO_COMPUTE)
    if not given:
        raise invalid_parameter(f"No task defined for {task_key}.")
    if task.notebook_task is not UNSET and not task.notebook_task.get("notebook_path"):
        # Source: [runs.submit.no-notebook-path] documented: Azure Data Factory, Troubleshoot connectors
        raise invalid_parameter("Missing required field: settings.task.notebook_task.notebook_path.")


def _refuse_unemulated(task: TaskFields, given: list[str]) -> None:
    """Refuse what would otherwise be emulated wrongly without a word."""
    special = [name for name in given if name in _SPECIAL_TYPES]
    run_if = getattr(task, "run_if", UNSET)
    if special:
        raise not_implemented(f"tasks of type {special[0]}", "Submit a task that does plain work.")
    if run_if not in (UNSET, "", "ALL_SUCCESS"):
        raise not_implemented(f"run_if {run_if}", "Leave it out: ALL_SUCCESS is emulated.")
    if getattr(task, "disabled", UNSET) is True:
        raise not_implemented("disabled tasks", "Leave the task out.")


def _validate_new_cluster(new_cluster: JsonObject) -> None:
    """Refuse a cluster without a size.

    Source: [runs.submit.no-cluster-size] measured: databricks/databricks-cli#663
    """
    if not {"num_workers", "autoscale", "policy_id", "is_single_node"} & new_cluster.keys():
        raise invalid_parameter("Missing required field: settings.cluster_spec.new_cluster.size")


def _integral(value: Any) -> Any:
    """Return JSON with integral floats made integers, as a service that knows int fields shows them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _integral(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_integral(each) for each in value]
    return value
