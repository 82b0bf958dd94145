"""The deployment's settings: environment variables to one frozen value, all mistakes reported at once.

The environment is a parameter. Names that begin with `DBX_AGENT_` and are not known are left alone on
purpose: Kubernetes puts `DBX_AGENT_PORT`, `DBX_AGENT_SERVICE_HOST` and more into every pod near a Service
named `dbx-agent`, which is also why no setting may have such a name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from dbx_agent.errors import ConfigurationError
from dbx_agent.instance import Instance, read_instance

__all__ = [
    "AUTH_TYPE",
    "CLIENT_ID",
    "DEFAULT_DATABRICKS_INSTANCE_ENV_KEY",
    "OAUTH_M2M",
    "PAT",
    "TASK_TYPES",
    "Settings",
    "read_task_types",
]

DEFAULT_DATABRICKS_INSTANCE_ENV_KEY = "FLYTE_DATABRICKS_INSTANCE"

#: Spelled as by the agent that this one replaces, whose further types are not known here.
AUTH_TYPE = "FLYTE_DATABRICKS_AUTH_TYPE"
CLIENT_ID = "DATABRICKS_CLIENT_ID"
PAT = "pat"
OAUTH_M2M = "oauth_m2m"

#: The Flyte task types that the agent knows.
TASK_TYPES = ("spark", "databricks")

_TASK_TYPES = "DBX_AGENT_TASK_TYPES"
_ALLOWED_HOSTS = "DBX_AGENT_ALLOWED_HOSTS"
_ALLOW_HTTP = "DBX_AGENT_ALLOW_HTTP"
_RETRYABLE_FAILURES = "DBX_AGENT_RETRYABLE_FAILURES"
_DEFAULT_SECONDS = {
    "DBX_AGENT_CREATE_BUDGET_SECONDS": 2.5,
    "DBX_AGENT_GET_BUDGET_SECONDS": 2.5,
    "DBX_AGENT_DELETE_BUDGET_SECONDS": 2.5,
    "DBX_AGENT_CREATE_GRACE_SECONDS": 60.0,
    "DBX_AGENT_CONNECT_TIMEOUT_SECONDS": 2.0,
    "DBX_AGENT_REQUEST_TIMEOUT_SECONDS": 5.0,
}
_CREDENTIAL_PROVIDER = "FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER"
_VARIABLES = (
    DEFAULT_DATABRICKS_INSTANCE_ENV_KEY,
    AUTH_TYPE,
    CLIENT_ID,
    _TASK_TYPES,
    _CREDENTIAL_PROVIDER,
    _ALLOWED_HOSTS,
    _ALLOW_HTTP,
    _RETRYABLE_FAILURES,
    *_DEFAULT_SECONDS,
)
_MAX_SECONDS = 600
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,200}")
_HOST_PATTERN = re.compile(r"[a-z0-9_.*?\-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment decides.

    Attributes:
        instance: The workspace of tasks that name none (FLYTE_DATABRICKS_INSTANCE); `None` means each task
            must.
        task_types: The Flyte task types that the agent serves (DBX_AGENT_TASK_TYPES, separated by commas).
        allowed_hosts: Further hosts that may receive the token, as globs in lower case, with or without a
            port (DBX_AGENT_ALLOWED_HOSTS, separated by commas).
        allow_http: Whether plain http may leave this machine (DBX_AGENT_ALLOW_HTTP).
        auth_type: `pat` or `oauth_m2m` (FLYTE_DATABRICKS_AUTH_TYPE); empty means the personal token if there is
            one, else the OAuth client if there is one.
        client_id: The OAuth client (DATABRICKS_CLIENT_ID); empty looks among the secrets.
        service_credential_provider: The service credential that serverless tasks get which name none
            (FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER); empty for none.
        retryable_failures: Whether the engine knows the phase RETRYABLE_FAILED (DBX_AGENT_RETRYABLE_FAILURES).
            An engine that does not fails the task with a system error; it is then answered FAILED, which no
            retry follows.
        create_budget_seconds: What a create may take, with its token, retries and pauses; below the 3 s that
            engines give which do not say otherwise.
        get_budget_seconds: Likewise of a get.
        delete_budget_seconds: Likewise of a delete.
        create_grace_seconds: How long a run whose create was cancelled waits for its attempt to come again before
            it is cancelled; long enough for an engine that starts anew, short against the price of a cluster.
        connect_timeout_seconds: The limit for a connection, and for a free place among them.
        request_timeout_seconds: The limit for writing a request, and for each wait for the answer.
    """

    instance: Instance | None = None
    task_types: tuple[str, ...] = TASK_TYPES
    allowed_hosts: tuple[str, ...] = ()
    allow_http: bool = False
    auth_type: str = ""
    client_id: str = ""
    service_credential_provider: str = ""
    retryable_failures: bool = True
    create_budget_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_CREATE_BUDGET_SECONDS"]
    get_budget_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_GET_BUDGET_SECONDS"]
    delete_budget_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_DELETE_BUDGET_SECONDS"]
    create_grace_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_CREATE_GRACE_SECONDS"]
    connect_timeout_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_CONNECT_TIMEOUT_SECONDS"]
    request_timeout_seconds: float = _DEFAULT_SECONDS["DBX_AGENT_REQUEST_TIMEOUT_SECONDS"]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from an environment.

        Raises:
            ConfigurationError: With one sentence per mistake, not only the first.
        """
        # Not get: in os.environ it raises and catches an exception for each that is not there.
        return _read(tuple(environ[name] if name in environ else None for name in _VARIABLES))  # noqa: SIM401


def read_task_types(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Read which task types the deployment claims, and nothing else of its settings.

    Raises:
        ConfigurationError: If there is one that the agent does not know.
    """
    problems: list[str] = []
    task_types = _read_task_types(environ.get(_TASK_TYPES, ""), problems)
    if problems:
        raise ConfigurationError(problems)
    return task_types


