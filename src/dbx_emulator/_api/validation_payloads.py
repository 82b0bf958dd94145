"""What a type cannot say about the work of a task, by its type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.structs import JsonObject
from dbx_emulator._api.structs_tasks import TASK_TYPES, TaskFields

__all__ = ["named_parameters", "validate_payload"]

#: Task types that are never tried again as a whole.
#: Source: [jobs.create.no-outer-retries] assumed: databricks/cli#3977 (refused; its text is not recorded)
_NEVER_RETRIED = frozenset({"for_each_task", "condition_task"})

#: Fields without which a task of a type cannot be.
#: Source: [runs.submit.required-fields] sdk: databricks-sdk-py, jobs.py (fields without a default)
_REQUIRED = {
    "notebook_task": ("notebook_path",),
    "spark_python_task": ("python_file",),
    "python_wheel_task": ("package_name", "entry_point"),
    "pipeline_task": ("pipeline_id",),
    "sql_task": ("warehouse_id",),
    "dbt_task": ("commands",),
    "run_job_task": ("job_id",),
    "condition_task": ("op",),
    "for_each_task": ("inputs", "task"),
    "clean_rooms_notebook_task": ("clean_room_name", "notebook_name"),
}

#: Source: [runs.submit.python-file-scheme] documented: Azure Data Factory, Troubleshoot connectors
_SCHEMES = frozenset({"dbfs", "s3", "s3a", "s3n", "gs", "abfss", "abfs", "adl", "wasb", "wasbs", "file"})
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")

#: Source: [runs.submit.description-length] documented: Databricks REST API reference, Jobs (description of a task)
_LONGEST_DESCRIPTION = 1_000

#: Source: [runs.submit.base-parameters-size] documented: Jobs API 2.1 OpenAPI document (NotebookTask, 1 MB)
_LARGEST_PARAMETERS = 1_000_000

#: Source: [runs.submit.dbt-commands] documented: Jobs API 2.1 OpenAPI document (DbtTask, 1 to 10)
_MOST_COMMANDS = 10


def validate_payload(task: TaskFields, task_key: str, task_type: str) -> None:
    """Check what a task of a type must say, and what it may.

    Source: [runs.submit.no-notebook-path] documented: Azure Data Factory, Troubleshoot connectors
    """
    if not task_type:
        raise invalid_parameter(f"No task defined for {task_key}.")
    payload = getattr(task, task_type)
    for name in _REQUIRED.get(task_type, ()):
        if not getattr(payload, name):
            raise invalid_parameter(f"Missing required field: settings.task.{task_type}.{name}.")
    _PAYLOAD_CHECKS.get(task_type, _accept)(payload)
    _validate_numbers(task, task_type)
    _validate_webhooks(task)


def _accept(_payload: Any) -> None:
    """Accept a payload of which nothing more is known."""


def _check_notebook(payload: Any) -> None:
    if payload.base_parameters and len(msgspec.json.encode(payload.base_parameters)) > _LARGEST_PARAMETERS:
        raise invalid_parameter("The base_parameters of a notebook task must not exceed 1 MB.")


def _check_python(payload: Any) -> None:
    match = _URI.match(payload.python_file)
    if match and match[1].lower() not in _SCHEMES:
        raise invalid_parameter(
            f"Invalid Python file URI: {payload.python_file}. "
            "Please visit Databricks user guide for supported URI schemes."
        )


def _check_dbt(payload: Any) -> None:
    if len(payload.commands) > _MOST_COMMANDS:
        raise invalid_parameter(f"A dbt task must have 1 to {_MOST_COMMANDS} commands.")


def _check_for_each(payload: Any) -> None:
    """Check a for-each task: no other one inside, inputs that are an array or a reference.

    Source: [runs.submit.for-each] sdk: databricks-sdk-py, jobs.py (ForEachTask)
    """
    if payload.task.for_each_task is not UNSET:
        raise invalid_parameter("A for_each_task cannot be nested in another one.")
    if payload.concurrency is not UNSET and not 1 <= payload.concurrency <= _MOST_CONCURRENT:
        raise invalid_parameter("Invalid value for parameter for_each_task.concurrency")
    try:
        inputs = json.loads(payload.inputs)
    except ValueError:
        inputs = None
    if "{{" not in payload.inputs and not isinstance(inputs, list):
        raise invalid_parameter("Invalid value for parameter for_each_task.inputs")


#: Source: [runs.submit.for-each-concurrency] assumed: a limit of 100 is in no source that we could read again
_MOST_CONCURRENT = 100

_PAYLOAD_CHECKS = {
    "notebook_task": _check_notebook,
    "spark_python_task": _check_python,
    "dbt_task": _check_dbt,
    "for_each_task": _check_for_each,
}


def _validate_numbers(task: TaskFields, task_type: str) -> None:
    if task.max_retries and task_type in _NEVER_RETRIED:
        raise invalid_parameter(f"max_retries is not supported for a {task_type}.")
    if task.libraries and task_type == "for_each_task":
        raise invalid_parameter("libraries is not supported for a for_each_task.")
    lowest = {"max_retries": -1, "min_retry_interval_millis": 0, "timeout_seconds": 0}
    for name, least in lowest.items():
        if (value := getattr(task, name)) is not UNSET and value < least:
            raise invalid_parameter(f"Invalid value for parameter {name}")
    if len(getattr(task, "description", None) or "") > _LONGEST_DESCRIPTION:
        raise invalid_parameter(f"The description must have at most {_LONGEST_DESCRIPTION} characters.")


def _validate_webhooks(task: TaskFields) -> None:
    """Refuse a webhook without an id.

    Source: [runs.submit.webhook-id] assumed: seen on jobs/reset, in the form `new_settings.…`
    """
    if task.webhook_notifications is UNSET:
        return
    for event in task.webhook_notifications.__struct_fields__:
        for webhook in getattr(task.webhook_notifications, event) or ():
            if not webhook.id:
                raise invalid_parameter(f"Missing required field: settings.webhook_notifications.{event}.id")


def named_parameters(spec: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a task's work that have names: given by name, or as `--name value`."""
    for field in (value for name, value in spec.items() if name in TASK_TYPES):
        for named in ("base_parameters", "named_parameters"):
            yield from field.get(named, {}).items()
        if isinstance(parameters := field.get("parameters"), list):
            yield from _options(parameters)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands on a command line as `--name value` or `--name=value`."""
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        name, is_given, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and is_given:
            yield name, value
        elif argument.startswith("--") and not following.startswith("--"):
            yield name, following
