"""Something is wrong with how the answer arrives, or with the connection on which the request came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.rules import Fault, FaultCall, Point

__all__ = ["WIRE_KINDS", "WireFault"]

#: What can be wrong with an answer, and what the client gets to see of it.
WIRE_KINDS: dict[str, str] = {
    "late": "the whole answer, after the delay",
    "hang": "nothing, and the connection stays open",
    "reset": "a reset in place of the answer",
    "closed": "an orderly end in place of the answer",
    "half_closed": "the same, while the service goes on reading",
    "garbage": "bytes that are no HTTP",
    "truncated": "half of the body, then an orderly end",
    "reset_in_body": "half of the body, then a reset",
    "wrong_length": "the whole body, announced as longer than it is, then an orderly end",
    "slow_headers": "the first line, a pause of a minute, then the rest",
    "dribbled": "the body in pieces of 64 bytes with pauses of a second",
    "stale_keep_alive": "an orderly end when a kept connection is used again, the request unread",
}

_EFFECT_KEPT: tuple[Point, ...] = ("after_effect",)
_EITHER: tuple[Point, ...] = ("after_effect", "before_handler", "before_auth")
_NO_EFFECT: tuple[Point, ...] = ("before_auth",)

#: When each kind may strike. What sends a part of the answer needs one, and so the effect.
_POINTS: dict[str, tuple[Point, ...]] = dict.fromkeys(WIRE_KINDS, _EFFECT_KEPT) | {
    "hang": _EITHER,
    "reset": _EITHER,
    "closed": _EITHER,
    "half_closed": _EITHER,
    "garbage": _EITHER,
    "stale_keep_alive": _NO_EFFECT,
}


@dataclass(slots=True)
class WireFault(Fault):
    """The answer arrives in another way than it should, or not at all.

    By default the effect is kept. `point="before_handler"` breaks the connection before anything was done; of
    the kinds, those can do so that send nothing of the answer.

    Attributes:
        how: One of `WIRE_KINDS`. `stale_keep_alive` strikes only requests on connections that carried one before.
        delay: How long the service takes before it says anything, in virtual time.

    Raises:
        UsageError: `how` is none of the kinds, it cannot strike at that point, or the delay is no duration.
    """

    kind: ClassVar[str] = "wire"
    points: ClassVar[tuple[Point, ...]] = _EITHER

    how: str = "late"
    delay: Duration = 0

    def __post_init__(self) -> None:
        if self.how not in WIRE_KINDS:
            hint = nearest(self.how, WIRE_KINDS)
            raise UsageError(f"how: {self.how!r} is none of {', '.join(WIRE_KINDS)}{hint}")
        points = _POINTS[self.how]
        if self.point is None:
            self.point = points[0]
        elif self.point not in points and self.point in self.points:
            why = "sends a part of the answer" if points == _EFFECT_KEPT else "ends what was never read"
            raise UsageError(f"point: {self.how!r} {why} and can only strike at {points[0]!r}")
        Fault.__post_init__(self)
        duration_ms(self.delay, name="delay")

    def applies(self, call: FaultCall) -> str:
        """Return that a fresh connection is not stale."""
        if self.how == "stale_keep_alive" and not call.is_reused:
            return "how: it came on a fresh connection"
        return ""

    @property
    def delay_ms(self) -> int:
        """The delay in virtual milliseconds."""
        return duration_ms(self.delay, name="delay")
