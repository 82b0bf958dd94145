"""What a fault does to the call it strikes: one function for each kind, around the delivery of the request.

The faults decide, these perform. A delivery is what would have happened without the fault; an effect that does not
ask for it leaves no trace of the call in the workspace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from dbx_emulator._api.errors import concurrency_exceeded, rate_exceeded, run_does_not_exist
from dbx_emulator._api.messages import Reply, Reset
from dbx_emulator._api.wire import WIRES
from dbx_emulator._core.errors import ApiError
from dbx_emulator._core.faults import (
    DriftFault,
    DuplicateDelivery,
    Fault,
    FaultCall,
    LostResponse,
    RateLimit,
    ReadLag,
    StatusFault,
    WireFault,
)

__all__ = ["EFFECTS", "Struck"]


@dataclass(frozen=True, slots=True)
class Struck:
    """A call that a fault strikes.

    Attributes:
        call: The call, as faults see it.
        deliver: Does what was asked and returns the reply.
        refuse: Returns the reply that says an error.
        workspace_id: The number of the workspace.
    """

    call: FaultCall
    deliver: Callable[[], Reply]
    refuse: Callable[[ApiError], Reply]
    workspace_id: int


def _answer_status(fault: StatusFault, struck: Struck) -> Reply:
    if fault.point == "after_effect":
        struck.deliver()
    error = ApiError(
        fault.status_code,
        *fault.error(),
        dialect=str(fault.dialect),
        headers=fault.header_lines(struck.call.now_ms),
    )
    return struck.refuse(error)


def _lose_response(_fault: LostResponse, struck: Struck) -> Reply:
    reply = struck.deliver()
    reply.wire = (Reset(),)
    return reply


def _deliver_twice(_fault: DuplicateDelivery, struck: Struck) -> Reply:
    first, second = struck.deliver(), struck.deliver()
    second.note = f"delivered twice, answered first with {first.status_code} {_shown(first.body)}"
    return second


def _break_wire(fault: WireFault, struck: Struck) -> Reply:
    # What strikes before the effect sends nothing of an answer, and so needs none.
    reply = struck.deliver() if fault.point == "after_effect" else Reply(0, b"", ())
    reply.delay_ms = fault.delay_ms
    reply.wire = WIRES[fault.how](reply)
    reply.note = fault.how
    return reply


def _limit_rate(fault: RateLimit, struck: Struck) -> Reply:
    if fault.in_flight is not None and fault.is_crowded(struck.call):
        return struck.refuse(concurrency_exceeded(struck.workspace_id, fault.in_flight))
    seconds = fault.retry_after_seconds(struck.call) if fault.says_when else None
    return struck.refuse(rate_exceeded(seconds))


def _lag(fault: ReadLag, struck: Struck) -> Reply:
    reply = struck.deliver()
    body = fault.stale_body(struck.call)
    if body is not None:
        reply.body = body
        reply.note = "stale"
        return reply
    reply = struck.refuse(run_does_not_exist(struck.call.run_id or 0))
    reply.note = "not found yet"
    return reply


def _drift(fault: DriftFault, struck: Struck) -> Reply:
    reply = struck.deliver()
    if reply.error_code is None:
        body, nowhere = fault.changed(msgspec.json.decode(reply.body))
        reply.body = msgspec.json.encode(body)
        reply.note = f"led nowhere: {', '.join(nowhere)}" if nowhere else None
    return reply


def _shown(body: bytes) -> str:
    return body[:80].decode("utf-8", "replace")


#: Kind of fault → what it does. A fault of connections strikes no call.
EFFECTS: dict[type[Fault], Callable[[Any, Struck], Reply]] = {
    StatusFault: _answer_status,
    LostResponse: _lose_response,
    DuplicateDelivery: _deliver_twice,
    WireFault: _break_wire,
    RateLimit: _limit_rate,
    ReadLag: _lag,
    DriftFault: _drift,
}
