"""Virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator import LifeCycleState, Outcome, Timing, Workspace
from dbx_emulator._core.clock import EPOCH_MS, POLICIES, Clock, Policy
from dbx_emulator._core.errors import UsageError
from tests.emulator.support import Caller, flat_body, graph_body, make_engine, submitted_run, task


def test_clock_stands_still_until_moved() -> None:
    """By default time starts at its fixed epoch and moves by what it is told."""
    clock = Clock()
    assert (clock.policy, clock.rate, clock.now_ms) == ("manual", 0.0, EPOCH_MS)
    assert clock.advance("5m") == clock.now_ms == EPOCH_MS + 300_000
    assert clock.time() == (EPOCH_MS + 300_000) / 1_000


def test_clock_sleep_lets_time_pass_at_once() -> None:
    """In place of `time.sleep`, sleeping moves the clock."""
    clock = Clock()
    clock.sleep(1.5)
    assert clock.now_ms == EPOCH_MS + 1_500


def test_clock_epoch_is_fixed() -> None:
    """Virtual time starts on the first day of 2024, whatever the clock on the wall says."""
    assert EPOCH_MS == 1_704_067_200_000


@pytest.mark.parametrize(
    ("policy", "speed", "passed_ms"),
    [
        pytest.param("manual", 60, 0, id="manual"),
        pytest.param("real", 60, 1_000, id="real"),
        pytest.param("scaled", 60, 60_000, id="scaled"),
        pytest.param("scaled", 0.5, 500, id="slowed-down"),
    ],
)
def test_clock_policy_sets_the_rate(policy: Policy, speed: float, passed_ms: int) -> None:
    """In one real second passes what the policy says, from the moment the clock was made."""
    real = [5_000.0]
    clock = Clock(policy, speed=speed, real_ms=lambda: real[0])
    assert clock.now_ms == EPOCH_MS
    real[0] += 1_000
    assert clock.now_ms == EPOCH_MS + passed_ms
    clock.advance(2)
    assert clock.now_ms == EPOCH_MS + passed_ms + 2_000


@pytest.mark.parametrize("seconds", [pytest.param(-1, id="negative"), pytest.param("soon", id="no-duration")])
def test_clock_refuses_to_go_back(seconds: float | str) -> None:
    """Time that was refused has not moved."""
    clock = Clock()
    with pytest.raises(UsageError, match=r"^advance: "):
        clock.advance(seconds)
    assert clock.now_ms == EPOCH_MS


def test_clock_names_the_nearest_policy() -> None:
    """A misspelt policy is answered with the allowed ones."""
    with pytest.raises(UsageError, match=r"manual, sleeping, per-poll, scaled, real \(nearest: scaled\)"):
        Clock("scale")  # type: ignore[arg-type]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_clock_refuses_a_speed_that_is_none(speed: float) -> None:
    """A speed is a number above 0."""
    with pytest.raises(UsageError, match="clock speed"):
        Clock("scaled", speed=speed, real_ms=lambda: 0.0)


@pytest.mark.parametrize("policy", ["scaled", "real"])
def test_clock_needs_a_source_of_real_time(policy: Policy) -> None:
    """A clock that runs by itself never looks at the clock on the wall behind the author's back."""
    with pytest.raises(UsageError, match="real_ms"):
        Clock(policy)


_MOVES = st.one_of(
    st.tuples(st.just("advance"), st.integers(0, 10**6)),
    st.tuples(st.just("real"), st.floats(0, 10**6)),
    st.tuples(st.just("tick"), st.just(0)),
)


@settings(derandomize=True, deadline=None)
@given(policy=st.sampled_from([*POLICIES]), moves=st.lists(_MOVES, max_size=40))
def test_clock_never_goes_back_and_never_ticks_twice(policy: Policy, moves: list[tuple[str, float]]) -> None:
    """Whatever moves it, the present never decreases and no two ticks are the same."""
    real = [0.0]
    clock = Clock(policy, real_ms=lambda: real[0])
    before, ticks = clock.now_ms, [0]
    for kind, amount in moves:
        if kind == "advance":
            clock.advance(amount)
        elif kind == "real":
            real[0] += amount
        else:
            ticks.append(clock.tick())
        assert clock.now_ms >= max(before, ticks[-1])
        before = clock.now_ms
    assert ticks == sorted(set(ticks))


