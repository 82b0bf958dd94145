"""A Flyte task template to the body of `runs/submit`; pure, and nothing it is given is changed.

`databricksConf` of the template is a body in the words of the Jobs API, written by the user. It is passed on;
this module only adds what the user left out and Flyte needs:

* the task itself: a notebook, or a python file that runs the container's command. If the user wrote `tasks`,
  they are the tasks, and neither task nor environment is added;
* on a new cluster the image, the Spark configuration, the environment of the Flyte task, and tags that say of
  which attempt it is;
* a run name, the idempotency token of the attempt, and Flyte's timeout as `timeout_seconds`, so that a run ends
  even if nobody is left to cancel it.

Environment variables of a new cluster, the later winning over the earlier: the container's (set when the task
was registered), those of this execution (`pyflyte run --env`), `spark_env_vars` of the user's `new_cluster`, and
FLYTE_FAIL_ON_ERROR, without which a function that raises would end as a successful run. A run on an existing
cluster or on serverless has no place for any of them; `unsent_environment` has the words for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from dbx_agent.errors import ConfigurationError
from dbx_agent.job_conf import CONF, expect, read_conf, read_texts

__all__ = [
    "FLYTE_FAIL_ON_ERROR",
    "TaskTemplate",
    "build_submit_body",
    "named_instance",
    "names_instance",
    "unsent_credential_provider",
    "unsent_environment",
]

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
TASK_LEVEL_KEYS = (
    "description",
    "disable_auto_optimization",
    "environment_variables_key",
    "libraries",
    "max_retries",
    "min_retry_interval_millis",
    "retry_on_timeout",
)

#: What flytekit's own plugin appends to the command, for a python file that reads it.
#: Source: [flyte.serverless.credential-provider] documented: flytekit-spark plugin, connector.py
CREDENTIAL_PROVIDER_OPTION = "--flyte-credential-provider"

_CLUSTER_KEYS = ("new_cluster", "existing_cluster_id")
_SERVERLESS_KEYS = ("environments", "environment_key")
_SERVERLESS_CLIENT = "1"
_INSTANCE = "databricksInstance"
_NOTEBOOK = "notebookPath"
_PROVIDER = "databricksServiceCredentialProvider"

#: What has no meaning beside a list of tasks, since each of them says it for itself.
_BESIDE_TASKS = (*_CLUSTER_KEYS, "environment_key", "python_file")

#: Source: [agent.submit.custom-tags] sdk: databricks-sdk-py, databricks/sdk/service/compute.py, custom_tags
_MOST_TAGS = 45


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


class _Metadata(Protocol):
    @property
    def timeout(self) -> timedelta | None: ...


class TaskTemplate(Protocol):
    """What is read of flytekit's task template."""

    @property
    def id(self) -> _Identifier:
        """The task's identifier."""

    @property
    def metadata(self) -> _Metadata | None:
        """What Flyte itself goes by, such as the timeout."""

    @property
    def custom(self) -> Mapping[str, Any] | None:
        """The plugin's own configuration."""

    @property
    def container(self) -> _Container | None:
        """The container; `None` for a task with a pod template."""


def names_instance(template: TaskTemplate) -> bool:
    """Tell whether a task says anything about its workspace, be it right or wrong."""
    instance = (template.custom or {}).get(_INSTANCE)
    return bool(instance.strip()) if isinstance(instance, str) else instance is not None


def named_instance(template: TaskTemplate) -> str:
    """Return the workspace that a task names; empty if it leaves that to the deployment.

    Raises:
        ConfigurationError: If it is no text.
    """
    named: str = expect((template.custom or {}).get(_INSTANCE), str, _INSTANCE)
    return named.strip()


