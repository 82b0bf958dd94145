"""Task templates to bodies of `runs/submit`."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dbx_agent.errors import ConfigurationError
from dbx_agent.job_spec import (
    build_submit_body,
    named_instance,
    names_instance,
    unsent_credential_provider,
    unsent_environment,
)

from .support import Container, Template, load_template

GIT = {
    "git_url": "https://github.com/flyteorg/flytetools",
    "git_provider": "gitHub",
    "git_commit": "572298df1f971fb58c258398bd70a6372f811c96",
}
ENTRYPOINT = "flytekitplugins/databricks/entrypoint.py"
ARGS = ["pyflyte-execute", "--inputs", "s3://in"]


def _build(custom: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
    template = Template(custom, **{key: options.pop(key) for key in ("container",) if key in options})
    return build_submit_body(template, **{"environment": {}, "idempotency_token": None, **options})


@pytest.mark.flyte
@pytest.mark.fact("flyte.custom.numbers-are-floats", "flyte.env.fail-on-error", "flyte.entrypoint.repository")
def test_real_template_with_a_new_cluster_becomes_a_whole_body() -> None:
    """Image, Spark configuration, environment and entrypoint are added; numbers are whole again."""
    template = load_template("v2")
    body = build_submit_body(template, environment={"RUN": "1"}, idempotency_token="t" * 64)
    assert body == {
        "run_name": "flytekit databricks plugin example",
        "idempotency_token": "t" * 64,
        "timeout_seconds": 3600,
        "max_retries": 1,
        "new_cluster": {
            "spark_version": "13.3.x-scala2.12",
            "node_type_id": "m6i.large",
            "num_workers": 3,
            "aws_attributes": {
                "availability": "ON_DEMAND",
                "ebs_volume_count": 1,
                "instance_profile_arn": "arn:aws:iam::1:instance-profile/x",
            },
            "docker_image": {"url": "ghcr.io/acme/img:1"},
            "spark_conf": {"spark.driver.memory": "1000M", "spark.executor.cores": "1"},
            "spark_env_vars": {"FOO": "bar", "RUN": "1", "FLYTE_FAIL_ON_ERROR": "true"},
        },
        "git_source": GIT,
        "spark_python_task": {
            "python_file": ENTRYPOINT,
            "source": "GIT",
            "parameters": list(template.container.args),
        },
    }
    assert isinstance(body["new_cluster"]["num_workers"], int)


@pytest.mark.flyte
@pytest.mark.parametrize(
    "case", ["v2", "v2-noinstance", "v2-existing", "v2-serverless", "v2-notebook", "databricks-min"]
)
def test_real_templates_are_not_changed_and_build_the_same_twice(case: str) -> None:
    """Local execution and retries hand in the same object again."""
    template = load_template(case)
    before = template.to_flyte_idl().SerializeToString(deterministic=True)
    first = build_submit_body(template, environment={"A": "1"}, idempotency_token=None)
    kept = copy.deepcopy(first)
    second = build_submit_body(template, environment={"A": "1"}, idempotency_token=None)
    assert first == second == kept
    assert template.to_flyte_idl().SerializeToString(deterministic=True) == before


@pytest.mark.flyte
def test_real_template_with_an_existing_cluster() -> None:
    """The cluster keeps its own image and environment."""
    template = load_template("v2-existing")
    assert build_submit_body(template, environment={}, idempotency_token=None) == {
        "run_name": "x",
        "existing_cluster_id": "0401-abc",
        "git_source": GIT,
        "spark_python_task": {
            "python_file": ENTRYPOINT,
            "source": "GIT",
            "parameters": list(template.container.args),
        },
    }


@pytest.mark.flyte
def test_real_notebook_template() -> None:
    """The notebook with its parameters, on the cluster that the user configured."""
    body = build_submit_body(load_template("v2-notebook"), environment={}, idempotency_token=None)
    assert body["notebook_task"] == {"notebook_path": "/Users/a/nb", "base_parameters": {"p": "1"}}
    assert body["new_cluster"]["spark_env_vars"] == {"FOO": "bar", "FLYTE_FAIL_ON_ERROR": "true"}
    assert {"spark_python_task", "git_source"} & body.keys() == set()


@pytest.mark.flyte
@pytest.mark.fact("agent.serverless.environment-key")
def test_real_serverless_template_names_its_environment_in_a_task() -> None:
    """Only a task in a list can name an environment."""
    template = load_template("v2-serverless")
    assert build_submit_body(template, environment={}, idempotency_token=None) == {
        "run_name": "x",
        "environments": [
            {"environment_key": "default", "spec": {"client": "1", "dependencies": ["pandas==2.0.0"]}}
        ],
        "git_source": GIT,
        "tasks": [
            {
                "task_key": "flyte_task",
                "environment_key": "default",
                "spark_python_task": {
                    "python_file": ENTRYPOINT,
                    "source": "GIT",
                    "parameters": list(template.container.args),
                },
            }
        ],
    }


@pytest.mark.flyte
def test_real_spark_template_has_no_cluster_configuration() -> None:
    """A plain Spark task that was sent to Databricks by mistake says what is missing."""
    with pytest.raises(
        ConfigurationError, match=r"databricksConf has no cluster configuration\. Add new_cluster"
    ):
        build_submit_body(load_template("spark"), environment={}, idempotency_token=None)


@pytest.mark.parametrize(
    ("conf", "environments", "task"),
    [
        pytest.param(
            {"environment_key": "e", "environments": [{"environment_key": "d"}]},
            [{"environment_key": "d"}, {"environment_key": "e", "spec": {"client": "1"}}],
            {"environment_key": "e"},
            id="key-without-environment",
        ),
        pytest.param(
            {"environment_key": "e"},
            [{"environment_key": "e", "spec": {"client": "1"}}],
            {"environment_key": "e"},
            id="key-alone",
        ),
        pytest.param(
            {"environments": [{"environment_key": "d"}], "max_retries": 2.0},
            [{"environment_key": "d"}],
            {"environment_key": "d", "max_retries": 2},
            id="first-environment-and-a-key-of-the-task",
        ),
        pytest.param(
            {"environments": [{"spec": {}}]},
            [{"spec": {}}, {"environment_key": "default", "spec": {"client": "1"}}],
            {"environment_key": "default"},
            id="nameless",
        ),
    ],
)
def test_serverless_finds_its_environment(
    conf: dict[str, Any], environments: list[Any], task: dict[str, Any]
) -> None:
    """The key that is named, else the first, else a default one; what belongs to a task goes into it."""
    assert _build({"databricksConf": conf}) == {
        "run_name": "p/d/etl.daily",
        "environments": environments,
        "git_source": GIT,
        "tasks": [
            {
                "task_key": "flyte_task",
                "spark_python_task": {"python_file": ENTRYPOINT, "source": "GIT", "parameters": ARGS},
                **task,
            }
        ],
    }


@pytest.mark.parametrize(
    ("conf", "task", "git_source"),
    [
        pytest.param({}, {"python_file": ENTRYPOINT, "source": "GIT"}, GIT, id="defaults"),
        pytest.param(
            {"python_file": "my/main.py"}, {"python_file": "my/main.py", "source": "GIT"}, GIT, id="file"
        ),
        pytest.param(
            {"git_source": {"git_url": "u"}},
            {"python_file": ENTRYPOINT, "source": "GIT"},
            {"git_url": "u"},
            id="git",
        ),
        pytest.param(
            {"git_source": {"git_url": "u"}, "python_file": "/a.py"},
            {"python_file": "/a.py", "source": "GIT"},
            {"git_url": "u"},
            id="both",
        ),
        pytest.param({"python_file": "dbfs:/a.py"}, {"python_file": "dbfs:/a.py"}, None, id="uri"),
        pytest.param(
            {"python_file": "/Workspace/a.py"}, {"python_file": "/Workspace/a.py"}, None, id="workspace"
        ),
    ],
)
def test_users_git_source_and_python_file_win(
    conf: dict[str, Any], task: dict[str, Any], git_source: dict[str, Any] | None
) -> None:
    """The default repository only for a file inside it."""
    expected: dict[str, Any] = {
        "run_name": "p/d/etl.daily",
        "existing_cluster_id": "c",
        "spark_python_task": {**task, "parameters": ARGS},
    }
    if git_source is not None:
        expected["git_source"] = git_source
    assert _build({"databricksConf": {"existing_cluster_id": "c", **conf}}) == expected


def test_what_the_user_wrote_on_the_cluster_wins_over_the_task() -> None:
    """Image, Spark configuration and variables, key by key, and of the variables over the execution's too."""
    conf = {
        "new_cluster": {
            "docker_image": {"url": "mine"},
            "spark_conf": {"a": "mine"},
            "spark_env_vars": {"FOO": "mine", "X": "mine", "N": 2.0, "FLYTE_FAIL_ON_ERROR": "false"},
        }
    }
    body = _build(
        {"databricksConf": conf, "sparkConf": {"a": "task", "b": 2.0, "c": True}},
        environment={"X": "execution", "Y": "execution"},
    )
    assert body["new_cluster"] == {
        "docker_image": {"url": "mine"},
        "spark_conf": {"a": "mine", "b": "2", "c": "true"},
        "spark_env_vars": {
            "FOO": "mine",
            "X": "mine",
            "Y": "execution",
            "N": "2",
            "FLYTE_FAIL_ON_ERROR": "true",
        },
    }


