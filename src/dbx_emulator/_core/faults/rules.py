"""What all faults have in common: whom they strike, how often, and at which point of a call.

A fault that is written down is inert. `Faults` arms it, shows it each call of its routes, and counts.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from dbx_emulator._core.draws import Draws
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.states import LifeCycleState

__all__ = ["POINTS", "Fault", "FaultCall", "Point"]

#: When a fault strikes: before the credentials are looked at; before the handler, so that the call has no effect;
#: after it, so that it has, and the answer is replaced or lost; in the answer, whose body is changed; when a
#: client connects, before there is any call.
Point = Literal["before_auth", "before_handler", "after_effect", "in_answer", "connect"]

POINTS: tuple[Point, ...] = get_args(Point)

_VERSIONS = ("2.0", "2.1", "2.2")

Window = tuple[Duration, Duration]


@dataclass(slots=True)
class FaultCall:
    """One call as faults see it.

    Attributes:
        route: What is called, without version: `runs/submit`.
        now_ms: When, in epoch milliseconds of virtual time.
        version: The API version of the path.
        method: The HTTP method.
        target: Path and query.
        body: The body as it was sent.
        token: The bearer token it brings; `None` if none.
        principal: Whom the token stands for, `user` or `guest`; `None` if it opens nothing.
        run_id: The run it is about, as far as known; `None` for a submit.
        run_name: The name of that run, or the one that is submitted; `None` if there is no run.
        run_key: That name and the run's number among those of that name; what chance depends on.
        state: The life-cycle state of that run; `None` if there is no run yet.
        is_reused: Whether it came on a connection that had carried another.
        in_flight: How many requests are being answered at the socket, this one included; 1 in process.
    """

    route: str
    now_ms: int = 0
    version: str = "2.2"
    method: str = "GET"
    target: str = ""
    body: bytes = b""
    token: str | None = None
    principal: str | None = None
    run_id: int | None = None
    run_name: str | None = None
    run_key: tuple[str, int] = ("", 0)
    state: str | None = None
    is_reused: bool = False
    in_flight: int = 1


@dataclass(slots=True)
class Counter:
    """The calls of one route, and the last of them."""

    calls: int = 0
    last: FaultCall | None = None


@dataclass(slots=True)
class Fault:
    """A rule that makes calls fail. All that is given has to hold for a call to be struck.

    Attributes:
        route: What it strikes, without version: `runs/submit`; a glob such as `runs/*`; `*` strikes every route.
        run_name: A glob over the name of the run, which for a submit is the one submitted; `None` takes every
            call, as for all that follow.
        principal: Whom the token stands for: `user` or `guest`.
        token: The bearer token.
        version: The API version: `2.0`, `2.1` or `2.2`.
        state: The life-cycle state of the run at the call.
        when: Is given the call and says whether it is meant. In Python only.
        skip: How many calls for which all this holds pass unharmed first.
        every: Of those that follow, each n-th is struck, beginning with the first.
        times: How many are struck before it is over; `None` strikes on.
        probability: How likely a call is struck then, above 0 and at most 1. Drawn for each call from the seed,
            the rule, the route, the run and the number of such calls, so that no order of calls changes it.
        window: From when to when it strikes, in virtual time since it was armed, such as `("10m", "25m")`.
        point: When it strikes, one of those its kind has; `None` takes the usual one.
        is_transient: Whether a client does well to try again; `None` takes what is usual for the kind.
        id: What it is called once it is armed.
        profile: The profile it came with; an empty text if it came alone.
        matched: For how many calls all held but the counts and chance.
        fired: How many calls were struck, or would have been if an earlier rule had not taken them.

    Raises:
        UsageError: A value that it cannot have.
    """

    kind: ClassVar[str] = ""
    points: ClassVar[tuple[Point, ...]] = ("before_handler",)
    #: The routes it can strike; `None` for all.
    only_routes: ClassVar[tuple[str, ...] | None] = None

    route: str
    run_name: str | None = field(default=None, kw_only=True)
    principal: str | None = field(default=None, kw_only=True)
    token: str | None = field(default=None, kw_only=True, repr=False)
    version: str | None = field(default=None, kw_only=True)
    state: str | None = field(default=None, kw_only=True)
    when: Callable[[FaultCall], bool] | None = field(default=None, kw_only=True)
    skip: int = field(default=0, kw_only=True)
    every: int = field(default=1, kw_only=True)
    times: int | None = field(default=None, kw_only=True)
    probability: float = field(default=1.0, kw_only=True)
    window: Window | None = field(default=None, kw_only=True)
    point: Point | None = field(default=None, kw_only=True)
    is_transient: bool | None = field(default=None, kw_only=True)
    id: str = field(default="", init=False, compare=False)
    profile: str = field(default="", init=False, compare=False)
    matched: int = field(default=0, init=False, compare=False)
    fired: int = field(default=0, init=False, compare=False)
    _counters: tuple[Counter, ...] = field(default=(), init=False, compare=False, repr=False)
    _passed: int = field(default=0, init=False, compare=False, repr=False)
    _armed_ms: int = field(default=0, init=False, compare=False, repr=False)
    _window_ms: tuple[int, int] | None = field(default=None, init=False, compare=False, repr=False)
    _draws: Draws = field(default_factory=Draws, init=False, compare=False, repr=False)
    _drawn: dict[tuple[str, str, int], int] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _unmet: str = field(default="", init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._check_match()
        self._check_counts()
        if self.point is None:
            self.point = self.points[0]
        elif self.point not in self.points:
            what = f"{type(self).__name__} has {', '.join(self.points)}"
            raise UsageError(f"point: {self.point!r} is none; {what}{nearest(str(self.point), self.points)}")
        if self.is_transient is None:
            self.is_transient = self.usually_transient()

    def usually_transient(self) -> bool:
        """Say whether such trouble passes by itself, as trouble of the network and of an overload does."""
        return True

    @property
    def seen(self) -> int:
        """How many calls of its routes came by since it was armed."""
        return sum(counter.calls for counter in self._counters) - self._passed

    def applies(self, call: FaultCall) -> str:  # noqa: ARG002 - asked by kinds that ask for more
        """Return what else the kind asks for and this call does not have; an empty text if it has all."""
        return ""

    def misses(self, call: FaultCall) -> str:
        """Return the first lasting condition that a call does not meet; an empty text if it meets all."""
        if self.run_name is not None and not (
            call.run_name is not None and fnmatch.fnmatchcase(call.run_name, self.run_name)
        ):
            return f"run_name: {call.run_name!r} is not {self.run_name!r}"
        for name in ("principal", "version"):
            if (wanted := getattr(self, name)) is not None and getattr(call, name) != wanted:
                return f"{name}: {getattr(call, name)!r} is not {wanted!r}"
        if self.token is not None and call.token != self.token:
            return "token: it was another"
        return ""

    def strikes(self, call: FaultCall) -> bool:
        """Count a call that misses nothing, and say whether it is struck."""
        self._unmet = self._passing(call) or self.applies(call)
        if self._unmet:
            return False
        self.matched += 1
        self._unmet = self._uncounted(call)
        if self._unmet:
            return False
        self.fired += 1
        return True

    def arm(
        self,
        *,
        id: str,  # noqa: A002 - as it is shown
        counters: Iterable[Counter],
        now_ms: int,
        draws: Draws,
    ) -> None:
        """Begin to count, from nothing."""
        self.id = id
        self.matched = self.fired = 0
        self._counters = tuple(counters)
        self._passed = sum(counter.calls for counter in self._counters)
        self._armed_ms = now_ms
        self._draws = draws
        self._drawn.clear()
        self._unmet = ""

    def disarm(self) -> None:
        """See no more calls; what was counted stays."""
        seen = self.seen
        self._counters = (Counter(seen, self._last()),)
        self._passed = 0

    def is_within(self, now_ms: int) -> bool:
        """Say whether the window of time is open."""
        if self._window_ms is None:
            return True
        first_ms, end_ms = self._window_ms
        return first_ms <= now_ms - self._armed_ms < end_ms

    def boundaries_ms(self) -> tuple[int, ...]:
        """Return when its window opens and ends, in epoch milliseconds of virtual time; nothing if it has none."""
        return tuple(self._armed_ms + each for each in self._window_ms or ())

    def describe_idleness(self) -> str:
        """Return what it saw and what the last call lacked, for somebody who wonders why it did not strike."""
        last = self._last()
        if last is None:
            return f"no call of {self.route} came by"
        why = self.misses(last) or self._unmet
        return f"{self.seen} calls of {self.route} came by, at the last of them {why}"

    def _last(self) -> FaultCall | None:
        calls = [counter.last for counter in self._counters if counter.last is not None and self.seen]
        return max(calls, key=lambda call: call.now_ms, default=None)

    def _passing(self, call: FaultCall) -> str:
        """Return which of the conditions that change with time a call does not meet."""
        if self.state is not None and call.state != self.state:
            return f"state: {call.state!r} is not {self.state!r}"
        if self.when is not None and not self.when(call):
            return "when: it said no"
        if not self.is_within(call.now_ms):
            return f"window: it was {(call.now_ms - self._armed_ms) / 1_000:g} s after the rule was armed"
        return ""

    def _uncounted(self, call: FaultCall) -> str:
        """Return what of counts and chance lets a call pass that meets all else."""
        # Drawn for every call, so that what the counts let pass does not move what is drawn for others.
        fraction = self._draw(call) if self.probability < 1 else 0.0
        after = self.matched - self.skip
        if after <= 0:
            return f"skip: it was number {self.matched}"
        if (after - 1) % self.every:
            return f"every: it was number {after}"
        if self.times is not None and self.fired >= self.times:
            return f"times: {self.times} were struck"
        if fraction >= self.probability:
            return f"probability: {fraction:.3f} was drawn"
        return ""

    def _draw(self, call: FaultCall) -> float:
        key = (call.route, *call.run_key)
        nth = self._drawn[key] = self._drawn.get(key, 0) + 1
        return self._draws.fraction("fault", self.id, *key, nth)

    def _check_match(self) -> None:
        if not isinstance(self.route, str) or not self.route:
            raise UsageError("route: a fault needs a route such as 'runs/get'; '*' strikes every route")
        for name in ("run_name", "token"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise UsageError(f"{name}: {value!r} is no text; leave it out to strike every call")
        allowed = {
            "principal": [each.value for each in Principal if each is not Principal.EXPIRED],
            "version": _VERSIONS,
            "state": [each.value for each in LifeCycleState],
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if value is not None and value not in values:
                hint = nearest(str(value), values)
                raise UsageError(f"{name}: {value!r} is none of {', '.join(values)}{hint}")
        if self.when is not None and not callable(self.when):
            raise UsageError(f"when: {self.when!r} cannot be asked; write a function of the call")

    def _check_counts(self) -> None:
        if not _is_count(self.skip, least=0):
            raise UsageError(f"skip: {self.skip!r} is no count; 0 strikes from the first call on")
        if not _is_count(self.every, least=1):
            raise UsageError(f"every: {self.every!r} is no count from 1 on; 1 strikes each call")
        if self.times is not None and not _is_count(self.times, least=1):
            raise UsageError(
                f"times: {self.times!r} is no count from 1 on; leave it out to strike every call"
            )
        if not _is_number(self.probability) or not 0 < self.probability <= 1:
            raise UsageError(f"probability: {self.probability!r} is no number above 0 and up to 1")
        if self.window is not None:
            self._window_ms = _check_window(self.window)


def _check_window(window: object) -> tuple[int, int]:
    if not isinstance(window, (tuple, list)) or len(window) != 2:  # noqa: PLR2004 - two ends
        raise UsageError(f"window: {window!r} does not have two ends; write ('10m', '25m')")
    first_ms, end_ms = (duration_ms(each, name="window") for each in window)
    if first_ms >= end_ms:
        raise UsageError(f"window: {window!r} ends before it begins; write ('10m', '25m')")
    return first_ms, end_ms


def _is_count(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
