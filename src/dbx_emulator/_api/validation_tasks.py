"""What a type cannot say about the tasks of a run or a job, and the texts of the service when it is not so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.structs import JsonObject
from dbx_emulator._api.structs_tasks import TASK_TYPES, NewCluster, Task, TaskFields
from dbx_emulator._api.validation_payloads import named_parameters, validate_payload
from dbx_emulator._core.dag import find_cycle
from dbx_emulator._core.errors import ApiError
from dbx_emulator._core.states import ConditionOp, RunIf
from dbx_emulator._core.submitted import (
    Condition,
    Dependency,
    ForEach,
    RunJob,
    SubmittedTask,
    Work,
)

__all__ = [
    "MAX_TASKS",
    "SERVERLESS_TYPES",
    "Surroundings",
    "too_many_tasks",
    "validate_flat",
    "validate_tasks",
]

#: How many tasks a run may have when submitted.
#: Source: [runs.submit.max-tasks] documented: Databricks documentation, Jobs with a large number of tasks
MAX_TASKS = {"2.0": 100, "2.1": 100, "2.2": 1_000}

#: Source: [runs.submit.task-key] documented: Jobs API 2.1 OpenAPI document (TaskKey)
_TASK_KEY = re.compile(r"[\w\-]{1,100}")

#: Task types that run on a cluster, or without one as serverless in an environment.
#: Source: [runs.submit.serverless-environment] measured: databricks/databricks-sdk-py#1228
ENVIRONMENT_TYPES = frozenset({"spark_python_task", "python_wheel_task", "dbt_task"})

#: Task types that run without a cluster as serverless.
SERVERLESS_TYPES = ENVIRONMENT_TYPES | {"notebook_task"}

#: Task types that run on a cluster only.
_CLUSTER_TYPES = frozenset({"spark_jar_task", "spark_submit_task"})

_NO_COMPUTE = "One of job_cluster_key, new_cluster, or existing_cluster_id must be specified."

_REFERENCE = re.compile(r"\{\{\s*tasks\.(?P<task_key>[\w\-]+)\.(?P<namespace>\w+)")


class Surroundings(NamedTuple):
    """What the tasks of a run or job can name.

    Attributes:
        version: The API version.
        environments: The keys of its environments.
        job_clusters: The keys of its job clusters.
        allows_notebook_environment: Whether a notebook task may name an environment.
    """

    version: str
    environments: frozenset[str] = frozenset()
    job_clusters: frozenset[str] = frozenset()
    allows_notebook_environment: bool = True


def too_many_tasks(count: int) -> ApiError:
    """Return the error for a run with more tasks than the API version can handle.

    Source: [runs.get.more-than-100-tasks] documented: Databricks documentation, Jobs with a large number of tasks
    """
    return invalid_parameter(
        "Resources with more than 100 tasks can only be handled by API 2.2 and above. "
        f"Your resource has {count} tasks"
    )


def validate_flat(body: TaskFields, name: str, surroundings: Surroundings) -> SubmittedTask:
    """Return the one task of a body without `tasks`.

    Source: [runs.get.flat-task-key] measured: flyteorg/flytekit#1935 (the run name, blanks made underscores)
    """
    if body.new_cluster is UNSET and body.existing_cluster_id is UNSET:
        # Source: [runs.submit.no-compute] measured: databricks/cli#838
        raise invalid_parameter(_NO_COMPUTE)
    return _validate_task(body, name.replace(" ", "_"), (), surroundings)


def validate_tasks(tasks: Sequence[Task], surroundings: Surroundings) -> tuple[SubmittedTask, ...]:
    """Return the tasks of a body with `tasks`.

    Raises:
        ApiError: 400 INVALID_PARAMETER_VALUE.
    """
    if not tasks:
        raise invalid_parameter(_NO_COMPUTE)
    if len(tasks) > MAX_TASKS[surroundings.version]:
        raise too_many_tasks(len(tasks))
    depends_on: dict[str, tuple[Dependency, ...]] = {}
    for task in tasks:
        task_key = _validate_task_key(task.task_key)
        if task_key in depends_on:
            raise invalid_parameter(f"Invalid dependency graph, task key '{task_key}' is not unique.")
        depends_on[task_key] = tuple(_validate_depends_on(task, task_key))
    by_key = dict(zip(depends_on, tasks, strict=True))
    _validate_graph(depends_on, by_key)
    for task_key, task in by_key.items():
        _validate_references(task, task_key, by_key)
    return tuple(
        _validate_task(task, task_key, depends_on[task_key], surroundings)
        for task_key, task in by_key.items()
    )


def _validate_task_key(task_key: object) -> str:
    if not isinstance(task_key, str) or not task_key:
        # Source: [runs.submit.no-task-key] measured: databricks/cli#998
        raise invalid_parameter("Missing required field: settings.tasks.task_key.")
    if not _TASK_KEY.fullmatch(task_key):
        raise invalid_parameter(
            f"Invalid task key '{task_key}'. It must have 1 to 100 letters, digits, hyphens or underscores."
        )
    return task_key


def _validate_depends_on(task: Task, task_key: str) -> list[Dependency]:
    """Return the dependencies of a task, each once, in the order of their keys.

    Source: [runs.submit.depends-on-sorted] measured: databricks/terraform-provider-databricks#2942
    Source: [runs.submit.outcome] sdk: databricks-sdk-py, jobs.py (TaskDependency: of a condition task only)
    """
    depends_on: dict[str, Dependency] = {}
    for dependency in task.depends_on or ():
        upstream = dependency.task_key
        if not isinstance(upstream, str):
            # Source: [runs.submit.no-depends-on-key] measured: databricks/terraform-provider-databricks#1527
            raise invalid_parameter("Missing required field: settings.tasks.depends_on.task_key")
        if upstream == task_key:
            # Source: [runs.submit.self-dependency] measured: apache/airflow#47983
            raise invalid_parameter(f"Invalid dependency graph, task '{task_key}' can not reference itself.")
        if dependency.outcome not in (UNSET, "", "true", "false"):
            raise invalid_parameter("Invalid value for parameter tasks.depends_on.outcome")
        outcome = {"true": True, "false": False}.get(dependency.outcome or "")
        depends_on[upstream] = Dependency(upstream, outcome)
    return sorted(depends_on.values(), key=lambda each: each.task_key)


def _validate_graph(depends_on: dict[str, tuple[Dependency, ...]], tasks: dict[str, Task]) -> None:
    for task_key, upstream in depends_on.items():
        for each in upstream:
            if each.task_key not in tasks:
                raise invalid_parameter(
                    f"Invalid dependency graph, task '{task_key}' depends on '{each.task_key}', "
                    "which does not exist."
                )
            if each.outcome is not None and tasks[each.task_key].condition_task is UNSET:
                raise invalid_parameter(
                    f"Invalid dependency graph, task '{task_key}' depends on an outcome of "
                    f"'{each.task_key}', which is no condition task."
                )
    keys = {task_key: [each.task_key for each in upstream] for task_key, upstream in depends_on.items()}
    if cycle := find_cycle(keys):
        raise invalid_parameter(f"Invalid dependency graph, tasks {', '.join(cycle)} form a cycle.")


def _validate_references(task: Task, task_key: str, tasks: dict[str, Task]) -> None:
    """Refuse references to tasks that are not there, and to what their type does not give.

    Source: [jobs.create.output-reference] measured: databricks/terraform-provider-databricks#5170
    """
    for match in _REFERENCE.finditer(msgspec.json.encode(task).decode()):
        if match["task_key"] not in tasks:
            raise invalid_parameter(
                f"Task '{task_key}' refers to task '{match['task_key']}', which does not exist."
            )
        if match["namespace"] == "output" and tasks[match["task_key"]].sql_task is UNSET:
            raise invalid_parameter("Unsupported task type for the 'output' namespace.")


def _validate_task(
    task: TaskFields, task_key: str, depends_on: tuple[Dependency, ...], surroundings: Surroundings
) -> SubmittedTask:
    task_type = _validate_task_type(task, task_key)
    _validate_compute(task, task_key, task_type, surroundings)
    validate_payload(task, task_key, task_type)
    spec: JsonObject = msgspec.to_builtins(task)
    # What is said elsewhere about a run, in other words or by the state of the run itself.
    spec = {
        name: value
        for name, value in spec.items()
        if name in Task.__struct_fields__ and name not in ("task_key", "depends_on", "run_if")
    }
    return SubmittedTask(
        task_key=task_key,
        depends_on=depends_on,
        has_new_cluster=task.new_cluster is not UNSET or _names_job_cluster(task),
        existing_cluster_id=task.existing_cluster_id or "",
        spec=msgspec.json.encode(spec),
        max_retries=task.max_retries or 0,
        min_retry_interval_ms=task.min_retry_interval_millis or 0,
        parameters=dict(named_parameters(spec)),
        timeout_ms=(task.timeout_seconds or 0) * 1_000,
        retry_on_timeout=task.retry_on_timeout is True,
        run_if=RunIf(getattr(task, "run_if", UNSET) or "ALL_SUCCESS"),
        is_disabled=getattr(task, "disabled", UNSET) is True,
        work=_work(task, surroundings),
    )


def _names_job_cluster(task: TaskFields) -> bool:
    return bool(getattr(task, "job_cluster_key", UNSET))


def _work(task: TaskFields, surroundings: Surroundings) -> Work | None:
    """Return what the engine itself has to do for a task; `None` for plain work."""
    if (condition := task.condition_task) is not UNSET:
        return Condition(ConditionOp(condition.op), condition.left or "", condition.right or "")
    if (run_job := task.run_job_task) is not UNSET:
        return RunJob(run_job.job_id or 0, run_job.job_parameters or {})
    if (for_each := task.for_each_task) is not UNSET:
        assert for_each.task is not UNSET, "a for-each without a task was refused before"
        nested = for_each.task
        task_key = _validate_task_key(nested.task_key)
        inner = _validate_task(nested, task_key, (), surroundings)
        return ForEach(for_each.inputs or "", inner, for_each.concurrency or 1)
    return None


def _validate_task_type(task: TaskFields, task_key: str) -> str:
    """Return which type of work a task does; an empty text if it says none that is known."""
    given = [name for name in TASK_TYPES if getattr(task, name) is not UNSET]
    if len(given) > 1:
        raise invalid_parameter(f"Task {task_key} has more than one task type: {', '.join(given)}.")
    return given[0] if given else ""


def _validate_compute(task: TaskFields, task_key: str, task_type: str, surroundings: Surroundings) -> None:
    job_cluster_key = getattr(task, "job_cluster_key", UNSET)
    if job_cluster_key and job_cluster_key not in surroundings.job_clusters:
        # Source: [jobs.create.unknown-job-cluster] measured: databrickslabs/lakebridge#2132
        raise invalid_parameter(f"Job cluster '{job_cluster_key}' is not defined in field 'job_clusters'.")
    if task.new_cluster is not UNSET:
        validate_new_cluster(task.new_cluster)
    if task.new_cluster is not UNSET or task.existing_cluster_id or job_cluster_key:
        return
    if not task_type or task_type in _CLUSTER_TYPES:
        raise invalid_parameter(_NO_COMPUTE)
    if task_type in SERVERLESS_TYPES:
        _validate_serverless(task, task_key, task_type, surroundings)


def _validate_serverless(task: TaskFields, task_key: str, task_type: str, surroundings: Surroundings) -> None:
    """Check a task that runs without a cluster.

    Source: [runs.submit.notebook-environment] measured: databricks/dbt-databricks#1009 (not so later)
    Source: [runs.submit.unknown-environment] measured: databricks/dbt-databricks#1055
    Source: [runs.submit.serverless-libraries] measured: databricks/dbt-databricks#943
    """
    environment_key = task.environment_key or ""
    if environment_key and task_type == "notebook_task" and not surroundings.allows_notebook_environment:
        raise invalid_parameter(
            f"A task environment can not be provided for notebook task {task_key}. Please use the %pip magic "
            "command to install notebook-scoped Python libraries and Python wheel packages"
        )
    if task.libraries:
        raise invalid_parameter(
            "Libraries field is not supported for serverless task, please specify libraries in environment."
        )
    if not environment_key and task_type in ENVIRONMENT_TYPES:
        raise invalid_parameter(
            f"An environment is required for serverless task {task_key}. Please define one using `environments` "
            "and `environment_key`. For more details, please refer to the API documentation at "
            "https://docs.databricks.com"
        )
    if environment_key and environment_key not in surroundings.environments:
        raise invalid_parameter(
            f"Job environment '{environment_key}' used by task {task_key} is not defined in field 'environments'."
        )


def validate_new_cluster(new_cluster: NewCluster) -> None:
    """Refuse a cluster without a size.

    Source: [runs.submit.no-cluster-size] measured: databricks/databricks-cli#663
    """
    sizes = (
        new_cluster.num_workers,
        new_cluster.autoscale,
        new_cluster.policy_id,
        new_cluster.is_single_node,
    )
    if all(size is UNSET for size in sizes):
        raise invalid_parameter("Missing required field: settings.cluster_spec.new_cluster.size")
