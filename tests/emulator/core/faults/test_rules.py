"""Whom faults strike and how often."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, Fault, FaultCall, Faults, LostResponse, StatusFault

ROUTES = frozenset({"runs/get", "runs/submit"})


def _struck(fault: Fault, *calls: FaultCall, seed: int = 0) -> list[bool]:
    """Arm a fault alone and return which of the calls it strikes."""
    faults = Faults(ROUTES, draws=Draws(seed))
    faults.add(fault)
    return [faults.striking(call) is fault for call in calls]


@pytest.mark.parametrize(
    ("counts", "struck"),
    [
        pytest.param({}, [1, 1, 1, 1, 1, 1], id="every-call"),
        pytest.param({"times": 1}, [1, 0, 0, 0, 0, 0], id="first"),
        pytest.param({"skip": 1, "times": 2}, [0, 1, 1, 0, 0, 0], id="some"),
        pytest.param({"skip": 9}, [0, 0, 0, 0, 0, 0], id="later"),
        pytest.param({"every": 2}, [1, 0, 1, 0, 1, 0], id="each-second"),
        pytest.param({"skip": 1, "every": 3}, [0, 1, 0, 0, 1, 0], id="each-third-after-one"),
        pytest.param({"every": 2, "times": 2}, [1, 0, 1, 0, 0, 0], id="each-second-twice"),
    ],
)
def test_fault_skips_then_strikes(counts: dict[str, Any], struck: list[int]) -> None:
    """Some calls pass unharmed first, of the others each so-manieth is struck, then it is over."""
    fault = LostResponse("runs/get", **counts)
    assert _struck(fault, *[FaultCall("runs/get")] * 6) == [bool(each) for each in struck]
    assert (fault.seen, fault.matched, fault.fired) == (6, 6, sum(struck))


@pytest.mark.parametrize(
    ("wanted", "meant", "other"),
    [
        pytest.param({"run_name": "etl-*"}, {"run_name": "etl-7"}, {"run_name": "report"}, id="run-name"),
        pytest.param({"run_name": "*"}, {"run_name": ""}, {"run_name": None}, id="any-run"),
        pytest.param({"principal": "guest"}, {"principal": "guest"}, {"principal": "user"}, id="principal"),
        pytest.param({"token": "a"}, {"token": "a"}, {"token": "b"}, id="token"),
        pytest.param({"version": "2.0"}, {"version": "2.0"}, {"version": "2.1"}, id="version"),
        pytest.param({"state": "RUNNING"}, {"state": "RUNNING"}, {"state": None}, id="state"),
        pytest.param({"when": lambda call: call.run_id == 5}, {"run_id": 5}, {"run_id": 6}, id="when"),
    ],
)
def test_fault_strikes_calls_that_meet_its_conditions(
    wanted: dict[str, Any], meant: dict[str, Any], other: dict[str, Any]
) -> None:
    """Other calls are seen and neither counted nor struck."""
    fault = LostResponse("runs/get", skip=1, **wanted)
    mine, theirs = FaultCall("runs/get", **meant), FaultCall("runs/get", **other)
    assert _struck(fault, mine, theirs, mine, theirs) == [False, False, True, False]
    assert (fault.seen, fault.matched, fault.fired) == (4, 2, 1)
    name = next(iter(wanted))
    assert fault.describe_idleness().startswith(f"4 calls of runs/get came by, at the last of them {name}: ")


def test_fault_neither_sees_nor_strikes_another_route() -> None:
    """Only calls of its own route come by it."""
    fault = LostResponse("runs/get")
    assert _struck(fault, FaultCall("runs/submit")) == [False]
    assert fault.seen == 0
    assert fault.describe_idleness() == "no call of runs/get came by"


def test_fault_strikes_within_its_window() -> None:
    """The window is counted in virtual time from the moment when the fault was armed; its end is outside."""
    clock = Clock()
    clock.advance("1h")
    faults = Faults(ROUTES, clock=clock)
    fault = faults.add(LostResponse("runs/get", window=("10m", "25m")))
    struck = []
    for step in ("0s", "9m59s", "1s", "14m", "59s", "1s"):
        clock.advance(step)
        struck.append(faults.striking(FaultCall("runs/get", clock.now_ms)) is fault)
    assert struck == [False, False, True, True, True, False]
    assert fault.describe_idleness().endswith("window: it was 1500 s after the rule was armed")


@pytest.mark.parametrize(
    "kind", [kind for name, kind in KINDS.items() if name not in ("connection", "read_lag")]
)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"route": ""}, "route: ", id="no-route"),
        pytest.param({"run_name": ""}, "run_name: ", id="no-name"),
        pytest.param({"token": 5}, "token: ", id="token"),
        pytest.param({"principal": "gest"}, r"principal: .*nearest: guest", id="principal"),
        pytest.param({"version": "2.3"}, r"version: .*2\.2", id="version"),
        pytest.param({"state": "RUNING"}, r"state: .*nearest: RUNNING", id="state"),
        pytest.param({"when": "later"}, "when: ", id="when"),
        pytest.param({"skip": -1}, "skip: ", id="negative-skip"),
        pytest.param({"skip": True}, "skip: ", id="boolean-skip"),
        pytest.param({"every": 0}, "every: ", id="no-every"),
        pytest.param({"times": 0}, "times: ", id="never"),
        pytest.param({"probability": 0}, "probability: ", id="impossible"),
        pytest.param({"probability": 1.1}, "probability: ", id="more-than-sure"),
        pytest.param({"probability": "often"}, "probability: ", id="no-number"),
        pytest.param({"window": "10m"}, "window: .*two ends", id="one-end"),
        pytest.param({"window": ("10m", "10m")}, "window: .*ends before it begins", id="empty-window"),
        pytest.param({"window": ("10m", "-1s")}, "window: ", id="negative-window"),
        pytest.param({"point": "before_handlr"}, "point: ", id="point"),
        pytest.param({"point": "connect"}, "point: ", id="point-of-another-kind"),
    ],
)
def test_fault_that_cannot_be_is_refused(kind: type[Fault], fields: dict[str, Any], message: str) -> None:
    """A rule that means nothing is a mistake, found when it is written down."""
    needed: dict[str, dict[str, Any]] = {"drift": {"body": {}}, "rate_limit": {"per_second": 1}}
    with pytest.raises(UsageError, match=f"^{message}"):
        kind(**{"route": "*"} | needed.get(kind.kind, {}) | fields)


def test_fault_says_whether_to_try_again() -> None:
    """Each kind has its usual answer, and each fault may have its own."""
    assert LostResponse("*").is_transient is True
    assert StatusFault("*", status_code=403).is_transient is False
    assert StatusFault("*", status_code=403, is_transient=True).is_transient is True


def test_faults_take_the_first_that_strikes_and_count_for_all() -> None:
    """Adding a rule does not move the calls that another strikes."""
    faults = Faults(ROUTES)
    first = faults.add(LostResponse("runs/get", skip=1, times=1))
    second = faults.add(StatusFault("*", times=2))
    assert [faults.striking(FaultCall("runs/get")) for _ in range(3)] == [second, first, None]
    assert (first.seen, second.seen, second.fired) == (3, 3, 2)
    assert (list(faults), len(faults)) == ([first, second], 2)


@pytest.mark.parametrize("route", ["*", "runs/*", "runs/[gs]*"])
def test_faults_on_globs_strike_each_route_that_matches(route: str) -> None:
    """A star stands for every route that is served, a glob for some."""
    faults = Faults(ROUTES)
    fault = faults.add(LostResponse(route))
    assert [faults.striking(FaultCall(each)) for each in sorted(ROUTES)] == [fault, fault]
    assert fault.seen == 2
    assert not faults.watches("runs/unknown")


def test_faults_ask_those_before_the_credentials_apart() -> None:
    """A call that is asked for early is seen by early rules alone, and one after it by the others."""
    faults = Faults(ROUTES)
    early = faults.add(StatusFault("*", point="before_auth"))
    late = faults.add(StatusFault("*"))
    assert faults.striking(FaultCall("runs/get"), is_early=True) is early
    assert (early.seen, late.seen) == (1, 0)
    assert faults.striking(FaultCall("runs/get")) is late
    assert (early.seen, late.seen) == (1, 1)


@pytest.mark.parametrize("route", ["runs/gt", "/api/2.1/jobs/runs/get", "runz/*"])
def test_faults_name_the_nearest_route(route: str) -> None:
    """A route that is not served is refused and nothing is armed."""
    faults = Faults(ROUTES)
    with pytest.raises(UsageError, match=r"is none of runs/get, runs/submit"):
        faults.add(LostResponse(route))
    with pytest.raises(UsageError, match=r"\(nearest: runs/get\)"), faults.armed(LostResponse("runs/gt")):
        pytest.fail("nothing is armed")
    assert len(faults) == 0


def test_faults_that_are_gone_strike_no_more_and_keep_their_counts() -> None:
    """One may be disarmed, or all; what they counted can still be read."""
    faults = Faults(ROUTES)
    first, second = faults.add(LostResponse("*")), faults.add(LostResponse("runs/get"))
    faults.striking(FaultCall("runs/get"))
    faults.remove(first)
    assert faults.striking(FaultCall("runs/get")) is second
    faults.clear()
    assert (len(faults), faults.watches("runs/get")) == (0, False)
    assert ((first.seen, first.fired), (second.seen, second.fired)) == ((1, 1), (2, 2))
    with pytest.raises(UsageError, match="is not armed"):
        faults.remove(first)


def test_faults_of_a_block_are_armed_inside_it() -> None:
    """They strike while the block is entered, and one that was removed meanwhile does not matter."""
    faults = Faults(ROUTES)
    first, second = LostResponse("runs/get"), LostResponse("runs/submit")
    with faults.armed(first, second):
        assert faults.striking(FaultCall("runs/get")) is first
        faults.remove(second)
    assert not faults.watches("runs/get")


def test_fault_is_armed_once_at_a_time_and_counts_anew() -> None:
    """The same object cannot be two rules; armed again it starts from nothing."""
    faults = Faults(ROUTES)
    fault = LostResponse("runs/get", times=1)
    for _ in range(2):
        with faults.armed(fault):
            with pytest.raises(UsageError, match="is armed already"):
                faults.add(fault)
            assert faults.striking(FaultCall("runs/get")) is fault
            assert faults.striking(FaultCall("runs/get")) is None
    with pytest.raises(UsageError, match="is armed already"), faults.armed(fault, fault):
        pytest.fail("nothing is armed")


def test_faults_are_found_by_id() -> None:
    """Each has an id of its own, which is never given again."""
    faults = Faults(ROUTES)
    faults.clear()
    with pytest.raises(UsageError, match="none of those armed: there is none"):
        faults["lost_response-1"]
    first = faults.add(LostResponse("*"))
    faults.remove(first)
    second = faults.add(LostResponse("*"))
    assert faults["lost_response-2"] is second
    with pytest.raises(UsageError, match="'lost_response-1' is none of lost_response-2"):
        faults["lost_response-1"]


def test_faults_remember_what_never_struck() -> None:
    """Whether it is still armed or not; what struck, and what a profile armed, is not among it."""
    faults = Faults(ROUTES)
    with faults.armed(idle := LostResponse("runs/get"), LostResponse("runs/submit")):
        faults.striking(FaultCall("runs/submit"))
    waiting = faults.add(LostResponse("runs/submit"))
    faults.apply("flaky_network")
    assert faults.never_struck() == [idle, waiting]


def test_fault_that_was_disarmed_still_says_what_it_lacked() -> None:
    """The last call that it saw is told, not those that came later."""
    faults = Faults(ROUTES)
    with faults.armed(fault := LostResponse("runs/get", run_name="etl")):
        faults.striking(FaultCall("runs/get", run_name="report"))
    faults.striking(FaultCall("runs/get", run_name="etl"))
    said = "1 calls of runs/get came by, at the last of them run_name: 'report' is not 'etl'"
    assert fault.describe_idleness() == said
    with faults.armed(fresh := LostResponse("runs/get")):
        assert fresh.describe_idleness() == "no call of runs/get came by"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"skip": 1}, "skip: it was number 1", id="skip"),
        pytest.param({"probability": 1e-9}, "probability: ", id="probability"),
    ],
)
def test_fault_says_which_count_let_a_call_pass(fields: dict[str, Any], said: str) -> None:
    """So does chance."""
    fault = LostResponse("runs/get", **fields)
    _struck(fault, FaultCall("runs/get"))
    assert said in fault.describe_idleness()


def test_faults_forget_kinds_of_calls_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace may have any number of run names, and no more than so many are kept in mind."""
    monkeypatch.setattr("dbx_emulator._core.faults.armed._MOST_REMEMBERED", 3)
    faults = Faults(ROUTES)
    fault = faults.add(LostResponse("runs/get", run_name="even-*"))
    names = ["even-1", "odd-1", "even-2", "odd-2", "even-3", "odd-3", "even-1"]
    struck = [faults.striking(FaultCall("runs/get", run_name=name)) is fault for name in names]
    assert struck == [name.startswith("even") for name in names]
    assert len(faults._remembered) <= 3


