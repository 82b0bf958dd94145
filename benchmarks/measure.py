"""How a ratio is measured: two calls in turns, in small batches, the best batch of each.

Batches in turns see the same machine; the best batch is the one that the machine disturbed least.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ratio", "Reported", "compare"]

Call = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """A measured ratio.

    Attributes:
        name: What is compared with what.
        ours_us: Microseconds for one of our calls.
        baseline_us: Microseconds for one call of the baseline.
        value: The ratio as the gate states it.
        gate: The gate, as text; an empty text if the ratio is only reported.
        is_met: Whether the value meets it.
    """

    name: str
    ours_us: float
    baseline_us: float
    value: float
    gate: str = ""
    is_met: bool = True

    def __str__(self) -> str:
        verdict = f"gate {self.gate}: {'met' if self.is_met else 'NOT MET'}" if self.gate else "reported"
        measured = f"{self.ours_us:.0f} µs against {self.baseline_us:.0f} µs"
        return f"{self.name}: {self.value:.2f} ({verdict}; {measured})"


@dataclass(frozen=True)
class Reported:
    """A number that no baseline goes with.

    Attributes:
        name: What was measured.
        text: The number with its unit.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text} (reported)"


def compare(ours: Call, baseline: Call, *, batches: int = 40, calls: int = 100) -> tuple[float, float]:
    """Return microseconds for one call of each, measured in turns after a warm-up."""
    for call in (ours, baseline):
        _batch(call, calls)
    measured = [(_batch(ours, calls), _batch(baseline, calls)) for _ in range(batches)]
    return min(each for each, _ in measured), min(each for _, each in measured)


def _batch(call: Call, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6
