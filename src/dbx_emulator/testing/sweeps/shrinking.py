"""The smallest plan that still does it: fewest strikes, then the simplest kinds, then the earliest calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile

from dbx_emulator.testing.sweeps.kinds import SweepKind, SweptCall
from dbx_emulator.testing.sweeps.plans import Plan, can_strike

__all__ = ["shrink"]

Breaks = Callable[[Plan], bool]


def shrink(
    plan: Plan,
    breaks: Breaks,
    *,
    kinds: Mapping[str, SweepKind],
    calls: Mapping[tuple[str, int], SweptCall],
) -> Plan:
    """Return the smallest plan that breaks what a plan breaks.

    Args:
        plan: The plan; it breaks it.
        breaks: Lives a plan, and says whether it breaks the same.
        kinds: The kinds there are, simplest first.
        calls: The calls of the fault-free life, by route and number.
    """
    plan = _merged(_fewest(plan, breaks), breaks)
    for place in range(len(plan)):
        plan = _simplest(plan, place, breaks, kinds=kinds, calls=calls)
        plan = _earliest(plan, place, breaks, kinds=kinds, calls=calls)
    return plan


def _fewest(plan: Plan, breaks: Breaks) -> Plan:
    """Take away as much as can be taken, in pieces that get smaller."""
    for candidate in ((), *((strike,) for strike in plan)):
        if breaks(candidate):
            return candidate
    size = len(plan) // 2
    while size:
        left = _without_pieces(plan, size, breaks)
        # What could not be missed before may be missed now that something else is gone.
        size = size if size == 1 and left != plan else size // 2
        plan = left
    return plan


def _merged(plan: Plan, breaks: Breaks) -> Plan:
    """Let a strike at a repetition take the place of the one that made the client repeat."""
    for strike in plan:
        for other in plan:
            if other.route == strike.route and other.nth < strike.nth:
                left = (each for each in plan if each is not strike)
                candidate = tuple(strike._replace(nth=other.nth) if each is other else each for each in left)
                if breaks(candidate):
                    return _merged(candidate, breaks)
    return plan


def _without_pieces(plan: Plan, size: int, breaks: Breaks) -> Plan:
    first = 0
    while first < len(plan):
        candidate = plan[:first] + plan[first + size :]
        if len(candidate) < len(plan) and breaks(candidate):
            plan = candidate
        else:
            first += size
    return plan


def _simplest(
    plan: Plan,
    place: int,
    breaks: Breaks,
    *,
    kinds: Mapping[str, SweepKind],
    calls: Mapping[tuple[str, int], SweptCall],
) -> Plan:
    strike = plan[place]
    for kind in takewhile(lambda each: each.id != strike.kind, kinds.values()):
        candidate = _replaced(plan, place, kind=kind.id)
        if can_strike(kind, calls.get(strike[:2])) and breaks(candidate):
            return candidate
    return plan


def _earliest(
    plan: Plan,
    place: int,
    breaks: Breaks,
    *,
    kinds: Mapping[str, SweepKind],
    calls: Mapping[tuple[str, int], SweptCall],
) -> Plan:
    strike = plan[place]
    taken = {each[:2] for each in plan}
    for nth in range(1, strike.nth):
        address = (strike.route, nth)
        candidate = _replaced(plan, place, nth=nth)
        if address not in taken and can_strike(kinds[strike.kind], calls.get(address)) and breaks(candidate):
            return candidate
    return plan


def _replaced(plan: Plan, place: int, **changes: object) -> Plan:
    return (*plan[:place], plan[place]._replace(**changes), *plan[place + 1 :])  # type: ignore[arg-type]
