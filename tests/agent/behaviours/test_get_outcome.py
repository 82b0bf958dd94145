"""`get` of a run that could be read: which phase each state, result and termination code has."""

from __future__ import annotations

import logging
from itertools import product

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.outcome import decide_outcome
from dbx_agent.run_snapshot import RunState
from dbx_emulator import DriftFault, Outcome, TerminationCode, TerminationType, Workspace
from tests.agent.support import CONF, Template, phase_name

from .polled import ended, submitted

pytestmark = pytest.mark.flyte

# Written out from the descriptions of the public enums: whom Flyte is to blame, a row for each code.
BY_CODE = {
    "SUCCESS": "SUCCEEDED",
    "SUCCESS_WITH_FAILURES": "SUCCEEDED",
    "USER_CANCELED": "FAILED",
    "CANCELED": "FAILED",
    "SKIPPED": "FAILED",
    "DISABLED": "FAILED",
    "INTERNAL_ERROR": "RETRYABLE_FAILED",
    "CLOUD_FAILURE": "RETRYABLE_FAILED",
    "BREAKING_CHANGE": "RETRYABLE_FAILED",
    **dict.fromkeys(
        (
            "DRIVER_ERROR",
            "CLUSTER_ERROR",
            "CLUSTER_TERMINATED_BY_USER",
            "REPOSITORY_CHECKOUT_FAILED",
            "INVALID_CLUSTER_REQUEST",
            "INVALID_RUN_CONFIGURATION",
            "RESOURCE_NOT_FOUND",
            "RUN_EXECUTION_ERROR",
            "LIBRARY_INSTALLATION_ERROR",
            "UNAUTHORIZED_ERROR",
            "STORAGE_ACCESS_ERROR",
            "FEATURE_DISABLED",
            "CLUSTER_REQUEST_LIMIT_EXCEEDED",
            "WORKSPACE_RUN_LIMIT_EXCEEDED",
            "MAX_CONCURRENT_RUNS_EXCEEDED",
            "MAX_JOB_QUEUE_SIZE_EXCEEDED",
            "MAX_SPARK_CONTEXTS_EXCEEDED",
            "BUDGET_POLICY_LIMIT_EXCEEDED",
        ),
        "FAILED",
    ),
}
BY_TYPE = {
    "CLIENT_ERROR": "FAILED",
    "INTERNAL_ERROR": "RETRYABLE_FAILED",
    "CLOUD_FAILURE": "RETRYABLE_FAILED",
}
DECIDED_BY_CODE = ("SUCCESS", "SUCCESS_WITH_FAILURES", "USER_CANCELED", "DISABLED")
RESULTS = {
    "SUCCESS": "SUCCEEDED",
    "SUCCESS_WITH_FAILURES": "SUCCEEDED",
    **dict.fromkeys(
        (
            "FAILED",
            "TIMEDOUT",
            "CANCELED",
            "MAXIMUM_CONCURRENT_RUNS_REACHED",
            "EXCLUDED",
            "UPSTREAM_FAILED",
            "UPSTREAM_CANCELED",
            "DISABLED",
        ),
        "FAILED",
    ),
}
ACTIVE = {
    "QUEUED": "QUEUED",
    "BLOCKED": "QUEUED",
    "PENDING": "INITIALIZING",
    "WAITING_FOR_RETRY": "INITIALIZING",
    "RUNNING": "RUNNING",
    "TERMINATING": "RUNNING",
}
OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


@pytest.mark.behaviour(3)
@pytest.mark.weakness(2, 4)
@pytest.mark.asyncio
@pytest.mark.parametrize("code", list(TerminationCode))
async def test_each_termination_code_has_its_phase(
    workspace: Workspace, poller: DatabricksAgentV2, code: TerminationCode
) -> None:
    """As the service rolls it up in both vocabularies, with the type of whose doing it was; the code is shown."""
    resource = await poller.get(await ended(workspace, poller, Outcome(termination_code=code)))
    kind = next(iter(workspace.runs)).task_runs[0].type
    assert kind is not None
    expected = BY_CODE[code.value] if code.value in DECIDED_BY_CODE else BY_TYPE[kind.value]
    assert phase_name(resource) == expected
    assert resource.message.startswith(code.value)


