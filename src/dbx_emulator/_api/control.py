"""The control API under /__dbx/: what a test can do in Python, another process can do over HTTP.

`Control` is the one definition of what can be done; the routes below only decode and encode. It needs the
workspace's own token, but for the question whether the server is up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from dbx_emulator._api.scenario_data import describe_scenario, read_match, read_scenario, read_scenarios
from dbx_emulator._api.snapshots import Snapshots
from dbx_emulator._api.structs import (
    AddFault,
    ApplyProfiles,
    IssueToken,
    JsonObject,
    ListFindings,
    MoveClock,
    NameFault,
    RevokeToken,
    UseScenario,
)
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults import KINDS, PROFILES, ConnectionFault, Fault, Faults
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.scenarios import Scenario, Scenarios
from dbx_emulator._core.tokens import Tokens

if TYPE_CHECKING:
    from dbx_emulator._api.calls import Call

__all__ = [
    "Control",
    "add_fault",
    "add_scenario",
    "apply_profiles",
    "clear_scenarios",
    "get_clock",
    "get_health",
    "issue_token",
    "list_faults",
    "list_findings",
    "list_profiles",
    "list_scenarios",
    "move_clock",
    "remove_faults",
    "revoke_token",
    "rotate_token",
]


class Control:
    """What the author of a test may do to a workspace.

    Args:
        clock: Its time.
        scenarios: What happens to its runs.
        faults: What happens to calls.
        tokens: What opens the workspace.
        journal: What was called.
        snapshots: What all of this knows together.
        make_another: Makes a workspace as this one was made, and returns its snapshots.
        unlocked: Lets go of the workspace's lock for a while. The clock is asked and moved without it: it calls
            whoever lives by it, other workspaces included.
        lint: Returns what is to be said of the clients, as plain data, but for some rules.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        scenarios: Scenarios,
        faults: Faults,
        tokens: Tokens,
        journal: Journal,
        snapshots: Snapshots,
        make_another: Callable[[], Snapshots],
        unlocked: Callable[[], AbstractContextManager[None]] = nullcontext,
        lint: Callable[[list[str]], list[JsonObject]] = lambda _ignore: [],
    ) -> None:
        self.clock = clock
        self._unlocked = unlocked
        self.scenarios = scenarios
        self.faults = faults
        self.tokens = tokens
        self.journal = journal
        self._snapshots = snapshots
        self._make_another = make_another
        self._start: bytes | None = None
        self.describe_findings = lint

    def snapshot(self) -> bytes:
        """Return all that the workspace knows, as JSON.

        Raises:
            UsageError: Something of it is code, which cannot be written down.
        """
        return self._snapshots.take()

    def restore(self, snapshot: bytes | str) -> None:
        """Make the workspace what it was, or one made alike was, when a snapshot was taken.

        Raises:
            UsageError: It is no such snapshot, or time cannot go back. Then nothing was changed.
        """
        self._snapshots.restore(snapshot)
        self._tell_time()

    def start_here(self) -> None:
        """Let `reset` come back to how the workspace is now, and not to how it was made.

        Raises:
            UsageError: Something of it is code, which cannot be written down.
        """
        self._start = self._snapshots.take()

    def reset(self) -> None:
        """Make the workspace what it was at its start.

        Raises:
            UsageError: Time cannot go back.
        """
        if self._start is None:
            self._snapshots.become(self._make_another())
            self._tell_time()
        else:
            self.restore(self._start)

    def _tell_time(self) -> None:
        with self._unlocked():
            self.clock.moved()

    def describe_clock(self) -> JsonObject:
        """Return the clock's policy, its rate (virtual seconds in a real one) and the present."""
        return {"policy": self.clock.policy, "rate": self.clock.rate, "now_ms": self.clock.now_ms}

    def describe_time(self) -> JsonObject:
        """Return the same, when the next event is due, when time ends and who holds it."""
        with self._unlocked():
            return self.describe_clock() | {
                "next_event_ms": self.clock.next_event_ms,
                "end_of_time_ms": self.clock.end_of_time_ms,
                "holds": list(self.clock.holds),
            }

    def move_clock(self, **moves: Any) -> None:
        """Move time: by `advance` (a duration), `step` (true), or `run_until` (a run's id and a state).

        Raises:
            UsageError: Not exactly one of them is given, or the clock refuses it.
        """
        if len(moves) != 1 or moves.get("step") is False:
            given = ", ".join(f"{name}={value!r}" for name, value in moves.items()) or "nothing"
            raise UsageError(
                f"clock: it takes exactly one of advance='1h', step=true and run_until, and was given {given}"
            )
        with self._unlocked():
            if "advance" in moves:
                self.clock.advance(moves["advance"])
            elif "step" in moves:
                self.clock.step()
            else:
                until = moves["run_until"]
                self.clock.run_until(until["run_id"], until["state"])

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


