"""What a failing test is told about its workspace: the calls, what became of the runs, how to see it again."""

from __future__ import annotations

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.journal import JournalEntry
from dbx_emulator._core.runs import JobRun, TimelineEntry
from dbx_emulator.workspace import Workspace

__all__ = [
    "describe_faults",
    "describe_findings",
    "describe_journal",
    "describe_notes",
    "describe_replay",
    "describe_timelines",
]

_SHOWN = 30


def describe_journal(workspace: Workspace) -> str:
    """Return the last calls, one a line, the oldest first; an empty text if there was none."""
    entries = list(workspace.journal)
    lines = [_describe_call(entry) for entry in entries[-_SHOWN:]]
    if len(entries) > _SHOWN:
        lines.insert(0, f"… {len(entries) - _SHOWN} earlier calls")
    return "\n".join(lines)


def describe_timelines(workspace: Workspace) -> str:
    """Return how each of the last runs went, one a line; an empty text if there was none."""
    runs = list(workspace.runs)
    return "\n".join(_describe_run(job_run) for job_run in runs[-_SHOWN:])


def describe_faults(workspace: Workspace) -> str:
    """Return the armed faults with how often each has struck; an empty text if none is armed."""
    return "\n".join(
        f"{fault.kind} on {fault.route}: struck {fault.fired} of {fault.seen} calls"
        f"{'' if fault.fired else f' ({fault.describe_idleness()})'}"
        for fault in workspace.faults
    )


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


def _describe_call(entry: JournalEntry) -> str:
    run = "" if entry.run_id is None else f" run {entry.run_id}"
    before, after = (None if state is None else getattr(state, "value", state) for state in entry.states)
    change = f" {before or 'new'} → {after}" if after is not None and before != after else ""
    error = f" {entry.error_code}" if entry.error_code is not None else ""
    note = f", {entry.note}" if entry.note else ""
    fault = f" (fault: {entry.fault}{note})" if entry.fault else ""
    call = f"{entry.method} {entry.path}{run}{change}"
    return f"{_elapsed(entry.now_ms)}  {call} → {entry.status_code}{error}{fault}"


def _describe_run(job_run: JobRun) -> str:
    changes = [
        f"{_elapsed(entry.at_ms)} {_attempt(entry)} {entry.life_cycle_state.value}"
        for entry in job_run.timeline
    ]
    states = " → ".join(changes)
    return f"run {job_run.run_id} {job_run.run_name!r}: {states}"


def _attempt(entry: TimelineEntry) -> str:
    """Return a task's key, with the number of the attempt from the second on."""
    return f"{entry.task_key}[{entry.attempt_number}]" if entry.attempt_number else entry.task_key


def _elapsed(at_ms: int) -> str:
    seconds, ms = divmod(at_ms - EPOCH_MS, 1_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"
