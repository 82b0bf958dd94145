"""How a task run can end: for each termination code whose fault it was and what the run then shows.

Source: [runs.termination.codes] sdk: databricks-sdk-py, jobs.py (TerminationCodeCode, docstrings)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType

__all__ = ["FURTHER_RESULTS", "RETRIED", "SKIP_MESSAGES", "TERMINATIONS", "Strikes", "Termination"]

_L = LifeCycleState
_R = ResultState
_C = TerminationCode
_T = TerminationType

#: When a termination strikes: instead of the cluster becoming ready, or after the work began.
Strikes = Literal["setup", "work"]


@dataclass(frozen=True, slots=True)
class Termination:
    """How a task run ends under one termination code.

    Attributes:
        type: Whose fault it was.
        life_cycle_state: The legacy life-cycle state at the end.
        result_state: The legacy result at the end.
        strikes: `setup` if instead of the cluster becoming ready, `work` if after the work began.
        message: The state message unless a scenario gives another.
    """

    type: TerminationType
    life_cycle_state: LifeCycleState
    result_state: ResultState
    strikes: Strikes = "work"
    message: str = ""


def _platform(
    message: str,
    *,
    strikes: Strikes = "setup",
    type: TerminationType = _T.CLIENT_ERROR,  # noqa: A002 - the API's word
) -> Termination:
    return Termination(type, _L.INTERNAL_ERROR, _R.FAILED, strikes, message)


TERMINATIONS: dict[TerminationCode, Termination] = {
    _C.SUCCESS: Termination(_T.SUCCESS, _L.TERMINATED, _R.SUCCESS),
    _C.SUCCESS_WITH_FAILURES: Termination(_T.SUCCESS, _L.TERMINATED, _R.SUCCESS_WITH_FAILURES),
    # Source: [runs.cancel.user-canceled] measured: Azure/azure-databricks-client, JobApiClientTest.cs
    _C.USER_CANCELED: Termination(_T.SUCCESS, _L.TERMINATED, _R.CANCELED, message="Run cancelled by user"),
    _C.CANCELED: Termination(_T.CLIENT_ERROR, _L.TERMINATED, _R.TIMEDOUT, message="Run timed out"),
    _C.SKIPPED: Termination(
        _T.CLIENT_ERROR, _L.SKIPPED, _R.UPSTREAM_FAILED, "setup", "An upstream task failed."
    ),
    _C.DISABLED: Termination(_T.SUCCESS, _L.SKIPPED, _R.DISABLED, "setup", "Task is disabled"),
    _C.INTERNAL_ERROR: _platform("An internal error occurred", strikes="work", type=_T.INTERNAL_ERROR),
    _C.DRIVER_ERROR: _platform("Could not reach driver of cluster", strikes="work", type=_T.INTERNAL_ERROR),
    _C.CLUSTER_ERROR: _platform("Unexpected failure while waiting for the cluster to be ready"),
    _C.CLUSTER_TERMINATED_BY_USER: _platform("The cluster was terminated by a user", strikes="work"),
    _C.REPOSITORY_CHECKOUT_FAILED: _platform("Failed to checkout Git repository"),
    _C.INVALID_CLUSTER_REQUEST: _platform("The cluster request is invalid"),
    _C.INVALID_RUN_CONFIGURATION: _platform("The run configuration is invalid"),
    _C.RESOURCE_NOT_FOUND: _platform("A resource that the run needs does not exist"),
    # Source: [runs.get.user-error] measured: databricks/cli, libs/testserver/jobs.go
    _C.RUN_EXECUTION_ERROR: Termination(
        _T.CLIENT_ERROR, _L.TERMINATED, _R.FAILED, message="Workload failed, see run output for details"
    ),
    _C.LIBRARY_INSTALLATION_ERROR: _platform("Library installation failed for library due to user error."),
    _C.UNAUTHORIZED_ERROR: _platform("The run is not authorized to access a resource"),
    _C.STORAGE_ACCESS_ERROR: _platform("The storage of the run cannot be accessed"),
    _C.FEATURE_DISABLED: _platform("A feature that the run needs is disabled"),
    _C.CLOUD_FAILURE: _platform(
        "The cloud provider terminated the instances of the run", strikes="work", type=_T.CLOUD_FAILURE
    ),
    _C.CLUSTER_REQUEST_LIMIT_EXCEEDED: _platform("Too many cluster requests"),
    _C.WORKSPACE_RUN_LIMIT_EXCEEDED: _platform("The workspace has reached its limit of active runs"),
    _C.MAX_CONCURRENT_RUNS_EXCEEDED: Termination(
        _T.CLIENT_ERROR,
        _L.SKIPPED,
        _R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        "setup",
        "Skipping this run because the limit of 1 maximum concurrent runs has been reached.",
    ),
    _C.MAX_JOB_QUEUE_SIZE_EXCEEDED: Termination(
        _T.CLIENT_ERROR,
        _L.SKIPPED,
        _R.MAXIMUM_CONCURRENT_RUNS_REACHED,
        "setup",
        "The queue of the job is full",
    ),
    _C.MAX_SPARK_CONTEXTS_EXCEEDED: _platform("The cluster has too many execution contexts"),
    _C.BREAKING_CHANGE: _platform("A breaking change of Spark", strikes="work", type=_T.INTERNAL_ERROR),
    _C.BUDGET_POLICY_LIMIT_EXCEEDED: _platform("The limit of the budget policy is exceeded"),
}


#: Results that runs with a code have been seen or are documented to show besides the usual one.
#: Source: [runs.termination.further-results] sdk: databricks-sdk-py, jobs.py (RunResultState, docstrings)
FURTHER_RESULTS: dict[TerminationCode, frozenset[ResultState]] = {
    _C.CANCELED: frozenset({_R.CANCELED}),
    _C.SKIPPED: frozenset({_R.UPSTREAM_CANCELED, _R.EXCLUDED}),
}

#: State messages of tasks that were skipped with a result other than the usual one.
#: Source: [runs.skipped.messages] assumed: only the text of a task below a failed one has been recorded
SKIP_MESSAGES: dict[ResultState, str] = {
    _R.UPSTREAM_CANCELED: "An upstream task was canceled.",
    _R.EXCLUDED: "The condition under which the task runs was not met.",
}

#: Codes after which the service makes another attempt, if the task has any left.
#: Source: [runs.retries.on-failure] sdk: databricks-sdk-py, jobs.py (SubmitTask, max_retries: what is
#: unsuccessful has the result FAILED or the life-cycle state INTERNAL_ERROR)
RETRIED = frozenset(
    code for code, termination in TERMINATIONS.items() if termination.result_state is _R.FAILED
)