@settings(derandomize=True, deadline=None)
@given(
    rules=st.lists(st.tuples(st.sampled_from(["*", *sorted(ROUTES)]), st.integers(0, 3), st.integers(1, 3))),
    calls=st.lists(st.sampled_from(sorted(ROUTES)), max_size=20),
)
def test_fault_strikes_the_same_calls_alone_and_in_company(
    rules: list[tuple[str, int, int]], calls: list[str]
) -> None:
    """Which calls a rule counts and strikes does not depend on the rules beside it."""
    together = Faults(ROUTES)
    company: list[Fault] = [
        together.add(LostResponse(route, skip=skip, times=times)) for route, skip, times in rules
    ]
    alone = [Faults(ROUTES) for _ in rules]
    lonely = [
        faults.add(LostResponse(route, skip=skip, times=times))
        for faults, (route, skip, times) in zip(alone, rules, strict=True)
    ]
    for call in calls:
        expected = [faults.watches(call) and faults.striking(FaultCall(call)) is not None for faults in alone]
        found = together.striking(FaultCall(call))
        assert found is (company[expected.index(True)] if True in expected else None)
    assert [(each.seen, each.fired) for each in company] == [(each.seen, each.fired) for each in lonely]


_RUNS = st.lists(st.sampled_from([("a", 1), ("a", 2), ("b", 1)]), min_size=5, max_size=30)


