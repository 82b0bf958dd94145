"""What a user reads when a run failed."""

from __future__ import annotations

from dbx_agent.failure_report import failed_iterations, failed_tasks, unrun_tasks, write_report
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
        "… and 2 more failed tasks: d, e"
    )


def test_report_tells_failed_tasks_from_those_that_did_not_run() -> None:
    """Whom to blame is described; who only followed is named, and so is what could not be read."""
    run = RunSnapshot(
        tasks=(
            TaskSnapshot("after", 1, 0, RunState("INTERNAL_ERROR", "UPSTREAM_FAILED")),
            TaskSnapshot("skipped", 2, 0, RunState("SKIPPED")),
            TaskSnapshot("", 3, 0, RunState("TERMINATED", "EXCLUDED")),
            TaskSnapshot("a", 4, 0, FAILED),
        )
    )
    assert write_report("h", failed_tasks(run), {}, unrun=unrun_tasks(run), is_complete=False) == (
        "h\n"
        "task a (run 4): Workload failed, see run output for details\n"
        "did not run because of that: after, skipped, ?\n"
        "(not all tasks of the run could be read)"
    )


def test_failed_iterations_carry_both_names() -> None:
    """Those of a for-each task that failed, each by its own run."""
    run = RunSnapshot(iterations=(TaskSnapshot("it", 5, 0, SUCCESS), TaskSnapshot("it", 6, 0, FAILED)))
    assert failed_iterations(run, of=TaskSnapshot("each", 4)) == [TaskSnapshot("each/it", 6, 0, FAILED)]


def test_report_names_many_tasks_within_a_limit() -> None:
    """However many failed, and whatever they are called."""
    tasks = [TaskSnapshot("k" * 200, number, 0, FAILED) for number in range(500)]
    assert len(write_report("h", tasks, {}, unrun=tasks)) < 1500


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
