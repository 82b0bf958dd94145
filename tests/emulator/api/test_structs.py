"""What the endpoints decode."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import msgspec
import pytest
from databricks.sdk.service import compute, jobs

from dbx_emulator._api import structs_jobs, structs_payloads, structs_runs, structs_tasks
from dbx_emulator._api.structs_jobs import CreateJob, GetJob, RunNow
from dbx_emulator._api.structs_runs import (
    CancelAllRuns,
    CancelRun,
    DeleteRun,
    ExportRun,
    GetRun,
    GetRunOutput,
    ListRuns,
    RepairRun,
    SubmitRun,
)
from dbx_emulator._api.structs_tasks import NewCluster, Task, TaskFields

#: The requests, and the methods of the SDK that make them.
_REQUESTS: list[tuple[type[msgspec.Struct], Any]] = [
    (SubmitRun, jobs.JobsAPI.submit),
    (GetRun, jobs.JobsAPI.get_run),
    (GetRunOutput, jobs.JobsAPI.get_run_output),
    (ExportRun, jobs.JobsAPI.export_run),
    (CancelRun, jobs.JobsAPI.cancel_run),
    (CancelAllRuns, jobs.JobsAPI.cancel_all_runs),
    (DeleteRun, jobs.JobsAPI.delete_run),
    (ListRuns, jobs.JobsAPI.list_runs),
    (RepairRun, jobs.JobsAPI.repair_run),
    (CreateJob, jobs.JobsAPI.create),
    (GetJob, jobs.JobsAPI.get),
    (RunNow, jobs.JobsAPI.run_now),
]

#: Fields of requests that the SDK does not have: documented for the endpoint, there to be refused, or of old.
_NOT_IN_THE_SDK: dict[type[msgspec.Struct], set[str]] = {SubmitRun: {"tags", "job_clusters"}}

#: Objects inside of requests, and the SDK's class of each where its name is another one.
_CLASSES = {
    "Dependency": jobs.TaskDependency,
    "Notifications": jobs.JobEmailNotifications,
    "NotificationSettings": jobs.TaskNotificationSettings,
    "Environment": jobs.JobEnvironment,
    "EnvironmentSpec": compute.Environment,
    "EnvironmentVariables": jobs.JobEnvironmentVariables,
    "EnvironmentVariablesSpec": jobs.JobEnvironmentVariablesSpec,
    "NewCluster": compute.ClusterSpec,
    "AutoScale": compute.AutoScale,
    "Library": compute.Library,
    "JobParameter": jobs.JobParameterDefinition,
    "LegacyParameters": jobs.RunParameters,
}


def _objects() -> list[type[msgspec.Struct]]:
    modules = (structs_payloads, structs_tasks, structs_runs, structs_jobs)
    requests = {struct for struct, _ in _REQUESTS} | {TaskFields}
    return [
        each
        for module in modules
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, msgspec.Struct)
        and each.__module__ == module.__name__
        and each not in requests
    ]


@pytest.mark.fact("runs.submit.task-types")
def test_task_types_are_those_of_the_sdk() -> None:
    """Every task type that the SDK can submit is known, under its own name."""
    theirs = {field.name for field in dataclasses.fields(jobs.SubmitTask) if field.name.endswith("_task")}
    ours = {name for name in TaskFields.__struct_fields__ if name.endswith("_task")}
    assert ours <= theirs
    # Added to the SDK since; a task of these types has, for the emulator, no type.
    later = {"agentic_task", "ai_function_task", "dbt_cloud_task", "genie_task", "python_operator_task"}
    assert theirs - ours <= later


@pytest.mark.fact("jobs.create.fields", "run-now.legacy-parameters")
@pytest.mark.parametrize(("struct", "method"), _REQUESTS)
def test_parameters_are_those_of_the_sdk(struct: type[msgspec.Struct], method: Any) -> None:
    """Nothing is decoded under a name that the API does not have, but for the flat form of old."""
    ours = set(struct.__struct_fields__)
    if issubclass(struct, TaskFields):
        ours -= set(TaskFields.__struct_fields__)
    assert ours - _NOT_IN_THE_SDK.get(struct, set()) <= set(inspect.signature(method).parameters)


@pytest.mark.fact("runs.submit.new-cluster")
@pytest.mark.parametrize("struct", [pytest.param(each, id=each.__name__) for each in _objects()])
def test_fields_of_objects_are_those_of_the_sdk(struct: type[msgspec.Struct]) -> None:
    """Objects inside of requests have no field that the SDK's class for it lacks."""
    name = struct.__name__
    theirs = _CLASSES.get(name) or getattr(jobs, name)
    assert set(struct.__struct_fields__) <= {field.name for field in dataclasses.fields(theirs)}


@pytest.mark.parametrize("struct", [struct for struct, _ in _REQUESTS] + [Task, NewCluster])
def test_everything_may_be_left_out(struct: type[msgspec.Struct]) -> None:
    """A missing field is for the validation to judge, not for the decoder."""
    assert isinstance(msgspec.convert({}, struct), struct)
