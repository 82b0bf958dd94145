"""The endpoints of jobs: create, get, run-now."""

from __future__ import annotations

from typing import Any

import pytest
from dirty_equals import IsPartialDict

from dbx_emulator import Outcome, StatusFault, Workspace
from dbx_emulator._core.principals import Principal
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, PYTHON, Caller, Json, Refusal, flat_body, send, task

_SCHEDULE: Json = {"quartz_cron_expression": "0 0 12 * * ?", "timezone_id": "UTC"}


def _job(*tasks: Json, **fields: Any) -> Json:
    return {"name": "nightly", "tasks": list(tasks or (task("a"),))} | fields


def _create(caller: Caller, *tasks: Json, **fields: Any) -> int:
    job_id: int = caller.post("create", _job(*tasks, **fields))["job_id"]
    return job_id


def _run_now(caller: Caller, job_id: int, **fields: Any) -> int:
    run_id: int = caller.post("run-now", {"job_id": job_id} | fields)["run_id"]
    return run_id


def _settings(caller: Caller, job_id: int) -> Json:
    settings: Json = caller.get("get", job_id=job_id)["settings"]
    return settings


def _invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


@pytest.mark.fact("jobs.get.defaults", "jobs.get.shape", "jobs.get.source", "jobs.get.format")
def test_job_is_shown_with_what_the_service_fills_in(caller: Caller) -> None:
    """Settings come back with defaults, tasks with theirs, around them who made it and when."""
    job_id = _create(caller)
    assert caller.get("get", job_id=job_id) == {
        "job_id": job_id,
        "creator_user_name": "user@example.com",
        "run_as_user_name": "user@example.com",
        "created_time": 1_704_067_200_000,
        "settings": {
            "name": "nightly",
            "email_notifications": {},
            "webhook_notifications": {},
            "timeout_seconds": 0,
            "max_concurrent_runs": 1,
            "queue": {"enabled": False},
            "format": "MULTI_TASK",
            "tasks": [
                {
                    "task_key": "a",
                    "run_if": "ALL_SUCCESS",
                    "timeout_seconds": 0,
                    "email_notifications": {},
                    "new_cluster": NEW_CLUSTER,
                    "notebook_task": NOTEBOOK | {"source": "WORKSPACE"},
                }
            ],
        },
    }


_SETTINGS: Json = {
    "description": "Every night",
    "job_clusters": [{"job_cluster_key": "k", "new_cluster": NEW_CLUSTER}],
    "environments": [{"environment_key": "e"}],
    "environment_variables": [{"environment_variables_key": "v"}],
    "parameters": [{"name": "day", "default": "1"}],
    "git_source": {"git_url": "https://x/y", "git_provider": "gitHub"},
    "schedule": _SCHEDULE,
    "trigger": {"pause_status": "PAUSED"},
    "continuous": {"pause_status": "PAUSED"},
    "queue": {"enabled": True},
    "max_concurrent_runs": 5,
    "run_as": {"user_name": "other@example.com"},
    "tags": {"team": "data"},
    "edit_mode": "EDITABLE",
    "deployment": {"kind": "BUNDLE"},
    "performance_target": "STANDARD",
    "budget_policy_id": "b",
    "usage_policy_id": "u",
    "timeout_seconds": 3_600,
    "email_notifications": {"on_failure": ["me@example.com"]},
    "webhook_notifications": {"on_failure": [{"id": "w"}]},
    "notification_settings": {"no_alert_for_skipped_runs": True},
    "health": {"rules": []},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.parameter("create", name)) for name in sorted(_SETTINGS)]
)
def test_setting_is_shown_again(caller: Caller, name: str) -> None:
    """What was said about a job is what it shows."""
    assert _settings(caller, _create(caller, **{name: _SETTINGS[name]}))[name] == _SETTINGS[name]


@pytest.mark.fact("jobs.create.queue-default")
@pytest.mark.parametrize(("version", "is_queued"), [("2.0", False), ("2.1", False), ("2.2", True)])
def test_queue_is_on_for_jobs_of_2_2(caller: Caller, version: str, *, is_queued: bool) -> None:
    """A job made under 2.2 queues its runs unless told otherwise; one made under an older version skips them."""
    caller = caller.under(version)
    job_id = _create(caller)
    assert _settings(caller, job_id)["queue"] == {"enabled": is_queued}
    _run_now(caller, job_id)
    state = caller.run(_run_now(caller, job_id))["state"]["life_cycle_state"]
    assert state == ("QUEUED" if is_queued else "SKIPPED")


