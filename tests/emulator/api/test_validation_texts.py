"""The service's texts for what a submitted run may not say, each in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator import Workspace
from dbx_emulator._api.decoding import decode_body
from dbx_emulator._api.structs_runs import SubmitRun
from dbx_emulator._api.structs_tasks import Task
from dbx_emulator._api.validation import Rules, validate_submit
from dbx_emulator._core.errors import ApiError
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

_WHEEL: Json = {"package_name": "p", "entry_point": "main"}


def _invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def _serverless(task_key: str = "a", **fields: Any) -> Json:
    return {"task_key": task_key, **fields}


@pytest.mark.fact("runs.submit.serverless-environment")
@pytest.mark.parametrize(
    "fields",
    [{"spark_python_task": PYTHON}, {"python_wheel_task": _WHEEL}, {"dbt_task": {"commands": ["x"]}}],
)
def test_serverless_code_needs_an_environment(caller: Caller, fields: Json) -> None:
    """Without a cluster, Python and dbt run in an environment, and the service says how to name one."""
    refusal = caller.submit_refusal(graph_body(_serverless(**fields)))
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert refusal.message.startswith(
        "An environment is required for serverless task a. Please define one using `environments` and "
        "`environment_key`. For more details, please refer to the API documentation at https://docs.databricks.com"
    )


@pytest.mark.fact("runs.submit.unknown-environment")
@pytest.mark.parametrize("fields", [{"spark_python_task": PYTHON}, {"notebook_task": NOTEBOOK}])
def test_environment_must_be_declared(caller: Caller, fields: Json) -> None:
    """A key that no element of `environments` has is named, with the task."""
    body = graph_body(_serverless(**fields, environment_key="e"), environments=[{"environment_key": "other"}])
    assert caller.submit_refusal(body) == _invalid(
        "Job environment 'e' used by task a is not defined in field 'environments'."
    )
    body["environments"] = [{"environment_key": "e", "spec": {"client": "1", "dependencies": ["x"]}}]
    shown = caller.run(caller.submit(body))
    assert (shown["tasks"][0]["environment_key"], shown["environments"]) == ("e", body["environments"])


@pytest.mark.fact("runs.submit.serverless-libraries")
def test_serverless_task_has_no_libraries(caller: Caller) -> None:
    """Libraries belong into the environment, or onto a cluster."""
    libraries = [{"pypi": {"package": "x"}}]
    body = graph_body(_serverless(notebook_task=NOTEBOOK, libraries=libraries))
    assert caller.submit_refusal(body) == _invalid(
        "Libraries field is not supported for serverless task, please specify libraries in environment."
    )
    shown = caller.run(caller.submit(graph_body(task("a", libraries=libraries))))
    assert shown["tasks"][0]["libraries"] == libraries


@pytest.mark.fact("runs.submit.notebook-environment")
def test_notebook_in_an_environment_is_refused_by_the_rules_of_2025() -> None:
    """What the service refused until 2025 it takes now; which of the two is followed can be chosen."""
    content = json.dumps(graph_body(_serverless(notebook_task=NOTEBOOK, environment_key="e"))).encode()
    with pytest.raises(ApiError) as raised:
        validate_submit(
            decode_body(content, SubmitRun), version="2.2", rules=Rules(allows_notebook_environment=False)
        )
    assert raised.value.message == (
        "A task environment can not be provided for notebook task a. Please use the %pip magic command to install "
        "notebook-scoped Python libraries and Python wheel packages"
    )


@pytest.mark.fact("runs.submit.git-provider")
@pytest.mark.parametrize("provider", [{}, {"git_provider": ""}, {"git_provider": "svn"}])
def test_git_source_needs_a_known_provider(caller: Caller, provider: Json) -> None:
    """The service lists them all, in lower case; in a request the case does not matter."""
    body = flat_body(git_source={"git_url": "https://x/y"} | provider)
    assert caller.submit_refusal(body) == _invalid(
        "git_source.git_provider must be one of: github,gitlab,bitbucketcloud,gitlabenterpriseedition,"
        "bitbucketserver,azuredevopsservices,githubenterprise,awscodecommit"
    )
    caller.submit(flat_body(git_source={"git_url": "https://x/y", "git_provider": "gitHub"}))


@pytest.mark.fact("runs.submit.python-file-scheme")
@pytest.mark.parametrize(
    ("python_file", "is_accepted"),
    [
        ("dbfs:/main.py", True),
        ("s3://bucket/main.py", True),
        ("/Workspace/main.py", True),
        ("folder/main.py", True),
        ("ftp://host/main.py", False),
        ("HTTP://host/main.py", False),
    ],
)
def test_python_file_has_a_supported_scheme(caller: Caller, python_file: str, *, is_accepted: bool) -> None:
    """A path, or a URI of a storage that the service can read."""
    body = flat_body(spark_python_task={"python_file": python_file})
    if is_accepted:
        caller.submit(body)
    else:
        message = caller.submit_refusal(body).message
        assert message.startswith("Invalid Python file URI")
        assert message.endswith("Please visit Databricks user guide for supported URI schemes.")


@pytest.mark.fact("jobs.create.output-reference")
def test_output_can_be_referred_to_of_some_types_only(caller: Caller) -> None:
    """A reference to the output of a task that has none is refused when the run is made."""
    referring = task("b", notebook_task=NOTEBOOK | {"base_parameters": {"x": "{{tasks.a.output.first_row}}"}})
    assert caller.submit_refusal(graph_body(task("a"), referring)) == _invalid(
        "Unsupported task type for the 'output' namespace."
    )
    sql = {"task_key": "a", "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}}
    caller.submit(graph_body(sql, referring))


_FOR_EACH: Json = {"inputs": "[1]", "task": task("each")}

_REFUSED: dict[str, Json] = {
    "reference-to-no-task": graph_body(
        task("a", notebook_task=NOTEBOOK | {"base_parameters": {"x": "{{tasks.b.values.v}}"}})
    ),
    "outcome-of-no-condition": graph_body(
        task("a"), task("b", depends_on=[{"task_key": "a", "outcome": "true"}])
    ),
    "outcome-of-no-boolean": graph_body(
        task("a"), task("b", depends_on=[{"task_key": "a", "outcome": "yes"}])
    ),
    "unknown-run-if": graph_body(task("a", run_if="MAYBE")),
    "unknown-source": flat_body(notebook_task=NOTEBOOK | {"source": "ATTIC"}, spark_python_task=None),
    "unknown-performance-target": flat_body(performance_target="FAST"),
    "retries-of-a-condition": graph_body(
        {"task_key": "a", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}, "max_retries": 1}
    ),
    "retries-of-a-for-each": graph_body({"task_key": "a", "for_each_task": _FOR_EACH, "max_retries": 1}),
    "libraries-of-a-for-each": graph_body(
        {"task_key": "a", "for_each_task": _FOR_EACH, "libraries": [{"jar": "dbfs:/x.jar"}]}
    ),
    "for-each-in-a-for-each": graph_body(
        {
            "task_key": "a",
            "for_each_task": {"inputs": "[]", "task": {"task_key": "b", "for_each_task": _FOR_EACH}},
        }
    ),
    "for-each-over-no-array": graph_body(
        {"task_key": "a", "for_each_task": _FOR_EACH | {"inputs": '{"x": 1}'}}
    ),
    "for-each-over-no-json": graph_body({"task_key": "a", "for_each_task": _FOR_EACH | {"inputs": "x"}}),
    "for-each-with-bad-key": graph_body(
        {"task_key": "a", "for_each_task": _FOR_EACH | {"task": task("no key")}}
    ),
    "for-each-of-too-many": graph_body({"task_key": "a", "for_each_task": _FOR_EACH | {"concurrency": 101}}),
    "for-each-of-none-at-a-time": graph_body(
        {"task_key": "a", "for_each_task": _FOR_EACH | {"concurrency": 0}}
    ),
    "retries-below-for-ever": flat_body(max_retries=-2),
    "negative-timeout": flat_body(timeout_seconds=-1),
    "negative-interval": flat_body(min_retry_interval_millis=-1),
    "webhook-without-id": flat_body(webhook_notifications={"on_failure": [{"id": "w"}, {}]}),
    "description-too-long": graph_body(task("a", description="x" * 1_001)),
    "parameters-too-large": flat_body(
        notebook_task=NOTEBOOK | {"base_parameters": {"x": "y" * 1_000_001}}, spark_python_task=None
    ),
    "eleven-commands": graph_body(
        {"task_key": "a", "existing_cluster_id": "c", "dbt_task": {"commands": ["dbt run"] * 11}}
    ),
    "name-too-long": flat_body("é" * 2_049),
    "26-tags": flat_body(tags={f"t{index}": "" for index in range(26)}),
    "11-environments": flat_body(environments=[{"environment_key": f"e{index}"} for index in range(11)]),
    "11-profiles": flat_body(
        environment_variables=[{"environment_variables_key": f"e{index}"} for index in range(11)]
    ),
    "profile-without-key": flat_body(environment_variables=[{"spec": {}}]),
    "21-variables": flat_body(
        environment_variables=[
            {
                "environment_variables_key": "e",
                "spec": {"variables": {f"V{index}": "" for index in range(21)}},
            }
        ]
    ),
    "6-files": flat_body(
        environment_variables=[{"environment_variables_key": "e", "spec": {"files": ["/Workspace/x"] * 6}}]
    ),
    "bad-variable": flat_body(
        environment_variables=[{"environment_variables_key": "e", "spec": {"variables": {"1A": ""}}}]
    ),
    "long-variable": flat_body(
        environment_variables=[{"environment_variables_key": "e", "spec": {"variables": {"A" * 257: ""}}}]
    ),
    "long-value": flat_body(
        environment_variables=[{"environment_variables_key": "e", "spec": {"variables": {"A": "x" * 513}}}]
    ),
    "queue-of-nothing": flat_body(queue={}),
    "git-without-url": flat_body(git_source={"git_provider": "gitHub"}),
    "git-branch-and-tag": flat_body(
        git_source={"git_provider": "gitHub", "git_url": "u", "git_branch": "b", "git_tag": "t"}
    ),
    "unknown-job-cluster": graph_body({"task_key": "a", "job_cluster_key": "k", "notebook_task": NOTEBOOK}),
}


@pytest.mark.fact(
    "runs.submit.outcome",
    "jobs.create.no-outer-retries",
    "runs.submit.for-each",
    "runs.submit.for-each-concurrency",
    "runs.submit.webhook-id",
    "runs.submit.description-length",
    "runs.submit.base-parameters-size",
    "runs.submit.dbt-commands",
    "runs.submit.name-length",
    "runs.submit.limits",
    "runs.submit.environment-variables",
    "runs.submit.queue-enabled",
    "runs.submit.one-git-reference",
)
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _REFUSED.items()])
def test_what_cannot_be_is_refused(caller: Caller, body: Json) -> None:
    """How the service words it is not recorded; that it is refused, and makes no run, is."""
    refusal = caller.submit_refusal(body)
    assert (refusal.status_code, refusal.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert len(caller.workspace.runs) == 0


_ACCEPTED: dict[str, Json] = {
    "retries-for-ever": flat_body(max_retries=-1),
    "name-of-4096-bytes": flat_body("é" * 2_048),
    "25-tags": flat_body(tags={f"t{index}": "" for index in range(25)}),
    "ten-commands": graph_body(
        {"task_key": "a", "existing_cluster_id": "c", "dbt_task": {"commands": ["dbt run"] * 10}}
    ),
    "description-of-1000": graph_body(task("a", description="x" * 1_000)),
    "parameters-of-a-megabyte": flat_body(
        notebook_task=NOTEBOOK | {"base_parameters": {"x": "y" * 999_000}}, spark_python_task=None
    ),
    "variables": flat_body(
        environment_variables=[
            {
                "environment_variables_key": "e",
                "spec": {"variables": {"_" + "a" * 255: "x" * 512}, "files": ["/Workspace/x"] * 5},
            },
            {"environment_variables_key": "f"},
        ]
    ),
    "for-each-over-a-reference": graph_body(
        task("first"),
        {
            "task_key": "a",
            "for_each_task": _FOR_EACH | {"inputs": "{{tasks.first.values.v}}", "concurrency": 100},
        },
    ),
    "webhook": flat_body(webhook_notifications={"on_failure": [{"id": "w"}]}),
    "queue": flat_body(queue={"enabled": False}),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _ACCEPTED.items()])
def test_what_just_can_be_is_accepted(caller: Caller, body: Json) -> None:
    """The limits themselves are inside."""
    assert caller.run(caller.submit(body))["run_id"] > 0


@pytest.mark.fact("runs.submit.depends-on-sorted")
def test_outcome_of_a_condition_is_shown_again(caller: Caller) -> None:
    """Dependencies come sorted, each once, the later outcome counting."""
    condition = {"task_key": "c", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
    body = graph_body(
        task("z", depends_on=[{"task_key": "c", "outcome": "true"}, {"task_key": "a"}]), task("a"), condition
    )
    assert caller.run(caller.submit(body))["tasks"][0]["depends_on"] == [
        {"task_key": "a"},
        {"task_key": "c", "outcome": "true"},
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_TASK = st.dictionaries(st.sampled_from(sorted(Task.__struct_fields__)), _JSON, max_size=6)
_BODY = st.dictionaries(st.sampled_from(sorted(SubmitRun.__struct_fields__)), _JSON, max_size=6)


@st.composite
def _bodies(draw: st.DrawFn) -> Json:
    """Return a sound body in which some fields are anything at all."""
    sound: Json = {"task_key": "a", "new_cluster": NEW_CLUSTER, "notebook_task": NOTEBOOK}
    tasks = [sound | draw(_TASK) for _ in range(draw(st.integers(0, 3)))]
    return {"tasks": tasks} | draw(_BODY) if draw(st.booleans()) else flat_body() | draw(_BODY)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    body=_bodies(),
    endpoint=st.sampled_from(["runs/submit", "create", "run-now", "runs/repair"]),
)
def test_any_json_is_answered_in_the_services_form(body: Json, endpoint: str) -> None:
    """A run that reads back whole, or the service's own error and no run."""
    caller = Caller(Workspace(), "2.2")
    reply = caller.reply("POST", endpoint, body)
    answer = json.loads(reply.body)
    if reply.status_code == 200:
        for job_run in caller.workspace.runs:
            caller.run(job_run.run_id)
    else:
        assert reply.status_code in (400, 501)
        assert answer.keys() == {"error_code", "message", "details"}
        assert len(caller.workspace.runs) == 0