def build_submit_body(
    template: TaskTemplate,
    *,
    environment: Mapping[str, str],
    idempotency_token: str | None,
    tags: Mapping[str, str] | None = None,
    credential_provider: str = "",
) -> dict[str, Any]:
    """Build the body of `runs/submit` for one attempt.

    Args:
        template: The task.
        environment: The environment variables of this execution.
        idempotency_token: The attempt's token; replaces one that the user wrote, which would give a second
            attempt the run of the first. `None` leaves the user's.
        tags: What tells of which attempt a cluster is; left out where the user's own leave no room.
        credential_provider: The deployment's service credential for serverless tasks that name none.

    Raises:
        ConfigurationError: If the task cannot run as it is configured; names the field and the remedy.
    """
    custom = template.custom or {}
    conf = read_conf(custom)
    _refuse_contradictions(custom, conf)
    python_file, git_source = conf.pop("python_file", None), conf.get("git_source")
    body = _complete_run(conf, template, idempotency_token)
    if conf.get("tasks"):
        return body
    serverless = _is_serverless(conf)
    if custom.get(_NOTEBOOK):
        task = _notebook_task(custom, git_source)
    else:
        arguments = _arguments(template, python_file, credential_provider if serverless else None)
        task, git_source = _python_task(python_file, arguments, git_source)
        if git_source is not None:
            body["git_source"] = git_source
    if serverless:
        return _as_serverless(body, task)
    if conf.get("new_cluster"):
        cluster = _complete_cluster(body["new_cluster"], template, environment)
        body["new_cluster"] = _tag(cluster, tags or {})
    return {**body, **task}


def _complete_run(
    conf: Mapping[str, Any], template: TaskTemplate, idempotency_token: str | None
) -> dict[str, Any]:
    """Add what every run has, whatever its tasks are."""
    body = {"run_name": f"{template.id.project}/{template.id.domain}/{template.id.name}", **conf}
    if idempotency_token is not None:
        body["idempotency_token"] = idempotency_token
    timeout = template.metadata.timeout if template.metadata is not None else None
    if timeout:
        body.setdefault("timeout_seconds", math.ceil(timeout.total_seconds()))
    return body


def unsent_credential_provider(template: TaskTemplate) -> str:
    """Return the warning that the task's service credential reaches nobody; empty where there is none or it does.

    Args:
        template: A task that `build_submit_body` takes.
    """
    custom = template.custom or {}
    conf = read_conf(custom)
    is_read = conf.get("python_file") and _is_on_serverless(conf)
    if not custom.get(_PROVIDER) or is_read:
        return ""
    return (
        f"{_PROVIDER} is not sent: only a serverless task with a python_file of its own can read it, from the "
        f"option {CREDENTIAL_PROVIDER_OPTION}. Set python_file in {CONF}, or give the cluster its rights itself."
    )


def unsent_environment(template: TaskTemplate, environment: Mapping[str, str]) -> str:
    """Return the warning that a run gets none of its environment variables; empty where it gets them.

    A notebook that raises fails by itself, so that without variables of the execution it lacks nothing. Tasks that
    the user wrote are left alone here too.

    Args:
        template: A task that `build_submit_body` takes.
        environment: The environment variables of this execution.
    """
    custom = template.custom or {}
    conf = read_conf(custom)
    is_notebook = bool(custom.get(_NOTEBOOK))
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


def _refuse_contradictions(custom: Mapping[str, Any], conf: Mapping[str, Any]) -> None:
    expect(conf.get("tasks"), list, f"{CONF}.tasks")
    has_notebook = bool(expect(custom.get(_NOTEBOOK), str, _NOTEBOOK))
    if conf.get("tasks"):
        beside = [key for key in _BESIDE_TASKS if conf.get(key)] + [_NOTEBOOK] * has_notebook
        if beside:
            raise ConfigurationError(
                f"{CONF} has tasks, and beside them {', '.join(beside)}. Write it into each task that is meant."
            )
    if has_notebook and conf.get("python_file"):
        raise ConfigurationError(
            f"The task has {_NOTEBOOK} and {CONF}.python_file. Keep the one that is meant."
        )


def _is_serverless(conf: Mapping[str, Any]) -> bool:
    if all(conf.get(key) for key in _CLUSTER_KEYS):
        raise ConfigurationError(
            f"{CONF} has both new_cluster and existing_cluster_id. Keep the one that is meant."
        )
    if any(conf.get(key) for key in (*_CLUSTER_KEYS, *_SERVERLESS_KEYS)):
        return _is_on_serverless(conf)
    raise ConfigurationError(
        f"{CONF} has no cluster configuration. Add new_cluster or existing_cluster_id, or for serverless "
        "environments or environment_key."
    )


