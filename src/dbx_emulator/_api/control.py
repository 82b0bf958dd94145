"""The control API under /__dbx/: what a test can do in Python, another process can do over HTTP.

`Control` is the one definition of what can be done; the routes below only decode and encode. It needs the
workspace's own token, but for the question whether the server is up.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from dbx_emulator._api.scenario_data import describe_scenario, read_match, read_scenario, read_scenarios
from dbx_emulator._api.structs import AddFault, JsonObject, ListJournal, MoveClock, UseScenario
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults import KINDS, Fault, Faults
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.scenarios import Scenario, Scenarios

if TYPE_CHECKING:
    from dbx_emulator._api.calls import Call

__all__ = [
    "Control",
    "add_fault",
    "add_scenario",
    "clear_faults",
    "clear_journal",
    "clear_scenarios",
    "get_clock",
    "get_health",
    "list_faults",
    "list_journal",
    "list_scenarios",
    "move_clock",
]


class Control:
    """What the author of a test may do to a workspace.

    Args:
        clock: Its time.
        scenarios: What happens to its runs.
        faults: What happens to calls.
        journal: What was called.
    """

    def __init__(self, *, clock: Clock, scenarios: Scenarios, faults: Faults, journal: Journal) -> None:
        self.clock = clock
        self.scenarios = scenarios
        self.faults = faults
        self.journal = journal

    def describe_clock(self) -> JsonObject:
        """Return the clock's policy, its rate (virtual seconds in a real one) and the present."""
        return {"policy": self.clock.policy, "rate": self.clock.rate, "now_ms": self.clock.now_ms}

    def add_scenarios(self, data: JsonObject) -> list[Scenario]:
        """Add a scenario from plain data, or those of a file, `{"scenarios": […]}`; all of them or none.

        Raises:
            UsageError: A field that a scenario does not have, a value that it cannot have, or a name that is
                taken.
        """
        return self.scenarios.add_all(read_scenarios(data) if "scenarios" in data else [read_scenario(data)])

    def use_scenario(self, name: str, match: object) -> Scenario:
        """Let a scenario of the catalogue happen to the runs that match, which plain data says.

        Raises:
            UsageError: There is no scenario of that name, or the match is none.
        """
        return self.scenarios.use(name, read_match(match))

    def add_fault(self, fields: JsonObject) -> Fault:
        """Arm a fault from plain data; `kind` says which.

        Raises:
            UsageError: An unknown kind, a field it does not have, or a value that it cannot have.
        """
        kind = str(fields.pop("kind", ""))
        if kind not in KINDS:
            raise UsageError(f"kind: {kind!r} is none of {', '.join(KINDS)}{nearest(kind, KINDS)}")
        return self.faults.add(_build(KINDS[kind], fields))


def _build(value_type: Any, fields: JsonObject) -> Any:
    allowed = [field.name for field in dataclasses.fields(value_type) if field.init]
    for name in fields:
        if name not in allowed:
            what = value_type.__name__
            raise UsageError(f"{what} has no {name!r}; it has {', '.join(allowed)}{nearest(name, allowed)}")
    try:
        return value_type(**fields)
    except TypeError as error:
        raise UsageError(f"{value_type.__name__}: {error}") from None


def get_health(call: Call) -> bytes:
    """Answer GET /__dbx/health: the server is up."""
    return msgspec.json.encode({"status": "ok"} | call.service.control.describe_clock())


def get_clock(call: Call) -> bytes:
    """Answer GET /__dbx/clock."""
    return msgspec.json.encode(call.service.control.describe_clock())


def move_clock(call: Call) -> bytes:
    """Answer POST /__dbx/clock: move time forward and let happen what falls due."""
    call.service.control.clock.advance(call.body(MoveClock).advance)
    call.service.engine.drain()
    return get_clock(call)


def list_scenarios(call: Call) -> bytes:
    """Answer GET /__dbx/scenarios: as they could be added again, and how many runs each has had, in that order."""
    scenarios = list(call.service.control.scenarios)
    counts = [{"matched": each.matched, "taken": each.taken} for each in scenarios]
    return msgspec.json.encode(_describe_scenarios(scenarios) | {"counts": counts})


def add_scenario(call: Call) -> bytes:
    """Answer POST /__dbx/scenarios with what was added: a scenario, several, or one of the catalogue by name."""
    control, body = call.service.control, call.body(dict[str, Any])
    if "use" in body:
        asked = call.body(UseScenario)
        return msgspec.json.encode(_describe_scenarios([control.use_scenario(asked.use, asked.match)]))
    return msgspec.json.encode(_describe_scenarios(control.add_scenarios(body)))


def clear_scenarios(call: Call) -> bytes:
    """Answer DELETE /__dbx/scenarios."""
    call.service.control.scenarios.clear()
    return b"{}"


def list_faults(call: Call) -> bytes:
    """Answer GET /__dbx/faults, with how often each has struck."""
    return msgspec.json.encode({"faults": [_describe(fault) for fault in call.service.control.faults]})


def add_fault(call: Call) -> bytes:
    """Answer POST /__dbx/faults."""
    fields = msgspec.to_builtins(call.body(AddFault))
    return msgspec.json.encode(_describe(call.service.control.add_fault(fields)))


def clear_faults(call: Call) -> bytes:
    """Answer DELETE /__dbx/faults."""
    call.service.control.faults.clear()
    return b"{}"


def list_journal(call: Call) -> bytes:
    """Answer GET /__dbx/journal: the entries that are kept, oldest first."""
    after = call.parameters(ListJournal).after
    entries = [entry._asdict() for entry in call.service.control.journal if entry.sequence > after]
    return msgspec.json.encode({"entries": entries})


def clear_journal(call: Call) -> bytes:
    """Answer DELETE /__dbx/journal."""
    call.service.control.journal.clear()
    return b"{}"


def _describe_scenarios(scenarios: list[Scenario]) -> JsonObject:
    return {"scenarios": [describe_scenario(each) for each in scenarios]}


def _describe(fault: Fault) -> JsonObject:
    return {"kind": fault.kind} | {
        name: dict(value) if name == "headers" else value
        for name in (field.name for field in dataclasses.fields(fault))
        if (value := getattr(fault, name)) is not None
    }
