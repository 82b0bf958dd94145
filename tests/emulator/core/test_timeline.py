"""How a run went, as data, text and picture."""

from __future__ import annotations

import json
import re
from xml.dom import minidom

import pytest

from dbx_emulator import Clock, LifeCycleState, Outcome, Timing, Workspace
from dbx_emulator._core.timeline_text import ticks_ms
from tests.emulator.support import NOTEBOOK, Caller, flat_body, graph_body, task

_FAILED = "Workload failed, see run output for details"


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time is moved by hand."""
    return Workspace(clock=Clock())


def _retried(workspace: Workspace) -> int:
    """Submit a run of two tasks, the second of which fails and is tried again, and return its id."""
    fails = Outcome(run="20m", termination_code="RUN_EXECUTION_ERROR", retries=[Outcome(run="25m")])
    workspace.scenarios.add("etl-*", [Outcome(run="40m", tasks={"train": fails})])
    retries = {"max_retries": 1, "min_retry_interval_millis": 1_800_000}
    return Caller(workspace).submit(
        graph_body(task("extract"), task("train", "extract", **retries), run_name="etl-1")
    )


def test_timeline_text_has_a_line_for_each_change_and_a_bar_for_each_attempt(workspace: Workspace) -> None:
    """Aligned, over an axis that people can read, with the scenario and its step."""
    run_id = _retried(workspace)
    workspace.clock.run_until(run_id, "TERMINATED")
    assert workspace.runs.timeline(run_id).text(width=60).splitlines() == [
        f"run {run_id} 'etl-1': TERMINATED SUCCESS after 1h39m4s, scenario etl-* #1, train attempt 1",
        "  00:00:00.000  extract   PENDING",
        "  00:00:00.000  train     BLOCKED",
        "  00:02:00.000  extract   RUNNING",
        "  00:42:00.000  extract   TERMINATING",
        "  00:42:02.000  extract   TERMINATED SUCCESS",
        "  00:42:02.000  train     PENDING",
        "  00:44:02.000  train     RUNNING",
        "  01:04:02.000  train     TERMINATING",
        f"  01:04:04.000  train     TERMINATED FAILED (RUN_EXECUTION_ERROR): {_FAILED}",
        "  01:04:04.000  train[1]  WAITING_FOR_RETRY",
        "  01:12:02.000  train[1]  PENDING",
        "  01:14:02.000  train[1]  RUNNING",
        "  01:39:02.000  train[1]  TERMINATING",
        "  01:39:04.000  train[1]  TERMINATED SUCCESS",
        "  extract   ████████████████████▒",
        "  train                         ░██████████▒",
        "  train[1]                                 ~~~░████████████▒",
        "            |0s           |30m           |1h           |1h30m",
        "            ░ PENDING  █ RUNNING  ▒ TERMINATING  ~ WAITING_FOR_RETRY",
    ]


def test_timeline_goes_until_the_present(workspace: Workspace) -> None:
    """A run that is not over is as long as it has been; a timeline is what was so and changes no more."""
    run_id = _retried(workspace)
    new = workspace.runs.timeline(run_id)
    assert str(new).splitlines()[1:] == [
        "  00:00:00.000  extract  PENDING",
        "  00:00:00.000  train    BLOCKED",
    ]
    workspace.clock.advance("1h")
    assert (new.duration_ms, new.is_over, new.data()["result_state"]) == (0, False, None)
    now = workspace.runs.timeline(run_id)
    assert now.text().startswith(f"run {run_id} 'etl-1': RUNNING for 1h, scenario etl-* #1\n")
    assert now.data()["tasks"][1]["states"][-1] == {
        "life_cycle_state": "RUNNING",
        "start_ms": 2_642_000,
        "end_ms": 3_600_000,
    }
    assert json.loads(json.dumps(now.data())) == now.data()


def test_timeline_text_can_be_short(workspace: Workspace) -> None:
    """It says how much it leaves out."""
    run_id = _retried(workspace)
    workspace.clock.run_until(run_id, "TERMINATED")
    lines = workspace.runs.timeline(run_id).text(most=1).splitlines()
    assert [line for line in lines if "…" in line] == ["  … 13 more changes", "  … 2 more bars"]


def test_timeline_has_iterations_below_their_task(workspace: Workspace) -> None:
    """Each with its number, the attempts of one beside each other."""
    below = {"task_key": "one", "notebook_task": NOTEBOOK, "existing_cluster_id": "x", "max_retries": 1}
    loop = {"task_key": "each", "for_each_task": {"inputs": "[1, 2]", "task": below}}
    fails = Outcome(termination_code="RUN_EXECUTION_ERROR", retries=[Outcome()])
    workspace.scenarios.add("loop", [Outcome(tasks={"one/0": fails})])
    run_id = Caller(workspace).submit(graph_body(loop, run_name="loop"))
    workspace.clock.run_until(run_id, "TERMINATED")
    labels = [lane.label for lane in workspace.runs.timeline(run_id).lanes]
    assert labels == ["each", "one/0", "one/0[1]", "one/1"]


def test_timeline_is_a_picture_that_says_everything_in_words_too(workspace: Workspace) -> None:
    """A bar for each stretch with its state as class and title, the ends in words, names escaped."""
    name = "<&\x01>"
    workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR", message="a <b>")])
    run_id = Caller(workspace).submit(graph_body(task("a" * 40), task("b", "a" * 40), run_name=name))
    workspace.clock.run_until(run_id, "INTERNAL_ERROR")
    svg = workspace.runs.timeline(run_id).svg()
    root = minidom.parseString(svg).documentElement
    assert root is not None
    assert root.getAttribute("role") == "img"
    words = [root.getElementsByTagName(tag)[0].firstChild for tag in ("title", "desc")]
    title, description = (str(getattr(each, "data", "")) for each in words)
    assert title == f"Run {run_id} <&\ufffd>"
    assert description.startswith(
        "INTERNAL_ERROR FAILED · 3m2s from 00:00:00.000 of virtual time · scenario *"
    )
    assert f"{'a' * 40}: PENDING 2m, RUNNING 1m, TERMINATING 2s, TERMINATED FAILED" in description
    bars = [each.getAttribute("class") for each in root.getElementsByTagName("rect") if each.hasChildNodes()]
    assert bars == ["bar PENDING", "bar RUNNING", "bar TERMINATING", "bar BLOCKED"]
    assert re.findall(r'<circle class="(\w+)"', svg) == ["bad", "bad"]
    assert "a &lt;b&gt;" in svg
    assert f"{'a' * 27}…" in svg
    assert "prefers-color-scheme:dark" in svg
    assert "href" not in svg
    assert workspace.runs.timeline(run_id)._repr_svg_() == svg


@pytest.mark.parametrize(("code", "kind"), [("SUCCESS", "good"), ("USER_CANCELED", "other")])
def test_timeline_marks_ends_by_what_they_mean(workspace: Workspace, code: str, kind: str) -> None:
    """Good, bad, or neither."""
    workspace.scenarios.add("*", [Outcome(termination_code=code)])
    run_id = Caller(workspace).submit(flat_body())
    workspace.clock.run_until(run_id, "TERMINATED")
    assert f'<circle class="{kind}"' in workspace.runs.timeline(run_id).svg()


def test_timeline_of_a_run_without_a_moment() -> None:
    """What took no time has changes, and neither bars nor an axis."""
    timing = Timing(queue=0, cluster=0, run=0, terminating=0)
    workspace = Workspace(clock=Clock(), timing=timing)
    run_id = Caller(workspace).submit(flat_body())
    timeline = workspace.runs.timeline(run_id)
    assert timeline.life_cycle_state is LifeCycleState.TERMINATED
    assert "|0s" not in str(timeline)
    assert timeline.svg().count("<circle") == 1


@pytest.mark.parametrize(
    ("total_ms", "marks"),
    [
        pytest.param(0, [0], id="nothing"),
        pytest.param(3, [0, 1, 2, 3], id="milliseconds"),
        pytest.param(100_000, [0, 30_000, 60_000, 90_000], id="seconds"),
        pytest.param(86_400_000, [0, 21_600_000, 43_200_000, 64_800_000, 86_400_000], id="a-day"),
        pytest.param(365 * 86_400_000, [each * 7 * 86_400_000 for each in (0, 11, 22, 33, 44)], id="a-year"),
    ],
)
def test_axis_has_marks_that_people_count_in(total_ms: int, marks: list[int]) -> None:
    """As many as fit, at whole steps."""
    assert ticks_ms(total_ms, 5) == marks
