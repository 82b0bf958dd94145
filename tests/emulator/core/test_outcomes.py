"""What happens to one run."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.outcomes import Fate, OnCancel, Outcome, StageTimes, Timing
from dbx_emulator._core.states import ResultState, TerminationCode, TerminationType
from dbx_emulator._core.terminations import FURTHER_RESULTS, RETRIED, TERMINATIONS

_STAGES = ["queue", "cluster", "run", "terminating"]


def _times(timing: Timing) -> StageTimes:
    return timing.draw(lambda _stage: 0.5)


def test_timing_by_default_starts_a_cluster_and_works_a_minute() -> None:
    """Two minutes of cluster, one of work, two seconds of clean-up, no queue."""
    assert _times(Timing()) == StageTimes(0, 120_000, 60_000, 2_000)


@pytest.mark.parametrize("stage", _STAGES)
@pytest.mark.parametrize("value", ["soon", -1, "unifrom(1s, 2s)"])
def test_timing_names_the_stage_that_is_wrong(stage: str, value: Any) -> None:
    """A wrong duration is found when it is written down, not when a run starts."""
    with pytest.raises(UsageError, match=f"^{stage}: "):
        Timing(**{stage: value})


def test_timing_draws_each_stage_for_itself() -> None:
    """A distribution is asked for under the name of its stage, a constant is not asked for."""
    asked: list[str] = []

    def fraction(stage: str) -> float:
        asked.append(stage)
        return 0.25

    timing = Timing(queue="uniform(0, 4)", cluster="uniform(0, 8)", run=3, terminating="choice(1, 2)")
    assert timing.draw(fraction) == StageTimes(1_000, 2_000, 3_000, 1_000)
    assert asked == ["queue", "cluster", "terminating"]


def test_outcome_takes_from_the_timing_what_it_leaves_open() -> None:
    """Only the stages that are named differ from the workspace's timing, also where they are 0."""
    timing = Timing(queue="1s", cluster="2s", run="3s", terminating="4s")
    assert Outcome().timing(timing) == timing
    assert Outcome(queue=0, run="24h").timing(timing) == Timing(0, "2s", "24h", "4s")


