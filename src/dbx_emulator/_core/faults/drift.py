"""The answer is a 200 of another shape than the client knows: what a service of tomorrow may say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["DriftFault"]

_Container = dict[object, object]

#: Changes the places that a name has in an object or a list, and says whether there was any.
_Edit = Callable[[_Container, str, list[object]], bool]


@dataclass(slots=True)
class DriftFault(Fault):
    """The body of a 200 is changed.

    Paths are names joined by dots; `*` stands for each element of a list, a number for one. The changes are made
    in the order of the fields below.

    Attributes:
        body: The whole body instead of the true one, such as `{}`; `None` keeps the true one.
        remove: Paths of fields to leave out.
        nulls: Paths of fields to set to null.
        replace: Path → new value, for fields that are there.
        add: Path → value, for fields that may not be there.

    Raises:
        UsageError: Nothing is changed, or a path is none.
    """

    kind: ClassVar[str] = "drift"
    points: ClassVar[tuple[Point, ...]] = ("in_answer",)

    body: object = field(default=None, kw_only=True)
    remove: Sequence[str] = field(default=(), kw_only=True)
    nulls: Sequence[str] = field(default=(), kw_only=True)
    replace: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    add: Mapping[str, object] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        for name in ("remove", "nulls"):
            if isinstance(getattr(self, name), str):
                raise UsageError(f"{name}: {getattr(self, name)!r} is one path; write a list of them")
        paths = [*self.remove, *self.nulls, *self.replace, *self.add]
        for path in paths:
            if not isinstance(path, str) or not all(path.split(".")):
                raise UsageError(f"path: {path!r} is none; write 'state.result_state' or 'tasks.*.run_id'")
        if not paths and self.body is None:
            raise UsageError("replace: nothing is changed; write replace={'state.result_state': 'NEW'}")

    def usually_transient(self) -> bool:
        """Say no: a service that has changed stays so."""
        return False

    def changed(self, body: object) -> tuple[object, list[str]]:
        """Return a decoded body as the client is to get it, and the paths that led nowhere in it."""
        if self.body is not None:
            body = copy.deepcopy(self.body)
        edits: list[tuple[str, _Edit]] = [
            *((path, _remove) for path in self.remove),
            *((path, _replacing(None)) for path in self.nulls),
            *((path, _replacing(value)) for path, value in self.replace.items()),
            *((path, _adding(value)) for path, value in self.add.items()),
        ]
        return body, [path for path, edit in edits if not _walk(body, path.split("."), edit)]


def _walk(value: object, names: list[str], edit: _Edit) -> bool:
    """Do an edit wherever a path leads, and say whether it led anywhere."""
    if not isinstance(value, (dict, list)):
        return False
    # A list is as good as an object whose names are its places.
    container = cast("_Container", value)
    name, *rest = names
    keys = _keys(value, name)
    if rest:
        # A list, so that the edit is done everywhere and not only where it is done first.
        return any([_walk(container[key], rest, edit) for key in keys])  # noqa: C419
    return edit(container, name, keys)


def _keys(value: dict[str, object] | list[object], name: str) -> list[object]:
    if isinstance(value, dict):
        return [name] if name in value else []
    places: list[object] = list(range(len(value)))
    return places if name == "*" else [place for place in places if str(place) == name]


def _remove(container: _Container, _name: str, keys: list[object]) -> bool:
    for key in reversed(keys):
        del container[key]
    return bool(keys)


def _replacing(new: object) -> _Edit:
    def replace(container: _Container, _name: str, keys: list[object]) -> bool:
        for key in keys:
            container[key] = new
        return bool(keys)

    return replace


def _adding(new: object) -> _Edit:
    def add(container: _Container, name: str, keys: list[object]) -> bool:
        if isinstance(container, dict):
            keys = [name]
        return _replacing(new)(container, name, keys)

    return add