def test_a_cluster_without_image_and_spark_conf_gets_neither() -> None:
    """Nothing is made up."""
    body = _build(
        {"databricksConf": {"new_cluster": {"num_workers": 1.0}}}, container=Container(image="", env={})
    )
    assert body["new_cluster"] == {"num_workers": 1, "spark_env_vars": {"FLYTE_FAIL_ON_ERROR": "true"}}


@pytest.mark.parametrize(
    "container", [pytest.param(Container(), id="container"), pytest.param(None, id="pod")]
)
def test_users_own_tasks_are_the_tasks(container: Container | None) -> None:
    """Neither task, nor environment, nor repository is added, and no cluster is asked for."""
    tasks = [{"task_key": "a", "notebook_task": {"notebook_path": "/a"}, "max_retries": 1.5}]
    body = _build({"databricksConf": {"tasks": tasks, "run_name": None}}, container=container)
    assert body == {"run_name": "p/d/etl.daily", "tasks": tasks}


def test_a_notebook_needs_no_container() -> None:
    """Its code is in the workspace, or in the user's repository."""
    custom = {
        "notebookPath": "nb",
        "databricksConf": {"new_cluster": {"num_workers": 1}, "git_source": {"git_url": "u"}},
    }
    assert _build(custom, container=None) == {
        "run_name": "p/d/etl.daily",
        "git_source": {"git_url": "u"},
        "new_cluster": {"num_workers": 1, "spark_env_vars": {"FLYTE_FAIL_ON_ERROR": "true"}},
        "notebook_task": {"notebook_path": "nb", "source": "GIT"},
    }


