"""Virtual time: an epoch, a rate and jumps forward.

Owns the present. It does not know what is due: the engine asks it for `now_ms` and drains its heap.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Literal

from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest

__all__ = ["EPOCH_MS", "POLICIES", "Clock", "Policy"]

#: Virtual time starts at 2024-01-01T00:00:00Z, whatever the clock on the wall says.
EPOCH_MS = 1_704_067_200_000

Policy = Literal["manual", "scaled", "real"]

#: Virtual milliseconds that pass in one real millisecond; `None` stands for the speed that was asked for.
POLICIES: dict[str, float | None] = {"manual": 0.0, "scaled": None, "real": 1.0}


class Clock:
    """The present of one workspace, in epoch milliseconds.

    A clock never goes back. It moves by `advance` under every policy and by itself under `scaled` and `real`.

    Args:
        policy: `manual` (stands still until moved), `scaled` (runs `speed` times as fast as real time) or
            `real`.
        speed: Virtual seconds in one real second, for `scaled`; above 0.
        real_ms: Where real time comes from, in milliseconds since any fixed moment. Only `scaled` and `real`
            need it.

    Raises:
        UsageError: An unknown policy, a speed that is not above 0, or no source of real time where one is
            needed.
    """

    def __init__(
        self,
        policy: Policy = "manual",
        *,
        speed: float = 60.0,
        real_ms: Callable[[], float] | None = None,
    ) -> None:
        if policy not in POLICIES:
            hint = nearest(str(policy), POLICIES)
            raise UsageError(f"clock policy: {policy!r} is none of {', '.join(POLICIES)}{hint}")
        if not 0 < speed < math.inf:
            raise UsageError(
                f"clock speed: {speed!r} is no number above 0; to stop time, use the policy 'manual'"
            )
        fixed_rate = POLICIES[policy]
        self.policy = policy
        self.rate = speed if fixed_rate is None else fixed_rate
        if self.rate and real_ms is None:
            raise UsageError(
                f"clock policy {policy!r} needs a source of real time: real_ms=lambda: time.monotonic() * 1000"
            )
        self._real_ms = real_ms or (lambda: 0.0)
        self._started_ms = self._real_ms()
        self._jumped_ms = 0
        self._ticked_ms = 0
        self._lock = threading.Lock()
        self._on_move: list[Callable[[], None]] = []

    @property
    def now_ms(self) -> int:
        """The present, in epoch milliseconds of virtual time."""
        if not self.rate:
            return EPOCH_MS + self._jumped_ms
        return EPOCH_MS + self._jumped_ms + int((self._real_ms() - self._started_ms) * self.rate)

    def advance(self, duration: Duration) -> int:
        """Move time forward and return the new present in epoch milliseconds.

        Raises:
            UsageError: The duration is negative or no duration.
        """
        jump_ms = duration_ms(duration, name="advance")
        with self._lock:
            self._jumped_ms += jump_ms
            now_ms = self.now_ms
        for moved in self._on_move:
            moved()
        return now_ms

    def on_move(self, moved: Callable[[], None]) -> None:
        """Have `moved` called after each `advance`."""
        self._on_move.append(moved)

    def tick(self) -> int:
        """Return a present that no earlier tick returned, moving time by a millisecond if it must.

        Whatever is created is stamped with a tick, so that creation times order as creations did.
        """
        with self._lock:
            now_ms = self.now_ms
            if now_ms <= self._ticked_ms:
                self._jumped_ms += self._ticked_ms + 1 - now_ms
                now_ms = self._ticked_ms + 1
            self._ticked_ms = now_ms
            return now_ms

    def time(self) -> float:
        """Return the present in epoch seconds, in place of `time.time` in code that takes its clock."""
        return self.now_ms / 1_000

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass at once, in place of `time.sleep` in code that takes its sleep.

        Raises:
            UsageError: `seconds` is negative.
        """
        self.advance(seconds)
