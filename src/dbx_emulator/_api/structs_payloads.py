"""What tasks of each type do: one Struct for each `*_task`, and the short names of their fields' types.

A field that is left out is UNSET, and is left out again when the Struct is written. Inside the objects that are
kept as they came (`Object`) nothing is looked at.

Source: [runs.submit.task-types] sdk: databricks-sdk-py, jobs.py (SubmitTask, and the class of each `*_task`)
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from dbx_emulator._api.structs import Int32, Int64, JsonObject

__all__ = [
    "AiRuntimeTask",
    "AlertTask",
    "CleanRoomsNotebookTask",
    "ConditionTask",
    "Count",
    "DashboardTask",
    "DbtPlatformTask",
    "DbtTask",
    "Flag",
    "GenAiComputeTask",
    "Id",
    "Map",
    "NotebookTask",
    "Object",
    "Objects",
    "PerformanceTarget",
    "PipelineParams",
    "PipelineTask",
    "PowerBiTask",
    "PythonWheelTask",
    "RunJobTask",
    "Source",
    "SparkJarTask",
    "SparkPythonTask",
    "SparkSubmitTask",
    "SqlTask",
    "Text",
    "Texts",
]

Text: TypeAlias = str | UnsetType
Texts: TypeAlias = list[str] | UnsetType
Map: TypeAlias = dict[str, str] | UnsetType
Flag: TypeAlias = bool | UnsetType
Count: TypeAlias = Int32 | UnsetType
Id: TypeAlias = Int64 | UnsetType
Object: TypeAlias = JsonObject | UnsetType
Objects: TypeAlias = list[JsonObject] | UnsetType
Source: TypeAlias = Literal["WORKSPACE", "GIT"] | UnsetType
PerformanceTarget: TypeAlias = Literal["STANDARD", "PERFORMANCE_OPTIMIZED"] | UnsetType
ConditionOp: TypeAlias = (
    Literal[
        "EQUAL_TO",
        "NOT_EQUAL",
        "GREATER_THAN",
        "GREATER_THAN_OR_EQUAL",
        "LESS_THAN",
        "LESS_THAN_OR_EQUAL",
    ]
    | UnsetType
)


class NotebookTask(Struct, kw_only=True):
    """`notebook_task`."""

    notebook_path: Text = UNSET
    base_parameters: Map = UNSET
    source: Source = UNSET
    warehouse_id: Text = UNSET


class SparkJarTask(Struct, kw_only=True):
    """`spark_jar_task`."""

    main_class_name: Text = UNSET
    parameters: Texts = UNSET
    jar_uri: Text = UNSET
    run_as_repl: Flag = UNSET


class SparkPythonTask(Struct, kw_only=True):
    """`spark_python_task`."""

    python_file: Text = UNSET
    parameters: Texts = UNSET
    source: Source = UNSET


class SparkSubmitTask(Struct, kw_only=True):
    """`spark_submit_task`."""

    parameters: Texts = UNSET


class PythonWheelTask(Struct, kw_only=True):
    """`python_wheel_task`."""

    package_name: Text = UNSET
    entry_point: Text = UNSET
    parameters: Texts = UNSET
    named_parameters: Map = UNSET


class PipelineParams(Struct, kw_only=True):
    """`pipeline_params`, and what a `pipeline_task` has of them."""

    full_refresh: Flag = UNSET
    full_refresh_selection: Texts = UNSET
    refresh_flow_selection: Texts = UNSET
    refresh_selection: Texts = UNSET
    reset_checkpoint_selection: Texts = UNSET


class PipelineTask(PipelineParams, kw_only=True):
    """`pipeline_task`."""

    pipeline_id: Text = UNSET
    parameters: Map = UNSET


class SqlTask(Struct, kw_only=True):
    """`sql_task`."""

    warehouse_id: Text = UNSET
    parameters: Map = UNSET
    query: Object = UNSET
    file: Object = UNSET
    alert: Object = UNSET
    dashboard: Object = UNSET


class DbtTask(Struct, kw_only=True):
    """`dbt_task`."""

    commands: Texts = UNSET
    project_directory: Text = UNSET
    profiles_directory: Text = UNSET
    schema: Text = UNSET
    catalog: Text = UNSET
    warehouse_id: Text = UNSET
    source: Source = UNSET


class RunJobTask(Struct, kw_only=True):
    """`run_job_task`."""

    job_id: Id = UNSET
    job_parameters: Map = UNSET
    dbt_commands: Texts = UNSET
    jar_params: Texts = UNSET
    notebook_params: Map = UNSET
    pipeline_params: PipelineParams | UnsetType = UNSET
    python_named_params: Map = UNSET
    python_params: Texts = UNSET
    spark_submit_params: Texts = UNSET
    sql_params: Map = UNSET


class ConditionTask(Struct, kw_only=True):
    """`condition_task`."""

    op: ConditionOp = UNSET
    left: Text = UNSET
    right: Text = UNSET


class DashboardTask(Struct, kw_only=True):
    """`dashboard_task`."""

    dashboard_id: Text = UNSET
    subscription: Object = UNSET
    warehouse_id: Text = UNSET
    filters: Map = UNSET


class AlertTask(Struct, kw_only=True):
    """`alert_task`."""

    alert_id: Text = UNSET
    workspace_path: Text = UNSET
    parameters: Map = UNSET
    subscribers: Objects = UNSET
    warehouse_id: Text = UNSET


class PowerBiTask(Struct, kw_only=True):
    """`power_bi_task`."""

    connection_resource_name: Text = UNSET
    power_bi_model: Object = UNSET
    refresh_after_update: Flag = UNSET
    tables: Objects = UNSET
    warehouse_id: Text = UNSET


class CleanRoomsNotebookTask(Struct, kw_only=True):
    """`clean_rooms_notebook_task`."""

    clean_room_name: Text = UNSET
    notebook_name: Text = UNSET
    etag: Text = UNSET
    notebook_base_parameters: Map = UNSET


class DbtPlatformTask(Struct, kw_only=True):
    """`dbt_platform_task`."""

    connection_resource_name: Text = UNSET
    dbt_platform_job_id: Text = UNSET


class GenAiComputeTask(Struct, kw_only=True):
    """`gen_ai_compute_task`."""

    dl_runtime_image: Text = UNSET
    command: Text = UNSET
    compute: Object = UNSET
    mlflow_experiment_name: Text = UNSET
    source: Source = UNSET
    training_script_path: Text = UNSET
    yaml_parameters: Text = UNSET
    yaml_parameters_file_path: Text = UNSET


class AiRuntimeTask(Struct, kw_only=True):
    """`ai_runtime_task`."""

    experiment: Text = UNSET
    deployments: Objects = UNSET
    code_source_path: Text = UNSET
    docker_image_url: Text = UNSET
    mlflow_artifact_location: Text = UNSET
    mlflow_experiment_directory: Text = UNSET
    mlflow_run: Text = UNSET
