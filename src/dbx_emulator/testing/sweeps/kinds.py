"""What a sweep does to calls: one table of faults in the variants that a client should have met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults import (
    ConnectionFault,
    DriftFault,
    DuplicateDelivery,
    Fault,
    LostResponse,
    ReadLag,
    StatusFault,
    WireFault,
)

__all__ = ["SWEEP_KINDS", "SweepKind", "SweptCall", "read_kinds"]


@dataclass(frozen=True, slots=True)
class SweptCall:
    """One call of a life.

    Attributes:
        route: What was called, without version: `runs/submit`; an empty string if nothing serves the path.
        nth: Its number among the calls of that route, from 1.
        position: Its number among all calls of the life, from 1.
        method: The HTTP method.
        run_id: The run it was about; `None` if about none.
        status_code: The status the service answered with, even if the answer was lost.
        fault: The kind of the emulator's fault that struck it; `None` if none did.
        written_by: For a read that is the first of its run since somebody wrote to that run: the route that
            wrote. An empty string for every other call.
        is_active: Whether the run was active after it.
    """

    route: str
    nth: int
    position: int
    method: str = "GET"
    run_id: int | None = None
    status_code: int = 200
    fault: str | None = None
    written_by: str = ""
    is_active: bool = False

    @property
    def address(self) -> str:
        """How plans call it: `runs/get[2]`."""
        return f"{self.route}[{self.nth}]"


def _everywhere(_call: SweptCall) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class SweepKind:
    """A fault as a sweep uses it.

    Attributes:
        id: What plans call it.
        shows: What becomes of the call, in words.
        make: Makes the fault for a route.
        is_transient: Whether a client is expected to come to the same end as without the fault. Of the others it
            is expected only that it does no harm.
        lasts_seconds: For how long the later calls of the route meet the same, in virtual seconds from the call
            on; 0: that call alone; infinity: all of them.
        strikes: Says for a call of the fault-free life whether the fault can happen there.

    Raises:
        UsageError: The id is no word of small letters, digits and underscores.
    """

    id: str
    shows: str
    make: Callable[[str], Fault]
    is_transient: bool = True
    lasts_seconds: float = 0
    strikes: Callable[[SweptCall], bool] = _everywhere

    def __post_init__(self) -> None:
        if not self.id or not self.id.replace("_", "a").isalnum() or self.id != self.id.lower():
            raise UsageError(f"kind: {self.id!r} is no word of small letters, digits and underscores")

    @property
    def is_everywhere(self) -> bool:
        """Whether it can happen to any call."""
        return self.strikes is _everywhere


#: A page in place of JSON, under the content type of JSON.
_PAGE = msgspec.Raw(b"<!doctype html><title>One moment, please</title>")

_UNKNOWN_STATE = {"state.life_cycle_state": "HIBERNATING", "status.state": "HIBERNATING"}

#: Routes whose answer says something that a client cannot go on without.
_TELLING = frozenset({"runs/submit", "run-now", "runs/get"})

_SUBMITS = frozenset({"runs/submit", "run-now"})


def _status(status_code: int, **options: object) -> Callable[[str], Fault]:
    return lambda route: StatusFault(route, status_code=status_code, **options)  # type: ignore[arg-type]


def _wire(how: str, **options: object) -> Callable[[str], Fault]:
    return lambda route: WireFault(route, how=how, **options)  # type: ignore[arg-type]


#: The table, simplest first: what a plan is shrunk to is the first that does as much.
_TABLE = (
    SweepKind("500", "500 as JSON, without effect", _status(500)),
    SweepKind(
        "429",
        "429 with Retry-After: 30; whoever comes back earlier is refused again",
        _status(429, retry_after=30),
        lasts_seconds=30,
    ),
    SweepKind("503", "503 without Retry-After, without effect", _status(503)),
    SweepKind("502_html", "502 as a page of a gateway", _status(502, dialect="html", point="before_auth")),
    SweepKind("lost_response", "the effect is kept, the connection is reset", LostResponse),
    SweepKind("504_after_effect", "504, and the effect is kept", _status(504, point="after_effect")),
    SweepKind(
        "reset", "the connection is reset before anything was done", _wire("reset", point="before_auth")
    ),
    SweepKind("closed", "the effect is kept, the connection ends in order", _wire("closed")),
    SweepKind(
        "stale_keep_alive", "the kept connection was closed, the request unread", _wire("stale_keep_alive")
    ),
    SweepKind(
        "refused", "the connection is refused, once", lambda _: ConnectionFault(how="refused", times=1)
    ),
    SweepKind(
        "outage",
        "the connection is refused, three times in a row",
        lambda _: ConnectionFault(how="refused", times=3),
    ),
    SweepKind("truncated", "half of the body, then an orderly end", _wire("truncated")),
    SweepKind(
        "not_json",
        "200 with a page in place of JSON, and the effect is kept",
        lambda route: DriftFault(route, body=_PAGE),
    ),
    SweepKind(
        "empty_body",
        "200 with {}, and the effect is kept",
        lambda route: DriftFault(route, body={}),
        strikes=lambda call: call.route in _TELLING,
    ),
    SweepKind(
        "unknown_state",
        "the run is in a life-cycle state that nobody knows",
        lambda route: DriftFault(route, replace=_UNKNOWN_STATE),
        strikes=lambda call: call.route == "runs/get" and call.is_active,
    ),
    SweepKind("late", "the answer comes 3 s late", _wire("late", delay="3s")),
    SweepKind("hang", "the effect is kept, no answer ever comes", _wire("hang")),
    SweepKind("hang_unread", "nothing is done, no answer ever comes", _wire("hang", point="before_auth")),
    SweepKind(
        "duplicate_delivery",
        "the request arrives twice, as from a proxy",
        DuplicateDelivery,
        strikes=lambda call: call.method == "POST",
    ),
    SweepKind(
        "read_lag",
        "the run is not found just after it was submitted",
        ReadLag,
        strikes=lambda call: call.written_by in _SUBMITS,
    ),
    SweepKind(
        "stale_read",
        "the read does not see yet what was done to the run just before",
        lambda route: ReadLag(route, how="stale"),
        strikes=lambda call: call.written_by not in {"", *_SUBMITS},
    ),
    SweepKind(
        "401",
        "401 once, as for a token that has expired",
        _status(401, point="before_auth"),
        is_transient=False,
    ),
    SweepKind(
        "403_token",
        "403 once, as for a token that is not known",
        _status(403, message="Invalid access token.", point="before_auth"),
        is_transient=False,
    ),
    SweepKind("403_once", "403 once, as in a maintenance window", _status(403), is_transient=False),
    SweepKind(
        "400",
        "400 from that call on",
        _status(400),
        is_transient=False,
        lasts_seconds=math.inf,
    ),
    SweepKind(
        "403",
        "403 from that call on",
        _status(403),
        is_transient=False,
        lasts_seconds=math.inf,
    ),
    SweepKind(
        "404",
        "404 from that call on",
        _status(404),
        is_transient=False,
        lasts_seconds=math.inf,
    ),
)

#: Id → kind, simplest first.
SWEEP_KINDS: dict[str, SweepKind] = {kind.id: kind for kind in _TABLE}


def read_kinds(given: Iterable[str | SweepKind] | None) -> dict[str, SweepKind]:
    """Return kinds by their ids; all of the table for `None`.

    Raises:
        UsageError: There is none, one is not in the table, or two have the same id.
    """
    if given is None:
        return dict(SWEEP_KINDS)
    kinds: dict[str, SweepKind] = {}
    for each in (given,) if isinstance(given, (str, SweepKind)) else given:
        kind = each if isinstance(each, SweepKind) else SWEEP_KINDS.get(each)
        if kind is None:
            hint = nearest(str(each), SWEEP_KINDS)
            raise UsageError(f"kinds: {each!r} is none of {', '.join(SWEEP_KINDS)}{hint}")
        if kind.id in kinds:
            raise UsageError(f"kinds: {kind.id!r} is there twice")
        kinds[kind.id] = kind
    if not kinds:
        raise UsageError("kinds: there is none; leave it out to sweep over all")
    return kinds
