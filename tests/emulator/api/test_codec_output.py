"""Records to wire JSON: the output of a task run, and what is exported of it."""

from __future__ import annotations

import pytest
from dirty_equals import IsPartialDict, IsStr

from dbx_emulator import Outcome
from dbx_emulator._api.codec_output import LARGEST_OUTPUT
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, PYTHON, Caller, Json, graph_body, task

_QUERY: Json = {"warehouse_id": "w", "query": {"query_id": "q"}}


@pytest.mark.fact("runs.get-output.shape", "runs.get-output.logs")
@pytest.mark.parametrize(
    ("payload", "outcome", "output"),
    [
        pytest.param(
            {"notebook_task": NOTEBOOK},
            Outcome(notebook_output="42"),
            {"notebook_output": {"result": "42", "truncated": False}},
            id="notebook-exits-with-a-value",
        ),
        pytest.param({"notebook_task": NOTEBOOK}, Outcome(logs="x"), {"notebook_output": {}}, id="notebook"),
        pytest.param(
            {"notebook_task": NOTEBOOK},
            Outcome(termination_code="RUN_EXECUTION_ERROR", error="boom", error_trace="Traceback"),
            {"notebook_output": {}, "error": "boom", "error_trace": "Traceback"},
            id="notebook-fails",
        ),
        pytest.param(
            {"spark_python_task": PYTHON},
            Outcome(logs="done\n"),
            {"logs": "done\n", "logs_truncated": False},
            id="logs",
        ),
        pytest.param({"spark_python_task": PYTHON}, Outcome(notebook_output="42"), {}, id="no-logs"),
        pytest.param({"spark_submit_task": {}}, Outcome(logs="x"), {}, id="spark-submit-has-no-logs"),
        pytest.param(
            {"clean_rooms_notebook_task": {"clean_room_name": "c", "notebook_name": "n"}},
            Outcome(notebook_output="42"),
            {"clean_rooms_notebook_output": {"notebook_output": {"result": "42", "truncated": False}}},
            id="clean-room",
        ),
    ],
)
@pytest.mark.parametrize("is_flat", [True, False], ids=["flat", "graph"])
def test_output_has_what_the_task_type_has(
    caller: Caller, payload: Json, outcome: Outcome, output: Json, *, is_flat: bool
) -> None:
    """Metadata is the run itself; the rest depends on the type of the task and on its outcome."""
    caller.workspace.scenarios.add("*", [outcome])
    fields = {"new_cluster": NEW_CLUSTER, **payload}
    body: Json = fields if is_flat else {"tasks": [{"task_key": "a", **fields}]}
    task_run_id = caller.run(caller.submit(body))["tasks"][0]["run_id"]
    before = caller.get("runs/get-output", run_id=task_run_id)
    assert before["metadata"] == caller.run(task_run_id)
    assert not {"logs", "error", "error_trace"} & before.keys()
    caller.workspace.clock.advance("1d")
    assert caller.get("runs/get-output", run_id=task_run_id) == {"metadata": caller.run(task_run_id)} | output


@pytest.mark.fact("runs.get-output.sql", "runs.get-output.dbt")
@pytest.mark.parametrize(
    ("payload", "output"),
    [
        pytest.param(
            {"sql_task": _QUERY},
            {"sql_output": {"query_output": {"warehouse_id": "w", "output_link": IsStr(regex="https://.+")}}},
            id="query",
        ),
        pytest.param(
            {"sql_task": {"warehouse_id": "w", "alert": {"alert_id": "a"}}},
            {"sql_output": {"alert_output": IsPartialDict(warehouse_id="w", alert_state="OK")}},
            id="sql-alert",
        ),
        pytest.param(
            {"sql_task": {"warehouse_id": "w", "dashboard": {"dashboard_id": "d"}}},
            {"sql_output": {"dashboard_output": {"warehouse_id": "w"}}},
            id="sql-dashboard",
        ),
        pytest.param(
            {"sql_task": {"warehouse_id": "w", "file": {"path": "/x"}}}, {"sql_output": {}}, id="file"
        ),
        pytest.param(
            {"dbt_task": {"commands": ["dbt run"]}, "existing_cluster_id": "c"},
            {
                "dbt_output": {"artifacts_link": IsStr(regex="https://.+")},
                "logs": "done",
                "logs_truncated": False,
            },
            id="dbt",
        ),
        pytest.param({"alert_task": {"alert_id": "a"}}, {"alert_output": {"alert_state": "OK"}}, id="alert"),
        pytest.param({"dashboard_task": {"dashboard_id": "d"}}, {"dashboard_output": {}}, id="dashboard"),
        pytest.param({"pipeline_task": {"pipeline_id": "p"}}, {}, id="pipeline"),
    ],
)
def test_output_of_what_runs_elsewhere(caller: Caller, payload: Json, output: Json) -> None:
    """Each type has its own object, and only when its work is over."""
    caller.workspace.scenarios.add("*", [Outcome(logs="done")])
    run_id = caller.submit({"tasks": [{"task_key": "a", **payload}]})
    [a] = caller.run(run_id)["tasks"]
    assert caller.get("runs/get-output", run_id=a["run_id"]).keys() == {"metadata"}
    caller.workspace.clock.advance("1d")
    shown = caller.get("runs/get-output", run_id=a["run_id"])
    shown.pop("metadata")
    assert shown == output


