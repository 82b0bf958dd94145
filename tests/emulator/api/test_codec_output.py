"""Records to wire JSON: the output of a task run."""

from __future__ import annotations

import pytest

from dbx_emulator import Outcome
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, PYTHON, Caller, Json


@pytest.mark.fact("runs.get-output.shape")
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
    empty: Json = {"notebook_output": {}} if "notebook_task" in payload else {}
    assert caller.get("runs/get-output", run_id=task_run_id) == {"metadata": caller.run(task_run_id)} | empty
    caller.workspace.clock.advance("1d")
    assert caller.get("runs/get-output", run_id=task_run_id) == {"metadata": caller.run(task_run_id)} | output


def test_output_of_a_cancelled_task_has_no_error_of_its_scenario(caller: Caller) -> None:
    """What would have gone wrong did not happen."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR", error="boom")])
    run_id = caller.submit()
    caller.post("runs/cancel", {"run_id": run_id})
    caller.workspace.clock.advance("1d")
    assert caller.get("runs/get-output", run_id=run_id) == {"metadata": caller.run(run_id)}
