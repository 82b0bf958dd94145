"""What the endpoints of jobs decode."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from dbx_emulator._api.structs import Int64
from dbx_emulator._api.structs_payloads import (
    Count,
    Map,
    Object,
    Objects,
    PerformanceTarget,
    Text,
    Texts,
)
from dbx_emulator._api.structs_runs import LegacyParameters
from dbx_emulator._api.structs_tasks import (
    Environment,
    EnvironmentVariables,
    GitSource,
    NewCluster,
    Task,
    TaskFields,
)

__all__ = ["CreateJob", "GetJob", "JobCluster", "JobParameter", "RunNow"]


class JobCluster(Struct, kw_only=True):
    """An element of `job_clusters`."""

    job_cluster_key: Text = UNSET
    new_cluster: NewCluster | UnsetType = UNSET


class JobParameter(Struct, kw_only=True):
    """An element of `parameters`."""

    name: Text = UNSET
    default: Text = UNSET


class CronSchedule(Struct, kw_only=True):
    """`schedule`."""

    quartz_cron_expression: Text = UNSET
    timezone_id: Text = UNSET
    pause_status: Text = UNSET


class CreateJob(TaskFields, kw_only=True):
    """The body of jobs/create, with `tasks` or flat.

    Source: [jobs.create.fields] sdk: databricks-sdk-py, jobs.py (JobSettings)
    """

    name: str = ""
    description: Text = UNSET
    tasks: list[Task] | UnsetType = UNSET
    job_clusters: list[JobCluster] | UnsetType = UNSET
    environments: list[Environment] | UnsetType = UNSET
    environment_variables: list[EnvironmentVariables] | UnsetType = UNSET
    parameters: list[JobParameter] | UnsetType = UNSET
    git_source: GitSource | UnsetType = UNSET
    schedule: CronSchedule | UnsetType = UNSET
    trigger: Object = UNSET
    continuous: Object = UNSET
    queue: Object = UNSET
    max_concurrent_runs: Count = UNSET
    run_as: Object = UNSET
    tags: Map = UNSET
    edit_mode: Text = UNSET
    deployment: Object = UNSET
    performance_target: PerformanceTarget = UNSET
    budget_policy_id: Text = UNSET
    usage_policy_id: Text = UNSET
    access_control_list: Objects = UNSET


class GetJob(Struct, frozen=True):
    """The parameters of jobs/get."""

    job_id: Int64 = 0
    page_token: str = ""


class RunNow(LegacyParameters, kw_only=True):
    """The body of jobs/run-now."""

    job_id: Int64 = 0
    idempotency_token: str = ""
    job_parameters: Map = UNSET
    only: Texts = UNSET
    performance_target: PerformanceTarget = UNSET
    queue: Object = UNSET
