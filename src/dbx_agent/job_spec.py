"""A Flyte task template to the body of `runs/submit`; pure, and nothing it is given is changed.

`databricksConf` of the template is a body in the words of the Jobs API, written by the user. It is passed on;
this module only adds what the user left out and Flyte needs:

* the task itself: a notebook, or a python file that runs the container's command. If the user wrote `tasks`,
  they are the tasks, and neither task nor environment is added;
* on a new cluster the image, the Spark configuration and the environment of the Flyte task;
* a run name, and the idempotency token of the attempt.

Environment variables of a new cluster, the later winning over the earlier: the container's (set when the task
was registered), `spark_env_vars` of the user's `new_cluster`, those of this execution (`pyflyte run --env`),
and FLYTE_FAIL_ON_ERROR, without which a function that raises would end as a successful run. A run on an existing
cluster or on serverless has no place for any of them; `unsent_environment` has the words for that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

from dbx_agent.errors import ConfigurationError

__all__ = ["FLYTE_FAIL_ON_ERROR", "TaskTemplate", "build_submit_body", "named_instance", "unsent_environment"]

#: Source: [flyte.env.fail-on-error] documented: flytekit, flytekit/bin/entrypoint.py
FLYTE_FAIL_ON_ERROR = "FLYTE_FAIL_ON_ERROR"

#: The program that runs the container's command on a cluster, in flytekit's own plugin too. Its sibling for
#: serverless does not exist at this commit.
#: Source: [flyte.entrypoint.repository] documented: flytekit-spark plugin, connector.py; flyteorg/flytetools
DEFAULT_GIT_SOURCE = {
    "git_url": "https://github.com/flyteorg/flytetools",
    "git_provider": "gitHub",
    "git_commit": "572298df1f971fb58c258398bd70a6372f811c96",
}
DEFAULT_PYTHON_FILE = "flytekitplugins/databricks/entrypoint.py"

TASK_KEY = "flyte_task"

#: Keys of a task that a user writes beside it; with a list of tasks they belong into the task.
TASK_LEVEL_KEYS = ("description", "libraries", "max_retries", "min_retry_interval_millis", "retry_on_timeout")

_CLUSTER_KEYS = ("new_cluster", "existing_cluster_id")
_SERVERLESS_KEYS = ("environments", "environment_key")
_CONF = "databricksConf"
_SERVERLESS_CLIENT = "1"
_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


class _Container(Protocol):
    @property
    def image(self) -> str: ...

    @property
    def args(self) -> Any: ...

    @property
    def env(self) -> Mapping[str, str]: ...


class _Identifier(Protocol):
    @property
    def project(self) -> str: ...

    @property
    def domain(self) -> str: ...

    @property
    def name(self) -> str: ...


class TaskTemplate(Protocol):
    """What is read of flytekit's task template."""

    @property
    def id(self) -> _Identifier:
        """The task's identifier."""

    @property
    def custom(self) -> Mapping[str, Any] | None:
        """The plugin's own configuration."""

    @property
    def container(self) -> _Container | None:
        """The container; `None` for a task with a pod template."""


def named_instance(template: TaskTemplate) -> str:
    """Return the workspace that a task names; empty if it leaves that to the deployment."""
    instance = (template.custom or {}).get("databricksInstance")
    return instance.strip() if isinstance(instance, str) else ""


def build_submit_body(
    template: TaskTemplate, *, environment: Mapping[str, str], idempotency_token: str | None
) -> dict[str, Any]:
    """Build the body of `runs/submit` for one attempt.

    Args:
        template: The task.
        environment: The environment variables of this execution.
        idempotency_token: The attempt's token; replaces one that the user wrote, which would give a second
            attempt the run of the first. `None` leaves the user's.

    Raises:
        ConfigurationError: If the task cannot run as it is configured; names the field and the remedy.
    """
    custom = template.custom or {}
    conf = _read_conf(custom)
    python_file, git_source = conf.pop("python_file", None), conf.get("git_source")
    body = {"run_name": f"{template.id.project}/{template.id.domain}/{template.id.name}", **conf}
    if idempotency_token is not None:
        body["idempotency_token"] = idempotency_token
    if conf.get("tasks"):
        return body
    serverless = _is_serverless(conf)
    if custom.get("notebookPath"):
        task = _notebook_task(custom, git_source)
    else:
        task, git_source = _python_task(template.container, python_file, git_source)
        if git_source is not None:
            body["git_source"] = git_source
    if serverless:
        return _as_serverless(body, task)
    if conf.get("new_cluster"):
        body["new_cluster"] = _complete_cluster(body["new_cluster"], custom, template.container, environment)
    return {**body, **task}


def unsent_environment(template: TaskTemplate, environment: Mapping[str, str]) -> str:
    """Return the warning that a run gets none of its environment variables; empty where it gets them.

    A notebook that raises fails by itself, so that without variables of the execution it lacks nothing. Tasks that
    the user wrote are left alone here too.

    Args:
        template: A task that `build_submit_body` takes.
        environment: The environment variables of this execution.
    """
    custom = template.custom or {}
    conf = custom.get(_CONF) or {}
    is_notebook = bool(custom.get("notebookPath"))
    if conf.get("tasks") or conf.get("new_cluster") or (is_notebook and not environment):
        return ""
    on_cluster = bool(conf.get("existing_cluster_id"))
    where = "an existing cluster" if on_cluster else "serverless"
    if is_notebook:
        return f"The execution's environment variables cannot be sent to {where}. Use new_cluster."
    remedy = f", or set {FLYTE_FAIL_ON_ERROR}=true on the cluster" if on_cluster else ""
    return (
        f"{FLYTE_FAIL_ON_ERROR} and the execution's environment variables cannot be sent to {where}: a function "
        f"that raises may end as a successful run. Use new_cluster{remedy}."
    )


