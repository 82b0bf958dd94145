"""Trouble with a single call: decided here, performed elsewhere.

A fault is a rule. It says which calls it strikes, how often, and at which point of the call. Each kind is one
small file, registered in `KINDS`; the control API and the documentation know it from there.
"""

from __future__ import annotations

from dbx_emulator._core.faults.armed import Faults
from dbx_emulator._core.faults.connection import CONNECTION_KINDS, ConnectionFault
from dbx_emulator._core.faults.drift import DriftFault
from dbx_emulator._core.faults.duplicate_delivery import DuplicateDelivery
from dbx_emulator._core.faults.gate import Gate
from dbx_emulator._core.faults.lost_response import LostResponse
from dbx_emulator._core.faults.profiles import PROFILES, Profile
from dbx_emulator._core.faults.rate_limit import RateLimit
from dbx_emulator._core.faults.read_lag import ReadLag
from dbx_emulator._core.faults.rules import Fault, FaultCall, Point
from dbx_emulator._core.faults.status import DIALECTS, StatusFault
from dbx_emulator._core.faults.wire import WIRE_KINDS, WireFault

__all__ = [
    "CONNECTION_KINDS",
    "DIALECTS",
    "KINDS",
    "PROFILES",
    "WIRE_KINDS",
    "ConnectionFault",
    "DriftFault",
    "DuplicateDelivery",
    "Fault",
    "FaultCall",
    "Faults",
    "Gate",
    "LostResponse",
    "Point",
    "Profile",
    "RateLimit",
    "ReadLag",
    "StatusFault",
    "WireFault",
]

KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        StatusFault,
        LostResponse,
        DuplicateDelivery,
        WireFault,
        ConnectionFault,
        RateLimit,
        ReadLag,
        DriftFault,
    )
}