_OF_A_TASK: dict[str, Any] = {
    "existing_cluster_id": "0101-1",
    "new_cluster": NEW_CLUSTER,
    "libraries": [{"jar": "dbfs:/x.jar"}],
    "environment_key": "e",
    "environment_variables_key": "v",
    "timeout_seconds": 3_600,
    "max_retries": 2,
    "min_retry_interval_millis": 1_000,
    "retry_on_timeout": True,
    "email_notifications": {"on_failure": ["me@example.com"]},
    "webhook_notifications": {"on_failure": [{"id": "w"}]},
    "notification_settings": {"alert_on_last_attempt": True},
    "health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 5}]},
}
_OF_A_RUN: dict[str, Any] = {
    "run_name": "mine",
    "git_source": {"git_url": "https://x/y", "git_provider": "gitHub"},
    "environments": [{"environment_key": "e"}],
    "environment_variables": [{"environment_variables_key": "v"}],
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.parameter("runs/submit", name)) for name in _OF_A_TASK]
)
@pytest.mark.parametrize("is_flat", [True, False])
def test_field_of_a_task_is_shown_again(caller: Caller, name: str, *, is_flat: bool) -> None:
    """Whether it came at the root of a flat body or in an element of `tasks`."""
    fields: Json = {"new_cluster": NEW_CLUSTER, "notebook_task": NOTEBOOK} | {name: _OF_A_TASK[name]}
    body = fields if is_flat else {"tasks": [{"task_key": "a"} | fields]}
    assert caller.run(caller.submit(body))["tasks"][0][name] == _OF_A_TASK[name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.parameter("runs/submit", name)) for name in _OF_A_RUN]
)
def test_field_of_a_run_is_shown_again(caller: Caller, name: str) -> None:
    """It stands at the root, where it was said."""
    assert caller.run(caller.submit(graph_body(task("a")) | {name: _OF_A_RUN[name]}))[name] == _OF_A_RUN[name]
