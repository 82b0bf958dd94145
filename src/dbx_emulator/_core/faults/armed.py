"""The faults of a workspace: those that are armed, and which of them strikes a call.

A call must not pay for rules that cannot strike it. So rules are found by what of a call lasts - its route,
version, run name and caller - and what was found is kept until a rule comes or goes.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.connection import ConnectionFault
from dbx_emulator._core.faults.profiles import PROFILES, Profile
from dbx_emulator._core.faults.read_lag import ReadLag
from dbx_emulator._core.faults.rules import Counter, Fault, FaultCall

__all__ = ["Faults"]

#: How many kinds of calls are remembered at most: names of runs may differ without end.
_MOST_REMEMBERED = 4_096


class Faults:
    """The faults of a workspace, in the order in which they were armed; the first that strikes is taken.

    Args:
        routes: The routes that are served.
        clock: The workspace's time, which windows are counted in.
        draws: Where probabilities are drawn from.
        on_profile: Is given each profile that is applied, for what of it is no fault.

    Attributes:
        watches: Says whether any fault is armed for a route. Every call asks.
        watches_early: Says whether any fault of a route strikes before the credentials are looked at.
    """

    #: What of them a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_rules", "_never_struck", "_armed", "_counters")

    def __init__(
        self,
        routes: frozenset[str],
        *,
        clock: Clock | None = None,
        draws: Draws | None = None,
        on_profile: Callable[[Profile], None] = lambda _profile: None,
    ) -> None:
        self._on_profile = on_profile
        self._routes = routes
        self._clock = clock or Clock()
        self._draws = draws or Draws()
        self._rules: list[Fault] = []
        self._never_struck: list[Fault] = []
        self._armed = 0
        self._counters = {(route, early): Counter() for route in routes for early in (True, False)}
        self._watchers: list[Callable[[], None]] = []
        self._is_listener_shared = False
        self._index()

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, id: str) -> Fault:  # noqa: A002 - as it is shown
        """Return the armed fault of that id.

        Raises:
            UsageError: None has it.
        """
        for fault in self._rules:
            if fault.id == id:
                return fault
        ids = [fault.id for fault in self._rules]
        raise UsageError(f"fault: {id!r} is none of {', '.join(ids) or 'those armed: there is none'}")

    def add(self, fault: Fault) -> Fault:
        """Arm a fault for the calls that come from now on, and return it.

        Raises:
            UsageError: It is no fault, it is armed already, or it can strike no route that is served.
        """
        self._arm([fault])
        return fault

    def remove(self, fault: Fault) -> None:
        """Disarm a fault. What it counted stays.

        Raises:
            UsageError: It is not armed.
        """
        if not self._is_armed(fault):
            raise UsageError(f"fault: {fault!r} is not armed")
        self._disarm([fault])

    def clear(self) -> None:
        """Disarm all faults."""
        self._disarm(list(self._rules))

    @contextmanager
    def armed(self, *faults: Fault) -> Iterator[None]:
        """Arm faults while the context is open.

        Raises:
            UsageError: As for `add`; then none of them is armed.
        """
        self._arm(list(faults))
        try:
            yield
        finally:
            self._disarm([fault for fault in faults if self._is_armed(fault)])

    def apply(self, *names: str) -> list[Fault]:
        """Apply profiles, one after the other, and return the rules that are armed with them.

        Raises:
            UsageError: There is no profile of that name; then none is applied.
        """
        for name in names:
            if name not in PROFILES:
                known = ", ".join(PROFILES)
                raise UsageError(f"profile: {name!r} is none of {known}{nearest(str(name), PROFILES)}")
        applied: list[Fault] = []
        for name in names:
            self._on_profile(PROFILES[name])
            faults = list(PROFILES[name].faults())
            for fault in faults:
                fault.profile = name
            self._arm(faults)
            applied += faults
        return applied

    def never_struck(self) -> list[Fault]:
        """Return the faults, armed or no more, that struck no call. Profiles only say what may happen."""
        rules = [*self._never_struck, *self._rules]
        return [fault for fault in rules if not fault.fired and not fault.profile]

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after faults were armed or disarmed."""
        self._watchers.append(changed)

    def settled(self) -> None:
        """Take notice that the rules are others, and tell whoever wants to know.

        Raises:
            UsageError: One of them is about connections, and the listener is not this workspace's alone.
        """
        self._index()
        for changed in self._watchers:
            changed()

    def share_listener(self) -> None:
        """Refuse faults of connections from now on: the listener is not this workspace's alone."""
        self._is_listener_shared = True

    def striking(self, call: FaultCall, *, is_early: bool = False) -> Fault | None:
        """Count a call and return the fault that strikes it, or `None`.

        Args:
            call: The call.
            is_early: Ask the faults that strike before the credentials are looked at, and no others.
        """
        counter = self._counters[call.route, is_early]
        counter.calls += 1
        counter.last = call
        struck = None
        for fault in self._found(call, is_early=is_early):
            # Every rule counts every call, so that adding one rule does not move the calls another strikes.
            if fault.strikes(call) and struck is None:
                struck = fault
        return struck

    def wrote(self, run_id: int) -> None:
        """Note that a call changed a run, or made it."""
        for lag in self._lags:
            lag.wrote(run_id)

    def told(self, call: FaultCall, body: bytes) -> None:
        """Note what a call was answered."""
        for lag in self._lags:
            lag.told(call, body)

    def connect(self, kinds: tuple[str, ...]) -> str | None:
        """Count a client that connects and return what keeps it out, one of `kinds`, or `None`."""
        now_ms = self._clock.now_ms
        for fault in self._at_connections:
            if fault.how in kinds and fault.is_on(now_ms):
                fault.fired += 1
                return fault.how
        return None

    @property
    def guards_connections(self) -> bool:
        """Whether a fault is armed that is about connections."""
        return bool(self._at_connections)

    @property
    def is_listening(self) -> bool:
        """Whether the service listens at all. Who is refused by the machine cannot be counted."""
        now_ms = self._clock.now_ms
        return not any(
            fault.how == "refused" and fault.times is None and fault.is_on(now_ms)
            for fault in self._at_connections
        )

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the service takes part in TLS handshakes at all."""
        now_ms = self._clock.now_ms
        return not any(fault.how == "tls" and fault.is_on(now_ms) for fault in self._at_connections)

    def next_boundary_ms(self) -> int | None:
        """Return in how many milliseconds the next window of a fault of connections opens or ends, or `None`."""
        now_ms = self._clock.now_ms
        left_ms = [at_ms - now_ms for fault in self._at_connections for at_ms in fault.boundaries_ms()]
        return min((each for each in left_ms if each > 0), default=None)

    def _found(self, call: FaultCall, *, is_early: bool) -> tuple[Fault, ...]:
        key = (call.route, is_early, call.version, call.run_name, call.principal, call.token)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            rules = self._by_route.get(call.route, ())
            found = self._remembered[key] = tuple(
                fault
                for fault in rules
                if (fault.point == "before_auth") is is_early and not fault.misses(call)
            )
        return found

    def _arm(self, faults: list[Fault]) -> None:
        for number, fault in enumerate(faults):
            if not isinstance(fault, Fault):
                raise UsageError(
                    f"fault: {fault!r} is none; make one, as in faults.add(LostResponse('runs/submit', times=1))"
                )
            if self._is_armed(fault) or any(fault is each for each in faults[:number]):
                raise UsageError(f"fault: {fault!r} is armed already; make another one")
            self._routes_of(fault)
        for fault in faults:
            self._armed += 1
            is_early = fault.point == "before_auth"
            counters = [self._counters[route, is_early] for route in self._routes_of(fault)]
            fault.arm(
                id=f"{fault.kind}-{self._armed}",
                counters=counters,
                now_ms=self._clock.now_ms,
                draws=self._draws,
            )
        self._rules.extend(faults)
        self.settled()

    def _disarm(self, faults: list[Fault]) -> None:
        for fault in faults:
            fault.disarm()
        self._never_struck += [fault for fault in faults if not fault.fired]
        self._rules = [fault for fault in self._rules if not any(fault is each for each in faults)]
        self.settled()

    def _is_armed(self, fault: Fault) -> bool:
        return any(fault is each for each in self._rules)

    def _index(self) -> None:
        """Sort the rules by where they are looked for; what was remembered of calls holds no more."""
        by_route: dict[str, list[Fault]] = {}
        for fault in self._rules:
            for route in self._routes_of(fault):
                by_route.setdefault(route, []).append(fault)
        self._remembered: dict[object, tuple[Fault, ...]] = {}
        self._by_route = by_route
        early = {
            route for route, rules in by_route.items() if any(rule.point == "before_auth" for rule in rules)
        }
        self.watches: Callable[[str], bool] = by_route.__contains__
        self.watches_early: Callable[[str], bool] = early.__contains__
        self._lags = [fault for fault in self._rules if isinstance(fault, ReadLag)]
        self._at_connections = [fault for fault in self._rules if isinstance(fault, ConnectionFault)]

    def _routes_of(self, fault: Fault) -> list[str]:
        """Return the routes that a fault can strike.

        Raises:
            UsageError: There is none.
        """
        if isinstance(fault, ConnectionFault):
            if self._is_listener_shared:
                raise UsageError(
                    "connection: several workspaces share the server, and it would keep out the clients of all; "
                    "start one for this workspace alone"
                )
            return []
        served = self._routes if fault.only_routes is None else self._routes & set(fault.only_routes)
        routes = sorted(route for route in served if fnmatch.fnmatchcase(route, fault.route))
        if not routes:
            hint = nearest(fault.route.rpartition("/jobs/")[2], served)
            raise UsageError(f"route: {fault.route!r} is none of {', '.join(sorted(served))}{hint}")
        return routes
