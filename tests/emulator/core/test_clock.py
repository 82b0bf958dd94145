"""Virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.clock import EPOCH_MS, POLICIES, Clock, Policy
from dbx_emulator._core.errors import UsageError


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
    with pytest.raises(UsageError, match=r"manual, scaled, real \(nearest: scaled\)"):
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
