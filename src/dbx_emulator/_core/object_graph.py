"""Records as plain data and back: whatever hangs together stays together, and nothing but records is ever made.

A graph of records is written as one list of them, in which a record is named by its place. Of frozen records that
are equal one is written, as nobody can tell them apart; what has no identity that anybody asks for (texts, tuples,
lists) stands where it is used. Only the types of a table are written and
read, so that reading runs no code that the data brings.

Everything that is no plain value of JSON is an array that begins with what it is: `["record", 3]`, `["bytes", 0]`,
`["tuple", …]`, `["LifeCycleState", "RUNNING"]`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType, NoneType
from typing import Any, NamedTuple

from dbx_emulator._core.errors import UsageError

__all__ = ["Graph", "Types", "read_graph", "write_graph"]

_PLAIN = (str, int, float, bool, NoneType)

#: By what a record is named for whoever has to find it; the first that it has.
_NAMES = ("id", "name", "run_id", "run_name", "route", "task_key", "match")


class Graph(NamedTuple):
    """A graph of records as plain data.

    Attributes:
        roots: What was written, by name.
        records: The records in it: the name of the type, then the values of its fields.
        chunks: The bytes in it, each as a text of the characters 0 to 255; equal ones are written once.
    """

    roots: dict[str, Any]
    records: list[list[Any]]
    chunks: list[str]


class Types:
    """What may be in a graph besides plain values and collections.

    Args:
        records: Dataclasses; two references to one record stay that.
        values: Named tuples and enums.
        derived: For a field that is not written what it is when it is read, by (type, field).
    """

    def __init__(
        self,
        *,
        records: Iterable[type],
        values: Iterable[type],
        derived: Mapping[tuple[type, str], Callable[[], object]],
    ) -> None:
        self.records: dict[type, tuple[str, ...]] = {
            each: tuple(field.name for field in dataclasses.fields(each) if (each, field.name) not in derived)
            for each in records
        }
        self.tuples: dict[type, tuple[str, ...]] = {}
        self.enums: set[type] = set()
        for each in values:
            if issubclass(each, Enum):
                self.enums.add(each)
            else:
                self.tuples[each] = getattr(each, "_fields")  # noqa: B009 - a tuple with names, which types cannot say
        self.by_name = {each.__name__: each for each in (*self.records, *self.tuples, *self.enums)}
        self._derived = derived

    @property
    def shape(self) -> dict[str, list[str]]:
        """The fields of each type that is written, or the names of an enum's members."""
        fields = {each.__name__: list(names) for each, names in (self.records | self.tuples).items()}
        return fields | {each.__name__: list(each.__members__) for each in self.enums}  # type: ignore[attr-defined]

    def derive(self, record: object) -> None:
        """Give a record that was read the fields that were not written."""
        for (kind, name), make in self._derived.items():
            if kind is type(record):
                object.__setattr__(record, name, make())


def write_graph(roots: Mapping[str, object], types: Types, *, known: Mapping[str, object]) -> Graph:
    """Return what hangs on some roots as plain data.

    Args:
        roots: What is to be written, by name.
        types: What may be in it.
        known: What is not written but named, because whoever reads has one of his own.

    Raises:
        UsageError: Something in it cannot be written, such as a function.
    """
    writer = _Writer(types, known)
    return writer.write(roots)


def read_graph(graph: Graph, types: Types, *, known: Mapping[str, object]) -> dict[str, Any]:
    """Return what was written, in records of their own.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: The data was not written by `write_graph`.
    """
    return _Reader(graph, types, known).read()


