"""A Databricks workspace in process: the Jobs and Runs API under a clock that the test owns.

Importing this package loads nothing else; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbx_emulator._core.clock import Clock as Clock
    from dbx_emulator._core.errors import UsageError as UsageError
    from dbx_emulator._core.faults import ConnectionFault as ConnectionFault
    from dbx_emulator._core.faults import DriftFault as DriftFault
    from dbx_emulator._core.faults import DuplicateDelivery as DuplicateDelivery
    from dbx_emulator._core.faults import LostResponse as LostResponse
    from dbx_emulator._core.faults import RateLimit as RateLimit
    from dbx_emulator._core.faults import ReadLag as ReadLag
    from dbx_emulator._core.faults import StatusFault as StatusFault
    from dbx_emulator._core.faults import WireFault as WireFault
    from dbx_emulator._core.journal import JournalEntry as JournalEntry
    from dbx_emulator._core.outcomes import Outcome as Outcome
    from dbx_emulator._core.outcomes import Timing as Timing
    from dbx_emulator._core.runs import JobRun as JobRun
    from dbx_emulator._core.runs import TaskRun as TaskRun
    from dbx_emulator._core.scenarios import Match as Match
    from dbx_emulator._core.states import LifeCycleState as LifeCycleState
    from dbx_emulator._core.states import ResultState as ResultState
    from dbx_emulator._core.states import TerminationCode as TerminationCode
    from dbx_emulator._core.states import TerminationType as TerminationType
    from dbx_emulator.workspace import Workspace as Workspace
    from dbx_emulator.workspaces import Workspaces as Workspaces

_HOMES = {
    "Clock": "dbx_emulator._core.clock",
    "ConnectionFault": "dbx_emulator._core.faults",
    "DriftFault": "dbx_emulator._core.faults",
    "DuplicateDelivery": "dbx_emulator._core.faults",
    "JobRun": "dbx_emulator._core.runs",
    "JournalEntry": "dbx_emulator._core.journal",
    "LifeCycleState": "dbx_emulator._core.states",
    "LostResponse": "dbx_emulator._core.faults",
    "Match": "dbx_emulator._core.scenarios",
    "Outcome": "dbx_emulator._core.outcomes",
    "RateLimit": "dbx_emulator._core.faults",
    "ReadLag": "dbx_emulator._core.faults",
    "ResultState": "dbx_emulator._core.states",
    "StatusFault": "dbx_emulator._core.faults",
    "TaskRun": "dbx_emulator._core.runs",
    "TerminationCode": "dbx_emulator._core.states",
    "TerminationType": "dbx_emulator._core.states",
    "Timing": "dbx_emulator._core.outcomes",
    "UsageError": "dbx_emulator._core.errors",
    "WireFault": "dbx_emulator._core.faults",
    "Workspace": "dbx_emulator.workspace",
    "Workspaces": "dbx_emulator.workspaces",
}

__all__ = [
    "Clock",
    "ConnectionFault",
    "DriftFault",
    "DuplicateDelivery",
    "JobRun",
    "JournalEntry",
    "LifeCycleState",
    "LostResponse",
    "Match",
    "Outcome",
    "RateLimit",
    "ReadLag",
    "ResultState",
    "StatusFault",
    "TaskRun",
    "TerminationCode",
    "TerminationType",
    "Timing",
    "UsageError",
    "WireFault",
    "Workspace",
    "Workspaces",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
