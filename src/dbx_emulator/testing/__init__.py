"""What judges a client: expectations about the calls it made, lint, and the fault sweep.

Importing this package loads nothing else; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbx_emulator.testing.sweeps.kinds import SWEEP_KINDS as SWEEP_KINDS
    from dbx_emulator.testing.sweeps.kinds import SweepKind as SweepKind
    from dbx_emulator.testing.sweeps.lives import LifeOutcome as LifeOutcome
    from dbx_emulator.testing.sweeps.report import SweepFailure as SweepFailure
    from dbx_emulator.testing.sweeps.report import SweepReport as SweepReport
    from dbx_emulator.testing.sweeps.sweeping import sweep as sweep

_HOMES = {
    "LifeOutcome": "dbx_emulator.testing.sweeps.lives",
    "SWEEP_KINDS": "dbx_emulator.testing.sweeps.kinds",
    "SweepFailure": "dbx_emulator.testing.sweeps.report",
    "SweepKind": "dbx_emulator.testing.sweeps.kinds",
    "SweepReport": "dbx_emulator.testing.sweeps.report",
    "sweep": "dbx_emulator.testing.sweeps.sweeping",
}

__all__ = [
    "SWEEP_KINDS",
    "LifeOutcome",
    "SweepFailure",
    "SweepKind",
    "SweepReport",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
