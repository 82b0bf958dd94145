"""What a failing test is told about its workspace: the calls, what became of the runs, how to see it again."""

from __future__ import annotations

from dbx_emulator._api.near_routes import describe_unknown_call
from dbx_emulator._core.journal_text import describe_call
from dbx_emulator._core.near_misses import describe_idle_scenario
from dbx_emulator.workspace import Workspace

__all__ = [
    "describe_faults",
    "describe_findings",
    "describe_idle_scenarios",
    "describe_journal",
    "describe_notes",
    "describe_replay",
    "describe_timelines",
    "describe_unknown_calls",
]

_SHOWN = 30
_SHOWN_RUNS = 10


def describe_journal(workspace: Workspace) -> str:
    """Return the last calls, one a line, the oldest first; an empty text if there was none."""
    entries = list(workspace.journal)
    lines = [describe_call(entry) for entry in entries[-_SHOWN:]]
    if len(entries) > _SHOWN:
        lines.insert(0, f"… {len(entries) - _SHOWN} earlier calls")
    return "\n".join(lines)


def describe_timelines(workspace: Workspace) -> str:
    """Return how each of the last runs went, in lines and bars; an empty text if there was none."""
    runs = list(workspace.runs)
    texts = [workspace.runs.timeline(each.run_id).text(most=_SHOWN) for each in runs[-_SHOWN_RUNS:]]
    if len(runs) > _SHOWN_RUNS:
        texts.insert(0, f"… {len(runs) - _SHOWN_RUNS} earlier runs")
    return "\n\n".join(texts)


def describe_faults(workspace: Workspace) -> str:
    """Return the armed faults with how often each has struck; an empty text if none is armed."""
    return "\n".join(
        f"{fault.kind} on {fault.route}: struck {fault.fired} of {fault.seen} calls"
        f"{'' if fault.fired else f' ({fault.describe_idleness()})'}"
        for fault in workspace.faults
    )


def describe_idle_scenarios(workspace: Workspace) -> list[str]:
    """Return for each scenario that was meant to take a run, and took none, which run came nearest."""
    job_runs = list(workspace.runs)
    return [describe_idle_scenario(each, job_runs) for each in workspace.scenarios.never_taken()]


def describe_unknown_calls(workspace: Workspace) -> list[str]:
    """Return for each call that nothing serves which route comes nearest."""
    return [describe_unknown_call(entry) for entry in workspace.journal.calls("")]


def describe_findings(workspace: Workspace) -> str:
    """Return what the clients should not have done, errors first; an empty text if there is nothing to say."""
    return "\n".join(str(finding) for finding in workspace.lint.findings())


def describe_notes(workspace: Workspace) -> str:
    """Return what looks like a mistake about the runs, one a line; an empty text if nothing does."""
    return "\n".join(
        f"run {job_run.run_id} {job_run.run_name!r}: {note}"
        for job_run in workspace.runs
        for note in job_run.notes
    )


def describe_replay(node_id: str, *, seed: int = 0) -> str:
    """Return the line that runs a test again; a workspace is deterministic, so it goes the same way.

    Args:
        node_id: What pytest calls the test.
        seed: The seed that the test did not choose itself; 0 goes without saying.
    """
    option = f" --databricks-seed={seed}" if seed else ""
    return f"pytest {node_id!r}{option}"