@pytest.mark.parametrize("code", [TerminationCode.CLOUD_FAILURE, "CLOUD_FAILURE"])
def test_outcome_knows_its_code_by_name(code: TerminationCode | str) -> None:
    """The enum and its text mean the same."""
    assert Outcome(termination_code=code).code is TerminationCode.CLOUD_FAILURE
    assert Outcome(termination_code=code) == Outcome(termination_code="CLOUD_FAILURE")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"termination_code": "CANCELLED"}, "is none of SUCCESS, ", id="code-misspelt"),
        pytest.param({"termination_code": "USER_CANCELLED"}, "(nearest: USER_CANCELED)", id="code-nearest"),
        pytest.param({"termination_code": []}, "is none of SUCCESS, ", id="code-no-text"),
        pytest.param(
            {"termination_code": "CLOUD_FAILURE", "termination_type": "CLOUD_FAILUR"},
            "(nearest: CLOUD_FAILURE)",
            id="type",
        ),
        pytest.param({"result_state": "SUCCES"}, "(nearest: SUCCESS)", id="result"),
        pytest.param({"on_cancel": "ignore"}, "(nearest: ignores)", id="on-cancel"),
        pytest.param({"message": 5}, "5 is no text", id="message"),
        pytest.param({"error": 5}, "5 is no text", id="error"),
        pytest.param({"error_trace": 5}, "5 is no text", id="error-trace"),
        pytest.param({"logs": 5}, "5 is no text", id="logs"),
        pytest.param({"notebook_output": 5}, "5 is no text", id="notebook-output"),
        pytest.param({"queue": -1}, "not between", id="queue"),
        pytest.param({"cluster": "soon"}, "no duration", id="cluster"),
        pytest.param({"run": True}, "no duration", id="run"),
        pytest.param({"terminating": "1y"}, "no duration", id="terminating"),
        pytest.param({"cancel_after": "later"}, "no duration", id="cancel-after"),
        pytest.param({"retries": Outcome()}, "no list of outcomes", id="retries-alone"),
        pytest.param({"retries": "CLOUD_FAILURE"}, "no list of outcomes", id="retries-text"),
        pytest.param({"retries": [{"run": "1m"}]}, "is no Outcome", id="retries-dict"),
        pytest.param({"tasks": [Outcome()]}, "no mapping", id="tasks-list"),
        pytest.param({"tasks": {"a": {"run": "1m"}}}, "is no Outcome", id="tasks-dict"),
    ],
)
def test_outcome_refuses_a_value_that_its_field_cannot_have(fields: dict[str, Any], message: str) -> None:
    """The error begins with the field and says what would do."""
    with pytest.raises(UsageError) as caught:
        Outcome(**fields)
    assert str(caught.value).startswith(f"{next(reversed(fields))}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"error": "boom"}, "error", id="success-with-an-error"),
        pytest.param({"error_trace": "boom"}, "error", id="success-with-a-trace"),
        pytest.param({"termination_code": "CLUSTER_ERROR", "run": "1m"}, "run", id="work-without-cluster"),
        pytest.param(
            {"termination_code": "SKIPPED", "terminating": 1}, "terminating", id="skipped-cleans-up"
        ),
        pytest.param({"termination_code": "CLUSTER_ERROR", "logs": ""}, "logs", id="logs-without-cluster"),
        pytest.param(
            {"termination_code": "RUN_EXECUTION_ERROR", "notebook_output": "42"},
            "notebook_output",
            id="failed-notebook-exits",
        ),
        pytest.param(
            {"termination_code": "CLOUD_FAILURE", "result_state": "SUCCESS"},
            "result_state",
            id="other-result",
        ),
        pytest.param({"on_cancel": "ignores", "cancel_after": "1m"}, "cancel_after", id="ignores-later"),
        pytest.param({"on_cancel": "finishes", "cancel_after": "1m"}, "cancel_after", id="finishes-later"),
        pytest.param({"retries": [Outcome()]}, "retries", id="success-retried"),
        pytest.param(
            {"termination_code": "USER_CANCELED", "retries": [Outcome()]}, "retries", id="cancel-retried"
        ),
    ],
)
def test_outcome_refuses_what_cannot_happen(fields: dict[str, Any], field: str) -> None:
    """An impossible life is found when it is written down, and the error names the field that does not fit."""
    with pytest.raises(UsageError, match=f"^{field}: "):
        Outcome(**fields)


def test_outcome_refuses_an_attempt_after_one_that_succeeded() -> None:
    """Of three attempts the second succeeds, so that there is no third."""
    lost = Outcome(termination_code="CLOUD_FAILURE")
    with pytest.raises(UsageError, match=r"^retries: attempt 1 ends with SUCCESS, "):
        Outcome(termination_code="CLOUD_FAILURE", retries=[Outcome(), lost])
    assert len(Outcome(termination_code="CLOUD_FAILURE", retries=[lost, Outcome()]).retries) == 2


@pytest.mark.parametrize(
    ("outer", "inner"), [("retries", "retries"), ("retries", "tasks"), ("tasks", "tasks")]
)
def test_outcome_has_one_level_of_each(outer: str, inner: str) -> None:
    """An attempt has no attempts of its own, a task no tasks."""
    lost = Outcome(termination_code="CLOUD_FAILURE")
    nested = {"retries": [Outcome()], "tasks": {"a": Outcome()}}
    within: Any = Outcome(termination_code="CLOUD_FAILURE", **{inner: nested[inner]})  # type: ignore[arg-type]
    around: Any = [within] if outer == "retries" else {"a": within}
    with pytest.raises(UsageError, match=f"^{inner}: an outcome in {outer} has none of its own"):
        Outcome(termination_code="CLOUD_FAILURE", **{outer: around})
    assert Outcome(tasks={"a": Outcome(termination_code="CLOUD_FAILURE", retries=[lost])}).tasks


@pytest.mark.parametrize("code", TerminationCode)
def test_outcome_may_leave_its_result_out(code: TerminationCode) -> None:
    """Every end can be told without a result, with its usual one, and with those it is known to show."""
    for result in ("", TERMINATIONS[code].result_state, *FURTHER_RESULTS.get(code, ())):
        assert Outcome(termination_code=code, result_state=result).result_state == result


