"""The stall guard: nobody polls for ever while time stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar
from urllib.parse import parse_qs

from dbx_emulator._api.messages import Request
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError

__all__ = ["StallGuard"]

_CONTROL = "/__dbx"


class StallGuard:
    """Counts how often each target is read at one moment.

    Args:
        clock: Whose time; its `stall_after` says how often is too often.
        who: Says who is calling at the moment.
    """

    #: What of it a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_at_ms", "_counts")

    def __init__(self, clock: Clock, *, who: Callable[[], str]) -> None:
        self._clock = clock
        self._who = who
        self._limit = clock.stall_after
        self._at_ms = 0
        self._counts: dict[str, int] = {}

    def count(self, request: Request) -> None:
        """Count a request, before it is answered. The control API may be read as often as anybody likes.

        Raises:
            UsageError: It is one too many.
        """
        if self._limit is None or request.method != "GET":
            return
        now_ms = self._clock.now_ms
        if now_ms != self._at_ms:
            self._at_ms = now_ms
            self._counts.clear()
        target = request.target
        count = self._counts[target] = self._counts.get(target, 0) + 1
        if count > self._limit and not target.startswith(_CONTROL):
            raise UsageError(self._describe(target))

    def _describe(self, target: str) -> str:
        path, _, query = target.partition("?")
        run_ids = parse_qs(query).get("run_id", [])
        what = f"run {run_ids[0]} (GET {path})" if run_ids else f"GET {target}"
        return (
            f"stall guard: {self._who()} has read {what} {self._limit:,} times while time stood still. Move it: "
            "clock.advance('5m'), step() or run_until(…), or let the code sleep where its sleep is virtual "
            "(threads=[…] for threads of its own, modules=[…] for `from time import sleep`); "
            "Clock(stall_after=None) lets it poll on"
        )
