"""What the demo saw, made from the agent's answers and the emulator's journal alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Report", "judge"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen.

    Attributes:
        phases: The phase in which each attempt ended, as the agent answered.
        submit_calls: How many calls of runs/submit the emulator answered.
        lost_answers: How many of those answers were lost on the way.
        runs: How many runs these calls made.
        throttled_calls: How many calls were answered 429.
        calls: How many calls there were in all.
        unmet: What was expected and not seen, one sentence each; empty if all is well.
    """

    phases: tuple[str, ...]
    submit_calls: int
    lost_answers: int
    runs: int
    throttled_calls: int
    calls: int
    unmet: tuple[str, ...]


def judge(phases: Sequence[str], journal: Sequence[Mapping[str, Any]]) -> Report:
    """Return what was seen and what was missing."""
    submits = [entry for entry in journal if entry["route"] == "runs/submit"]
    lost = sum(entry["fault"] == "lost_response" for entry in submits)
    runs = len({entry["run_id"] for entry in submits if entry["run_id"] is not None})
    throttled = sum(entry["status_code"] == 429 for entry in journal)  # noqa: PLR2004 - Too Many Requests
    expected = {
        "3 calls of runs/submit": (len(submits) == 3, f"{len(submits)}"),  # noqa: PLR2004 - the story's number
        "1 answer to runs/submit lost": (lost == 1, f"{lost}"),
        "2 runs": (runs == 2, f"{runs}"),  # noqa: PLR2004 - the story's number
        "at least one call answered 429": (throttled >= 1, f"{throttled}"),
        "attempts ending RETRYABLE_FAILED, then SUCCEEDED": (
            list(phases) == ["RETRYABLE_FAILED", "SUCCEEDED"],
            ", ".join(phases) or "none",
        ),
    }
    unmet = tuple(f"expected {what}, saw {seen}" for what, (is_met, seen) in expected.items() if not is_met)
    return Report(tuple(phases), len(submits), lost, runs, throttled, len(journal), unmet)
