"""What a type cannot say about a job and about a run of it, and the texts of the service when it is not so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.structs import JsonObject
from dbx_emulator._api.structs_jobs import CreateJob, JobParameter, RunNow
from dbx_emulator._api.structs_runs import LegacyParameters
from dbx_emulator._api.structs_tasks import TaskFields
from dbx_emulator._api.validation import (
    Rules,
    check_name,
    check_queue,
    check_shared,
    check_token,
    surroundings_of,
)
from dbx_emulator._api.validation_tasks import validate_flat, validate_new_cluster, validate_tasks
from dbx_emulator._core.jobs import Job, JobSettings
from dbx_emulator._core.submitted import SubmittedRun, SubmittedTask

__all__ = [
    "check_job_parameters",
    "check_legacy_parameters",
    "encode_legacy_parameters",
    "validate_create",
    "validate_run_now",
]

#: Source: [jobs.create.description-size] sdk: databricks-sdk-py, jobs.py (at most 27700 bytes in UTF-8)
_DESCRIPTION_BYTES = 27_700

#: Source: [jobs.create.max-concurrent-runs] sdk: databricks-sdk-py, jobs.py (JobSettings, 0 to 1000)
_MOST_CONCURRENT = 1_000

#: Source: [run-now.parameters-size] sdk: databricks-sdk-py, jobs.py (JobsAPI.run_now: 10,000 bytes as JSON)
_PARAMETERS_BYTES = 10_000

#: Source: [run-now.dbt-commands] documented: Jobs API 2.1 OpenAPI document (RunParameters, at most 10)
_MOST_COMMANDS = 10

#: Source: [jobs.create.quartz] documented: MicrosoftDocs/azure-docs#44131
_QUARTZ = re.compile(r"\S+( +\S+){5,6}")

#: What a body of jobs/create says about the job, but not about its settings as they are shown again.
_NOT_SHOWN = {"access_control_list", "tasks"}

#: Settings that the runs of a job show as well.
_RUN_FIELDS = ("git_source", "environments", "environment_variables", "job_clusters")

#: At the level of a job, a flat body means its task by these and a body with tasks means the job.
_OF_BOTH = frozenset(
    {"timeout_seconds", "email_notifications", "webhook_notifications", "notification_settings", "health"}
)


def validate_create(body: CreateJob, *, version: str, rules: Rules) -> JobSettings:
    """Return a job as the engine takes it.

    Raises:
        ApiError: 400 INVALID_PARAMETER_VALUE.
    """
    name = body.name or "Untitled"
    check_name(body.name, "name")
    check_shared(body)
    _check_job(body)
    surroundings = surroundings_of(body, version=version, rules=rules)
    is_flat = body.tasks is UNSET
    if body.tasks is UNSET:
        if body.job_clusters is not UNSET:
            # Source: [jobs.create.job-clusters-without-tasks] assumed: reported without a place to cite
            raise invalid_parameter("Shared job cluster feature is only supported in multi-task jobs.")
        tasks: tuple[SubmittedTask, ...] = (validate_flat(body, name, surroundings),)
    else:
        _check_no_cluster(body)
        tasks = validate_tasks(body.tasks, surroundings)
    source = "WORKSPACE" if body.git_source is UNSET else "GIT"
    queue = body.queue or {"enabled": version == "2.2"}
    spec = _settings(body, name, queue, is_flat=is_flat)
    run_spec = {field: spec[field] for field in _RUN_FIELDS if field in spec}
    if body.performance_target is not UNSET:
        run_spec["effective_performance_target"] = body.performance_target
    return JobSettings(
        name=name,
        tasks=tuple(_with_source(task, source) for task in tasks),
        spec=msgspec.json.encode(spec),
        run_spec=msgspec.json.encode(run_spec),
        parameters=_check_parameters(body.parameters or ()),
        max_concurrent_runs=spec["max_concurrent_runs"],
        # Source: [jobs.create.queue-default] documented: Databricks documentation, Jobs API 2.2 (on in 2.2)
        is_queued=queue["enabled"],
        timeout_ms=0 if is_flat else spec["timeout_seconds"] * 1_000,
        tags=body.tags or {},
    )


def _settings(body: CreateJob, name: str, queue: JsonObject, *, is_flat: bool) -> JsonObject:
    """Return the settings of a job as they are shown again, without its tasks.

    Source: [jobs.get.defaults] measured: databricks/cli, libs/testserver/jobs.go (what the service fills in)
    """
    of_the_task = set(TaskFields.__struct_fields__) - (set() if is_flat else _OF_BOTH)
    given: JsonObject = {
        field: value
        for field, value in msgspec.to_builtins(body).items()
        if field not in _NOT_SHOWN and field not in of_the_task
    }
    defaults: JsonObject = {
        "name": name,
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        "queue": queue,
        "format": "SINGLE_TASK" if is_flat else "MULTI_TASK",
    }
    return defaults | given | {"name": name}


def _with_source(task: SubmittedTask, source: str) -> SubmittedTask:
    """Return a task that says where its code is.

    Source: [jobs.get.source] measured: databricks/cli, libs/testserver/jobs.go (WORKSPACE or GIT)
    """
    spec: JsonObject = msgspec.json.decode(task.spec)
    for task_type in ("notebook_task", "spark_python_task", "dbt_task"):
        if task_type in spec:
            spec[task_type].setdefault("source", source)
    return replace(task, spec=msgspec.json.encode(spec))


def _check_job(body: CreateJob) -> None:
    if body.max_concurrent_runs is not UNSET and not 0 <= body.max_concurrent_runs <= _MOST_CONCURRENT:
        raise invalid_parameter("Invalid value for parameter max_concurrent_runs")
    if len((body.description or "").encode()) > _DESCRIPTION_BYTES:
        raise invalid_parameter(f"The description must have at most {_DESCRIPTION_BYTES} bytes.")
    for cluster in body.job_clusters or ():
        if not cluster.job_cluster_key:
            raise invalid_parameter("Missing required field: settings.job_clusters.job_cluster_key.")
        if cluster.new_cluster is UNSET:
            raise invalid_parameter("Missing required field: settings.job_clusters.new_cluster.")
        validate_new_cluster(cluster.new_cluster)
    if body.schedule is not UNSET and not _QUARTZ.fullmatch(body.schedule.quartz_cron_expression or ""):
        raise invalid_parameter(
            f"Invalid quartz_cron_expression: {body.schedule.quartz_cron_expression or ''}. Databricks uses "
            "Quartz cron syntax, which is different from the standard cron syntax. See http://www.quartz-scheduler.org/"
            "documentation/quartz-2.1.x/tutorials/crontrigger.html for more details."
        )


def _check_no_cluster(body: CreateJob) -> None:
    """Refuse a cluster beside tasks.

    Source: [jobs.create.no-cluster-beside-tasks] measured: databrickslabs/migrate#217
    """
    if body.new_cluster is not UNSET or body.existing_cluster_id is not UNSET:
        raise invalid_parameter("Multi-task jobs require clusterspec to be specified within the tasks.")


def _check_parameters(parameters: Sequence[JobParameter]) -> dict[str, str]:
    """Return the defaults of a job's parameters.

    Source: [jobs.create.parameters] sdk: databricks-sdk-py, jobs.py (JobParameterDefinition: both are required)
    """
    defaults: dict[str, str] = {}
    for parameter in parameters:
        if not parameter.name or parameter.default is UNSET:
            field = "default" if parameter.name else "name"
            raise invalid_parameter(f"Missing required field: settings.parameters.{field}.")
        if parameter.name in defaults:
            raise invalid_parameter(f"Job parameter '{parameter.name}' is not unique.")
        defaults[parameter.name] = parameter.default
    return defaults


def validate_run_now(body: RunNow, job: Job) -> SubmittedRun:
    """Return a run of a job as the engine takes it.

    Raises:
        ApiError: 400 INVALID_PARAMETER_VALUE.
    """
    check_token(body.idempotency_token)
    check_queue(body.queue)
    check_legacy_parameters(body)
    job_parameters = check_job_parameters(body.job_parameters or {}, job.settings.parameters)
    submitted = job.settings.to_run(idempotency_token=body.idempotency_token)
    tasks = _only(submitted.tasks, body.only) if body.only else submitted.tasks
    spec: JsonObject = msgspec.json.decode(submitted.spec)
    if body.performance_target is not UNSET:
        spec["effective_performance_target"] = body.performance_target
    named = dict(body.notebook_params or {}) | dict(body.python_named_params or {})
    defaults = dict(job.settings.parameters) | dict(job_parameters)
    return replace(
        submitted,
        tasks=tuple(replace(task, parameters={**task.parameters, **named, **defaults}) for task in tasks),
        spec=msgspec.json.encode(spec),
    )


def check_job_parameters(job_parameters: Mapping[str, str], defined: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse a value for a parameter that a job does not have.

    Source: [run-now.unknown-job-parameter] assumed: names are defined by the job; how others are refused is not
    recorded
    """
    for name in job_parameters:
        if name not in defined:
            raise invalid_parameter(f"Job parameter '{name}' is not defined in the job.")
    return job_parameters