@pytest.mark.fact("jobs.get.format")
def test_flat_job_is_rewritten_to_one_task(caller: Caller) -> None:
    """2.0 shows it flat again, later versions as a job of one task."""
    body = flat_body(name="flat job", timeout_seconds=60)
    job_id = caller.under("2.0").post("create", body)["job_id"]
    old = _settings(caller.under("2.0"), job_id)
    assert old == IsPartialDict(
        format="SINGLE_TASK", name="flat job", new_cluster=NEW_CLUSTER, timeout_seconds=60
    )
    assert "tasks" not in old
    new = _settings(caller, job_id)
    assert (new["format"], "new_cluster" in new, new["timeout_seconds"]) == ("MULTI_TASK", False, 0)
    assert new["tasks"] == [IsPartialDict(task_key="flat_job", new_cluster=NEW_CLUSTER, timeout_seconds=60)]


@pytest.mark.parameter("get", "page_token")
@pytest.mark.fact("jobs.get.paged-arrays", "runs.get.more-than-100-tasks")
def test_arrays_of_a_job_are_paged_by_hundreds(caller: Caller) -> None:
    """Under 2.2 one token pages all of them; below, more than 100 tasks are an error."""
    caller = caller.under("2.2")
    parameters = [{"name": f"p{index}", "default": ""} for index in range(210)]
    job_id = _create(caller, *(task(f"t{index}") for index in range(101)), parameters=parameters)
    pages = [caller.get("get", job_id=job_id)]
    while "next_page_token" in pages[-1]:
        assert pages[-1]["has_more"] is True
        pages.append(caller.get("get", job_id=job_id, page_token=pages[-1]["next_page_token"]))
    sizes = [[len(page["settings"].get(name, [])) for name in ("tasks", "parameters")] for page in pages]
    assert sizes == [[100, 100], [1, 100], [0, 10]]
    assert "tasks" not in pages[2]["settings"]
    assert "101 tasks" in caller.under("2.1").refusal("GET", "get", job_id=job_id).message


@pytest.mark.fact("jobs.get.unknown-job")
@pytest.mark.parametrize(
    ("method", "endpoint"), [("GET", "get"), ("POST", "run-now"), ("POST", "runs/cancel-all")]
)
def test_unknown_job_is_an_invalid_parameter(caller: Caller, method: str, endpoint: str) -> None:
    """A job that is not there, and one that was not named, are told by their number."""
    named = {"job_id": 77}
    parameters: Json = {"body": named} if method == "POST" else named
    assert caller.refusal(method, endpoint, **parameters) == _invalid("Job 77 does not exist.")
    assert caller.refusal(method, endpoint) == _invalid("Job 0 does not exist.")


@pytest.mark.fact("auth.permission-denied")
def test_job_of_another_is_no_guests_business(caller: Caller) -> None:
    """A guest neither reads nor runs it."""
    job_id = _create(caller)
    headers = {"Authorization": f"Bearer {caller.workspace.issue_token(Principal.GUEST)}"}
    reply = send(caller.workspace, "GET", f"/api/2.1/jobs/get?job_id={job_id}", headers=headers)
    assert reply.status_code == 403


@pytest.mark.fact("run-now.number-in-job", "runs.get.trigger", "runs.get.original-attempt")
def test_run_of_a_job_says_where_it_comes_from(caller: Caller) -> None:
    """Its job, its trigger and its name are the job's; the run and its only task have different ids."""
    job_id = _create(caller)
    answer = caller.post("run-now", {"job_id": job_id})
    run_id = answer["run_id"]
    assert answer == {"run_id": run_id, "number_in_job": run_id}
    shown = caller.run(run_id)
    assert shown == IsPartialDict(
        job_id=job_id,
        run_name="nightly",
        run_type="JOB_RUN",
        trigger="ONE_TIME",
        original_attempt_run_id=run_id,
        format="MULTI_TASK",
        tasks=[IsPartialDict(task_key="a", attempt_number=0)],
    )
    assert "attempt_number" not in shown
    [only] = shown["tasks"]
    assert only["run_id"] != run_id
    alone = caller.run(only["run_id"])
    assert (alone["original_attempt_run_id"], alone["job_run_id"]) == (only["run_id"], run_id)
    submitted = caller.run(caller.submit())
    assert not {"trigger", "original_attempt_run_id"} & submitted.keys()


