"""What each door does with each kind of broken answer, as data. The contract suite is generated from it.

* `same exception`: in process, virtual time passes at once, and the client's library raises (or answers) what it
  would on a socket, because its own code reads the answer.
* `real`: the thing itself, on a socket, in real time divided by the clock's speed.
* `not possible: …`: the reason why, and what happens instead.
"""

from __future__ import annotations

from dbx_emulator._core.faults import CONNECTION_KINDS, WIRE_KINDS

__all__ = ["DOORS_OF_CONNECTION_KINDS", "DOORS_OF_KINDS", "NOT_POSSIBLE", "REAL", "SAME_EXCEPTION"]

SAME_EXCEPTION = "same exception"
REAL = "real"

#: How a cell begins that says why.
NOT_POSSIBLE = "not possible: "

_UNDER_ANY_SERVER = (
    f"{NOT_POSSIBLE}an application cannot touch the connection of a server that is not ours; it raises "
    "ConnectionResetError, and that server breaks the connection in its own way"
)

_DOORS = {
    "httpx": SAME_EXCEPTION,
    "httpx2": SAME_EXCEPTION,
    "requests": SAME_EXCEPTION,
    "respx": SAME_EXCEPTION,
    "aiohttp": REAL,
    "server": REAL,
}

_IS_IN_ALREADY = (
    f"{NOT_POSSIBLE}an application is asked when a client has connected already, and so never hears of it; "
    "every request is answered"
)

_KNOWS_NO_CONNECTION = (
    f"{NOT_POSSIBLE}an application does not know whether a connection was kept, and takes each for a fresh one; "
    "every request is answered"
)

#: Kind of `WireFault` → door → what it does with it.
DOORS_OF_KINDS: dict[str, dict[str, str]] = {
    kind: _DOORS
    | {"asgi": {"late": REAL, "stale_keep_alive": _KNOWS_NO_CONNECTION}.get(kind, _UNDER_ANY_SERVER)}
    for kind in WIRE_KINDS
}

#: Kind of `ConnectionFault` → door → what it does with it. The machine, which refuses connections to where nothing
#: listens, counts none: a socket answers a refusal that has `times` with a reset of the accepted connection.
DOORS_OF_CONNECTION_KINDS: dict[str, dict[str, str]] = {
    kind: _DOORS | {"asgi": _IS_IN_ALREADY} for kind in CONNECTION_KINDS
}