class _Writer:
    def __init__(self, types: Types, known: Mapping[str, object]) -> None:
        self._types = types
        self._known = {id(each): name for name, each in known.items()}
        self._records: list[list[Any]] = []
        self._places: dict[int, int] = {}
        self._equal: dict[str, int] = {}
        self._ahead: deque[tuple[int, object]] = deque()
        self._chunks: dict[bytes, int] = {}
        self._where: tuple[str, object] = ("", None)
        self._ways: dict[type, Callable[[Any], Any]] = {
            bytes: self._write_bytes,
            list: lambda value: ["list", *map(self._write, value)],
            tuple: lambda value: ["tuple", *map(self._write, value)],
            set: lambda value: ["set", *map(self._write, sorted(value))],
            deque: lambda value: ["deque", value.maxlen, *map(self._write, value)],
            dict: lambda value: ["dict", *self._write_items(value)],
            MappingProxyType: lambda value: ["dict", *self._write_items(value)],
            Counter: lambda value: ["counter", *self._write_items(value)],
        }
        self._ways |= {
            each: self._write_frozen if each.__dataclass_params__.frozen else self._write_record  # type: ignore[attr-defined]
            for each in types.records
        }
        self._ways |= dict.fromkeys(types.enums, lambda value: [type(value).__name__, value.value])
        self._ways |= dict.fromkeys(
            types.tuples, lambda value: [type(value).__name__, *map(self._write, value)]
        )

    def write(self, roots: Mapping[str, object]) -> Graph:
        written = {}
        for name, value in roots.items():
            self._where = (name, None)
            written[name] = self._write(value)
            # One after the other, not one inside the other: a chain of runs must not become a recursion.
            while self._ahead:
                place, record = self._ahead.popleft()
                self._records[place] = self._write_fields(record)
        return Graph(written, self._records, [each.decode("latin-1") for each in self._chunks])

    def _write(self, value: object) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        way = self._ways.get(kind)
        if way is not None:
            return way(value)
        if (name := self._known.get(id(value))) is not None:
            return ["known", name]
        name, record = self._where
        where = name if record is None else f"{name} of {_describe(record)}"
        raise UsageError(
            f"snapshot: {where} is {value!r}, which cannot be written down; what a workspace is to take "
            "along has to be data"
        )

    def _write_bytes(self, value: bytes) -> Any:
        return ["bytes", self._chunks.setdefault(value, len(self._chunks))]

    def _write_items(self, value: Mapping[Any, Any]) -> Iterable[list[Any]]:
        return [[self._write(key), self._write(each)] for key, each in value.items()]

    def _write_record(self, value: object) -> Any:
        place = self._places.setdefault(id(value), len(self._records))
        if place == len(self._records):
            self._records.append([])
            self._ahead.append((place, value))
        return ["record", place]

    def _write_frozen(self, value: object) -> Any:
        place = self._places.get(id(value))
        if place is None:
            fields = self._write_fields(value)
            place = self._places[id(value)] = self._equal.setdefault(repr(fields), len(self._records))
            if place == len(self._records):
                self._records.append(fields)
        return ["record", place]

    def _write_fields(self, record: object) -> list[Any]:
        kind = type(record)
        fields: list[Any] = [kind.__name__]
        for name in self._types.records[kind]:
            value = getattr(record, name)
            if type(value) not in _PLAIN:
                self._where = (name, record)
                value = self._write(value)
            fields.append(value)
        return fields


class _Reader:
    def __init__(self, graph: Graph, types: Types, known: Mapping[str, object]) -> None:
        self._graph = graph
        self._types = types
        self._known = known
        self._chunks = [each.encode("latin-1") for each in graph.chunks]
        self._records: list[object] = [object.__new__(self._kind(name)) for name, *_ in graph.records]
        self._ways: dict[str, Callable[..., Any]] = {
            "known": lambda name: known[name],
            "record": lambda place: self._records[place],
            "bytes": lambda place: self._chunks[place],
            "list": lambda *values: [self._read(each) for each in values],
            "tuple": lambda *values: tuple([self._read(each) for each in values]),
            "set": lambda *values: {self._read(each) for each in values},
            "deque": lambda maxlen, *values: deque((self._read(each) for each in values), maxlen),
            "dict": lambda *items: {self._read(key): self._read(each) for key, each in items},
            "counter": lambda *items: Counter({self._read(key): self._read(each) for key, each in items}),
        }

    def read(self) -> dict[str, Any]:
        for record, (_, *values) in zip(self._records, self._graph.records, strict=True):
            for name, value in zip(self._types.records[type(record)], values, strict=True):
                # Frozen ones are set like that as well, and none checks itself: it was checked when it was made.
                object.__setattr__(record, name, self._read(value))
            self._types.derive(record)
        return {name: self._read(value) for name, value in self._graph.roots.items()}

    def _kind(self, name: str) -> type:
        kind = self._types.by_name[name]
        if kind not in self._types.records:
            raise TypeError(f"{name} is no record")
        return kind

    def _read(self, value: Any) -> Any:
        if type(value) is not list:
            return value
        what, *rest = value
        way = self._ways.get(what)
        if way is not None:
            return way(*rest)
        kind = self._types.by_name[what]
        return kind(*[self._read(each) for each in rest])


def _describe(record: object) -> str:
    """Return by what somebody finds a record again."""
    kind = type(record).__name__
    names = (getattr(record, each, "") for each in _NAMES)
    return next((f"{kind} {name!r}" for name in names if name), kind)
