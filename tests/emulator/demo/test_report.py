"""The verdict of the demo: every line of it can fail, alone."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator.demo.report import Report, judge

PHASES = ["RETRYABLE_FAILED", "SUCCEEDED"]


def _call(
    route: str, *, run_id: int | None = None, fault: str | None = None, status_code: int = 200
) -> dict[str, Any]:
    return {"route": route, "run_id": run_id, "fault": fault, "status_code": status_code}


LOST = _call("runs/submit", run_id=1, fault="lost_response")
REPEATED = _call("runs/submit", run_id=1)
SECOND = _call("runs/submit", run_id=2)
POLL = _call("runs/get", run_id=1)
THROTTLED = _call("runs/get", fault="status", status_code=429)


def test_judge_of_the_story_misses_nothing() -> None:
    """All numbers are counted from the journal, and only submits count as runs and as lost answers."""
    poll_lost = _call("runs/get", run_id=3, fault="lost_response")
    assert judge(PHASES, [LOST, REPEATED, THROTTLED, POLL, poll_lost, THROTTLED, SECOND]) == Report(
        phases=("RETRYABLE_FAILED", "SUCCEEDED"),
        submit_calls=3,
        lost_answers=1,
        runs=2,
        throttled_calls=2,
        calls=7,
        unmet=(),
    )


@pytest.mark.parametrize(
    ("journal", "unmet"),
    [
        pytest.param(
            [LOST, SECOND, THROTTLED], "expected 3 calls of runs/submit, saw 2", id="too-few-submits"
        ),
        pytest.param(
            [LOST, REPEATED, REPEATED, SECOND, THROTTLED],
            "expected 3 calls of runs/submit, saw 4",
            id="too-many-submits",
        ),
        pytest.param(
            [REPEATED, REPEATED, SECOND, THROTTLED],
            "expected 1 answer to runs/submit lost, saw 0",
            id="no-answer-lost",
        ),
        pytest.param(
            [LOST, LOST, SECOND, THROTTLED],
            "expected 1 answer to runs/submit lost, saw 2",
            id="two-answers-lost",
        ),
        pytest.param([LOST, REPEATED, REPEATED, THROTTLED], "expected 2 runs, saw 1", id="too-few-runs"),
        pytest.param(
            [LOST, SECOND, _call("runs/submit", run_id=3), THROTTLED],
            "expected 2 runs, saw 3",
            id="run-for-each-submit",
        ),
        pytest.param(
            [LOST, REPEATED, SECOND, POLL],
            "expected at least one call answered 429, saw 0",
            id="none-throttled",
        ),
    ],
)
def test_judge_names_the_one_number_that_is_wrong(journal: list[dict[str, Any]], unmet: str) -> None:
    """A wrong number of calls or runs is one sentence, and what is right is not complained of."""
    assert judge(PHASES, journal).unmet == (unmet,)


@pytest.mark.parametrize(
    ("phases", "seen"),
    [
        pytest.param([], "none", id="no-attempt"),
        pytest.param(["SUCCEEDED"], "SUCCEEDED", id="no-second-attempt"),
        pytest.param(["SUCCEEDED", "RETRYABLE_FAILED"], "SUCCEEDED, RETRYABLE_FAILED", id="other-way-round"),
        pytest.param(["RETRYABLE_FAILED", "FAILED"], "RETRYABLE_FAILED, FAILED", id="failed-at-last"),
        pytest.param(
            ["RETRYABLE_FAILED", "RETRYABLE_FAILED", "SUCCEEDED"],
            "RETRYABLE_FAILED, RETRYABLE_FAILED, SUCCEEDED",
            id="third-attempt",
        ),
    ],
)
def test_judge_names_the_phases_that_are_wrong(phases: list[str], seen: str) -> None:
    """The attempts end as told, in that order, or the verdict says how they ended."""
    assert judge(phases, [LOST, REPEATED, SECOND, THROTTLED]).unmet == (
        f"expected attempts ending RETRYABLE_FAILED, then SUCCEEDED, saw {seen}",
    )
