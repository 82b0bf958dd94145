"""What a type cannot say about a submitted run."""

from __future__ import annotations

import pytest
from dirty_equals import IsPartialDict

from dbx_emulator import Workspace
from dbx_emulator._api.structs_runs import SubmitRun
from dbx_emulator._api.structs_tasks import TASK_TYPES
from dbx_emulator._api.validation_tasks import MAX_TASKS
from tests.emulator.support import (
    NEW_CLUSTER,
    NOTEBOOK,
    PYTHON,
    Caller,
    Json,
    Refusal,
    flat_body,
    graph_body,
    task,
)

_NO_COMPUTE = "One of job_cluster_key, new_cluster, or existing_cluster_id must be specified."


def _invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def _without(body: Json, *names: str) -> Json:
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.fact("runs.submit.no-compute")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="empty"),
        pytest.param({"run_name": "x"}, id="name-only"),
        pytest.param(_without(flat_body(), "new_cluster"), id="flat"),
        pytest.param({"notebook_task": NOTEBOOK}, id="flat-notebook"),
        pytest.param({"tasks": []}, id="no-tasks"),
        pytest.param({"tasks": [{"task_key": "a"}]}, id="task-of-no-type"),
        pytest.param({"tasks": [{"task_key": "a", "spark_jar_task": {}}]}, id="jar"),
        pytest.param({"tasks": [{"task_key": "a", "spark_submit_task": {}}]}, id="spark-submit"),
    ],
)
def test_task_without_compute_is_refused(caller: Caller, body: Json) -> None:
    """Where a cluster is needed and none is named, the service says which fields could name one."""
    assert caller.submit_refusal(body) == _invalid(_NO_COMPUTE)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"notebook_task": NOTEBOOK}, id="notebook"),
        pytest.param({"sql_task": {"warehouse_id": "w"}}, id="sql"),
        pytest.param({"pipeline_task": {"pipeline_id": "p"}}, id="pipeline"),
        pytest.param({"spark_jar_task": {}, "existing_cluster_id": "c"}, id="existing-cluster"),
        pytest.param({"spark_submit_task": {}, "new_cluster": NEW_CLUSTER}, id="new-cluster"),
    ],
)
def test_task_with_the_compute_it_needs_is_accepted(caller: Caller, fields: Json) -> None:
    """Serverless tasks, and those that bring their own compute, need no cluster."""
    shown = caller.run(caller.submit({"tasks": [{"task_key": "a", **fields}]}))["tasks"][0]
    assert {name: shown[name] for name in fields} == fields


@pytest.mark.fact("runs.submit.no-job-clusters")
def test_job_clusters_are_refused(caller: Caller) -> None:
    """A one-time run cannot share job clusters, not even with an empty list of them."""
    body = graph_body(task("a"), job_clusters=[])
    assert caller.submit_refusal(body) == _invalid(
        "Shared job cluster feature is not supported in runs/submit API."
    )


@pytest.mark.fact("runs.submit.token-length")
@pytest.mark.parametrize(("length", "is_accepted"), [(64, True), (65, False)])
def test_token_has_at_most_64_characters(caller: Caller, length: int, *, is_accepted: bool) -> None:
    """One character more is refused and makes no run."""
    body = flat_body(idempotency_token="x" * length)
    if is_accepted:
        caller.submit(body)
    else:
        refusal = caller.submit_refusal(body)
        assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert len(caller.workspace.runs) == is_accepted


@pytest.mark.fact("runs.submit.max-tasks", "runs.get.more-than-100-tasks")
@pytest.mark.parametrize(
    ("version", "limit"), [pytest.param("2.0", 100), pytest.param("2.1", 100), pytest.param("2.2", 1_000)]
)
def test_run_has_as_many_tasks_as_the_version_allows(caller: Caller, version: str, limit: int) -> None:
    """100 below 2.2, where the service names the version that takes more; 1,000 under 2.2."""
    assert MAX_TASKS[version] == limit
    caller = caller.under(version)
    tasks = [task(f"t{index}") for index in range(limit + 1)]
    caller.submit(graph_body(*tasks[:-1]))
    assert caller.submit_refusal(graph_body(*tasks)) == _invalid(
        "Resources with more than 100 tasks can only be handled by API 2.2 and above. "
        f"Your resource has {limit + 1} tasks"
    )
    assert len(caller.workspace.runs) == 1


@pytest.mark.fact("runs.submit.no-task-key")
@pytest.mark.parametrize("key", [pytest.param({}, id="absent"), pytest.param({"task_key": ""}, id="empty")])
def test_task_needs_a_key(caller: Caller, key: Json) -> None:
    """A task of `tasks` without a key is named by its field."""
    body = graph_body(_without(task("a"), "task_key") | key)
    assert caller.submit_refusal(body) == _invalid("Missing required field: settings.tasks.task_key.")


