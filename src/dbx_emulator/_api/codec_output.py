"""The output of task runs to wire JSON, by the type of their work, and exported notebooks.

Source: [runs.get-output.shape] sdk: databricks-sdk-py, jobs.py (RunOutput)
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from dbx_emulator._core.runs import TaskRun

__all__ = ["render_output", "render_views"]

#: How many bytes of a notebook's value, and of logs, are shown.
#: Source: [runs.get-output.limits] sdk: databricks-sdk-py, jobs.py (JobsAPI.get_run_output: the first 5 MB of a
#: notebook's value, the last 5 MB of logs)
LARGEST_OUTPUT = 5 * 1024 * 1024

#: Types of work whose output has logs.
#: Source: [runs.get-output.logs] sdk: databricks-sdk-py, jobs.py (RunOutput.logs: not for notebooks, pipelines and
#: spark-submit)
_WITH_LOGS = frozenset({"spark_jar_task", "spark_python_task", "python_wheel_task", "dbt_task"})


class _Said(NamedTuple):
    """What a task run is asked for its output.

    Attributes:
        task_run: The task run.
        payload: What was submitted for its work.
        is_over: Whether its work is over, and went as planned.
        url: The workspace's URL, for links.
    """

    task_run: TaskRun
    payload: dict[str, Any]
    is_over: bool
    url: str


def render_output(task_run: TaskRun, *, url: str) -> dict[str, Any]:
    """Return what runs/get-output shows beside the metadata."""
    spec: dict[str, Any] = msgspec.json.decode(task_run.task.spec)
    outcome = task_run.outcome
    is_over = task_run.is_terminal and task_run.code is outcome.code
    task_type = next((name for name in spec if name.endswith("_task")), "")
    said = _Said(task_run, spec.get(task_type, {}), is_over and task_run.has_worked, url)
    output = _OUTPUTS.get(task_type, _nothing)(said)
    if task_type in _WITH_LOGS and said.is_over and outcome.logs is not None:
        logs = outcome.logs.encode()
        output["logs"] = logs[-LARGEST_OUTPUT:].decode(errors="ignore")
        output["logs_truncated"] = len(logs) > LARGEST_OUTPUT
    if is_over:
        texts = {"error": outcome.error, "error_trace": outcome.error_trace}
        output |= {name: text for name, text in texts.items() if text is not None}
    return output


def _nothing(_said: _Said) -> dict[str, Any]:
    return {}


def _notebook_output(said: _Said) -> dict[str, Any]:
    """Return what a notebook exited with; an empty object if it did not."""
    result = said.task_run.outcome.notebook_output
    if not said.is_over or result is None:
        return {}
    text = result.encode()
    return {
        "result": text[:LARGEST_OUTPUT].decode(errors="ignore"),
        "truncated": len(text) > LARGEST_OUTPUT,
    }


def _notebook(said: _Said) -> dict[str, Any]:
    return {"notebook_output": _notebook_output(said)}


def _clean_rooms(said: _Said) -> dict[str, Any]:
    return {"clean_rooms_notebook_output": {"notebook_output": _notebook_output(said)}}


def _sql(said: _Said) -> dict[str, Any]:
    """Return the output of a SQL task, by what it runs.

    Source: [runs.get-output.sql] sdk: databricks-sdk-py, jobs.py (SqlOutput)
    """
    if not said.is_over:
        return {}
    warehouse = {"warehouse_id": said.payload["warehouse_id"]}
    link = {"output_link": f"{said.url}/sql/runs/{said.task_run.run_id}"}
    shapes: dict[str, dict[str, Any]] = {
        "query": {"query_output": warehouse | link},
        "alert": {"alert_output": warehouse | link | {"alert_state": "OK"}},
        "dashboard": {"dashboard_output": warehouse},
    }
    return {"sql_output": next((shape for name, shape in shapes.items() if name in said.payload), {})}


def _dbt(said: _Said) -> dict[str, Any]:
    """Return the output of a dbt task, beside its logs.

    Source: [runs.get-output.dbt] sdk: databricks-sdk-py, jobs.py (DbtOutput)
    """
    if not said.is_over:
        return {}
    return {"dbt_output": {"artifacts_link": f"{said.url}/dbt/artifacts/{said.task_run.run_id}.tar.gz"}}


def _run_job(said: _Said) -> dict[str, Any]:
    """Return the output of a run-job task: the run it started.

    Source: [runs.get-output.run-job] sdk: databricks-sdk-py, jobs.py (RunJobOutput)
    """
    child = said.task_run.child
    return {} if child is None else {"run_job_output": {"run_id": child.run_id}}


def _alert(said: _Said) -> dict[str, Any]:
    return {"alert_output": {"alert_state": "OK"}} if said.is_over else {}


def _dashboard(said: _Said) -> dict[str, Any]:
    return {"dashboard_output": {}} if said.is_over else {}


_OUTPUTS: dict[str, Callable[[_Said], dict[str, Any]]] = {
    "notebook_task": _notebook,
    "clean_rooms_notebook_task": _clean_rooms,
    "sql_task": _sql,
    "dbt_task": _dbt,
    "run_job_task": _run_job,
    "alert_task": _alert,
    "dashboard_task": _dashboard,
}


def render_views(task_run: TaskRun, views_to_export: str) -> dict[str, Any]:
    """Return the views of a notebook's run: its code; the emulator's notebooks have no dashboards.

    Source: [runs.export.views] sdk: databricks-sdk-py, jobs.py (ExportRunOutput, ViewItem)
    """
    if views_to_export == "DASHBOARDS":
        return {}
    path = str(msgspec.json.decode(task_run.task.spec)["notebook_task"]["notebook_path"])
    name = path.rstrip("/").rpartition("/")[2]
    result = html.escape(task_run.outcome.notebook_output or "") if task_run.is_terminal else ""
    content = (
        f"<!DOCTYPE html>\n<html>\n<head><title>{html.escape(name)}</title></head>\n"
        f"<body><h1>{html.escape(path)}</h1><pre>{result}</pre></body>\n</html>\n"
    )
    return {"views": [{"content": content, "name": name, "type": "NOTEBOOK"}]}