def _only(tasks: Sequence[SubmittedTask], only: Sequence[str]) -> tuple[SubmittedTask, ...]:
    """Return the tasks that a run is limited to; `+a` means `a` and all before it, `a+` and all after it.

    Source: [run-now.only] sdk: databricks-sdk-py, jobs.py (JobsAPI.run_now, only)
    Source: [run-now.only-others] assumed: tasks that are left out are waited for by none
    """
    upstream = {task.task_key: [each.task_key for each in task.depends_on] for task in tasks}
    downstream: dict[str, list[str]] = {task_key: [] for task_key in upstream}
    for task_key, keys in upstream.items():
        for each in keys:
            downstream[each].append(task_key)
    chosen: set[str] = set()
    for each in only:
        task_key = each.strip("+")
        if task_key not in upstream:
            raise invalid_parameter(f"Task '{task_key}' of field 'only' is not defined in the job.")
        chosen.add(task_key)
        chosen |= _reachable(task_key, upstream) if each.startswith("+") else set()
        chosen |= _reachable(task_key, downstream) if each.endswith("+") else set()
    return tuple(
        replace(task, depends_on=tuple(each for each in task.depends_on if each.task_key in chosen))
        for task in tasks
        if task.task_key in chosen
    )


def _reachable(task_key: str, edges: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    to_visit = [task_key]
    while to_visit:
        for each in edges[to_visit.pop()]:
            if each not in found:
                found.add(each)
                to_visit.append(each)
    return found


def check_legacy_parameters(body: LegacyParameters) -> None:
    """Check parameters for all tasks of a type.

    Source: [run-now.jar-or-notebook] sdk: databricks-sdk-py, jobs.py (jar_params exclude notebook_params)
    Source: [run-now.ascii] sdk: databricks-sdk-py, jobs.py (python_params and spark_submit_params are ASCII)
    """
    for name in LegacyParameters.__struct_fields__:
        value: Any = getattr(body, name)
        if value is not UNSET and len(msgspec.json.encode(value)) > _PARAMETERS_BYTES:
            raise invalid_parameter(f"The JSON of {name} must not exceed {_PARAMETERS_BYTES} bytes.")
    if body.jar_params and body.notebook_params:
        raise invalid_parameter("jar_params cannot be specified in conjunction with notebook_params.")
    for name in ("python_params", "spark_submit_params"):
        if not all(each.isascii() for each in getattr(body, name) or ()):
            raise invalid_parameter(f"Only ASCII characters are accepted in {name}.")
    if len(body.dbt_commands or ()) > _MOST_COMMANDS:
        raise invalid_parameter(f"dbt_commands must have at most {_MOST_COMMANDS} commands.")


def encode_legacy_parameters(body: LegacyParameters) -> bytes:
    """Return the parameters for all tasks of a type as JSON; empty if there are none."""
    given = {
        name: value
        for name in LegacyParameters.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }
    return msgspec.json.encode(given) if given else b""
