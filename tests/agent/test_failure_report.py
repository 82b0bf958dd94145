"""What a user reads when a run failed."""

from __future__ import annotations

from dbx_agent.failure_report import failed_tasks, write_report
from dbx_agent.run_snapshot import RunOutput, RunSnapshot, RunState, TaskSnapshot

FAILED = RunState("TERMINATED", "FAILED", "Workload failed, see run output for details")
SUCCESS = RunState("TERMINATED", "SUCCESS")


def test_failed_tasks_are_the_last_attempts_that_failed() -> None:
    """A task that a retry saved is not to blame."""
    run = RunSnapshot(
        tasks=(
            TaskSnapshot("a", 1, 0, FAILED),
            TaskSnapshot("a", 2, 1, SUCCESS),
            TaskSnapshot("b", 4, 1, FAILED),
            TaskSnapshot("b", 3, 0, SUCCESS),
            TaskSnapshot("c", 5, 0, RunState("RUNNING")),
        )
    )
    assert failed_tasks(run) == [TaskSnapshot("b", 4, 1, FAILED)]


def test_report_names_the_task_the_exception_and_the_trace() -> None:
    """Without the colours of a notebook; what could not be read falls back to the state's words."""
    tasks = [
        TaskSnapshot("a", 1, 0, FAILED),
        TaskSnapshot("b", None, 0, FAILED),
        TaskSnapshot("", 3, 0, RunState("SKIPPED")),
        TaskSnapshot("d", 4, 0, FAILED),
        TaskSnapshot("e", 5, 0, FAILED),
    ]
    outputs = {1: RunOutput("\x1b[0;31mValueError\x1b[0m: no", "Traceback\n  line 1\n")}
    assert write_report("RUN_EXECUTION_ERROR", tasks, outputs) == (
        "RUN_EXECUTION_ERROR\n"
        "task a (run 1): ValueError: no\n"
        "Traceback\n  line 1\n"
        "task b (run None): Workload failed, see run output for details\n"
        "task ? (run 3): failed\n"
        "… and 2 more failed tasks"
    )


def test_report_leaves_out_a_task_that_adds_nothing() -> None:
    """The only task of a flat run says what the run said; once is enough."""
    lost = RunState("INTERNAL_ERROR", "FAILED", "The spot instance was reclaimed")
    headline = "CLOUD_FAILURE: The spot instance was reclaimed"
    assert write_report(headline, [TaskSnapshot("a", 1, 0, lost)], {1: RunOutput()}) == headline


def test_report_keeps_the_end_of_a_long_trace() -> None:
    """The exception is at the end, and a cut begins with a whole line."""
    trace = "\n".join(f"line {number}" for number in range(1000))
    task = TaskSnapshot("a", 1, 0, FAILED)
    report = write_report("h", [task], {1: RunOutput("E" * 5000, trace)})
    assert report.endswith("\nline 998\nline 999")
    assert report.split("\n")[2:4] == ["…", report.split("\n")[3]]
    assert report.split("\n")[3].startswith("line ")
    assert len(report) < 2200


def test_report_cuts_a_trace_of_one_line() -> None:
    """There is no whole line to begin with."""
    report = write_report("h", [TaskSnapshot("a", 1, 0, FAILED)], {1: RunOutput("E", "x" * 5000)})
    assert report == "h\ntask a (run 1): E\n…\n" + "x" * 1500
