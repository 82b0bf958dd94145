"""What the endpoints of runs decode.

Source: [requests.missing-int64] measured: apache/airflow#27837 (a missing id is read as 0)
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from dbx_emulator._api.structs import Int32, Int64
from dbx_emulator._api.structs_payloads import (
    Map,
    Object,
    Objects,
    PerformanceTarget,
    PipelineParams,
    Text,
    Texts,
)
from dbx_emulator._api.structs_tasks import (
    Environment,
    EnvironmentVariables,
    GitSource,
    Task,
    TaskFields,
)

__all__ = [
    "CancelAllRuns",
    "CancelRun",
    "DeleteRun",
    "ExportRun",
    "GetRun",
    "GetRunOutput",
    "LegacyParameters",
    "ListRuns",
    "RepairRun",
    "SubmitRun",
]


class SubmitRun(TaskFields, kw_only=True):
    """The body of runs/submit, with `tasks` or flat."""

    run_name: str = ""
    idempotency_token: str = ""
    tasks: list[Task] | UnsetType = UNSET
    job_clusters: Objects = UNSET
    git_source: GitSource | UnsetType = UNSET
    environments: list[Environment] | UnsetType = UNSET
    environment_variables: list[EnvironmentVariables] | UnsetType = UNSET
    access_control_list: Objects = UNSET
    queue: Object = UNSET
    run_as: Object = UNSET
    tags: Map = UNSET
    performance_target: PerformanceTarget = UNSET
    budget_policy_id: Text = UNSET
    usage_policy_id: Text = UNSET


class GetRun(Struct, frozen=True):
    """The parameters of runs/get."""

    run_id: Int64 = 0
    include_history: bool = False
    include_resolved_values: bool = False
    page_token: str = ""


class GetRunOutput(Struct, frozen=True):
    """The parameters of runs/get-output."""

    run_id: Int64 = 0


class ExportRun(Struct, frozen=True):
    """The parameters of runs/export."""

    run_id: Int64 = 0
    views_to_export: Literal["", "CODE", "DASHBOARDS", "ALL"] = ""


class CancelRun(Struct):
    """The body of runs/cancel."""

    run_id: Int64 = 0


class CancelAllRuns(Struct):
    """The body of runs/cancel-all."""

    job_id: Int64 = 0
    all_queued_runs: bool = False


class DeleteRun(Struct):
    """The body of runs/delete."""

    run_id: Int64 = 0


class ListRuns(Struct, frozen=True):
    """The parameters of runs/list."""

    active_only: bool = False
    completed_only: bool = False
    job_id: Int64 = 0
    run_type: Literal["", "JOB_RUN", "WORKFLOW_RUN", "SUBMIT_RUN"] = ""
    start_time_from: Int64 = -(2**63)
    start_time_to: Int64 = 2**63 - 1
    offset: Int32 = 0
    limit: Int32 = 20
    expand_tasks: bool = False
    page_token: str = ""


class LegacyParameters(Struct, kw_only=True):
    """What run-now and repair take for all tasks of a type, as it was before jobs had parameters.

    Source: [run-now.legacy-parameters] sdk: databricks-sdk-py, jobs.py (RunParameters)
    """

    jar_params: Texts = UNSET
    notebook_params: Map = UNSET
    python_params: Texts = UNSET
    spark_submit_params: Texts = UNSET
    python_named_params: Map = UNSET
    sql_params: Map = UNSET
    dbt_commands: Texts = UNSET
    pipeline_params: PipelineParams | UnsetType = UNSET


class RepairRun(LegacyParameters, kw_only=True):
    """The body of runs/repair."""

    run_id: Int64 = 0
    latest_repair_id: Int64 = 0
    rerun_tasks: list[str] | UnsetType = UNSET
    rerun_all_failed_tasks: bool = False
    rerun_dependent_tasks: bool = False
    job_parameters: Map = UNSET
    performance_target: PerformanceTarget = UNSET