@settings(derandomize=True, deadline=None)
@given(calls=_RUNS, order=st.randoms(use_true_random=False), seed=st.integers(0, 5))
def test_chance_does_not_depend_on_the_order_of_calls(
    calls: list[tuple[str, int]], order: Any, seed: int
) -> None:
    """Each call of a run draws for itself: however the calls of several runs interleave, each run has its fate."""

    def fates(keys: list[tuple[str, int]]) -> dict[tuple[str, int], list[bool]]:
        fault = LostResponse("runs/get", probability=0.5)
        struck = _struck(fault, *(FaultCall("runs/get", run_key=key) for key in keys), seed=seed)
        by_run = defaultdict(list)
        for key, is_struck in zip(keys, struck, strict=True):
            by_run[key].append(is_struck)
        return by_run

    shuffled = calls.copy()
    order.shuffle(shuffled)
    assert fates(calls) == fates(shuffled)


def test_chance_depends_on_seed_rule_route_run_and_number() -> None:
    """Each of them changes what is drawn, and about as many are struck as it says."""

    def draw(
        *, seed: int = 0, route: str = "runs/get", key: tuple[str, int] = ("a", 1), rules: int = 0
    ) -> str:
        faults = Faults(ROUTES, draws=Draws(seed))
        for _ in range(rules):
            faults.add(LostResponse("runs/submit", skip=10**6))
        fault = faults.add(LostResponse("*", probability=0.3))
        return "".join(str(int(faults.striking(FaultCall(route, run_key=key)) is fault)) for _ in range(200))

    drawn = [
        draw(),
        draw(seed=1),
        draw(route="runs/submit"),
        draw(key=("a", 2)),
        draw(key=("b", 1)),
        draw(rules=1),
    ]
    assert draw() == drawn[0]
    assert all(one != other for one, other in itertools.combinations(drawn, 2))
    assert all(40 <= each.count("1") <= 80 for each in drawn)
