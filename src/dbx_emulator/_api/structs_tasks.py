"""What a task may say around its work, which a run of one task may say at its root."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from dbx_emulator._api.structs_payloads import (
    AiRuntimeTask,
    AlertTask,
    CleanRoomsNotebookTask,
    ConditionTask,
    Count,
    DashboardTask,
    DbtPlatformTask,
    DbtTask,
    Flag,
    GenAiComputeTask,
    Map,
    NotebookTask,
    Object,
    Objects,
    PipelineTask,
    PowerBiTask,
    PythonWheelTask,
    RunJobTask,
    SparkJarTask,
    SparkPythonTask,
    SparkSubmitTask,
    SqlTask,
    Text,
    Texts,
)

__all__ = [
    "TASK_TYPES",
    "Dependency",
    "Environment",
    "EnvironmentVariables",
    "GitSource",
    "NewCluster",
    "Task",
    "TaskFields",
    "WebhookNotifications",
]

RunIf: TypeAlias = (
    Literal[
        "",
        "ALL_SUCCESS",
        "ALL_DONE",
        "NONE_FAILED",
        "AT_LEAST_ONE_SUCCESS",
        "ALL_FAILED",
        "AT_LEAST_ONE_FAILED",
    ]
    | UnsetType
)


class AutoScale(Struct, kw_only=True):
    """`autoscale` of a new cluster."""

    min_workers: Count = UNSET
    max_workers: Count = UNSET


class NewCluster(Struct, kw_only=True):
    """`new_cluster`.

    Source: [runs.submit.new-cluster] sdk: databricks-sdk-py, compute.py (ClusterSpec)
    """

    spark_version: Text = UNSET
    node_type_id: Text = UNSET
    driver_node_type_id: Text = UNSET
    num_workers: Count = UNSET
    autoscale: AutoScale | UnsetType = UNSET
    policy_id: Text = UNSET
    is_single_node: Flag = UNSET
    instance_pool_id: Text = UNSET
    driver_instance_pool_id: Text = UNSET
    spark_conf: Map = UNSET
    spark_env_vars: Map = UNSET
    custom_tags: Map = UNSET
    cluster_name: Text = UNSET
    autotermination_minutes: Count = UNSET
    aws_attributes: Object = UNSET
    azure_attributes: Object = UNSET
    gcp_attributes: Object = UNSET
    cluster_log_conf: Object = UNSET
    init_scripts: Objects = UNSET
    docker_image: Object = UNSET
    workload_type: Object = UNSET
    data_security_mode: Text = UNSET
    single_user_name: Text = UNSET
    runtime_engine: Text = UNSET
    ssh_public_keys: Texts = UNSET
    enable_elastic_disk: Flag = UNSET
    enable_local_disk_encryption: Flag = UNSET
    kind: Text = UNSET
    use_ml_runtime: Flag = UNSET


class Library(Struct, kw_only=True):
    """An element of `libraries`."""

    jar: Text = UNSET
    egg: Text = UNSET
    whl: Text = UNSET
    requirements: Text = UNSET
    pypi: Object = UNSET
    maven: Object = UNSET
    cran: Object = UNSET


class Notifications(Struct, kw_only=True):
    """`email_notifications`."""

    on_start: Texts = UNSET
    on_success: Texts = UNSET
    on_failure: Texts = UNSET
    on_duration_warning_threshold_exceeded: Texts = UNSET
    on_streaming_backlog_exceeded: Texts = UNSET
    no_alert_for_skipped_runs: Flag = UNSET


class Webhook(Struct, kw_only=True):
    """An element of a list of `webhook_notifications`."""

    id: Text = UNSET


Webhooks: TypeAlias = list[Webhook] | UnsetType


class WebhookNotifications(Struct, kw_only=True):
    """`webhook_notifications`."""

    on_start: Webhooks = UNSET
    on_success: Webhooks = UNSET
    on_failure: Webhooks = UNSET
    on_duration_warning_threshold_exceeded: Webhooks = UNSET
    on_streaming_backlog_exceeded: Webhooks = UNSET


class NotificationSettings(Struct, kw_only=True):
    """`notification_settings`."""

    no_alert_for_skipped_runs: Flag = UNSET
    no_alert_for_canceled_runs: Flag = UNSET
    alert_on_last_attempt: Flag = UNSET


class EnvironmentSpec(Struct, kw_only=True):
    """`spec` of an environment."""

    client: Text = UNSET
    environment_version: Text = UNSET
    dependencies: Texts = UNSET
    base_environment: Text = UNSET
    java_dependencies: Texts = UNSET


class Environment(Struct, kw_only=True):
    """An element of `environments`."""

    environment_key: Text = UNSET
    spec: EnvironmentSpec | UnsetType = UNSET


class EnvironmentVariablesSpec(Struct, kw_only=True):
    """`spec` of a profile of environment variables."""

    variables: Map = UNSET
    files: Texts = UNSET


class EnvironmentVariables(Struct, kw_only=True):
    """An element of `environment_variables`."""

    environment_variables_key: Text = UNSET
    spec: EnvironmentVariablesSpec | UnsetType = UNSET


class GitSource(Struct, kw_only=True):
    """`git_source`."""

    git_url: Text = UNSET
    git_provider: Text = UNSET
    git_branch: Text = UNSET
    git_tag: Text = UNSET
    git_commit: Text = UNSET
    job_source: Object = UNSET
    sparse_checkout: Object = UNSET


class Dependency(Struct, kw_only=True):
    """An element of `depends_on`."""

    task_key: Text = UNSET
    outcome: Text = UNSET


class ForEachTask(Struct, kw_only=True):
    """`for_each_task`."""

    inputs: Text = UNSET
    task: Task | UnsetType = UNSET
    concurrency: Count = UNSET


class TaskFields(Struct, kw_only=True):
    """The fields of a task, which a flat body has at its root."""

    existing_cluster_id: Text = UNSET
    new_cluster: NewCluster | UnsetType = UNSET
    libraries: list[Library] | UnsetType = UNSET
    environment_key: Text = UNSET
    environment_variables_key: Text = UNSET
    timeout_seconds: Count = UNSET
    max_retries: Count = UNSET
    min_retry_interval_millis: Count = UNSET
    retry_on_timeout: Flag = UNSET
    email_notifications: Notifications | UnsetType = UNSET
    webhook_notifications: WebhookNotifications | UnsetType = UNSET
    notification_settings: NotificationSettings | UnsetType = UNSET
    health: Object = UNSET
    notebook_task: NotebookTask | UnsetType = UNSET
    spark_jar_task: SparkJarTask | UnsetType = UNSET
    spark_python_task: SparkPythonTask | UnsetType = UNSET
    spark_submit_task: SparkSubmitTask | UnsetType = UNSET
    python_wheel_task: PythonWheelTask | UnsetType = UNSET
    pipeline_task: PipelineTask | UnsetType = UNSET
    sql_task: SqlTask | UnsetType = UNSET
    dbt_task: DbtTask | UnsetType = UNSET
    run_job_task: RunJobTask | UnsetType = UNSET
    condition_task: ConditionTask | UnsetType = UNSET
    for_each_task: ForEachTask | UnsetType = UNSET
    dashboard_task: DashboardTask | UnsetType = UNSET
    alert_task: AlertTask | UnsetType = UNSET
    power_bi_task: PowerBiTask | UnsetType = UNSET
    clean_rooms_notebook_task: CleanRoomsNotebookTask | UnsetType = UNSET
    dbt_platform_task: DbtPlatformTask | UnsetType = UNSET
    gen_ai_compute_task: GenAiComputeTask | UnsetType = UNSET
    ai_runtime_task: AiRuntimeTask | UnsetType = UNSET


class Task(TaskFields, kw_only=True):
    """An element of `tasks`."""

    task_key: Text = UNSET
    description: Text = UNSET
    depends_on: list[Dependency] | UnsetType = UNSET
    run_if: RunIf = UNSET
    disabled: Flag = UNSET
    disable_auto_optimization: Flag = UNSET
    job_cluster_key: Text = UNSET


#: The fields that say what a task does.
TASK_TYPES = tuple(name for name in TaskFields.__struct_fields__ if name.endswith("_task"))