class _Diary:
    """Things that are due at moments; each notes when it happened, and may call somebody."""

    def __init__(self, clock: Clock, *offsets_ms: int) -> None:
        self.clock = clock
        self.due = sorted(EPOCH_MS + offset_ms for offset_ms in offsets_ms)
        self.happened: list[tuple[int, int]] = []
        self.call: Callable[[], object] = lambda: None
        clock.attach(self)

    def next_deadline_ms(self) -> int | None:
        return min(self.due, default=None)

    def settle(self) -> None:
        while self.due and self.due[0] <= self.clock.now_ms:
            self.happened.append((self.due.pop(0) - EPOCH_MS, self.clock.now_ms - EPOCH_MS))
            self.call()

    def find_run(self, _run_id: int) -> None:
        return None


def test_advance_goes_from_event_to_event() -> None:
    """Whoever is called after an event sees its time, whichever agenda it is on, and one at the end as well."""
    clock = Clock()
    one, two = _Diary(clock, 0, 1_000, 5_000), _Diary(clock, 1_000, 3_000, 7_000)
    clock.advance("5s")
    assert one.happened == [(0, 0), (1_000, 1_000), (5_000, 5_000)]
    assert two.happened == [(1_000, 1_000), (3_000, 3_000)]
    assert clock.now_ms == EPOCH_MS + 5_000


def test_events_that_an_event_brings_about_are_met() -> None:
    """What falls due on the way because of something on the way happens at its own time."""
    clock = Clock()
    diary = _Diary(clock, 1_000)
    diary.call = lambda: diary.due.append(clock.now_ms + 500) if len(diary.happened) < 3 else None
    clock.advance("10s")
    assert diary.happened == [(1_000, 1_000), (1_500, 1_500), (2_000, 2_000)]


def test_moves_within_a_move_add_up() -> None:
    """Somebody called after an event may let time pass himself; none of it is lost."""
    clock = Clock()
    diary = _Diary(clock, 1_000)
    diary.call = lambda: clock.advance("1m")
    clock.advance("5s")
    assert clock.now_ms == EPOCH_MS + 65_000


def test_step_goes_to_the_next_event() -> None:
    """One event at a time, on whichever agenda it is; without any it is a mistake."""
    clock = Clock()
    diary = _Diary(clock, 1_000, 3_000)
    _Diary(clock)
    assert clock.next_event_ms == EPOCH_MS + 1_000
    assert [clock.step(), clock.step()] == [EPOCH_MS + 1_000, EPOCH_MS + 3_000]
    assert diary.happened == [(1_000, 1_000), (3_000, 3_000)]
    with pytest.raises(UsageError, match=r"^step: nothing is to come"):
        clock.step()


def test_step_lets_happen_what_is_due_already() -> None:
    """Under a clock that runs by itself, what is due now is no step."""
    real = [0.0]
    clock = Clock("real", real_ms=lambda: real[0])
    diary = _Diary(clock, 1_000, 3_000)
    real[0] = 2_000.0
    assert clock.step() == EPOCH_MS + 3_000
    assert diary.happened == [(1_000, 2_000), (3_000, 3_000)]


def test_whoever_watches_is_told_of_moves_by_hand() -> None:
    """`advance`, `step` and `run_until` are told once each; what a client waits for is not."""
    clock = Clock()
    _Diary(clock, 60_000)
    told: list[int] = []
    unwatch = clock.watch(lambda: told.append(clock.now_ms - EPOCH_MS))
    clock.advance(1)
    clock.wait(1_000, who="a client")
    clock.step()
    unwatch()
    clock.advance(1)
    assert told == [1_000, 60_000]


