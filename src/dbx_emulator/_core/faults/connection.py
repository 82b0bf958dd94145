"""Nobody gets as far as to ask anything: the service does not listen, or refuses to speak TLS."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["CONNECTION_KINDS", "ConnectionFault"]

#: What becomes of a client that connects.
CONNECTION_KINDS: dict[str, str] = {
    "refused": "nothing listens: the connection is refused",
    "tls": "the TLS handshake is refused with an alert",
}

#: What a fault of connections can be told: there is no call yet that could match anything else.
_FIELDS = frozenset({"how", "route", "times", "window", "point", "is_transient"})


@dataclass(slots=True)
class ConnectionFault(Fault):
    """Clients cannot connect, and connections that are open end.

    It belongs to the listener: it strikes whoever comes, so that it can match neither a route nor a run.

    Attributes:
        how: One of `CONNECTION_KINDS`.
        times: How many clients it keeps out before it is over; `None` keeps out all.

    Raises:
        UsageError: `how` is none of the kinds, or it is to match a call.
    """

    kind: ClassVar[str] = "connection"
    points: ClassVar[tuple[Point, ...]] = ("connect",)

    route: str = "*"
    how: str = field(default="refused", kw_only=True)

    def __post_init__(self) -> None:
        if self.how not in CONNECTION_KINDS:
            hint = nearest(str(self.how), CONNECTION_KINDS)
            raise UsageError(f"how: {self.how!r} is none of {', '.join(CONNECTION_KINDS)}{hint}")
        for each in fields(self):
            if each.init and each.name not in _FIELDS and getattr(self, each.name) != each.default:
                raise UsageError(
                    f"{each.name}: a connection that does not come about carries no call that could match; "
                    "give the fault times or a window"
                )
        if self.route != "*":
            raise UsageError(
                f"route: {self.route!r} is known when a client has connected; leave it out, or strike calls "
                "of it with a WireFault"
            )
        Fault.__post_init__(self)

    def is_on(self, now_ms: int) -> bool:
        """Say whether it keeps out whoever connects now."""
        return self.is_within(now_ms) and (self.times is None or self.fired < self.times)

    def describe_idleness(self) -> str:
        """Return that nobody connected while it was on."""
        return "nobody connected while it was on"