# The agent reads the environment for each call, so that a changed one is seen; equal ones are read once.
@lru_cache(maxsize=8)
def _read(values: tuple[str | None, ...]) -> Settings:
    given = {name: value.strip() for name, value in zip(_VARIABLES, values, strict=True) if value is not None}
    problems: list[str] = []
    allow_http = _read_boolean(given, _ALLOW_HTTP, problems, default=False)
    retryable_failures = _read_boolean(given, _RETRYABLE_FAILURES, problems, default=True)
    seconds = _read_durations(given, problems)
    settings = Settings(
        instance=_read_deployment_instance(given, problems, allow_http=allow_http),
        task_types=_read_task_types(given.get(_TASK_TYPES, ""), problems),
        allowed_hosts=_read_hosts(given.get(_ALLOWED_HOSTS, ""), problems),
        allow_http=allow_http,
        auth_type=_read_auth_type(given.get(AUTH_TYPE, ""), problems),
        client_id=_read_client_id(given.get(CLIENT_ID, ""), problems),
        service_credential_provider=given.get(_CREDENTIAL_PROVIDER, ""),
        retryable_failures=retryable_failures,
        create_budget_seconds=seconds["DBX_AGENT_CREATE_BUDGET_SECONDS"],
        get_budget_seconds=seconds["DBX_AGENT_GET_BUDGET_SECONDS"],
        delete_budget_seconds=seconds["DBX_AGENT_DELETE_BUDGET_SECONDS"],
        create_grace_seconds=seconds["DBX_AGENT_CREATE_GRACE_SECONDS"],
        connect_timeout_seconds=seconds["DBX_AGENT_CONNECT_TIMEOUT_SECONDS"],
        request_timeout_seconds=seconds["DBX_AGENT_REQUEST_TIMEOUT_SECONDS"],
    )
    if problems:
        raise ConfigurationError(problems)
    return settings


def _read_boolean(given: Mapping[str, str], variable: str, problems: list[str], *, default: bool) -> bool:
    text = given.get(variable) or str(default)
    if text.lower() not in _BOOLEANS:
        problems.append(f"{variable} is {text!r}. Use true or false.")
    return _BOOLEANS.get(text.lower(), default)


def _read_auth_type(text: str, problems: list[str]) -> str:
    if text.lower() not in {"", PAT, OAUTH_M2M}:
        problems.append(
            f"{AUTH_TYPE} is {text!r}. Use {PAT} for a personal token or {OAUTH_M2M} for an OAuth client."
        )
    return text.lower()


def _read_client_id(text: str, problems: list[str]) -> str:
    # Not shown: people mix up the two, and the other one is the secret.
    if text and not _CLIENT_ID.fullmatch(text):
        problems.append(
            f"{CLIENT_ID} has characters that no id has. Use the application id of a service principal."
        )
    return text


def _read_deployment_instance(
    given: Mapping[str, str], problems: list[str], *, allow_http: bool
) -> Instance | None:
    text = given.get(DEFAULT_DATABRICKS_INSTANCE_ENV_KEY, "")
    if not text:
        return None
    try:
        return read_instance(text, field=DEFAULT_DATABRICKS_INSTANCE_ENV_KEY, allow_http=allow_http)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _read_task_types(text: str, problems: list[str]) -> tuple[str, ...]:
    named = [name.strip() for name in text.split(",") if name.strip()]
    problems.extend(
        f"{_TASK_TYPES} contains {name!r}. Use {' or '.join(TASK_TYPES)}, or both, separated by a comma."
        for name in named
        if name not in TASK_TYPES
    )
    return tuple(name for name in TASK_TYPES if name in named or not named)


def _read_hosts(text: str, problems: list[str]) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    problems.extend(
        f"{_ALLOWED_HOSTS} contains {host!r}. Use hosts or globs without a scheme, such as "
        "'*.databricks.example.com', separated by commas."
        for host in hosts
        if not _HOST_PATTERN.fullmatch(host)
    )
    return hosts


def _read_durations(given: Mapping[str, str], problems: list[str]) -> dict[str, float]:
    durations = dict(_DEFAULT_SECONDS)
    for variable in sorted(durations.keys() & given.keys()):
        seconds = _read_seconds(given[variable])
        if seconds is None:
            problems.append(
                f"{variable} is {given[variable]!r}. Use seconds, more than 0 and at most {_MAX_SECONDS}."
            )
        else:
            durations[variable] = seconds
    return durations


def _read_seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= _MAX_SECONDS else None
