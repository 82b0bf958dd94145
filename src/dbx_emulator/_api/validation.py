"""What a type cannot say about a submitted run, and the texts of the service when it is not so."""

from __future__ import annotations

import re
from collections.abc import Sized

import msgspec
from msgspec import UNSET

from dbx_emulator._api.errors import invalid_parameter
from dbx_emulator._api.structs_jobs import CreateJob
from dbx_emulator._api.structs_payloads import Object
from dbx_emulator._api.structs_runs import SubmitRun
from dbx_emulator._api.structs_tasks import EnvironmentVariables, GitSource
from dbx_emulator._api.validation_tasks import Surroundings, validate_flat, validate_tasks
from dbx_emulator._core.submitted import SubmittedRun, SubmittedTask

__all__ = [
    "USUAL_RULES",
    "Rules",
    "check_name",
    "check_queue",
    "check_shared",
    "check_token",
    "surroundings_of",
    "validate_submit",
]

#: Source: [runs.submit.token-length] sdk: databricks-sdk-py, jobs.py (at most 64 characters)
_TOKEN_LENGTH = 64

#: Source: [runs.submit.name-length] sdk: databricks-sdk-py, jobs.py (at most 4096 bytes in UTF-8)
_NAME_BYTES = 4_096

#: How many elements fields of a run or job may have.
#: Source: [runs.submit.limits] sdk: databricks-sdk-py, jobs.py (JobSettings, maximums)
_MOST = {"tags": 25, "environments": 10, "environment_variables": 10, "job_clusters": 100}

#: Source: [runs.submit.environment-variables] sdk: databricks-sdk-py, jobs.py (JobEnvironmentVariablesSpec)
_MOST_VARIABLES = 20
_MOST_FILES = 5
_LONGEST_VALUE = 512
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")

#: Source: [runs.submit.git-provider] measured: databricks/cli, acceptance/bundle/resources/jobs/no-git-provider
_PROVIDERS = (
    "github",
    "gitlab",
    "bitbucketcloud",
    "gitlabenterpriseedition",
    "bitbucketserver",
    "azuredevopsservices",
    "githubenterprise",
    "awscodecommit",
)

#: Run-level fields that a run shows again.
_RUN_FIELDS = ("git_source", "environments", "environment_variables")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service has changed over the years, which of its ways is followed.

    Attributes:
        allows_notebook_environment: Whether a serverless notebook task may name an environment, as the SDK of 2026
            says; until 2025 it was refused.
    """

    allows_notebook_environment: bool = True


#: The service's ways of today.
USUAL_RULES = Rules()


def validate_submit(body: SubmitRun, *, version: str, rules: Rules) -> SubmittedRun:
    """Return a run as the engine takes it.

    Raises:
        ApiError: 400 INVALID_PARAMETER_VALUE.
    """
    if body.job_clusters is not UNSET:
        # Source: [runs.submit.no-job-clusters] measured: databrickslabs/dbx#646
        raise invalid_parameter("Shared job cluster feature is not supported in runs/submit API.")
    check_token(body.idempotency_token)
    check_name(body.run_name, "run_name")
    check_shared(body)
    run_name = body.run_name or "Untitled"
    surroundings = surroundings_of(body, version=version, rules=rules)
    if body.tasks is UNSET:
        tasks: tuple[SubmittedTask, ...] = (validate_flat(body, run_name, surroundings),)
    else:
        tasks = validate_tasks(body.tasks, surroundings)
    spec = {name: value for name in _RUN_FIELDS if (value := getattr(body, name)) is not UNSET}
    if body.performance_target is not UNSET:
        spec["effective_performance_target"] = body.performance_target
    is_flat = body.tasks is UNSET
    return SubmittedRun(
        run_name=run_name,
        tasks=tasks,
        is_flat=is_flat,
        idempotency_token=body.idempotency_token,
        spec=msgspec.json.encode(spec),
        tags=body.tags or {},
        timeout_ms=0 if is_flat else (body.timeout_seconds or 0) * 1_000,
    )


def surroundings_of(body: SubmitRun | CreateJob, *, version: str, rules: Rules) -> Surroundings:
    """Return what the tasks of a body can name."""
    clusters = body.job_clusters if isinstance(body, CreateJob) else UNSET
    return Surroundings(
        version=version,
        environments=frozenset(each.environment_key or "" for each in body.environments or ()),
        job_clusters=frozenset(each.job_cluster_key or "" for each in clusters or ()),
        allows_notebook_environment=rules.allows_notebook_environment,
    )


def check_token(idempotency_token: str) -> None:
    """Refuse an idempotency token that is too long."""
    if len(idempotency_token) > _TOKEN_LENGTH:
        raise invalid_parameter(f"The idempotency_token must have at most {_TOKEN_LENGTH} characters.")


def check_name(name: str, field: str) -> None:
    """Refuse a name that is too long."""
    if len(name.encode()) > _NAME_BYTES:
        raise invalid_parameter(f"The {field} must have at most {_NAME_BYTES} bytes.")


def check_queue(queue: Object) -> None:
    """Refuse a queue that is neither on nor off.

    Source: [runs.submit.queue-enabled] sdk: databricks-sdk-py, jobs.py (QueueSettings: enabled is required)
    """
    if queue is not UNSET and not isinstance(queue.get("enabled"), bool):
        raise invalid_parameter("Missing required field: settings.queue.enabled.")


def check_shared(body: SubmitRun | CreateJob) -> None:
    """Check what runs and jobs say alike around their tasks."""
    for name, most in _MOST.items():
        value: Sized = getattr(body, name) or ()
        if len(value) > most:
            raise invalid_parameter(f"The field {name} must have at most {most} elements.")
    check_queue(body.queue)
    if body.git_source is not UNSET:
        _check_git_source(body.git_source)
    for profile in body.environment_variables or ():
        _check_environment_variables(profile)


def _check_git_source(git_source: GitSource) -> None:
    if (git_source.git_provider or "").lower() not in _PROVIDERS:
        raise invalid_parameter(f"git_source.git_provider must be one of: {','.join(_PROVIDERS)}")
    if not git_source.git_url:
        raise invalid_parameter("Missing required field: settings.git_source.git_url.")
    named = (git_source.git_branch, git_source.git_tag, git_source.git_commit)
    if sum(bool(each) for each in named) > 1:
        # Source: [runs.submit.one-git-reference] sdk: databricks-sdk-py, jobs.py (GitSource)
        raise invalid_parameter(
            "Only one of git_branch, git_tag and git_commit can be specified in git_source."
        )


def _check_environment_variables(profile: EnvironmentVariables) -> None:
    if not profile.environment_variables_key:
        raise invalid_parameter(
            "Missing required field: settings.environment_variables.environment_variables_key."
        )
    if profile.spec is UNSET:
        return
    variables = profile.spec.variables or {}
    if len(variables) > _MOST_VARIABLES or len(profile.spec.files or ()) > _MOST_FILES:
        raise invalid_parameter(
            f"Environment variables '{profile.environment_variables_key}' must have at most {_MOST_VARIABLES} "
            f"variables and {_MOST_FILES} files."
        )
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or len(value) > _LONGEST_VALUE:
            raise invalid_parameter(f"Invalid environment variable '{name}'.")
