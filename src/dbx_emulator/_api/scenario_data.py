"""Scenarios as plain data, the same in a file, in a body and on the way back.

There is one definition, the dataclasses of the core: their fields are the names that plain data may have, and
their own checks say what a value may be. Here is only what ties the two together: which field holds which
dataclass, and where in the data a mistake is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.scenarios import Match, Scenario

__all__ = [
    "DataError",
    "Mistake",
    "Place",
    "describe_scenario",
    "field_names",
    "read_match",
    "read_scenario",
    "read_scenarios",
]

T = TypeVar("T")

#: Where something stands in plain data: the names and indexes that lead to it.
Place = tuple[str | int, ...]

_WORDS: dict[type, str] = {Match: "a match", Outcome: "an outcome", Scenario: "a scenario"}

#: Fields that are the business of Python alone: a callable, and counts.
_PYTHON_ONLY = frozenset({"on_success", "matched", "taken"})


class Mistake(NamedTuple):
    """One thing that is wrong with plain data.

    Attributes:
        place: Where it is.
        text: What it is; begins with the name of a field if the place is one.
    """

    place: Place
    text: str


class DataError(UsageError):
    """Plain data is no scenario.

    Attributes:
        mistakes: All that was found, in the order of the data; at least one.
    """

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(_worded(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def field_names(value_type: type) -> list[str]:
    """Return the names that plain data for a dataclass may have."""
    return [field.name for field in dataclasses.fields(value_type) if field.name not in _PYTHON_ONLY]


def read_match(data: object) -> Match:
    """Return the match that plain data describes: a glob over run names, or the fields of a match.

    Raises:
        DataError: It describes none.
    """
    reader = _Reader()
    return reader.checked(reader.match(data, ("match",)))


def read_scenario(data: object) -> Scenario:
    """Return the scenario that plain data describes.

    Raises:
        DataError: It describes none.
    """
    reader = _Reader()
    scenario = reader.scenario(data, ())
    return reader.checked(scenario)


def read_scenarios(data: object) -> list[Scenario]:
    """Return the scenarios that the plain data of a file describes, `{"scenarios": […]}`.

    Raises:
        DataError: One of them is none, or two have one name.
    """
    reader = _Reader()
    return reader.checked(reader.file(data))


def describe_scenario(scenario: Scenario) -> dict[str, Any]:
    """Return the plain data that describes a scenario, without what is usual. `on_success` has none."""
    described = _describe(scenario)
    match = described.get("match")
    if match is not None and match.keys() <= {"run_name"}:
        described["match"] = match.get("run_name", "*")
    return described


class _Reader:
    """Reads plain data and goes on after a mistake, so that all are told at once."""

    def __init__(self) -> None:
        self._mistakes: list[Mistake] = []

    def checked(self, value: T | None) -> T:
        if self._mistakes or value is None:
            raise DataError(self._mistakes)
        return value

    def file(self, data: object) -> list[Scenario]:
        if not isinstance(data, Mapping):
            self._add((), "a file of scenarios begins with 'scenarios:'")
            return []
        self._check_names(data, ["scenarios"], "a file of scenarios", ())
        if "scenarios" not in data:
            self._add((), "scenarios: is missing; a file has a list of them")
        names: dict[str, int] = {}
        read: list[Scenario] = []
        for index, scenario in enumerate(
            self._list(data.get("scenarios", []), self.scenario, ("scenarios",))
        ):
            if scenario is None:
                continue
            if scenario.name and names.setdefault(scenario.name, index) != index:
                place = ("scenarios", index, "name")
                self._add(place, f"name: scenario {names[scenario.name]} is {scenario.name!r} already")
            read.append(scenario)
        return read

    def scenario(self, data: object, place: Place) -> Scenario | None:
        if isinstance(data, Mapping):
            data = {"match": None, **data}
        return self._build(Scenario, data, place, {"match": self._optional_match, "outcomes": self._outcomes})

    def match(self, data: object, place: Place) -> Match | None:
        return self._build(Match, {"run_name": data} if isinstance(data, str) else data, place, {})

    def _optional_match(self, data: object, place: Place) -> Match | None:
        return None if data is None else self.match(data, place)

    def _outcomes(self, data: object, place: Place) -> object:
        return self._list(data, self._outcome, place)

    def _outcome(self, data: object, place: Place) -> object:
        return self._build(Outcome, data, place, {"retries": self._outcomes, "tasks": self._tasks})

    def _tasks(self, data: object, place: Place) -> object:
        if not isinstance(data, Mapping):
            self._add(place, f"tasks: {data!r} is no mapping from task keys to outcomes")
            return None
        return {key: self._outcome(each, (*place, key)) for key, each in data.items()}

    def _list(self, data: object, read: Callable[[object, Place], Any], place: Place) -> list[Any]:
        if not isinstance(data, list):
            self._add(place, f"{place[-1]}: {data!r} is no list")
            return []
        return [read(each, (*place, index)) for index, each in enumerate(data)]

    def _build(
        self,
        value_type: type[T],
        data: object,
        place: Place,
        inner: Mapping[str, Callable[[object, Place], object]],
    ) -> T | None:
        """Return a dataclass from plain data, or `None` after a mistake."""
        names = field_names(value_type)
        what = _WORDS[value_type]
        if not isinstance(data, Mapping):
            self._add(place, f"{data!r} is not {what}; write its fields, such as {names[0]}")
            return None
        before = len(self._mistakes)
        self._check_names(data, names, what, place)
        given = {
            name: inner[name](each, (*place, name)) if name in inner else each
            for name, each in data.items()
            if name in names
        }
        for name in _required(value_type):
            if name not in given:
                self._add(place, f"{name}: is missing; {what} needs it")
        if len(self._mistakes) > before:
            return None
        try:
            return value_type(**given)
        except UsageError as error:
            field = str(error).partition(":")[0]
            self._add((*place, field) if field in names else place, str(error))
            return None

    def _check_names(self, data: Mapping[Any, object], names: list[str], what: str, place: Place) -> None:
        for name in data:
            if name not in names:
                hint = nearest(str(name), names)
                self._add(
                    (*place, name), f"{name}: {what} has no such field; it has {', '.join(names)}{hint}"
                )

    def _add(self, place: Place, text: str) -> None:
        self._mistakes.append(Mistake(place, text))


def _required(value_type: Any) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(value_type)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _worded(mistake: Mistake) -> str:
    """Return a mistake with its place in front, as in `outcomes[0].run: 'soon' is no duration`."""
    place = mistake.place
    if place and mistake.text.startswith(f"{place[-1]}: "):
        place = place[:-1]
        joint = "." if place else ""
    else:
        joint = ": " if place else ""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"{words.removeprefix('.')}{joint}{mistake.text}"


def _describe(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not at their defaults, as plain data."""
    return {
        field.name: _plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if field.name not in _PYTHON_ONLY and getattr(value, field.name) != _default(field)
    }


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    # A scenario that matches nothing is written without a match.
    return None if field.default is dataclasses.MISSING else field.default


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return _describe(value) if dataclasses.is_dataclass(value) else value