def test_the_attempts_token_replaces_the_users() -> None:
    """A token written into the task would give a second attempt the run of the first."""
    custom = {"databricksConf": {"existing_cluster_id": "c", "idempotency_token": "mine"}}
    assert _build(custom, idempotency_token="ours")["idempotency_token"] == "ours"
    assert _build(custom)["idempotency_token"] == "mine"


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        pytest.param(None, "databricksConf has no cluster configuration", id="no-custom"),
        pytest.param({"databricksConf": {"new_cluster": {}}}, "no cluster configuration", id="empty-cluster"),
        pytest.param(
            {"databricksConf": []}, "databricksConf is of a wrong type: list.*an object", id="conf-list"
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": "big"}},
            "databricksConf.new_cluster is of a wrong type: str",
            id="cluster",
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": {"a": 1}, "existing_cluster_id": "c"}},
            "both new_cluster and existing_cluster_id",
            id="both-clusters",
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": {"num_workers": float("nan")}}},
            r"new_cluster\.num_workers is nan",
            id="nan",
        ),
        pytest.param(
            {"databricksConf": {"existing_cluster_id": "c", "python_file": 1.0}},
            "python_file .* a text",
            id="file",
        ),
        pytest.param(
            {"databricksConf": {"environments": {"a": 1}}}, "environments .* a list", id="environments"
        ),
        pytest.param(
            {"sparkConf": "x", "databricksConf": {"new_cluster": {"a": 1}}}, "sparkConf", id="spark-conf"
        ),
    ],
)
def test_a_task_that_cannot_run_names_the_field(custom: dict[str, Any] | None, message: str) -> None:
    """Found before any request is sent."""
    with pytest.raises(ConfigurationError, match=message):
        _build(custom)


