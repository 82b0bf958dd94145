"""Nobody gets in."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, ConnectionFault, Faults, Gate

_BOTH = ("refused", "tls")


def test_connection_fault_strikes_whoever_connects() -> None:
    """It is of no route, and clients are counted where they can be."""
    assert (ConnectionFault.kind, ConnectionFault().point) == ("connection", "connect")
    assert KINDS["connection"] is ConnectionFault
    faults = Faults(frozenset({"runs/get"}))
    assert (faults.connect(_BOTH), faults.is_listening) == (None, True)
    fault = faults.add(ConnectionFault(how="tls", times=2))
    assert not faults.watches("runs/get")
    assert [faults.connect(kinds) for kinds in (("refused",), _BOTH, ("tls",), _BOTH)] == [
        None,
        "tls",
        "tls",
        None,
    ]
    assert fault.fired == 2


def test_connection_fault_lasts_for_a_window() -> None:
    """Before and after it everybody is let in."""
    clock = Clock()
    faults = Faults(frozenset(), clock=clock)
    faults.add(ConnectionFault(window=("1m", "2m")))
    listening = [faults.is_listening]
    for _ in range(2):
        clock.advance("1m")
        listening.append(faults.is_listening)
    assert listening == [True, False, True]


def test_listener_stays_where_clients_are_counted() -> None:
    """A refusal by the machine counts nobody, so a fault that counts is no reason to stop listening."""
    faults = Faults(frozenset())
    faults.add(ConnectionFault(times=1))
    faults.add(ConnectionFault(how="tls"))
    assert faults.is_listening
    faults.add(ConnectionFault())
    assert not faults.is_listening


def test_those_who_listen_are_told() -> None:
    """When faults are armed or disarmed or time is moved, until they do not want to hear of it any more."""
    clock = Clock()
    faults = Faults(frozenset(), clock=clock)
    gate = Gate(faults, clock)
    told: list[bool] = []
    with gate.watched(lambda: told.append(gate.is_listening)):
        with faults.armed(ConnectionFault(window=("0s", "1m"))):
            assert told == [False]
            clock.advance("1m")
            assert told == [False, True]
        assert told == [False, True, True]
    faults.add(ConnectionFault())
    assert (len(told), gate.connect(_BOTH)) == (3, "refused")


def test_gate_knows_when_time_alone_changes_who_gets_in() -> None:
    """Only of a clock that runs by itself; one that is moved tells."""
    real_ms = [0.0]
    for clock in (Clock(), Clock("real", real_ms=lambda: real_ms[0])):
        faults = Faults(frozenset(), clock=clock)
        gate = Gate(faults, clock)
        faults.add(ConnectionFault(how="tls"))
        assert gate.changes_in_ms() is None
        faults.add(ConnectionFault(window=("10s", "30s")))
        faults.add(ConnectionFault(window=("20s", "25s")))
        found = []
        for real_ms[0] in (0, 10_000, 15_000, 29_000, 30_000):
            found.append(gate.changes_in_ms())
        assert found == ([10_000, 10_000, 5_000, 1_000, None] if clock.rate else [None] * 5)
        real_ms[0] = 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"how": "refuse"}, "nearest: refused", id="how"),
        pytest.param(
            {"route": "runs/get"}, "route: 'runs/get' is known when a client has connected", id="route"
        ),
        pytest.param({"run_name": "etl"}, "run_name: a connection that does not come about", id="run-name"),
        pytest.param({"state": "RUNNING"}, "state: ", id="state"),
        pytest.param({"skip": 1}, "skip: ", id="skip"),
        pytest.param({"probability": 0.5}, "probability: ", id="probability"),
        pytest.param({"when": bool}, "when: ", id="when"),
        pytest.param({"times": 0}, "times: 0 is no count", id="times"),
        pytest.param({"point": "before_auth"}, "point: ", id="point"),
    ],
)
def test_connection_fault_cannot_match_a_call(fields: dict[str, Any], said: str) -> None:
    """There is none yet."""
    with pytest.raises(UsageError, match=f"{said}"):
        ConnectionFault(**fields)


def test_connection_fault_that_met_nobody_says_so() -> None:
    """It has seen no calls."""
    faults = Faults(frozenset())
    fault = faults.add(ConnectionFault())
    assert faults.never_struck() == [fault]
    assert fault.describe_idleness() == "nobody connected while it was on"


def test_shared_listener_is_nobodys_own() -> None:
    """Where several workspaces share a server, one of them cannot close it for all."""
    faults = Faults(frozenset())
    faults.share_listener()
    with pytest.raises(UsageError, match="several workspaces share"):
        faults.add(ConnectionFault())


def test_gate_is_told_of_time_and_knows_no_runs() -> None:
    """It hears of every move, and no move stops for it."""
    gate = Gate(Faults(frozenset()), Clock())
    assert (gate.next_deadline_ms(), gate.find_run(5)) == (None, None)  # type: ignore[func-returns-value]


def test_what_changes_while_the_gate_is_held_is_told_afterwards() -> None:
    """Whoever answers a call may hold what a watcher waits for."""
    faults = Faults(frozenset())
    gate = Gate(faults, Clock())
    told: list[bool] = []
    with gate.watched(lambda: told.append(gate.is_listening)):
        gate.hold()
        faults.add(ConnectionFault())
        assert told == []
        gate.let_go()
        gate.settle_held()
        gate.settle_held()
    assert told == [False]
