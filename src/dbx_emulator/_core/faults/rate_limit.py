"""The service takes so many calls at a time and refuses the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults.rules import Fault, FaultCall, Point

__all__ = ["RateLimit"]


@dataclass(slots=True)
class RateLimit(Fault):
    """Calls above a rate are answered 429; they have no effect and do not count towards the rate.

    Each token has a bucket of its own for each route, in virtual time.

    Attributes:
        per_second: How many calls in a virtual second last; `None` does not limit the rate.
        burst: How many may come at once after a rest; `None` is as many as in a second, at least one.
        in_flight: How many requests may be under way at once, over all tokens and routes; `None` does not limit
            them. Calls in process are answered at once and never wait for each other: those at sockets count.
        says_when: Whether the refusal says with Retry-After when the next call will be taken.

    Raises:
        UsageError: Nothing is limited, or a limit is none.
    """

    kind: ClassVar[str] = "rate_limit"
    points: ClassVar[tuple[Point, ...]] = ("before_handler",)

    per_second: float | None = field(default=None, kw_only=True)
    burst: int | None = field(default=None, kw_only=True)
    in_flight: int | None = field(default=None, kw_only=True)
    says_when: bool = field(default=True, kw_only=True)
    #: For each token and route how many calls are free, and since when, in epoch milliseconds.
    _buckets: dict[tuple[str | None, str], tuple[float, int]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if self.per_second is None and self.in_flight is None:
            raise UsageError("per_second: nothing is limited; write RateLimit('runs/get', per_second=10)")
        for name in ("per_second", "burst", "in_flight"):
            value: float | None = getattr(self, name)
            if value is None:
                continue
            allowed = (int, float) if name == "per_second" else (int,)
            if type(value) not in allowed or not 0 < value < math.inf:
                raise UsageError(f"{name}: {value!r} is no number of calls above 0")
        if self.per_second is None and self.burst is not None:
            raise UsageError("burst: calls come in bursts of a rate; give per_second as well")

    def applies(self, call: FaultCall) -> str:
        """Take a call from the bucket and return that it was let in, or nothing if it is to be refused."""
        if self.in_flight is not None and call.in_flight > self.in_flight:
            return ""
        if self.per_second is None:
            return f"in_flight: it was one of {call.in_flight}"
        free = self._free(call)
        if free < 1:
            return ""
        self._buckets[call.token, call.route] = (free - 1, call.now_ms)
        return f"per_second: {free:g} calls were free"

    def retry_after_seconds(self, call: FaultCall) -> int:
        """Return after how many whole seconds the next call will be taken, at least 1."""
        if self.per_second is None:
            return 1
        return max(1, math.ceil(round((1 - self._free(call)) / self.per_second, 6)))

    def is_crowded(self, call: FaultCall) -> bool:
        """Say whether a call was refused because too many are under way."""
        return self.in_flight is not None and call.in_flight > self.in_flight

    def _free(self, call: FaultCall) -> float:
        assert self.per_second is not None, "asked only where a rate is limited"
        most = float(self.burst or max(1, math.floor(self.per_second)))
        free, since_ms = self._buckets.get((call.token, call.route), (most, call.now_ms))
        # Rounded: a tenth of a call ten times is to be a call.
        return min(most, round(free + (call.now_ms - since_ms) / 1_000 * self.per_second, 6))