def test_a_pod_template_is_refused_with_the_remedy() -> None:
    """Such a task has no container whose command could be run."""
    with pytest.raises(ConfigurationError, match=r"The task has no container.*Remove pod_template"):
        _build({"databricksConf": {"existing_cluster_id": "c"}}, container=None)


@pytest.mark.parametrize(
    ("custom", "instance"),
    [(None, ""), ({}, ""), ({"databricksInstance": " h "}, "h"), ({"databricksInstance": None}, "")],
)
def test_the_instance_of_a_task_may_be_left_out(custom: dict[str, Any] | None, instance: str) -> None:
    """The deployment then names it."""
    assert named_instance(Template(custom)) == instance


@pytest.mark.parametrize(
    ("custom", "environment", "warning"),
    [
        pytest.param(
            {"databricksConf": {"existing_cluster_id": "c"}},
            {},
            "FLYTE_FAIL_ON_ERROR and the execution's environment variables cannot be sent to an existing cluster: "
            "a function that raises may end as a successful run. Use new_cluster, or set FLYTE_FAIL_ON_ERROR=true "
            "on the cluster.",
            id="existing-cluster",
        ),
        pytest.param(
            {"databricksConf": {"environment_key": "e"}},
            {},
            "FLYTE_FAIL_ON_ERROR and the execution's environment variables cannot be sent to serverless: "
            "a function that raises may end as a successful run. Use new_cluster.",
            id="serverless",
        ),
        pytest.param(
            {"databricksConf": {"existing_cluster_id": "c"}, "notebookPath": "/n"},
            {"A": "1"},
            "The execution's environment variables cannot be sent to an existing cluster. Use new_cluster.",
            id="notebook",
        ),
        pytest.param(
            {"databricksConf": {"existing_cluster_id": "c"}, "notebookPath": "/n"},
            {},
            "",
            id="notebook-alone",
        ),
        pytest.param(
            {"databricksConf": {"new_cluster": {"num_workers": 1}}}, {"A": "1"}, "", id="new-cluster"
        ),
        pytest.param({"databricksConf": {"tasks": [{"task_key": "a"}]}}, {"A": "1"}, "", id="own-tasks"),
    ],
)
def test_what_cannot_be_sent_is_said_with_the_remedy(
    custom: dict[str, Any] | None, environment: dict[str, str], warning: str
) -> None:
    """Only a new cluster takes environment variables; a notebook that raises needs none to fail."""
    assert unsent_environment(Template(custom), environment) == warning


@pytest.mark.parametrize(
    ("conf", "provider", "is_warned"),
    [
        pytest.param({"environment_key": "e", "python_file": "/a.py"}, "mine", False, id="it-is-read"),
        pytest.param({"environment_key": "e"}, "mine", True, id="our-entrypoint"),
        pytest.param({"existing_cluster_id": "c", "python_file": "/a.py"}, "mine", True, id="cluster"),
        pytest.param({"tasks": [{"task_key": "a"}]}, "mine", True, id="own-tasks"),
        pytest.param({"existing_cluster_id": "c"}, None, False, id="none"),
    ],
)
def test_a_service_credential_that_reaches_nobody_is_said(
    conf: dict[str, Any], provider: str | None, *, is_warned: bool
) -> None:
    """Only a python file of the user's, on serverless, can read the option."""
    custom = {"databricksConf": conf, "databricksServiceCredentialProvider": provider}
    said = unsent_credential_provider(Template(custom))
    assert ("Set python_file in databricksConf" in said) is is_warned
    assert bool(said) is is_warned


@pytest.mark.parametrize(
    ("instance", "expected"), [(None, False), ("", False), ("  ", False), ("h", True), (5.0, True)]
)
def test_a_task_names_an_instance_be_it_right_or_wrong(instance: Any, *, expected: bool) -> None:
    """A wrong one is for `named_instance` to refuse; a blank one is none."""
    assert names_instance(Template({"databricksInstance": instance})) is expected
    assert not names_instance(Template(None))
