"""What happens to the connection: the same exception in process as on a socket, for each kind and client."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import pytest

from dbx_emulator import Clock, ConnectionFault, WireFault, Workspace
from dbx_emulator._core.faults import CONNECTION_KINDS, WIRE_KINDS
from dbx_emulator.doors.kinds import (
    DOORS_OF_CONNECTION_KINDS,
    DOORS_OF_KINDS,
    NOT_POSSIBLE,
    REAL,
    SAME_EXCEPTION,
)
from tests.emulator.support import flat_body

from .ways import WAYS, Answer, Call, Way

_LIST = "/api/2.1/jobs/runs/list"
_SUBMIT = "/api/2.1/jobs/runs/submit"


@dataclass(frozen=True)
class Patience:
    """How long a client waits, long before or long after what it waits for on either side.

    Attributes:
        real_seconds: How long at a socket.
        speed: How many virtual seconds pass there in one.
    """

    real_seconds: float
    speed: float


@dataclass(frozen=True)
class Outcome:
    """What a client saw, and what was left.

    Attributes:
        seen: The answer, or the types of the exception and of those it carries.
        runs: How many runs there are afterwards.
    """

    seen: Answer | tuple[str, ...]
    runs: int


_PATIENT = Patience(real_seconds=20.0, speed=1_000)
_HASTY = Patience(real_seconds=0.3, speed=100)

#: Kinds that need more than one call; they have tests of their own.
_APART = ("hang", "stale_keep_alive")

_CASES = [
    *(pytest.param(kind, _PATIENT, id=f"{kind}-patient") for kind in DOORS_OF_KINDS if kind not in _APART),
    *(pytest.param(kind, _HASTY, id=f"{kind}-hasty") for kind in ("late", "hang", "slow_headers")),
]


def _types(error: object) -> tuple[str, ...]:
    if not isinstance(error, BaseException):
        return ()
    inner = (name for argument in error.args for name in _types(argument))
    return (f"{type(error).__module__}.{type(error).__qualname__}", *inner)


def _submit(way: Way, kind: str, clock: Clock, timeout_seconds: float) -> Outcome:
    """Submit a run whose answer arrives in that way."""
    workspace = Workspace(clock=clock)
    workspace.faults.add(WireFault("runs/submit", how=kind, delay="1m" if kind == "late" else 0))
    seen: Answer | tuple[str, ...]
    with way.open(workspace) as call:
        try:
            seen = call("POST", _SUBMIT, flat_body(), timeout_seconds=timeout_seconds)
        except Exception as error:  # noqa: BLE001 - which one is the question
            seen = _types(error)
    return Outcome(seen, len(workspace.runs))


def _try(call: Call, method: str = "GET", target: str = _LIST) -> int | tuple[str, ...]:
    """Return the status of the answer, or the types of the exception."""
    try:
        return call(method, target, timeout_seconds=20).status_code
    except Exception as error:  # noqa: BLE001 - which one is the question
        return _types(error)


def _submit_in_real_time(way: Way, kind: str, patience: Patience) -> Outcome:
    clock = Clock("scaled", speed=patience.speed, real_ms=lambda: time.perf_counter() * 1_000)
    return _submit(way, kind, clock, patience.real_seconds)


@functools.cache
def _on_socket(library: str, kind: str, patience: Patience) -> Outcome:
    return _submit_in_real_time(WAYS[f"socket-{library}"], kind, patience)


def _with(cell: str) -> list[str]:
    """Return the ways whose doors have such a cell for any kind."""
    return [name for name, way in WAYS.items() if DOORS_OF_KINDS["reset"][way.door].startswith(cell)]


def test_table_covers_every_kind_and_door() -> None:
    """No kind and no way is left out, and each cell is one of three."""
    assert set(DOORS_OF_KINDS) == set(WIRE_KINDS)
    assert set(DOORS_OF_CONNECTION_KINDS) == set(CONNECTION_KINDS)
    for doors in (*DOORS_OF_KINDS.values(), *DOORS_OF_CONNECTION_KINDS.values()):
        assert {way.door for way in WAYS.values()} <= set(doors)
        assert all(cell in (SAME_EXCEPTION, REAL) or cell.startswith(NOT_POSSIBLE) for cell in doors.values())


@pytest.mark.parametrize("name", _with(SAME_EXCEPTION))
@pytest.mark.parametrize(("kind", "patience"), _CASES)
def test_in_process_is_as_on_a_socket(name: str, kind: str, patience: Patience) -> None:
    """Same answer or exception, same number of runs, and time has passed without anybody waiting."""
    way = WAYS[name]
    assert DOORS_OF_KINDS[kind][way.door] == SAME_EXCEPTION
    clock = Clock()
    in_process = _submit(way, kind, clock, patience.real_seconds * patience.speed)
    assert in_process == _on_socket(way.library, kind, patience)
    assert in_process.runs == 1


@pytest.mark.parametrize(("kind", "patience"), _CASES)
def test_redirected_is_as_on_a_socket(kind: str, patience: Patience) -> None:
    """A library that is redirected to a socket of the workspace meets the same there, and the run is kept."""
    way = WAYS["aiohttp"]
    assert DOORS_OF_KINDS[kind][way.door] == REAL
    redirected = _submit_in_real_time(way, kind, patience)
    assert redirected == _on_socket(way.library, kind, patience)
    assert redirected.runs == 1


@pytest.mark.parametrize("name", _with(NOT_POSSIBLE))
@pytest.mark.parametrize("kind", DOORS_OF_KINDS)
def test_what_is_not_possible_says_so(name: str, kind: str) -> None:
    """The effect is kept; the server in between gets an exception, or the answer where only time was asked for."""
    way = WAYS[name]
    outcome = _submit_in_real_time(way, kind, _PATIENT)
    if DOORS_OF_KINDS[kind][way.door].startswith(NOT_POSSIBLE) and kind != "stale_keep_alive":
        assert outcome == Outcome(("builtins.ConnectionResetError",), 1)
    else:
        assert outcome == Outcome(Answer(200, {"run_id": 400_000_000_000_001}), 1)


def _meet_stale(way: Way) -> tuple[list[int | tuple[str, ...]], int]:
    """Call three times, the second time on a stale connection; return what is seen, and how many calls came."""
    workspace = Workspace()
    workspace.faults.add(WireFault("runs/list", how="stale_keep_alive", times=1))
    with way.open(workspace) as call:
        seen = [_try(call) for _ in range(3)]
    return seen, len(workspace.journal)


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.door not in ("server", "asgi")])
def test_stale_connection_is_as_on_a_socket(name: str) -> None:
    """The first call opens it, the second finds it stale, the third opens another; aiohttp tries again itself."""
    way = WAYS[name]
    seen, calls = _meet_stale(way)
    assert (seen, calls) == _meet_stale(WAYS[f"socket-{way.library}"])
    assert seen[::2] == [200, 200]
    assert (seen[1] == 200, calls) == ((True, 4) if way.library == "aiohttp" else (False, 3))


def test_stale_connection_is_unknown_to_an_application() -> None:
    """As the table says: every request is answered."""
    assert _meet_stale(WAYS["asgi"]) == ([200, 200, 200], 3)


def _meet_closed_gate(way: Way, how: str) -> list[int | tuple[str, ...]]:
    """Call before, while and after nobody gets in."""
    workspace = Workspace()
    with way.open(workspace) as call:
        seen = [_try(call)]
        with workspace.faults.armed(ConnectionFault(how=how)):
            seen += [_try(call), _try(call)]
        seen.append(_try(call))
    assert len(workspace.journal) == seen.count(200)
    return seen


@functools.cache
def _at_closed_gate(library: str, how: str) -> list[int | tuple[str, ...]]:
    return _meet_closed_gate(WAYS[f"https-{library}"], how)


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.door not in ("server", "asgi")])
@pytest.mark.parametrize("how", CONNECTION_KINDS)
def test_closed_gate_is_as_on_a_socket(name: str, how: str) -> None:
    """A connection that was open is of no use; each call fails as it would if nothing listened, or refused TLS."""
    way = WAYS[name]
    seen = _meet_closed_gate(way, how)
    assert seen == _at_closed_gate(way.library, how)
    assert (seen[0], seen[3]) == (200, 200)
    assert isinstance(seen[1], tuple)
    assert seen[1] == seen[2]


@pytest.mark.parametrize("library", ["httpx", "requests", "aiohttp"])
def test_plain_socket_does_not_listen_and_knows_no_handshake(library: str) -> None:
    """A refused connection is the machine's own refusal; what has no TLS cannot be refused it."""
    way = WAYS[f"socket-{library}"]
    assert _meet_closed_gate(way, "refused") == _at_closed_gate(library, "refused")
    assert _meet_closed_gate(way, "tls") == [200, 200, 200, 200]


def test_gate_is_unknown_to_an_application() -> None:
    """As the table says: every request is answered."""
    for how in CONNECTION_KINDS:
        assert _meet_closed_gate(WAYS["asgi"], how) == [200, 200, 200, 200]
