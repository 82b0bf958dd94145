"""Scenarios from YAML files, with line and column for whatever is wrong.

A file is read as the plain data that YAML 1.2 and JSON have in common: texts, numbers, booleans, lists, mappings.
What YAML 1.1 makes of `1:30`, `2024-01-01` or `on` would surprise whoever writes a time, a parameter or a task's
key. Nothing in a file is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dbx_emulator._api.scenario_data import DataError, Mistake, Place, read_scenarios
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.scenarios import Scenario
from dbx_emulator.doors.missing import needs

if TYPE_CHECKING:
    from yaml import MappingNode, Node

__all__ = ["load_scenarios"]

#: How many values a file may have once its aliases are replaced by what they stand for.
_MOST_VALUES = 100_000

#: The tags of what has none.
_UNTAGGED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))

#: What a text without quotes means: the core schema of YAML 1.2, without octal and hexadecimal numbers.
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _text: None),
    (re.compile(r"true|True|TRUE"), lambda _text: True),
    (re.compile(r"false|False|FALSE"), lambda _text: False),
    (re.compile(r"[-+]?[0-9]{1,400}"), int),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)


class Position(NamedTuple):
    """Where something begins in a file, both counted from 1."""

    line: int
    column: int


_START = Position(1, 1)


def load_scenarios(path: str | Path) -> list[Scenario]:
    """Return the scenarios of a YAML file.

    Raises:
        UsageError: The file cannot be read or is no YAML, or something in it is wrong; each mistake is a line of
            the text that begins with `file:line:column: `.
        ModuleNotFoundError: PyYAML is missing.
    """
    reader = _Reader()
    scenarios: list[Scenario] = []
    try:
        scenarios = read_scenarios(reader.read(_text(Path(path))))
    except DataError as error:
        reader.mistakes.extend(error.mistakes)
    if not reader.mistakes:
        return scenarios
    found = sorted((reader.position(mistake.place), mistake.text) for mistake in reader.mistakes)
    raise UsageError("\n".join(f"{path}:{line}:{column}: {text}" for (line, column), text in found))


def _text(path: Path) -> str:
    """Return what stands in a file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _count(content[: error.start].decode("utf-8-sig"))
        raise UsageError(f"{path}:{line}:{column}: is not UTF-8; save the file as UTF-8") from None


def _count(before: str) -> Position:
    """Return the position of what comes after a text."""
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


class _Reader:
    """Makes plain data from YAML and remembers where everything stands."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._positions: dict[Place, Position] = {(): _START}
        self._values = 0

    def position(self, place: Place) -> Position:
        """Return where something stands, or else where that is what lacks it."""
        while place not in self._positions:
            place = place[:-1]
        return self._positions[place]

    def read(self, text: str) -> object:
        """Return the plain data of a text.

        Raises:
            DataError: It is no YAML.
        """
        with needs("yaml", package="PyYAML", what="a file of scenarios"):
            import yaml
        try:
            node = yaml.compose(text, Loader=yaml.BaseLoader)
            return None if node is None else self._data(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = Position(mark.line + 1, mark.column + 1) if mark else _START
            remedy = "; indent with blanks" if "'\\t'" in str(error.problem) else ""
            raise self._no_yaml(f"{error.problem}{remedy}", place) from None
        except yaml.reader.ReaderError as error:
            where = _count(text[: error.position])
            raise self._no_yaml("a control character cannot stand in YAML", where) from None
        except RecursionError:
            raise self._no_yaml("this is nested too deep, or an alias stands within what it means") from None

    def _no_yaml(self, text: str, position: Position = _START) -> DataError:
        self._positions[()] = position
        return DataError([Mistake((), text)])

    def _data(self, node: Node, place: Place) -> object:
        from yaml import MappingNode, ScalarNode

        self._positions.setdefault(place, _position(node))
        self._values += 1
        if self._values > _MOST_VALUES:
            raise self._no_yaml(f"the file has more than {_MOST_VALUES} values, its aliases replaced")
        if node.tag not in _UNTAGGED:
            self._add(place, node, f"the tag {node.tag!r} is none of those that can stand here")
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, ScalarNode):
            return node.value if node.style else _plain(node.value)
        return [self._data(each, (*place, index)) for index, each in enumerate(node.value)]

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key.value, str):
                self._add((*place, ""), key, "a list or a mapping is no name of a field")
                continue
            inner = (*place, key.value)
            if key.value in data:
                first = self._positions[inner]
                self._add((*inner, ""), key, f"{key.value} stands in line {first.line} already")
                continue
            self._positions[inner] = _position(key)
            data[key.value] = self._data(value, inner)
        return data

    def _add(self, place: Place, node: Node, text: str) -> None:
        self._positions[place] = _position(node)
        self.mistakes.append(Mistake(place, text))


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _plain(text: str) -> object:
    """Return what a text without quotes means."""
    return next((meaning(text) for pattern, meaning in _PLAIN if pattern.fullmatch(text)), text)
