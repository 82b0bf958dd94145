"""Nobody gets in."""

from __future__ import annotations

from typing import Any

import pytest

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, ConnectionFault, Faults

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
    """When faults are armed or disarmed, until they do not want to hear of it any more."""
    faults = Faults(frozenset())
    told: list[bool] = []
    with faults.watched(lambda: told.append(faults.is_listening)):
        with faults.armed(ConnectionFault()):
            assert told == [False]
        assert told == [False, True]
    faults.add(ConnectionFault())
    assert told == [False, True]


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