#: Fields of faults that cannot be said in JSON.
_IN_PYTHON = frozenset({"when"})


def _build(value_type: Any, fields: JsonObject) -> Any:
    allowed = [
        field.name for field in dataclasses.fields(value_type) if field.init and field.name not in _IN_PYTHON
    ]
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
    return msgspec.json.encode(call.service.control.describe_time())


def move_clock(call: Call) -> bytes:
    """Answer POST /__dbx/clock: move time forward and let happen what falls due."""
    call.service.control.move_clock(**msgspec.to_builtins(call.body(MoveClock)))
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
    _check_way_back(fields, call.service.control.clock)
    return msgspec.json.encode(_describe(call.service.control.add_fault(fields)))


def _check_way_back(fields: JsonObject, clock: Clock) -> None:
    """Refuse what would lock out whoever asks for it.

    Raises:
        UsageError: No client could connect any more, and nothing would end that.
    """
    if fields["kind"] == ConnectionFault.kind and not (
        fields.get("times") or (fields.get("window") and clock.rate)
    ):
        raise UsageError(
            "times: nobody could connect any more to end it; give it times or, if time passes by itself, a window"
        )


def remove_faults(call: Call) -> bytes:
    """Answer DELETE /__dbx/faults: all, or the one whose `id` the query names."""
    faults = call.service.control.faults
    named = call.parameters(NameFault).id
    if named:
        faults.remove(faults[named])
    else:
        faults.clear()
    return b"{}"


def list_profiles(_call: Call) -> bytes:
    """Answer GET /__dbx/profiles: what there is, and what each draws."""
    return msgspec.json.encode({"profiles": {name: profile.draws for name, profile in PROFILES.items()}})


def apply_profiles(call: Call) -> bytes:
    """Answer POST /__dbx/profiles with the faults that are armed by it."""
    faults = call.service.control.faults.apply(*call.body(ApplyProfiles).profiles)
    return msgspec.json.encode({"faults": [_describe(fault) for fault in faults]})


def issue_token(call: Call) -> bytes:
    """Answer POST /__dbx/tokens."""
    body = call.body(IssueToken)
    token = call.service.control.tokens.issue(body.principal, lifetime=body.lifetime, refusal=body.refusal)
    return msgspec.json.encode({"token": token})


def revoke_token(call: Call) -> bytes:
    """Answer DELETE /__dbx/tokens."""
    call.service.control.tokens.revoke(call.body(RevokeToken).token)
    return b"{}"


def rotate_token(call: Call) -> bytes:
    """Answer POST /__dbx/tokens/rotate with the token that opens the workspace from now on."""
    return msgspec.json.encode({"token": call.service.control.tokens.rotate()})


def list_findings(call: Call) -> bytes:
    """Answer GET /__dbx/lint: what the clients should not have done."""
    ignored = call.parameters(ListFindings).ignore
    findings = call.service.control.describe_findings(ignored.split(",") if ignored else [])
    return msgspec.json.encode({"findings": findings})


def _describe_scenarios(scenarios: list[Scenario]) -> JsonObject:
    return {"scenarios": [describe_scenario(each) for each in scenarios]}


def _describe(fault: Fault) -> JsonObject:
    fields = (
        field.name for field in dataclasses.fields(fault) if field.repr and field.name not in _IN_PYTHON
    )
    return {"kind": fault.kind, "seen": fault.seen} | {
        name: dict(value) if name == "headers" else value
        for name in fields
        if (value := getattr(fault, name)) is not None
    }