@pytest.mark.fact("runs.termination.further-results")
def test_every_result_of_the_api_can_be_had() -> None:
    """Some termination code shows it, usually or for once."""
    usual = {row.result_state for row in TERMINATIONS.values()}
    assert usual | set(itertools.chain.from_iterable(FURTHER_RESULTS.values())) == set(ResultState)


@pytest.mark.fact("runs.retries.on-failure")
def test_retried_are_the_failures() -> None:
    """What ends FAILED is tried again; what was cancelled, skipped, timed out or went well is not."""
    assert TerminationCode.RUN_EXECUTION_ERROR in RETRIED
    assert TerminationCode.CLOUD_FAILURE in RETRIED
    never = {"SUCCESS", "SUCCESS_WITH_FAILURES", "USER_CANCELED", "CANCELED", "SKIPPED", "DISABLED"}
    assert {code.value for code in RETRIED} & never == set()


def test_outcome_takes_enums_and_their_texts() -> None:
    """Both mean the same."""
    by_text = Outcome(
        termination_code="DRIVER_ERROR",
        termination_type="CLIENT_ERROR",
        result_state="FAILED",
        on_cancel="ignores",
    )
    by_enum = Outcome(
        termination_code=TerminationCode.DRIVER_ERROR,
        termination_type=TerminationType.CLIENT_ERROR,
        result_state=ResultState.FAILED,
        on_cancel=OnCancel.IGNORES,
    )
    assert by_text == by_enum
    assert by_text.on_cancel is OnCancel.IGNORES


def test_outcome_keeps_its_parts_from_later_changes() -> None:
    """Lists and mappings that were given may be changed afterwards."""
    retries, tasks = [Outcome()], {"a": Outcome()}
    whole = Outcome(termination_code="CLOUD_FAILURE", retries=retries, tasks=tasks)
    retries.clear()
    tasks.clear()
    assert (len(whole.retries), len(whole.tasks)) == (1, 1)


def test_fate_of_a_task_is_its_own_or_the_runs() -> None:
    """A task key that is named comes before a glob, a glob before what happens to the whole run."""
    first, second = Outcome(run="1m"), Outcome(run="2m")
    whole = Outcome(run="3m", tasks={"load_*": second, "load_b": first})
    assert whole.fate_of("load_b") == Fate((first,))
    assert whole.fate_of("load_c") == Fate((second,))
    assert whole.fate_of("extract") == Fate((whole,))


def test_fate_goes_attempt_by_attempt_and_repeats_the_last() -> None:
    """The n-th attempt has the n-th fate."""
    lost = Outcome(termination_code="CLOUD_FAILURE")
    whole = Outcome(termination_code="DRIVER_ERROR", retries=[lost, Outcome()])
    fate = whole.fate_of("any")
    assert [fate.of_attempt(number) for number in range(4)] == [whole, lost, Outcome(), Outcome()]


def test_single_iterations_have_fates_of_their_own() -> None:
    """Named by task key and index, or by a glob over both; the others go as their task does."""
    third, rest, task = Outcome(run="1m"), Outcome(run="2m"), Outcome(run="3m")
    whole = Outcome(tasks={"load/2": third, "load/1*": rest, "load": task})
    fate = whole.fate_of("load")
    assert fate.of_attempt(0) is task
    assert fate.of_iteration("load/0") is fate
    assert fate.of_iteration("load/2") == Fate((third,))
    assert [fate.of_iteration(f"load/{index}").of_attempt(0) for index in (1, 17)] == [rest, rest]
    assert whole.fate_of("store").of_attempt(0) is whole


def test_task_that_took_too_long_may_have_further_attempts() -> None:
    """Whether the service makes them depends on the task."""
    outcome = Outcome(termination_code="CANCELED", retries=[Outcome()])
    assert outcome.fate_of("a").of_attempt(1) == Outcome()


@pytest.mark.parametrize("values", [["rows"], {1: "rows"}])
def test_values_are_told_by_key(values: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(UsageError, match=r"values: .* no mapping; write values="):
        Outcome(values=values)
