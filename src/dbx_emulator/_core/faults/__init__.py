"""Trouble with a single call: decided here, performed elsewhere.

A fault is a rule. It names the route it strikes, how many calls it lets pass first and how many it strikes. Each
kind is one small file, registered in `KINDS`; the control API and the documentation know it from there.
"""

from __future__ import annotations

from dbx_emulator._core.faults.lost_response import LostResponse
from dbx_emulator._core.faults.rules import Fault, Faults, Point
from dbx_emulator._core.faults.status import StatusFault
from dbx_emulator._core.faults.wire import WIRE_KINDS, WireFault

__all__ = ["KINDS", "WIRE_KINDS", "Fault", "Faults", "LostResponse", "Point", "StatusFault", "WireFault"]

KINDS: dict[str, type[Fault]] = {kind.kind: kind for kind in (StatusFault, LostResponse, WireFault)}