def test_run_until_stops_when_the_run_is_there(workspace: Workspace) -> None:
    """By id or by run, of a job or of a task, by state or by its name."""
    caller, clock = Caller(workspace), workspace.clock
    run_id = caller.submit(graph_body(task("first"), task("second", "first")))
    first, second = workspace.runs[run_id].task_runs
    start_ms = clock.now_ms
    assert clock.run_until(run_id, "PENDING") == start_ms
    assert clock.run_until(first.run_id, LifeCycleState.RUNNING) == start_ms + 120_000
    assert clock.run_until(second, "RUNNING") == start_ms + 302_000
    assert clock.run_until(workspace.runs[run_id], "TERMINATED") == start_ms + 364_000
    assert caller.run(run_id)["state"]["life_cycle_state"] == "TERMINATED"


def test_run_until_of_a_flat_run(workspace: Workspace) -> None:
    """A run that is its own only task run is found by its id."""
    run_id = Caller(workspace).submit()
    workspace.clock.run_until(run_id, "TERMINATED")
    assert workspace.runs[run_id].is_terminal


def test_run_until_names_what_can_never_come(workspace: Workspace) -> None:
    """The error says which run, where it is and since when nothing can change that."""
    run_id = Caller(workspace).submit()
    with pytest.raises(
        UsageError, match=rf"run {run_id}, 'SKIPPED'\): the run is over .* it is TERMINATED at "
    ):
        workspace.clock.run_until(run_id, "SKIPPED")
    with pytest.raises(UsageError, match="run 7 does not exist in any workspace of this clock"):
        workspace.clock.run_until(7, "RUNNING")
    with pytest.raises(UsageError, match=r"state: 'RUNING' is none of .* \(nearest: RUNNING\)"):
        workspace.clock.run_until(run_id, "RUNING")


def test_run_until_says_so_when_nothing_is_to_come() -> None:
    """A run that nothing will ever happen to is not waited for."""
    engine, clock, _ = make_engine()
    with pytest.raises(UsageError, match=r"nothing is to come for any run.* it is PENDING"):
        clock.run_until(engine.submit(submitted_run()), "RUNNING")


def test_two_workspaces_share_a_clock() -> None:
    """One move moves both. Ids are each workspace's own, so that one may not say which run is meant."""
    clock = Clock()
    one, two = Workspace(clock=clock), Workspace("https://two.cloud.databricks.com", clock=clock)
    in_one, in_two = Caller(one).submit(), Caller(two).submit()
    clock.run_until(two.runs[in_two], "TERMINATED")
    assert one.runs[in_one].life_cycle_state == two.runs[in_two].life_cycle_state == "TERMINATED"
    with pytest.raises(UsageError, match=rf"run {in_one} is in 2 workspaces .* workspace.runs\[{in_one}\]"):
        clock.run_until(in_one, "TERMINATED")


@pytest.mark.parametrize(
    ("move", "who"),
    [
        pytest.param(lambda workspace: workspace.clock.advance("2h"), r"advance\('2h'\)", id="advance"),
        pytest.param(lambda workspace: workspace.clock.sleep(7_200), r"advance\(7200\)", id="sleep"),
        pytest.param(lambda workspace: workspace.pass_time(7_200_000), "a client that waits", id="client"),
        pytest.param(lambda workspace: [workspace.clock.step() for _ in range(3)], r"step\(\)", id="step"),
        pytest.param(
            lambda workspace: workspace.clock.run_until(next(iter(workspace.runs)), "TERMINATED"),
            r"run_until\(run \d+, 'TERMINATED'\)",
            id="run-until",
        ),
    ],
)
def test_no_move_goes_beyond_the_end_of_time(move: Callable[[Workspace], object], who: str) -> None:
    """Whoever wants to is named, with the remedy, and time is not beyond."""
    workspace = Workspace(clock=Clock(end_of_time="1h"), timing=Timing(run="2h"))
    Caller(workspace).submit()
    with pytest.raises(UsageError, match=rf"^end of time: {who}.*Clock\('manual', end_of_time='90d'\)"):
        move(workspace)
    assert workspace.clock.now_ms <= EPOCH_MS + 3_600_000