@pytest.mark.fact("runs.get-output.limits")
def test_output_is_cut_at_five_megabytes(caller: Caller) -> None:
    """Of a notebook's value the beginning is shown, of logs the end."""
    value, logs = "v" * LARGEST_OUTPUT, "l" * LARGEST_OUTPUT
    outcomes = {"n": Outcome(notebook_output=f"{value}é"), "p": Outcome(logs=f"é{logs}")}
    caller.workspace.scenarios.add("*", [Outcome(tasks=outcomes)])
    python = {"task_key": "p", "existing_cluster_id": "c", "spark_python_task": PYTHON}
    tasks = caller.run(caller.submit(graph_body(task("n"), python)))["tasks"]
    caller.workspace.clock.advance("1d")
    n, p = (caller.get("runs/get-output", run_id=each["run_id"]) for each in tasks)
    assert n["notebook_output"] == {"result": value, "truncated": True}
    assert (p["logs"], p["logs_truncated"]) == (logs, True)


def test_output_of_a_cancelled_task_has_no_error_of_its_scenario(caller: Caller) -> None:
    """What would have gone wrong did not happen."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR", error="boom")])
    run_id = caller.submit()
    caller.post("runs/cancel", {"run_id": run_id})
    caller.workspace.clock.advance("1d")
    assert caller.get("runs/get-output", run_id=run_id) == {"metadata": caller.run(run_id)}


def test_output_of_a_for_each_run_has_no_iterations(caller: Caller) -> None:
    """They are read with runs/get."""
    loop = {"task_key": "loop", "for_each_task": {"inputs": "[1, 2]", "task": task("each")}}
    run_id = caller.submit(graph_body(loop))
    caller.workspace.clock.advance("1d")
    loop_id = caller.run(run_id)["tasks"][0]["run_id"]
    shown = caller.run(loop_id)
    shown.pop("iterations")
    assert caller.get("runs/get-output", run_id=loop_id) == {"metadata": shown}


@pytest.mark.parameter("runs/export", "views_to_export")
@pytest.mark.fact("runs.export.views")
@pytest.mark.parametrize("is_flat", [True, False], ids=["flat", "graph"])
def test_notebook_is_exported_as_html(caller: Caller, *, is_flat: bool) -> None:
    """Its code is one view, named as the notebook; it has no dashboards."""
    caller.workspace.scenarios.add("*", [Outcome(notebook_output="<42>")])
    fields: Json = {"new_cluster": NEW_CLUSTER, "notebook_task": NOTEBOOK}
    run_id = caller.submit(fields if is_flat else {"tasks": [{"task_key": "a", **fields}]})
    task_run_id = caller.run(run_id)["tasks"][0]["run_id"]
    [view] = caller.get("runs/export", run_id=task_run_id)["views"]
    assert view == {
        "content": IsStr(regex=r"(?s)<!DOCTYPE html>.*/Users/me/etl.*"),
        "name": "etl",
        "type": "NOTEBOOK",
    }
    assert "42" not in view["content"]
    caller.workspace.clock.advance("1d")
    for views_to_export in ("CODE", "ALL"):
        [view] = caller.get("runs/export", run_id=task_run_id, views_to_export=views_to_export)["views"]
        assert "&lt;42&gt;" in view["content"]
    assert caller.get("runs/export", run_id=task_run_id, views_to_export="DASHBOARDS") == {}


@pytest.mark.fact("runs.export.notebooks-only")
def test_only_notebooks_are_exported(caller: Caller) -> None:
    """Neither other work nor a run of tasks as a whole."""
    flat, graph = caller.submit(), caller.submit(graph_body(task("a")))
    for run_id in (flat, graph):
        assert caller.refusal("GET", "runs/export", run_id=run_id).error_code == "INVALID_PARAMETER_VALUE"
    assert caller.refusal("GET", "runs/export", run_id=graph, views_to_export="x").status_code == 400
