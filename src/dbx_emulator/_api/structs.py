"""What the endpoints decode: one Struct for each request, with the API's own field names.

Unknown fields are ignored, numbers may come as strings or as integral floats, as protobuf-JSON has it.
Fields that nothing here looks into are kept as they came.

Source: [requests.protobuf-json] measured: Flyte's connector sends `run_id` as a string and counts as floats
Source: [requests.missing-int64] measured: apache/airflow#27837 (a missing id is read as 0)
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "AddFault",
    "ApplyProfiles",
    "CancelRun",
    "Dependency",
    "GetRun",
    "GetRunOutput",
    "Int32",
    "Int64",
    "IssueToken",
    "JsonObject",
    "ListJournal",
    "ListRuns",
    "MoveClock",
    "NameFault",
    "RevokeToken",
    "SubmitRun",
    "SubmitTask",
    "TaskFields",
    "UseScenario",
]

JsonObject = dict[str, Any]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class Dependency(Struct):
    """An element of `depends_on`."""

    task_key: str | UnsetType = UNSET
    outcome: str | UnsetType = UNSET


class TaskFields(Struct, kw_only=True):
    """The fields of a task, which a flat body has at its root.

    Source: [runs.submit.task-types] sdk: databricks-sdk-py, jobs.py (SubmitTask)
    """

    existing_cluster_id: str | UnsetType = UNSET
    new_cluster: JsonObject | UnsetType = UNSET
    libraries: list[JsonObject] | UnsetType = UNSET
    environment_key: str | UnsetType = UNSET
    timeout_seconds: Int32 | UnsetType = UNSET
    max_retries: Int32 | UnsetType = UNSET
    min_retry_interval_millis: Int32 | UnsetType = UNSET
    retry_on_timeout: bool | UnsetType = UNSET
    email_notifications: JsonObject | UnsetType = UNSET
    webhook_notifications: JsonObject | UnsetType = UNSET
    notification_settings: JsonObject | UnsetType = UNSET
    health: JsonObject | UnsetType = UNSET
    notebook_task: JsonObject | UnsetType = UNSET
    spark_jar_task: JsonObject | UnsetType = UNSET
    spark_python_task: JsonObject | UnsetType = UNSET
    spark_submit_task: JsonObject | UnsetType = UNSET
    python_wheel_task: JsonObject | UnsetType = UNSET
    pipeline_task: JsonObject | UnsetType = UNSET
    sql_task: JsonObject | UnsetType = UNSET
    dbt_task: JsonObject | UnsetType = UNSET
    run_job_task: JsonObject | UnsetType = UNSET
    condition_task: JsonObject | UnsetType = UNSET
    for_each_task: JsonObject | UnsetType = UNSET
    dashboard_task: JsonObject | UnsetType = UNSET
    alert_task: JsonObject | UnsetType = UNSET
    power_bi_task: JsonObject | UnsetType = UNSET
    clean_rooms_notebook_task: JsonObject | UnsetType = UNSET
    dbt_platform_task: JsonObject | UnsetType = UNSET
    gen_ai_compute_task: JsonObject | UnsetType = UNSET
    ai_runtime_task: JsonObject | UnsetType = UNSET


class SubmitTask(TaskFields, kw_only=True):
    """An element of `tasks`."""

    task_key: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    depends_on: list[Dependency] | UnsetType = UNSET
    run_if: str | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    disable_auto_optimization: bool | UnsetType = UNSET


class SubmitRun(TaskFields, kw_only=True):
    """The body of runs/submit, with `tasks` or flat."""

    run_name: str = ""
    idempotency_token: str = ""
    tasks: list[SubmitTask] | UnsetType = UNSET
    job_clusters: list[JsonObject] | UnsetType = UNSET
    git_source: JsonObject | UnsetType = UNSET
    environments: list[JsonObject] | UnsetType = UNSET
    environment_variables: list[JsonObject] | UnsetType = UNSET
    access_control_list: list[JsonObject] | UnsetType = UNSET
    queue: JsonObject | UnsetType = UNSET
    run_as: JsonObject | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    performance_target: str | UnsetType = UNSET
    budget_policy_id: str | UnsetType = UNSET
    usage_policy_id: str | UnsetType = UNSET


class GetRun(Struct, frozen=True):
    """The parameters of runs/get."""

    run_id: Int64 = 0
    page_token: str = ""


class GetRunOutput(Struct, frozen=True):
    """The parameters of runs/get-output."""

    run_id: Int64 = 0


class CancelRun(Struct):
    """The body of runs/cancel."""

    run_id: Int64 = 0


class ListRuns(Struct, frozen=True):
    """The parameters of runs/list."""

    active_only: bool = False
    completed_only: bool = False
    job_id: Int64 = 0
    run_type: str = ""
    start_time_from: Int64 = -(2**63)
    start_time_to: Int64 = 2**63 - 1
    offset: Int32 = 0
    limit: Int32 = 20
    expand_tasks: bool = False
    page_token: str = ""


class RunUntil(Struct, forbid_unknown_fields=True):
    """Which run is to be in which life-cycle state."""

    run_id: int
    state: str


class MoveClock(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/clock: exactly one of its fields."""

    advance: str | float | UnsetType = UNSET
    step: bool | UnsetType = UNSET
    run_until: RunUntil | UnsetType = UNSET


class ListJournal(Struct, frozen=True):
    """The parameters of GET /__dbx/journal; `after` is the last sequence number that is not wanted."""

    after: int = 0


class UseScenario(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/scenarios that takes a scenario from the catalogue; `match` as in a scenario."""

    use: str
    match: str | JsonObject


class AddFault(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/faults; which of the fields count depends on the kind."""

    kind: str
    route: str | UnsetType = UNSET
    run_name: str | UnsetType | None = UNSET
    principal: str | UnsetType | None = UNSET
    token: str | UnsetType | None = UNSET
    version: str | UnsetType | None = UNSET
    state: str | UnsetType | None = UNSET
    skip: int | UnsetType = UNSET
    every: int | UnsetType = UNSET
    times: int | UnsetType | None = UNSET
    probability: float | UnsetType = UNSET
    window: list[str | float] | UnsetType | None = UNSET
    point: str | UnsetType | None = UNSET
    is_transient: bool | UnsetType | None = UNSET
    status_code: int | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    error_code: str | UnsetType | None = UNSET
    message: str | UnsetType | None = UNSET
    dialect: str | UnsetType | None = UNSET
    retry_after: int | float | str | UnsetType | None = UNSET
    how: str | UnsetType = UNSET
    delay: str | float | UnsetType = UNSET
    per_second: float | UnsetType | None = UNSET
    burst: int | UnsetType | None = UNSET
    in_flight: int | UnsetType | None = UNSET
    says_when: bool | UnsetType = UNSET
    reads: int | UnsetType = UNSET
    body: Any = UNSET
    remove: list[str] | UnsetType = UNSET
    nulls: list[str] | UnsetType = UNSET
    replace: JsonObject | UnsetType = UNSET
    add: JsonObject | UnsetType = UNSET


class NameFault(Struct, frozen=True):
    """The parameters of DELETE /__dbx/faults; without an id all are meant."""

    id: str = ""


class ApplyProfiles(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/profiles."""

    profiles: list[str]


class IssueToken(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/tokens."""

    principal: str = "user"
    lifetime: str | float | None = None
    refusal: str = "403-json"


class RevokeToken(Struct, forbid_unknown_fields=True):
    """The body of DELETE /__dbx/tokens."""

    token: str