def test_creation_does_not_go_beyond_the_end_of_time() -> None:
    """A run that would be created a millisecond late is refused; time may stand at its very end."""
    clock = Clock(end_of_time=1)
    clock.advance(1)
    assert clock.tick() == EPOCH_MS + 1_000
    with pytest.raises(UsageError, match=r"^end of time: the creation of a run"):
        clock.tick()


def test_clock_that_runs_by_itself_stops_at_the_end_of_time() -> None:
    """There is nobody to tell."""
    real = [0.0]
    clock = Clock("real", real_ms=lambda: real[0], end_of_time="1s")
    real[0] = 5_000.0
    assert clock.now_ms == EPOCH_MS + 1_000


def test_hold_stops_a_clock_that_runs_by_itself() -> None:
    """While anybody holds it time stands, moves by hand apart, and goes on from there."""
    real = [0.0]
    clock = Clock("scaled", speed=10, real_ms=lambda: real[0])
    real[0] = 1_000.0
    with clock.hold("seeding"), clock.hold("checking"):
        real[0] = 2_000.0
        assert (clock.now_ms, clock.holds) == (EPOCH_MS + 10_000, ("seeding", "checking"))
        clock.advance("1s")
    assert (clock.now_ms, clock.holds) == (EPOCH_MS + 11_000, ())
    real[0] = 3_000.0
    assert clock.now_ms == EPOCH_MS + 21_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"stall_after": 0}, "^stall_after: 0 is neither", id="stall-zero"),
        pytest.param({"stall_after": True}, "^stall_after: True is neither", id="stall-bool"),
        pytest.param({"leap": True}, "^leap: sleepers leap under the policy 'sleeping'", id="leap"),
        pytest.param({"end_of_time": "never"}, "^end_of_time: 'never' is no duration", id="end"),
        pytest.param({"end_of_time": -1}, "^end_of_time: -1 is not between", id="end-before"),
    ],
)
def test_clock_refuses_options_that_mean_nothing(options: dict[str, Any], said: str) -> None:
    """Each is named with its value."""
    with pytest.raises(UsageError, match=said):
        Clock(**options)


def test_per_poll_shows_each_state_once() -> None:
    """A poll answers the present and then moves time to that run's next event, so each run ends in a few polls."""
    workspace = Workspace(clock=Clock("per-poll"), timing=Timing(queue="5m", run="24h"))
    caller = Caller(workspace)
    run_id = caller.submit()
    seen = [caller.run(run_id)["state"]["life_cycle_state"] for _ in range(6)]
    assert seen == ["QUEUED", "PENDING", "RUNNING", "TERMINATING", "TERMINATED", "TERMINATED"]
    assert workspace.clock.now_ms == workspace.runs[run_id].end_time_ms


def test_per_poll_moves_to_the_event_of_the_run_that_is_polled() -> None:
    """What happens to other runs before happens on the way."""
    workspace = Workspace(clock=Clock("per-poll"))
    workspace.scenarios.add("slow", [Outcome(cluster="1h")])
    caller = Caller(workspace)
    slow, fast = caller.submit(flat_body("slow")), caller.submit(flat_body("fast"))
    assert caller.run(slow)["state"]["life_cycle_state"] == "PENDING"
    assert workspace.runs[fast].is_terminal
    assert workspace.runs[slow].life_cycle_state == "RUNNING"


def test_per_poll_is_held_by_a_hold() -> None:
    """While somebody holds time, polls see what they saw."""
    workspace = Workspace(clock=Clock("per-poll"))
    caller = Caller(workspace)
    run_id = caller.submit()
    with workspace.clock.hold("looking around"):
        assert {caller.run(run_id)["state"]["life_cycle_state"] for _ in range(5)} == {"PENDING"}


def test_per_poll_ends_with_time() -> None:
    """The poll that would move beyond the end is a mistake that names the run."""
    workspace = Workspace(clock=Clock("per-poll", end_of_time="1h"), timing=Timing(run="2h"))
    caller = Caller(workspace)
    run_id = caller.submit()
    caller.run(run_id)
    with pytest.raises(UsageError, match=f"^end of time: a poll of run {run_id} would"):
        caller.run(run_id)
