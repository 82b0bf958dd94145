"""Reads that do not see yet what was just written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.rules import Fault, FaultCall, Point

__all__ = ["LAG_KINDS", "ReadLag"]

#: What a read is told while it lags.
LAG_KINDS: dict[str, str] = {
    "not_found": "that there is no such run",
    "stale": "what the same reader was told before the write; if nothing, that there is no such run",
}


@dataclass(slots=True)
class ReadLag(Fault):
    """After a run was submitted or cancelled, its first reads do not know of it.

    Attributes:
        reads: How many reads of a run lag after each write to it.
        how: One of `LAG_KINDS`.

    Raises:
        UsageError: `reads` is below 1, `how` is none of the kinds, or the route is not that of reading one run.
    """

    kind: ClassVar[str] = "read_lag"
    points: ClassVar[tuple[Point, ...]] = ("in_answer",)
    only_routes: ClassVar[tuple[str, ...] | None] = ("runs/get", "runs/get-output")

    route: str = "runs/get"
    reads: int = field(default=1, kw_only=True)
    how: str = field(default="not_found", kw_only=True)
    #: For each run how many reads still lag.
    _left: dict[int, int] = field(default_factory=dict, init=False, compare=False, repr=False)
    #: For each reader - its token and what it asks - what it was told last.
    _told: dict[tuple[str | None, str], bytes] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if isinstance(self.reads, bool) or not isinstance(self.reads, int) or self.reads < 1:
            raise UsageError(f"reads: {self.reads!r} is no count from 1 on")
        if self.how not in LAG_KINDS:
            hint = nearest(str(self.how), LAG_KINDS)
            raise UsageError(f"how: {self.how!r} is none of {', '.join(LAG_KINDS)}{hint}")

    def applies(self, call: FaultCall) -> str:
        """Count a read of a run and return that it is up to date, or nothing if it lags."""
        left = self._left.get(call.run_id or 0, 0)
        if not left:
            return "reads: nothing was written just before"
        self._left[call.run_id or 0] = left - 1
        return ""

    def wrote(self, run_id: int) -> None:
        """Let the next reads of a run lag."""
        self._left[run_id] = self.reads

    def told(self, call: FaultCall, body: bytes) -> None:
        """Keep what a reader was told."""
        if self.how == "stale":
            self._told[call.token, call.target] = body

    def stale_body(self, call: FaultCall) -> bytes | None:
        """Return what the same reader was told before; `None` if nothing is to be told."""
        return self._told.get((call.token, call.target))