@pytest.mark.behaviour(3)
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [kind for kind in TerminationType if kind is not TerminationType.SUCCESS])
async def test_the_type_says_whose_doing_it_was(
    workspace: Workspace, poller: DatabricksAgentV2, kind: TerminationType
) -> None:
    """A driver can be lost by the user's memory, by the cloud or by the service."""
    outcome = Outcome(termination_code="DRIVER_ERROR", termination_type=kind)
    assert phase_name(await poller.get(await ended(workspace, poller, outcome))) == BY_TYPE[kind.value]


@pytest.mark.behaviour(3, 5)
def test_every_life_cycle_result_and_code_is_a_row_of_the_table() -> None:
    """All known values in all combinations, without a type: the life cycle says whether, the code how."""
    for life_cycle, result, code in product((*ACTIVE, *OVER), ("", *RESULTS), ("", *BY_CODE)):
        state = RunState(life_cycle_state=life_cycle, result_state=result, termination_code=code)
        internal = "RETRYABLE_FAILED" if life_cycle == "INTERNAL_ERROR" else "FAILED"
        over = BY_CODE.get(code) or RESULTS.get(result) or internal
        decided = decide_outcome(state, can_retry=True)
        assert decided.phase.value == ACTIVE.get(life_cycle, over), (life_cycle, result, code)
        assert decided.message


@pytest.mark.behaviour(5)
@pytest.mark.weakness(1)
@pytest.mark.asyncio
@pytest.mark.parametrize("life_cycle", ACTIVE)
@pytest.mark.parametrize("result", ["", "SUCCESS", "FAILED"])
async def test_an_active_state_is_not_final_even_with_a_result(
    workspace: Workspace, poller: DatabricksAgentV2, life_cycle: str, result: str
) -> None:
    """TERMINATING may carry one while the cluster is still held; the end comes with a later poll."""
    meta = await submitted(workspace, poller, Outcome())
    state = {"life_cycle_state": life_cycle} | ({"result_state": result} if result else {})
    workspace.faults.add(DriftFault("runs/get", remove=["status"], replace={"state": state}))
    assert phase_name(await poller.get(meta)) == ACTIVE[life_cycle]
    workspace.faults.clear()
    workspace.clock.advance("1d")
    assert phase_name(await poller.get(meta)) == "SUCCEEDED"


@pytest.mark.behaviour(4, 5)
@pytest.mark.weakness(2, 3)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("state", "phase", "said"),
    [
        pytest.param({"life_cycle_state": "SKIPPED"}, "FAILED", "SKIPPED", id="skipped"),
        pytest.param({"life_cycle_state": "TERMINATED"}, "FAILED", "TERMINATED", id="no-result"),
        pytest.param(
            {"life_cycle_state": "TERMINATED", "result_state": None}, "FAILED", "TERMINATED", id="null-result"
        ),
        pytest.param(
            {"life_cycle_state": "TERMINATED", "result_state": "ODD"},
            "FAILED",
            "TERMINATED/ODD",
            id="new-result",
        ),
        pytest.param({"life_cycle_state": "INTERNAL_ERROR"}, "RETRYABLE_FAILED", "INTERNAL_ERROR", id="lost"),
        pytest.param(
            {"life_cycle_state": "ODD"}, "RUNNING", "Databricks says ODD; taken as running", id="new"
        ),
        pytest.param(
            {"life_cycle_state": 7, "result_state": "SUCCESS", "x": [{}]},
            "RUNNING",
            "Databricks says no state; taken as running",
            id="number",
        ),
    ],
)
async def test_values_of_another_time_never_crash_and_never_lose_the_run(
    workspace: Workspace, poller: DatabricksAgentV2, state: object, phase: str, said: str
) -> None:
    """Without the newer vocabulary: what is over ends, what nobody knows goes on, the raw text is shown."""
    meta = await ended(workspace, poller, Outcome())
    workspace.faults.add(
        DriftFault("runs/get", remove=["status"], replace={"state": state}, add={"news": {"a": [None]}})
    )
    resource = await poller.get(meta)
    assert (phase_name(resource), resource.message) == (phase, said)