@pytest.mark.fact("runs.submit.task-key")
@pytest.mark.parametrize(
    ("task_key", "is_accepted"),
    [
        pytest.param("a", True, id="one"),
        pytest.param("a" * 100, True, id="longest"),
        pytest.param("Ab_9-", True, id="all-kinds"),
        pytest.param("a" * 101, False, id="too-long"),
        pytest.param("a b", False, id="blank"),
        pytest.param("a.b", False, id="dot"),
        pytest.param("a\n", False, id="newline"),
    ],
)
def test_task_key_has_1_to_100_word_characters(caller: Caller, task_key: str, *, is_accepted: bool) -> None:
    """Letters, digits, hyphens and underscores."""
    reply = caller.reply("POST", "runs/submit", graph_body(task(task_key)))
    assert reply.status_code == (200 if is_accepted else 400)


@pytest.mark.fact("runs.submit.no-depends-on-key")
def test_dependency_needs_a_key(caller: Caller) -> None:
    """An element of `depends_on` without a key is named by its field."""
    body = graph_body(task("a"), task("b", depends_on=[{"outcome": "true"}]))
    assert caller.submit_refusal(body) == _invalid(
        "Missing required field: settings.tasks.depends_on.task_key"
    )


@pytest.mark.fact("runs.submit.self-dependency")
def test_task_cannot_depend_on_itself(caller: Caller) -> None:
    """The service names the task."""
    assert caller.submit_refusal(graph_body(task("a", "a"))) == _invalid(
        "Invalid dependency graph, task 'a' can not reference itself."
    )


@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param([task("a"), task("a")], id="two-of-one-key"),
        pytest.param([task("a", "b")], id="unknown-upstream"),
        pytest.param([task("a", "b"), task("b", "c"), task("c", "a")], id="cycle"),
    ],
)
def test_graph_that_is_not_sound_is_refused(caller: Caller, tasks: list[Json]) -> None:
    """Nothing is made of a graph that could never run."""
    refusal = caller.submit_refusal(graph_body(*tasks))
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert len(caller.workspace.runs) == 0


def test_dependencies_are_shown_sorted_and_once(caller: Caller) -> None:
    """The service reorders them."""
    body = graph_body(task("c", "b", "a", "b"), task("a"), task("b"))
    assert caller.run(caller.submit(body))["tasks"][0]["depends_on"] == [{"task_key": "a"}, {"task_key": "b"}]


@pytest.mark.fact("runs.submit.no-notebook-path")
@pytest.mark.parametrize("notebook", [{}, {"notebook_path": ""}, {"base_parameters": {}}])
@pytest.mark.parametrize("is_flat", [True, False])
def test_notebook_needs_a_path(caller: Caller, notebook: Json, *, is_flat: bool) -> None:
    """The missing field is named."""
    fields: Json = {"new_cluster": NEW_CLUSTER, "notebook_task": notebook}
    body = fields if is_flat else {"tasks": [{"task_key": "a", **fields}]}
    assert caller.submit_refusal(body) == _invalid(
        "Missing required field: settings.task.notebook_task.notebook_path."
    )


@pytest.mark.fact("runs.submit.no-cluster-size")
@pytest.mark.parametrize(
    ("fields", "is_accepted"),
    [
        pytest.param({}, False, id="none"),
        pytest.param({"num_workers": None}, False, id="null"),
        pytest.param({"num_workers": 0}, True, id="no-workers"),
        pytest.param({"autoscale": {"min_workers": 1, "max_workers": 2}}, True, id="autoscale"),
        pytest.param({"policy_id": "p"}, True, id="policy"),
        pytest.param({"is_single_node": True}, True, id="single-node"),
    ],
)
def test_new_cluster_needs_a_size(caller: Caller, fields: Json, *, is_accepted: bool) -> None:
    """A number of workers, a range of them, or something else that says it."""
    body = flat_body(new_cluster={"spark_version": "15.4.x-scala2.12", **fields})
    reply = caller.reply("POST", "runs/submit", body)
    if is_accepted:
        assert reply.status_code == 200
    else:
        assert caller.submit_refusal(body) == _invalid(
            "Missing required field: settings.cluster_spec.new_cluster.size"
        )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no-type"),
        pytest.param({"notebook_task": NOTEBOOK, "spark_python_task": PYTHON}, id="two-types"),
    ],
)
def test_task_has_exactly_one_type(caller: Caller, fields: Json) -> None:
    """None and two are refused."""
    refusal = caller.submit_refusal({"tasks": [{"task_key": "a", "existing_cluster_id": "c", **fields}]})
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")


#: The least that a task of each type must say.
_LEAST: dict[str, Json] = {
    "notebook_task": NOTEBOOK,
    "spark_python_task": PYTHON,
    "python_wheel_task": {"package_name": "p", "entry_point": "main"},
    "pipeline_task": {"pipeline_id": "p"},
    "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}},
    "dbt_task": {"commands": ["dbt run"]},
    "run_job_task": {"job_id": 5},
    "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"},
    "for_each_task": {
        "inputs": "[1]",
        "task": {"task_key": "each", "existing_cluster_id": "c", "notebook_task": NOTEBOOK},
    },
    "clean_rooms_notebook_task": {"clean_room_name": "c", "notebook_name": "n"},
}


