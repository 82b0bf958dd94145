"""The service does what was asked, and something is wrong with how the answer arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.rules import Fault, Point

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
}


@dataclass(slots=True)
class WireFault(Fault):
    """The effect is kept, and the answer arrives in another way than it should.

    Attributes:
        how: One of `WIRE_KINDS`.
        delay: How long the service takes before it says anything, in virtual time.

    Raises:
        UsageError: `how` is none of the kinds, or the delay is no duration.
    """

    kind: ClassVar[str] = "wire"
    point: ClassVar[Point] = "after_effect"

    how: str = "late"
    delay: Duration = 0

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if self.how not in WIRE_KINDS:
            hint = nearest(self.how, WIRE_KINDS)
            raise UsageError(f"how: {self.how!r} is none of {', '.join(WIRE_KINDS)}{hint}")
        duration_ms(self.delay, name="delay")

    @property
    def delay_ms(self) -> int:
        """The delay in virtual milliseconds."""
        return duration_ms(self.delay, name="delay")
