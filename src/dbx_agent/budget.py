"""How much of an RPC's time is left; pure arithmetic on instants that the caller reads from its clock.

Flyte's engine gives a call to an agent a few seconds and then cancels it, so retries are bounded by the time
of the whole RPC and not by a count.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MIN_ATTEMPT_SECONDS", "Budget"]

MIN_ATTEMPT_SECONDS = 0.25
"""An attempt that would start with fewer seconds left is not worth starting."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The time one RPC may take.

    Source: [flyte.rpc.deadline] documented: Flyte documentation, connector-service plugin, defaultTimeout 10s

    Attributes:
        started_at: The instant the RPC began, in seconds of the clock that also gives every `now`.
        limit_seconds: What the RPC may take altogether.
    """

    started_at: float
    limit_seconds: float

    def remaining_seconds(self, now: float) -> float:
        """Return the seconds left at an instant; never negative."""
        return max(0.0, self.started_at + self.limit_seconds - now)

    def allows_attempt(self, now: float, *, after_seconds: float = 0.0) -> bool:
        """Tell whether a pause and then one more attempt still fit."""
        return self.remaining_seconds(now) - after_seconds >= MIN_ATTEMPT_SECONDS
