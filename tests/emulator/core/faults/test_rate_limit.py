"""So many calls at a time."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, FaultCall, Faults, RateLimit

_ROUTES = frozenset({"runs/get", "runs/list"})


def _call(at_ms: int = 0, *, token: str = "a", route: str = "runs/get", in_flight: int = 1) -> FaultCall:
    return FaultCall(route, at_ms, token=token, in_flight=in_flight)


def _refused(fault: RateLimit, *calls: FaultCall) -> list[int]:
    """Return which of the calls are refused, as ones."""
    faults = Faults(_ROUTES)
    faults.add(fault)
    return [int(faults.striking(call) is fault) for call in calls]


def test_rate_limit_comes_before_the_effect() -> None:
    """What is refused is not done."""
    assert (RateLimit.kind, RateLimit("*", per_second=1).point) == ("rate_limit", "before_handler")
    assert KINDS["rate_limit"] is RateLimit


def test_bucket_fills_in_virtual_time() -> None:
    """After a burst one call is taken for each that the rate brings back; a rest fills the bucket and no more."""
    fault = RateLimit("runs/get", per_second=2, burst=3)
    times = [0, 0, 0, 0, 499, 500, 500, 1000, 60_000, 60_000, 60_000, 60_000]
    assert _refused(fault, *map(_call, times)) == [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1]
    assert (fault.seen, fault.fired) == (12, 4)


def test_bucket_holds_a_second_unless_told_otherwise() -> None:
    """A burst is what the rate brings in a second, and at least one call."""
    assert _refused(RateLimit("runs/get", per_second=2), *[_call()] * 3) == [0, 0, 1]
    assert _refused(RateLimit("runs/get", per_second=0.1), *[_call()] * 2) == [0, 1]


def test_refused_calls_do_not_count_towards_the_rate() -> None:
    """Whoever hammers is let in as soon as whoever waits."""
    fault = RateLimit("runs/get", per_second=1)
    assert _refused(fault, *(_call(at_ms) for at_ms in range(0, 1_100, 100))) == [0, *[1] * 9, 0]


def test_each_token_and_route_has_its_own_bucket() -> None:
    """What one spends another still has."""
    fault = RateLimit("*", per_second=1)
    calls = [_call(), _call(token="b"), _call(route="runs/list"), _call()]
    assert _refused(fault, *calls) == [0, 0, 0, 1]


def test_refusal_says_when_the_next_call_is_taken() -> None:
    """In whole seconds, rounded up, and at least one."""
    fault = RateLimit("runs/get", per_second=0.25)
    assert _refused(fault, _call(), _call(1_000)) == [0, 1]
    waits = [fault.retry_after_seconds(_call(at_ms)) for at_ms in (0, 1_000, 1_500, 3_999, 4_000)]
    assert waits == [4, 3, 3, 1, 1]


def test_requests_under_way_are_limited_apart() -> None:
    """Too many at once are refused, whoever sent them; there is no saying when the others end."""
    fault = RateLimit("*", in_flight=2)
    assert _refused(fault, _call(in_flight=2), _call(in_flight=3), _call()) == [0, 1, 0]
    assert [fault.is_crowded(_call(in_flight=count)) for count in (2, 3)] == [False, True]
    assert fault.retry_after_seconds(_call()) == 1
    both = RateLimit("*", in_flight=2, per_second=1)
    assert _refused(both, _call(in_flight=3), _call(), _call()) == [1, 0, 1]
    assert not RateLimit("*", per_second=1).is_crowded(_call(in_flight=99))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({}, "per_second: nothing is limited", id="nothing"),
        pytest.param({"per_second": 0}, "per_second: 0 is no number", id="zero"),
        pytest.param({"per_second": float("inf")}, "per_second: inf is no number", id="infinite"),
        pytest.param({"per_second": True}, "per_second: True is no number", id="boolean"),
        pytest.param({"per_second": 1, "burst": 1.5}, "burst: 1.5 is no number", id="half-a-call"),
        pytest.param({"in_flight": 0}, "in_flight: 0 is no number", id="none-in-flight"),
        pytest.param({"in_flight": 5, "burst": 5}, "burst: .* give per_second as well", id="burst-alone"),
    ],
)
def test_rate_limit_refuses_what_limits_nothing(fields: dict[str, Any], said: str) -> None:
    """The mistake is found when the limit is made."""
    with pytest.raises(UsageError, match=said):
        RateLimit("*", **fields)