@pytest.mark.fact("runs.get.original-attempt")
def test_retry_of_a_jobs_task_names_its_first_attempt(workspace: Workspace, caller: Caller) -> None:
    """Read alone, the second attempt says which run it repeats."""
    workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])])
    run_id = _run_now(caller, _create(caller, task("a", max_retries=1)))
    workspace.clock.advance("1h")
    first, second = (each["run_id"] for each in caller.run(run_id)["tasks"])
    assert caller.run(second)["original_attempt_run_id"] == first
    assert caller.run(second)["attempt_number"] == 1


@pytest.mark.parameter("run-now", "job_parameters")
@pytest.mark.parameter("runs/get", "include_resolved_values")
@pytest.mark.fact("runs.get.job-parameters", "runs.get.resolved-values", "runs.get.paged-arrays")
def test_job_parameters_are_shown_with_their_values(caller: Caller) -> None:
    """Defaults where run-now says nothing; references to them are resolved when asked."""
    notebook = NOTEBOOK | {"base_parameters": {"when": "{{job.parameters.day}}-{{job.parameters.hour}}"}}
    parameters = [{"name": "day", "default": "1"}, {"name": "hour", "default": "0"}]
    job_id = _create(caller, task("a", notebook_task=notebook), parameters=parameters)
    run_id = _run_now(caller, job_id, job_parameters={"day": "2"})
    shown = caller.run(run_id, include_resolved_values="true")
    assert shown["job_parameters"] == [
        {"name": "day", "default": "1", "value": "2"},
        {"name": "hour", "default": "0", "value": "0"},
    ]
    assert shown["tasks"][0]["resolved_values"] == {"notebook_task": {"base_parameters": {"when": "2-0"}}}
    assert "resolved_values" not in caller.run(run_id)["tasks"][0]


