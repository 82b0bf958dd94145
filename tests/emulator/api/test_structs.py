"""What the endpoints decode."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from databricks.sdk.service import jobs

from dbx_emulator._api.structs import SubmitRun, SubmitTask, TaskFields


@pytest.mark.fact("runs.submit.task-types")
def test_task_types_are_those_of_the_sdk() -> None:
    """Every task type that the SDK can submit is known, under its own name."""
    theirs = {field.name for field in dataclasses.fields(jobs.SubmitTask) if field.name.endswith("_task")}
    ours = {name for name in TaskFields.__struct_fields__ if name.endswith("_task")}
    assert ours <= theirs
    # Added to the SDK since; a task of these types has, for the emulator, no type.
    later = {"agentic_task", "ai_function_task", "dbt_cloud_task", "genie_task", "python_operator_task"}
    assert theirs - ours <= later


def test_fields_are_those_of_the_sdk() -> None:
    """Nothing is decoded under a name that the API does not have, but for the flat form of old."""
    task_fields = {field.name for field in dataclasses.fields(jobs.SubmitTask)}
    assert set(SubmitTask.__struct_fields__) <= task_fields
    flat = set(TaskFields.__struct_fields__)
    submit = set(SubmitRun.__struct_fields__) - flat
    # `tags` is documented for the endpoint, `job_clusters` is there to be refused.
    assert submit <= set(jobs.JobsAPI.submit.__annotations__) | {"job_clusters", "tags"}


@pytest.mark.parametrize("struct", [SubmitRun, SubmitTask])
def test_everything_may_be_left_out(struct: type[msgspec.Struct]) -> None:
    """A missing field is for the validation to judge, not for the decoder."""
    assert isinstance(msgspec.convert({}, struct), struct)
