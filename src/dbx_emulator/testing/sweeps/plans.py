"""Plans: which calls of a life are struck, and by what. Their text can be pasted back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dbx_emulator._api.router import API_ROUTES
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator.testing.sweeps.kinds import SweepKind, SweptCall

__all__ = ["Plan", "Strike", "can_strike", "draw_plans", "plan_text", "read_plan"]

_STRIKE = re.compile(r"(?P<route>[^\s\[\]:,]+)\[(?P<nth>\d+)\]:(?P<kind>\w+)")

#: How many calls beyond those of the fault-free life chaos may strike on each route: repetitions of what failed.
_REPETITIONS = 2


class Strike(NamedTuple):
    """A fault at one call.

    Attributes:
        route: What is called, without version.
        nth: The number of the call among those of its route, from 1.
        kind: The id of the kind.
    """

    route: str
    nth: int
    kind: str


#: No strike at all is a plan as well.
Plan = tuple[Strike, ...]


def plan_text(plan: Plan) -> str:
    """Return a plan as text, such as `runs/submit[1]:hang, runs/get[2]:500`; empty if nothing is struck."""
    return ", ".join(f"{strike.route}[{strike.nth}]:{strike.kind}" for strike in plan)


def read_plan(text: str, kinds: Mapping[str, SweepKind]) -> Plan:
    """Return the plan that a text says.

    Raises:
        UsageError: It is no text of a plan, names a route or a kind that does not exist, or strikes a call twice.
    """
    if not isinstance(text, str):
        raise UsageError(f"plan: {text!r} is no text; write plan='runs/submit[1]:lost_response'")
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    strikes = [_read_strike(part, kinds) for part in parts]
    struck: set[tuple[str, int]] = set()
    for strike in strikes:
        if strike[:2] in struck:
            raise UsageError(f"plan: {strike.route}[{strike.nth}] is struck twice; a call meets one fault")
        struck.add(strike[:2])
    return tuple(strikes)


def _read_strike(part: str, kinds: Mapping[str, SweepKind]) -> Strike:
    match = _STRIKE.fullmatch(part)
    if match is None:
        raise UsageError(
            f"plan: {part!r} is not route[number]:kind; write plan='runs/submit[1]:lost_response, runs/get[2]:500'"
        )
    route, nth, kind = match["route"], int(match["nth"]), match["kind"]
    if route not in API_ROUTES:
        raise UsageError(
            f"plan: route {route!r} is none of {', '.join(sorted(API_ROUTES))}{nearest(route, API_ROUTES)}"
        )
    if kind not in kinds:
        raise UsageError(f"plan: kind {kind!r} is none of {', '.join(kinds)}{nearest(kind, kinds)}")
    if nth < 1:
        raise UsageError(f"plan: {part!r} strikes call number {nth}, and the first has number 1")
    return Strike(route, nth, kind)


def can_strike(kind: SweepKind, call: SweptCall | None) -> bool:
    """Say whether a kind can happen to a call of the fault-free life.

    To a call beyond those, `None`, only what can happen to any call can.
    """
    return kind.is_everywhere if call is None else call.route in API_ROUTES and kind.strikes(call)


def draw_plans(
    count: int, calls: Sequence[SweptCall], kinds: Mapping[str, SweepKind], *, rate: float, draws: Draws
) -> Iterator[Plan]:
    """Yield plans of several strikes by transient kinds, drawn for each call from the seed.

    Args:
        count: How many.
        calls: The calls of the fault-free life. A few more of each route may be struck too.
        kinds: The kinds.
        rate: How likely each call is struck.
        draws: Where chance comes from.
    """
    known = {(call.route, call.nth): call for call in calls}
    counts = {call.route: call.nth for call in calls if call.route in API_ROUTES}
    places = [(route, nth) for route, most in counts.items() for nth in range(1, most + _REPETITIONS + 1)]
    able = {
        place: [
            kind.id for kind in kinds.values() if kind.is_transient and can_strike(kind, known.get(place))
        ]
        for place in places
    }
    for number in range(1, count + 1):
        strikes = []
        for place in places:
            ids = able[place]
            if ids and draws.fraction("sweep", number, *place, "whether") < rate:
                which = int(draws.fraction("sweep", number, *place, "which") * len(ids))
                strikes.append(Strike(*place, ids[which]))
        yield tuple(strikes)