@pytest.mark.fact("runs.get.resolved-values", "run-now.overrides")
@pytest.mark.parametrize(
    ("fields", "overriding", "resolved"),
    [
        pytest.param(
            {"notebook_task": NOTEBOOK | {"base_parameters": {"a": "1", "b": "2"}}},
            {"notebook_params": {"b": "3"}},
            {"notebook_task": {"base_parameters": {"a": "1", "b": "3"}}},
            id="notebook-merges",
        ),
        pytest.param(
            {"spark_python_task": PYTHON},
            {"python_params": ["x"]},
            {"spark_python_task": {"parameters": ["x"]}},
            id="python-replaces",
        ),
        pytest.param(
            {"spark_jar_task": {"main_class_name": "M", "parameters": ["a"]}},
            {"jar_params": ["{{job.name}}"]},
            {"spark_jar_task": {"parameters": ["nightly"]}},
            id="jar-with-a-reference",
        ),
        pytest.param(
            {"spark_submit_task": {"parameters": ["a"]}},
            {"spark_submit_params": ["b"]},
            {"spark_submit_task": {"parameters": ["b"]}},
            id="spark-submit",
        ),
        pytest.param(
            {"python_wheel_task": {"package_name": "p", "entry_point": "m", "named_parameters": {"a": "1"}}},
            {"python_named_params": {"a": "2"}},
            {"python_wheel_task": {"named_parameters": {"a": "2"}}},
            id="wheel",
        ),
        pytest.param(
            {"sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}, "parameters": {"a": "1"}}},
            {"sql_params": {"a": "2"}},
            {"sql_task": {"parameters": {"a": "2"}}},
            id="sql",
        ),
        pytest.param(
            {"dbt_task": {"commands": ["dbt deps"]}},
            {"dbt_commands": ["dbt run"]},
            {"dbt_task": {"commands": ["dbt run"]}},
            id="dbt",
        ),
        pytest.param(
            {"pipeline_task": {"pipeline_id": "p"}}, {"pipeline_params": {"full_refresh": True}}, None
        ),
    ],
)
def test_legacy_parameters_go_to_every_task_of_their_type(
    caller: Caller, fields: Json, overriding: Json, resolved: Json | None
) -> None:
    """The run shows what it was given, the settings as they are, and when asked what came of both."""
    job_id = _create(caller, {"task_key": "a", "existing_cluster_id": "c", **fields})
    shown = caller.run(_run_now(caller, job_id, **overriding), include_resolved_values="true")
    assert shown["overriding_parameters"] == overriding
    assert shown["tasks"][0].get("resolved_values") == resolved
    [task_type] = fields
    assert shown["tasks"][0][task_type] == IsPartialDict(fields[task_type])


@pytest.mark.parameter("run-now", "only")
@pytest.mark.fact("run-now.only", "run-now.only-others")
@pytest.mark.parametrize(
    ("only", "task_keys"),
    [
        (["b"], ["b"]),
        (["+b"], ["a", "b"]),
        (["b+"], ["b", "c", "d"]),
        (["+b+"], ["a", "b", "c", "d"]),
        (["a", "c"], ["a", "c"]),
        (["+d"], ["a", "b", "c", "d"]),
    ],
)
def test_run_can_be_limited_to_some_tasks(caller: Caller, only: list[str], task_keys: list[str]) -> None:
    """By key, with what comes before (`+a`) or after (`a+`); the others are not there to be waited for."""
    job_id = _create(caller, task("a"), task("b", "a"), task("c", "b"), task("d", "a", "c"))
    run_id = _run_now(caller, job_id, only=only)
    caller.workspace.clock.advance("1d")
    shown = caller.run(run_id)
    assert [each["task_key"] for each in shown["tasks"]] == task_keys
    assert shown["state"]["result_state"] == "SUCCESS"


@pytest.mark.fact("runs.submit.idempotency", "runs.submit.token-of-deleted-run")
def test_token_of_run_now_makes_one_run(caller: Caller) -> None:
    """The same token is the same run, until that run is deleted; then it is an error."""
    job_id = _create(caller)
    first = _run_now(caller, job_id, idempotency_token="t")
    assert _run_now(caller, job_id, idempotency_token="t") == first
    caller.workspace.clock.advance("1d")
    caller.post("runs/delete", {"run_id": first})
    refusal = caller.refusal("POST", "run-now", {"job_id": job_id, "idempotency_token": "t"})
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_STATE")


@pytest.mark.parameter("run-now", "performance_target")
@pytest.mark.parameter("create", "performance_target")
def test_performance_target_of_a_run_outranks_its_jobs(caller: Caller) -> None:
    """A run shows its own; a serverless task of a job that says nothing is optimised for performance."""
    serverless = {"task_key": "a", "notebook_task": NOTEBOOK}
    job_id = _create(caller, serverless, max_concurrent_runs=3, performance_target="STANDARD")
    assert caller.run(_run_now(caller, job_id))["effective_performance_target"] == "STANDARD"
    run_id = _run_now(caller, job_id, performance_target="PERFORMANCE_OPTIMIZED")
    assert caller.run(run_id)["tasks"][0]["effective_performance_target"] == "PERFORMANCE_OPTIMIZED"


@pytest.mark.fact("runs.get.performance-target")
def test_serverless_task_is_optimised_for_performance(caller: Caller) -> None:
    """If nothing is said; a task on a cluster has no target."""
    shown = caller.run(
        _run_now(caller, _create(caller, {"task_key": "a", "notebook_task": NOTEBOOK}, task("b")))
    )
    a, b = shown["tasks"]
    assert (a["effective_performance_target"], "effective_performance_target" in b) == (
        "PERFORMANCE_OPTIMIZED",
        False,
    )


_TEXTS: list[Any] = [
    pytest.param(
        {"job_clusters": [], "new_cluster": NEW_CLUSTER, "notebook_task": NOTEBOOK},
        "Shared job cluster feature is only supported in multi-task jobs.",
        id="job-clusters-without-tasks",
    ),
    pytest.param(
        _job(existing_cluster_id="c"),
        "Multi-task jobs require clusterspec to be specified within the tasks.",
        id="cluster-beside-tasks",
    ),
    pytest.param(
        _job({"task_key": "a", "job_cluster_key": "k", "notebook_task": NOTEBOOK}),
        "Job cluster 'k' is not defined in field 'job_clusters'.",
        id="unknown-job-cluster",
    ),
    pytest.param(
        _job(schedule=_SCHEDULE | {"quartz_cron_expression": "* * *"}),
        "Invalid quartz_cron_expression: * * *. Databricks uses Quartz cron syntax, which is different from the "
        "standard cron syntax. See http://www.quartz-scheduler.org/documentation/quartz-2.1.x/tutorials/"
        "crontrigger.html for more details.",
        id="cron",
    ),
]


@pytest.mark.fact(
    "jobs.create.job-clusters-without-tasks",
    "jobs.create.no-cluster-beside-tasks",
    "jobs.create.unknown-job-cluster",
    "jobs.create.quartz",
)
@pytest.mark.parametrize(("body", "message"), _TEXTS)
def test_job_that_cannot_be_is_refused_in_the_services_words(
    caller: Caller, body: Json, message: str
) -> None:
    """Each with the text that is on record for it."""
    assert caller.refusal("POST", "create", body) == _invalid(message)


@pytest.mark.fact("jobs.create.max-concurrent-runs", "jobs.create.description-size", "jobs.create.parameters")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"max_concurrent_runs": 1_001}, id="runs-at-a-time"),
        pytest.param({"max_concurrent_runs": -1}, id="fewer-than-none"),
        pytest.param({"description": "x" * 27_701}, id="description"),
        pytest.param({"name": "x" * 4_097}, id="name"),
        pytest.param({"job_clusters": [{"new_cluster": NEW_CLUSTER}]}, id="job-cluster-without-key"),
        pytest.param({"job_clusters": [{"job_cluster_key": "k"}]}, id="job-cluster-of-nothing"),
        pytest.param(
            {"job_clusters": [{"job_cluster_key": "k", "new_cluster": {}}]}, id="job-cluster-without-size"
        ),
        pytest.param({"parameters": [{"default": "1"}]}, id="parameter-without-name"),
        pytest.param({"parameters": [{"name": "a"}]}, id="parameter-without-default"),
        pytest.param({"parameters": [{"name": "a", "default": ""}] * 2}, id="parameter-twice"),
    ],
)
def test_job_that_cannot_be_is_refused(caller: Caller, fields: Json) -> None:
    """How the service words it is not recorded."""
    refusal = caller.refusal("POST", "create", _job(**fields))
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.fact(
    "run-now.unknown-job-parameter",
    "run-now.parameters-size",
    "run-now.jar-or-notebook",
    "run-now.ascii",
    "run-now.dbt-commands",
)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"job_parameters": {"unheard-of": "1"}}, id="unknown-parameter"),
        pytest.param({"only": ["unheard-of"]}, id="unknown-task"),
        pytest.param({"notebook_params": {"x": "y" * 10_000}}, id="large-parameters"),
        pytest.param({"jar_params": ["a"], "notebook_params": {"x": "y"}}, id="jar-and-notebook"),
        pytest.param({"python_params": ["é"]}, id="python-not-ascii"),
        pytest.param({"spark_submit_params": ["é"]}, id="spark-submit-not-ascii"),
        pytest.param({"dbt_commands": ["x"] * 11}, id="eleven-commands"),
        pytest.param({"idempotency_token": "x" * 65}, id="long-token"),
    ],
)
def test_run_of_a_job_that_cannot_be_is_refused(caller: Caller, fields: Json) -> None:
    """And no run is made."""
    job_id = _create(caller)
    refusal = caller.refusal("POST", "run-now", {"job_id": job_id} | fields)
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert len(caller.workspace.runs) == 0


