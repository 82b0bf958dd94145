"""Whom faults strike and how often."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, Fault, Faults, LostResponse, StatusFault

_ROUTES = frozenset({"runs/get", "runs/submit"})


@pytest.mark.parametrize(
    ("skip", "times", "struck"),
    [
        pytest.param(0, None, [True, True, True, True], id="every-call"),
        pytest.param(0, 1, [True, False, False, False], id="first"),
        pytest.param(1, 2, [False, True, True, False], id="window"),
        pytest.param(9, 1, [False, False, False, False], id="later"),
    ],
)
def test_fault_skips_then_strikes(skip: int, times: int | None, struck: list[bool]) -> None:
    """Some calls pass unharmed first, then some are struck, then it is over."""
    fault = LostResponse("runs/get", skip=skip, times=times)
    assert [fault.strikes("runs/get") for _ in range(4)] == struck
    assert (fault.seen, fault.fired) == (4, sum(struck))


def test_fault_neither_strikes_nor_counts_another_route() -> None:
    """Only calls of its own route come by it."""
    fault = LostResponse("runs/get")
    assert not fault.strikes("runs/submit")
    assert fault.seen == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"route": ""}, "route: ", id="no-route"),
        pytest.param({"route": "*", "skip": -1}, "skip: ", id="negative-skip"),
        pytest.param({"route": "*", "times": 0}, "times: ", id="never"),
    ],
)
def test_fault_that_cannot_be_is_refused(fields: dict[str, object], message: str) -> None:
    """A rule that means nothing is a mistake, found when it is written down."""
    for kind in KINDS.values():
        with pytest.raises(UsageError, match=f"^{message}"):
            kind(**fields)  # type: ignore[arg-type]


def test_faults_take_the_first_that_strikes_and_count_for_all() -> None:
    """Adding a rule does not move the calls that another strikes."""
    faults = Faults(_ROUTES)
    first = faults.add(LostResponse("runs/get", skip=1, times=1))
    second = faults.add(StatusFault("*", times=2))
    assert [faults.striking("runs/get") for _ in range(3)] == [second, first, None]
    assert (first.seen, second.seen, second.fired) == (3, 3, 2)
    assert (list(faults), len(faults)) == ([first, second], 2)


def test_faults_on_every_route_strike_each() -> None:
    """A star stands for every route that is served."""
    faults = Faults(_ROUTES)
    fault = faults.add(LostResponse("*"))
    assert [faults.striking(route) for route in sorted(_ROUTES)] == [fault, fault]
    assert faults.striking("runs/unknown") is None


def test_faults_name_the_nearest_route() -> None:
    """A route that is not served is refused and nothing is armed."""
    faults = Faults(_ROUTES)
    with pytest.raises(UsageError, match=r"'runs/gt' is none of runs/get, runs/submit \(nearest: runs/get\)"):
        faults.add(LostResponse("runs/gt"))
    assert len(faults) == 0


def test_faults_that_are_cleared_strike_no_more() -> None:
    """Disarming takes all rules away."""
    faults = Faults(_ROUTES)
    faults.add(LostResponse("*"))
    faults.clear()
    assert (len(faults), faults.striking("runs/get")) == (0, None)


@settings(derandomize=True, deadline=None)
@given(
    rules=st.lists(st.tuples(st.sampled_from(["*", *sorted(_ROUTES)]), st.integers(0, 3), st.integers(1, 3))),
    calls=st.lists(st.sampled_from(sorted(_ROUTES)), max_size=20),
)
def test_fault_strikes_the_same_calls_alone_and_in_company(
    rules: list[tuple[str, int, int]], calls: list[str]
) -> None:
    """Which calls a rule counts and strikes does not depend on the rules beside it."""
    together = Faults(_ROUTES)
    company: list[Fault] = [
        together.add(LostResponse(route, skip=skip, times=times)) for route, skip, times in rules
    ]
    alone = [LostResponse(route, skip=skip, times=times) for route, skip, times in rules]
    for call in calls:
        expected = [fault.strikes(call) for fault in alone]
        found = together.striking(call)
        assert found is (company[expected.index(True)] if True in expected else None)
    assert [(each.seen, each.fired) for each in company] == [(each.seen, each.fired) for each in alone]