@pytest.mark.behaviour(4)
@pytest.mark.asyncio
async def test_an_unknown_value_is_logged_once(
    workspace: Workspace, poller: DatabricksAgentV2, logged: list[logging.LogRecord]
) -> None:
    """Per value and process, however often it is polled and by however many agents."""
    meta = await submitted(workspace, poller, Outcome())
    workspace.faults.add(DriftFault("runs/get", replace={"state.life_cycle_state": "NEVER_SEEN_BEFORE"}))
    for agent in (poller, poller, DatabricksAgentV2()):
        assert phase_name(await agent.get(meta)) == "INITIALIZING"
    assert [record.getMessage() for record in logged if "does not know" in record.msg] == [
        "Databricks says what this agent does not know: life_cycle_state NEVER_SEEN_BEFORE"
    ]


@pytest.mark.behaviour(5)
@pytest.mark.asyncio
async def test_success_with_failures_is_a_success_with_a_remark(
    workspace: Workspace, poller: DatabricksAgentV2
) -> None:
    """Its leaf tasks succeeded."""
    meta = await ended(workspace, poller, Outcome(termination_code="SUCCESS_WITH_FAILURES"))
    resource = await poller.get(meta)
    assert phase_name(resource) == "SUCCEEDED"
    assert "warning: the run succeeded although some of its tasks failed" in resource.message


@pytest.mark.behaviour(21)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "phase"), [("RUN_EXECUTION_ERROR", "FAILED"), ("INTERNAL_ERROR", "RETRYABLE_FAILED")]
)
async def test_a_run_that_dies_at_once_has_failed_at_the_first_get(
    workspace: Workspace, poller: DatabricksAgentV2, code: str, phase: str
) -> None:
    """It was over before anybody could ask."""
    dead = Outcome(queue=0, cluster=0, run=0, terminating=0, termination_code=code, error="E: no")
    resource = await poller.get(await submitted(workspace, poller, dead))
    assert phase_name(resource) == phase
    assert "E: no" in resource.message


@pytest.mark.behaviour(23)
@pytest.mark.asyncio
@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("setting", ["true", "false"])
async def test_nobody_is_told_to_retry_who_cannot(
    workspace: Workspace,
    poller: DatabricksAgentV2,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    is_local: bool,  # noqa: FBT001
) -> None:
    """A lost machine is FAILED in local execution and for an engine that does not know RETRYABLE_FAILED."""
    monkeypatch.setenv("DBX_AGENT_RETRYABLE_FAILURES", setting)
    meta = await ended(workspace, poller, Outcome(termination_code="CLOUD_FAILURE"))
    meta = DatabricksJobMetadata(meta.databricks_instance, meta.run_id, is_local=is_local)
    expected = "RETRYABLE_FAILED" if setting == "true" and not is_local else "FAILED"
    assert phase_name(await poller.get(meta)) == expected


@pytest.mark.behaviour(24)
@pytest.mark.asyncio
async def test_a_run_that_takes_too_long_says_so(workspace: Workspace, poller: DatabricksAgentV2) -> None:
    """Its own time limit ended it: FAILED, in words that name the limit."""
    workspace.scenarios.add("slow", [Outcome(run="10d")])
    template = Template({"databricksConf": CONF | {"run_name": "slow", "timeout_seconds": 600}})
    meta = await poller.create(template)
    workspace.clock.advance("1h")
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    assert "the run took longer than its timeout_seconds" in resource.message


@pytest.mark.behaviour(24)
@pytest.mark.asyncio
async def test_a_run_that_somebody_cancelled_says_so(workspace: Workspace, poller: DatabricksAgentV2) -> None:
    """FAILED and not ABORTED, for which Flyte would replace the words."""
    meta = await submitted(workspace, poller, Outcome(run="10d"))
    await poller.delete(meta)
    workspace.clock.advance("1h")
    resource = await poller.get(meta)
    assert phase_name(resource) == "FAILED"
    assert "the run was cancelled in Databricks" in resource.message