def test_scenarios_match_what_run_now_gives(workspace: Workspace, caller: Caller) -> None:
    """Parameters of the job and of run-now count for a scenario as those of a task do."""
    job_id = _create(caller, parameters=[{"name": "day", "default": "1"}])
    run_id = _run_now(caller, job_id, job_parameters={"day": "2"}, notebook_params={"zone": "eu"})
    assert workspace.runs[run_id].submitted.tasks[0].parameters == {"day": "2", "zone": "eu"}


@pytest.mark.parameter("run-now", "queue")
@pytest.mark.fact("run-now.queue")
@pytest.mark.parametrize("is_queued", [True, False])
def test_run_says_for_itself_whether_it_waits(caller: Caller, *, is_queued: bool) -> None:
    """Whatever its job says; a queue of nothing is refused."""
    job_id = _create(caller, queue={"enabled": not is_queued})
    _run_now(caller, job_id)
    run_id = _run_now(caller, job_id, queue={"enabled": is_queued})
    assert caller.run(run_id)["state"]["life_cycle_state"] == ("QUEUED" if is_queued else "SKIPPED")
    refusal = caller.refusal("POST", "run-now", {"job_id": job_id, "queue": {}})
    assert refusal == _invalid("Missing required field: settings.queue.enabled.")


def test_faults_know_the_name_of_the_run_that_run_now_makes(workspace: Workspace, caller: Caller) -> None:
    """It is the job's; a call for a job that is not there is about no run."""
    job_id = _create(caller)
    workspace.faults.add(StatusFault("run-now", run_name="night*", status_code=500, times=1))
    assert caller.refusal("POST", "run-now", {"job_id": 7}).status_code == 400
    assert caller.refusal("POST", "run-now", {"job_id": job_id}).status_code == 500
    assert caller.post("run-now", {"job_id": job_id}).keys() == {"run_id", "number_in_job"}