@pytest.mark.fact("runs.submit.task-types", "runs.submit.required-fields")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.parameter("runs/submit", name)) for name in TASK_TYPES]
)
def test_task_of_each_type_is_shown_again(caller: Caller, name: str) -> None:
    """What a task of a type must say is asked for by name, and what was said comes back without the rest."""
    least = _LEAST.get(name, {})
    compute: Json = {} if name in ("condition_task", "for_each_task") else {"existing_cluster_id": "c"}
    shown = caller.run(caller.submit({"tasks": [{"task_key": "a", name: least | {"x": 1}} | compute]}))
    assert shown["tasks"][0][name] == IsPartialDict(least)
    assert "x" not in shown["tasks"][0][name]
    for field in least.keys() - {"left", "right", "query", "parameters"}:
        refusal = caller.submit_refusal(
            {"tasks": [{"task_key": "a", name: _without(least, field)} | compute]}
        )
        assert (refusal.error_code, f"{name}.{field}" in refusal.message) == ("INVALID_PARAMETER_VALUE", True)


def test_integral_floats_are_shown_as_integers(caller: Caller) -> None:
    """What came as 4.0 is an integer field and is shown as 4."""
    cluster: Json = NEW_CLUSTER | {
        "num_workers": 4.0,
        "autoscale": {"min_workers": "1", "max_workers": 2.0},
    }
    shown = caller.run(caller.submit(flat_body(new_cluster=cluster)))["tasks"][0]["new_cluster"]
    assert shown == NEW_CLUSTER | {"num_workers": 4, "autoscale": {"min_workers": 1, "max_workers": 2}}
    assert isinstance(shown["num_workers"], int)


def test_run_without_a_name_is_untitled(caller: Caller) -> None:
    """The name is the service's, and so is the key of a flat run's task."""
    shown = caller.run(caller.submit(_without(flat_body(), "run_name")))
    assert (shown["run_name"], shown["tasks"][0]["task_key"]) == ("Untitled", "Untitled")


def test_run_shows_what_belongs_to_it_as_a_whole(caller: Caller) -> None:
    """Source, environments and performance target stand on the run, not in its tasks."""
    fields: Json = {
        "git_source": {"git_url": "https://x/y", "git_provider": "gitHub"},
        "environments": [{"environment_key": "e"}],
    }
    shown = caller.run(caller.submit(graph_body(task("a"), performance_target="STANDARD", **fields)))
    assert shown == IsPartialDict(fields | {"effective_performance_target": "STANDARD"})
    assert "performance_target" not in shown


_ENOUGH: Json = {"existing_cluster_id": "c", "sql_task": {"warehouse_id": "w"}}


@pytest.mark.parametrize("name", sorted(set(SubmitRun.__struct_fields__) - _ENOUGH.keys()))
def test_null_field_is_a_field_left_out(caller: Caller, name: str) -> None:
    """Clients that write every field they know write nulls; the run is as if they had not."""
    shown = [caller.run(caller.submit(body)) for body in (_ENOUGH, _ENOUGH | {name: None})]
    assert shown[0].keys() == shown[1].keys()
    assert shown[0]["tasks"][0].keys() == shown[1]["tasks"][0].keys()


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        pytest.param(
            {"notebook_task": NOTEBOOK | {"base_parameters": {"day": "1", "hour": "2"}}},
            {"day": "1", "hour": "2"},
            id="notebook",
        ),
        pytest.param(
            {
                "python_wheel_task": {
                    "package_name": "p",
                    "entry_point": "m",
                    "named_parameters": {"day": "1"},
                }
            },
            {"day": "1"},
            id="wheel-by-name",
        ),
        pytest.param(
            {
                "spark_python_task": {
                    "python_file": "dbfs:/m.py",
                    "parameters": ["load", "--day", "1", "--dry-run", "--hour=2", "--last"],
                }
            },
            {"day": "1", "hour": "2"},
            id="command-line",
        ),
        pytest.param({"sql_task": {"warehouse_id": "w", "parameters": {"day": "1"}}}, {}, id="none"),
    ],
)
def test_parameters_with_names_are_known_to_scenarios(
    workspace: Workspace, caller: Caller, fields: Json, parameters: dict[str, str]
) -> None:
    """Given by name, or as options on a command line; a flag has no value."""
    run_id = caller.submit({"existing_cluster_id": "0101-1", "tags": {"team": "data"}} | fields)
    submitted = workspace.runs[run_id].submitted
    assert submitted.tasks[0].parameters == parameters
    assert submitted.tags == {"team": "data"}


def test_retries_of_a_task_are_the_services(workspace: Workspace, caller: Caller) -> None:
    """Counts and interval are kept for it, and shown as they were given."""
    run_id = caller.submit(flat_body(max_retries=3.0, min_retry_interval_millis=60_000))
    [submitted] = workspace.runs[run_id].submitted.tasks
    assert (submitted.max_retries, submitted.min_retry_interval_ms) == (3, 60_000)
    assert caller.run(run_id)["tasks"][0] == IsPartialDict(max_retries=3, min_retry_interval_millis=60_000)
