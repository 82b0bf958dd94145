"""What all faults have in common: whom they strike and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from dbx_emulator._core.errors import UsageError, nearest

__all__ = ["Fault", "Faults", "Point"]

#: When a fault strikes: before the handler, so that the call has no effect, or after it, so that it has.
Point = Literal["before_handler", "after_effect"]


@dataclass(slots=True)
class Fault:
    """A rule that makes calls of one route fail.

    Attributes:
        route: What it strikes, without version: `runs/submit`, `runs/get`, …; `*` strikes every route.
        skip: How many calls of that route pass unharmed first.
        times: How many calls it strikes then; `None` strikes every further one.
        seen: How many calls of the route came by so far.
        fired: How many of them were struck.

    Raises:
        UsageError: `skip` is negative or `times` is below 1.
    """

    kind: ClassVar[str] = ""
    point: ClassVar[Point] = "before_handler"

    route: str
    skip: int = field(default=0, kw_only=True)
    times: int | None = field(default=None, kw_only=True)
    seen: int = field(default=0, init=False, compare=False)
    fired: int = field(default=0, init=False, compare=False)

    def __post_init__(self) -> None:
        if not self.route:
            raise UsageError("route: a fault needs a route such as 'runs/get'; '*' strikes every route")
        if not isinstance(self.skip, int) or self.skip < 0:
            raise UsageError(f"skip: {self.skip!r} is no count; 0 strikes from the first call on")
        if self.times is not None and (not isinstance(self.times, int) or self.times < 1):
            raise UsageError(
                f"times: {self.times!r} is no count from 1 on; leave it out to strike every call"
            )

    def strikes(self, route: str) -> bool:
        """Count a call of `route` and return whether this fault strikes it."""
        if self.route not in ("*", route):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True


class Faults:
    """The faults of a workspace, in the order in which they were added; the first that strikes is taken."""

    def __init__(self, routes: frozenset[str]) -> None:
        self._routes = routes
        self._by_route: dict[str, list[Fault]] = {}
        self._rules: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, fault: Fault) -> Fault:
        """Arm a fault for the calls that come from now on.

        Raises:
            UsageError: It is no fault, or no route of that name is served.
        """
        if not isinstance(fault, Fault):
            raise UsageError(
                f"fault: {fault!r} is none; make one, as in faults.add(LostResponse('runs/submit', times=1))"
            )
        if fault.route != "*" and fault.route not in self._routes:
            hint = nearest(fault.route.rpartition("/jobs/")[2], self._routes)
            raise UsageError(f"route: {fault.route!r} is none of {', '.join(sorted(self._routes))}{hint}")
        self._rules.append(fault)
        for route in self._routes if fault.route == "*" else (fault.route,):
            self._by_route.setdefault(route, []).append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all faults."""
        self._rules.clear()
        self._by_route.clear()

    def striking(self, route: str) -> Fault | None:
        """Count a call of `route` and return the fault that strikes it, or `None`."""
        struck = None
        for fault in self._by_route.get(route, ()):
            # Every rule counts every call, so that adding one rule does not move the calls another strikes.
            if fault.strikes(route) and struck is None:
                struck = fault
        return struck