def _is_on_serverless(conf: Mapping[str, Any]) -> bool:
    return not any(conf.get(key) for key in (*_CLUSTER_KEYS, "tasks"))


def _notebook_task(custom: Mapping[str, Any], git_source: object) -> dict[str, Any]:
    task: dict[str, Any] = {"notebook_path": custom[_NOTEBOOK]}
    parameters = read_texts(custom.get("notebookBaseParameters"), "notebookBaseParameters")
    if parameters:
        task["base_parameters"] = parameters
    if git_source:
        task["source"] = "GIT"
    return {"notebook_task": task}


def _arguments(template: TaskTemplate, python_file: Any, credential_provider: str | None) -> list[str]:
    """Return the container's command; the credential follows it for a file of the user's on serverless."""
    container = template.container
    if container is None:
        raise ConfigurationError(
            "The task has no container: a pod_template cannot run on Databricks. Remove pod_template from "
            "the task and set container_image and environment, or new_cluster.docker_image in databricksConf."
        )
    arguments = list(container.args or [])
    own = expect((template.custom or {}).get(_PROVIDER), str, _PROVIDER)
    provider = own or credential_provider
    if provider and python_file and credential_provider is not None:
        arguments.append(f"{CREDENTIAL_PROVIDER_OPTION}={provider}")
    return arguments


def _python_task(python_file: Any, arguments: list[str], git_source: Any) -> tuple[dict[str, Any], Any]:
    python_file = expect(python_file, str, f"{CONF}.python_file")
    task = {"python_file": python_file or DEFAULT_PYTHON_FILE, "parameters": arguments}
    if python_file and not git_source and _is_absolute(python_file):
        return {"spark_python_task": task}, None
    task["source"] = "GIT"
    return {"spark_python_task": task}, git_source or dict(DEFAULT_GIT_SOURCE)


def _is_absolute(python_file: str) -> bool:
    """Tell a workspace path or a URI such as dbfs:/…, which need no repository, from a path inside one."""
    return python_file.startswith("/") or ":/" in python_file


def _complete_cluster(cluster: Any, template: TaskTemplate, environment: Mapping[str, str]) -> dict[str, Any]:
    complete = dict(expect(cluster, dict, f"{CONF}.new_cluster"))
    custom, container = template.custom or {}, template.container
    if container is not None and container.image and not complete.get("docker_image"):
        complete["docker_image"] = {"url": container.image}
    spark_conf = {
        **read_texts(custom.get("sparkConf"), "sparkConf"),
        **read_texts(complete.get("spark_conf"), f"{CONF}.new_cluster.spark_conf"),
    }
    if spark_conf:
        complete["spark_conf"] = spark_conf
    complete["spark_env_vars"] = {
        **(container.env if container is not None and container.env else {}),
        **environment,
        **read_texts(complete.get("spark_env_vars"), f"{CONF}.new_cluster.spark_env_vars"),
        FLYTE_FAIL_ON_ERROR: "true",
    }
    return complete


def _tag(cluster: dict[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    own = read_texts(cluster.get("custom_tags"), f"{CONF}.new_cluster.custom_tags")
    both = {**tags, **own}
    return {**cluster, "custom_tags": both} if tags and len(both) <= _MOST_TAGS else cluster


def _as_serverless(body: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Put the task into a list, as only a task in a list can name its environment.

    Source: [agent.serverless.environment-key] sdk: databricks-sdk-py, databricks/sdk/service/jobs.py
    """
    environments = list(expect(body.get("environments"), list, f"{CONF}.environments"))
    keys = [item.get("environment_key") for item in environments if isinstance(item, dict)]
    key = body.get("environment_key") or next((key for key in keys if key), "default")
    if key not in keys:
        environments.append({"environment_key": key, "spec": {"client": _SERVERLESS_CLIENT}})
    inner = {name: body[name] for name in TASK_LEVEL_KEYS if name in body}
    outer = {name: value for name, value in body.items() if name not in (*TASK_LEVEL_KEYS, "environment_key")}
    tasks = [{"task_key": TASK_KEY, **inner, **task, "environment_key": key}]
    return {**outer, "environments": environments, "tasks": tasks}
