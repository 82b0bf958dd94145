"""Snapshots: all that a workspace knows as one document of JSON, from which another process goes on.

Each part of a workspace says in `STATE` which of its attributes are what it knows; the rest is who it works with.
A snapshot is replaced by nothing and repaired by nobody: one that is not whole, or not of this very shape, is
refused before anything was changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dbx_emulator._api.messages import Fin, HalfClose, Hang, Pause, Reply, Request, Reset, Send
from dbx_emulator._core.clock import Present
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.events import Due
from dbx_emulator._core.faults import KINDS, FaultCall
from dbx_emulator._core.faults.rules import Counter
from dbx_emulator._core.jobs import Job, JobSettings
from dbx_emulator._core.journal import JournalEntry
from dbx_emulator._core.lifecycle import Event, JobRunState
from dbx_emulator._core.object_graph import Graph, Types, read_graph, write_graph
from dbx_emulator._core.outcomes import Fate, OnCancel, Outcome, StageTimes
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun, Repair, TaskRun, TimelineEntry
from dbx_emulator._core.scenarios import Match, Scenario
from dbx_emulator._core.states import (
    ConditionOp,
    LifeCycleState,
    QueueCode,
    ResultState,
    RunIf,
    RunType,
    TerminationCode,
    TerminationType,
    TriggerType,
)
from dbx_emulator._core.submitted import Condition, Dependency, ForEach, RunJob, SubmittedRun, SubmittedTask
from dbx_emulator._core.tokens import Token

if TYPE_CHECKING:
    from dbx_emulator._api.calls import Call

__all__ = [
    "TYPES",
    "VERSION",
    "Part",
    "Snapshots",
    "reset_workspace",
    "restore_snapshot",
    "take_snapshot",
]

#: What the document says of itself.
_FORMAT = "dbx-emulator snapshot"

#: Grows when a document means something else than before, though it looks the same.
VERSION = 1

#: What parts of a workspace may be made of.
TYPES = Types(
    records=(
        *(Job, JobSettings, JobRun, TaskRun, Repair, Due, JobRunState, StageTimes, Fate, Outcome),
        *(SubmittedRun, SubmittedTask, Condition, ForEach, RunJob, Scenario, Match),
        *(*KINDS.values(), Counter, FaultCall, Token),
        *(Request, Reply, Send, Pause, Reset, Fin, HalfClose, Hang),
    ),
    values=(
        *(Present, TimelineEntry, Dependency, JournalEntry),
        *(LifeCycleState, ResultState, QueueCode, RunType, TriggerType, RunIf, ConditionOp),
        *(TerminationType, TerminationCode, OnCancel, Principal, Event),
    ),
    derived={(JobRun, "rendered"): dict},
)

#: What reading a document may raise that says what ours say, and yet was not written by us.
_BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

State = Mapping[str, Mapping[str, Any]]


class Part(Protocol):
    """A part of a workspace that knows something."""

    STATE: ClassVar[tuple[str, ...]]


class Snapshots:
    """Takes the snapshots of one workspace and restores them.

    Args:
        made_with: What the workspace was made with, as plain data: only a workspace that was made with the same
            goes on in the same way. What is bytes is a secret, of which a digest is kept.
        known: What records refer to and every workspace has of its own.
        guard: Raises if the workspace may not be replaced now.
    """

    def __init__(
        self, *, made_with: Mapping[str, object], known: Mapping[str, object], guard: Callable[[], None]
    ) -> None:
        self._made_with = {
            name: _digest(value) if isinstance(value, bytes) else value for name, value in made_with.items()
        }
        self._secrets = frozenset(name for name, value in made_with.items() if isinstance(value, bytes))
        self._known = known
        self._guard = guard
        self._parts: dict[str, Part] = {}

    def keep(self, parts: Iterable[Part]) -> None:
        """Hold what these parts know in every snapshot. They are asked, and set, in this order."""
        self._parts |= {type(part).__name__: part for part in parts}

    def take(self) -> bytes:
        """Return a snapshot.

        Raises:
            UsageError: Something that the workspace knows is code, which cannot be written down.
        """
        roots = {
            f"{name}.{attribute}": value
            for name, attributes in self.state().items()
            for attribute, value in attributes.items()
        }
        graph = write_graph(roots, TYPES, known=self._known)
        document = {
            "format": _FORMAT,
            "version": VERSION,
            "shape": self._shape(),
            "made_with": self._made_with,
            **graph._asdict(),
        }
        return _write(document | {"checksum": _digest(_write(document))})

    def restore(self, snapshot: bytes | str) -> None:
        """Make the workspace know what it knew when a snapshot was taken, of it or of one made alike.

        Raises:
            UsageError: It is no such snapshot, or this workspace cannot be like that. Then nothing was changed.
        """
        self._guard()
        document = _open(snapshot)
        self._check_shape(document["shape"])
        self._check_made_with(document["made_with"])
        try:
            graph = Graph(**{name: document[name] for name in Graph._fields})
            roots = read_graph(graph, TYPES, known=self._known)
            state = {
                name: {each: roots[f"{name}.{each}"] for each in part.STATE}
                for name, part in self._parts.items()
            }
        except _BROKEN as error:
            raise UsageError(
                f"snapshot: it does not hold together ({error!r}); nothing was changed"
            ) from error
        self._adopt(state)

    def become(self, other: Snapshots) -> None:
        """Make the workspace know what another one knows, which nobody uses from then on.

        Raises:
            UsageError: The workspace may not be replaced now.
        """
        self._guard()
        self._adopt(other.state())

    def state(self) -> State:
        """Return what each part knows, as it is."""
        return {
            name: {each: getattr(part, each) for each in part.STATE} for name, part in self._parts.items()
        }

    def _adopt(self, state: State) -> None:
        before = self.state()
        try:
            self._set(state)
        except UsageError:
            self._set(before)
            raise

    def _set(self, state: State) -> None:
        for name, attributes in state.items():
            for attribute, value in attributes.items():
                setattr(self._parts[name], attribute, value)
        for part in self._parts.values():
            if (settled := getattr(part, "settled", None)) is not None:
                settled()

    def _shape(self) -> dict[str, list[str]]:
        return TYPES.shape | {name: list(part.STATE) for name, part in self._parts.items()}

    def _check_shape(self, found: dict[str, list[str]]) -> None:
        own = self._shape()
        other = [name for name in sorted({*own, *found}) if own.get(name) != found.get(name)]
        if other:
            raise UsageError(
                f"snapshot: it was taken by a dbx-emulator that writes {', '.join(other)} in another way; restore "
                "it with the one that took it, or take it again with this one"
            )

    def _check_made_with(self, found: dict[str, object]) -> None:
        wrong = [name for name, value in self._made_with.items() if found.get(name) != value]
        if wrong:
            said = (
                name
                if name in self._secrets
                else f"{name}={found.get(name)!r} (here {self._made_with[name]!r})"
                for name in wrong
            )
            raise UsageError(
                f"snapshot: it was taken of a workspace that was made with another {'; '.join(said)}. Make this "
                "one with the same, so that it can go on in the same way"
            )


def take_snapshot(call: Call) -> bytes:
    """Answer GET /__dbx/snapshot."""
    return call.service.control.snapshot()


def restore_snapshot(call: Call) -> bytes:
    """Answer POST /__dbx/restore, whose body is a snapshot."""
    call.service.control.restore(call.request.body)
    return b"{}"


def reset_workspace(call: Call) -> bytes:
    """Answer POST /__dbx/reset."""
    call.service.control.reset()
    return b"{}"


def _open(snapshot: bytes | str) -> dict[str, Any]:
    """Return a document that is one of this version, and whole.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(snapshot, (bytes, str)):
        raise UsageError(f"snapshot: {type(snapshot).__name__} is none; give what snapshot() returned")
    try:
        document = json.loads(snapshot)
    except (RecursionError, ValueError) as error:
        raise UsageError(f"snapshot: it is no JSON, or only a part of it ({error})") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise UsageError("snapshot: it is JSON and no snapshot of a workspace; give what snapshot() returned")
    version = document.get("version")
    if version != VERSION:
        raise UsageError(
            f"snapshot: it is of version {version!r}, and this dbx-emulator reads {VERSION}; restore it with the "
            "one that took it"
        )
    checksum = document.pop("checksum", None)
    if checksum != _digest(_write(document)):
        raise UsageError(
            "snapshot: it is not as it was taken: something is missing, or was changed afterwards"
        )
    return document


def _write(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