def _read_conf(custom: Mapping[str, Any]) -> dict[str, Any]:
    exact: dict[str, Any] = _exact(_expect(custom.get(_CONF), dict, _CONF))
    # A key with null says the same as no key, and the service would have to guess.
    return {key: value for key, value in exact.items() if value is not None}


def _is_serverless(conf: Mapping[str, Any]) -> bool:
    clusters = [key for key in _CLUSTER_KEYS if conf.get(key)]
    if len(clusters) > 1:
        raise ConfigurationError(
            f"{_CONF} has both new_cluster and existing_cluster_id. Keep the one that is meant."
        )
    if clusters:
        return False
    if any(conf.get(key) for key in _SERVERLESS_KEYS):
        return True
    raise ConfigurationError(
        f"{_CONF} has no cluster configuration. Add new_cluster or existing_cluster_id, or for serverless "
        "environments or environment_key."
    )


def _notebook_task(custom: Mapping[str, Any], git_source: object) -> dict[str, Any]:
    task: dict[str, Any] = {"notebook_path": custom["notebookPath"]}
    parameters = _texts(custom.get("notebookBaseParameters"), "notebookBaseParameters")
    if parameters:
        task["base_parameters"] = parameters
    if git_source:
        task["source"] = "GIT"
    return {"notebook_task": task}


def _python_task(
    container: _Container | None, python_file: Any, git_source: Any
) -> tuple[dict[str, Any], Any]:
    if container is None:
        raise ConfigurationError(
            "The task has no container: a pod_template cannot run on Databricks. Remove pod_template from "
            "the task and set container_image and environment, or new_cluster.docker_image in databricksConf."
        )
    python_file = _expect(python_file, str, f"{_CONF}.python_file")
    task = {"python_file": python_file or DEFAULT_PYTHON_FILE, "parameters": list(container.args or [])}
    if python_file and not git_source and _is_absolute(python_file):
        return {"spark_python_task": task}, None
    task["source"] = "GIT"
    return {"spark_python_task": task}, git_source or dict(DEFAULT_GIT_SOURCE)


def _is_absolute(python_file: str) -> bool:
    """Tell a workspace path or a URI such as dbfs:/…, which need no repository, from a path inside one."""
    return python_file.startswith("/") or ":/" in python_file


def _complete_cluster(
    cluster: Any, custom: Mapping[str, Any], container: _Container | None, environment: Mapping[str, str]
) -> dict[str, Any]:
    complete = dict(_expect(cluster, dict, f"{_CONF}.new_cluster"))
    if container is not None and container.image and not complete.get("docker_image"):
        complete["docker_image"] = {"url": container.image}
    spark_conf = {
        **_texts(custom.get("sparkConf"), "sparkConf"),
        **_texts(complete.get("spark_conf"), f"{_CONF}.new_cluster.spark_conf"),
    }
    if spark_conf:
        complete["spark_conf"] = spark_conf
    complete["spark_env_vars"] = {
        **(container.env if container is not None and container.env else {}),
        **_texts(complete.get("spark_env_vars"), f"{_CONF}.new_cluster.spark_env_vars"),
        **environment,
        FLYTE_FAIL_ON_ERROR: "true",
    }
    return complete


def _as_serverless(body: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Put the task into a list, as only a task in a list can name its environment.

    Source: [agent.serverless.environment-key] sdk: databricks-sdk-py, databricks/sdk/service/jobs.py
    """
    environments = list(_expect(body.get("environments"), list, f"{_CONF}.environments"))
    keys = [item.get("environment_key") for item in environments if isinstance(item, dict)]
    key = body.get("environment_key") or next((key for key in keys if key), "default")
    if key not in keys:
        environments.append({"environment_key": key, "spec": {"client": _SERVERLESS_CLIENT}})
    inner = {name: body[name] for name in TASK_LEVEL_KEYS if name in body}
    outer = {name: value for name, value in body.items() if name not in (*TASK_LEVEL_KEYS, "environment_key")}
    tasks = [{"task_key": TASK_KEY, **inner, **task, "environment_key": key}]
    return {**outer, "environments": environments, "tasks": tasks}


def _exact(value: Any) -> Any:
    """Copy JSON, giving back to whole numbers the type that protobuf's Struct took from them.

    Source: [flyte.custom.numbers-are-floats] documented: protobuf, google/protobuf/struct.proto, number_value
    """
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigurationError(f"{_CONF} contains {value}, which JSON cannot say. Use a finite number.")
        return int(value) if value.is_integer() else value
    return value


def _texts(values: Any, field: str) -> dict[str, str]:
    """Write the values as the service's maps of text want them: `2.0` as "2", `true` as "true"."""
    exact = _exact(_expect(values, dict, field))
    return {key: item if isinstance(item, str) else json.dumps(item) for key, item in exact.items()}


def _expect(value: Any, kind: type, field: str) -> Any:
    """Return a value of the type that the Jobs API has there, an empty one for what is left out."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise ConfigurationError(
            f"{field} is of a wrong type: {type(value).__name__}. The Jobs API wants {_KINDS[kind]} there."
        )
    return value
