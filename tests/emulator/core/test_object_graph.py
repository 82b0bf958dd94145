"""Records as plain data and back."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from dbx_emulator import UsageError
from dbx_emulator._core.object_graph import Graph, Types, read_graph, write_graph


class Colour(str, Enum):
    """An enum."""

    RED = "red"


class Place(NamedTuple):
    """A tuple with names."""

    row: int
    colour: Colour


@dataclass(slots=True, eq=False)
class Node:
    """A record that changes."""

    name: str
    next: Node | None = None
    value: Any = None
    cache: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A record that does not."""

    text: str


TYPES = Types(records=[Node, Fixed], values=[Colour, Place], derived={(Node, "cache"): dict})


def _back(value: object, **known: object) -> Any:
    graph = write_graph({"root": value}, TYPES, known=known)
    graph = Graph(*json.loads(json.dumps(graph)))
    return read_graph(graph, TYPES, known=known)["root"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("ü\udc80", id="text"),
        pytest.param(2**63, id="int"),
        pytest.param(0.1, id="float"),
        pytest.param(None, id="none"),
        pytest.param(b"\x00\xff\n", id="bytes"),
        pytest.param([1, [b"", True]], id="list"),
        pytest.param((1, (2,)), id="tuple"),
        pytest.param({3, 1, 2}, id="set"),
        pytest.param({("a", 1): Colour.RED, 2: {}}, id="dict"),
        pytest.param(Counter("aab"), id="counter"),
        pytest.param(Place(1, Colour.RED), id="named tuple"),
        pytest.param(Fixed("x"), id="frozen record"),
    ],
)
def test_value_comes_back_as_it_was(value: object) -> None:
    """Equal, and of the same types."""
    found = _back(value)
    assert found == value
    assert repr(found) == repr(value)


def test_deque_comes_back_with_its_bound() -> None:
    """What it drops is part of what it is."""
    found = _back(deque([1, 2], maxlen=2))
    found.append(3)
    assert list(found) == [2, 3]


def test_mapping_nobody_can_change_comes_back_as_an_object() -> None:
    """What it holds is all that anybody asks of it."""
    assert _back(MappingProxyType({"a": 1})) == {"a": 1}


def test_record_that_is_met_twice_is_one_afterwards() -> None:
    """Circles close again, and two equal records stay two."""
    first, second = Node("a"), Node("a")
    first.next, second.next = second, first
    one, other, again = _back([first, second, first])
    assert one is again
    assert one is not other
    assert one.next is other
    assert other.next is one


def test_equal_frozen_records_are_written_once() -> None:
    """Nobody can tell them apart, and a thousand runs have the same fate."""
    graph = write_graph({"root": [Fixed("x"), Fixed("y"), Fixed("x")]}, TYPES, known={})
    assert graph.records == [["Fixed", "x"], ["Fixed", "y"]]
    one, _, other = _back([Fixed("x"), Fixed("y"), Fixed("x")])
    assert one is other


def test_long_chain_is_no_recursion() -> None:
    """Ten thousand records, one behind the other."""
    node = Node("last")
    for _ in range(10_000):
        node = Node("", node)
    found = _back(node)
    for _ in range(10_000):
        found = found.next
    assert found.name == "last"


def test_derived_field_is_made_anew() -> None:
    """It is not written, and is there again afterwards."""
    assert _back(Node("a", cache={"b": 1})).cache == {}


def test_equal_bytes_are_written_once() -> None:
    """A body that a thousand polls got takes the room of one."""
    graph = write_graph({"root": [b"body"] * 1_000}, TYPES, known={})
    assert graph.chunks == ["body"]


def test_known_object_is_named_and_found_again() -> None:
    """Whoever reads puts in his own."""
    own = object()
    assert _back(Node("a", value=own), own=own).value is own


@pytest.mark.parametrize("value", [pytest.param(print, id="function"), pytest.param(object(), id="object")])
def test_what_is_no_data_is_refused_by_the_place_where_it_is(value: object) -> None:
    """The field and the record are named."""
    with pytest.raises(UsageError, match=r"value of Node 'a' is <.*> *, which cannot be written down"):
        write_graph({"root": Node("", Node("a", value=[value]))}, TYPES, known={})


def test_what_is_no_data_is_refused_where_no_record_has_it() -> None:
    """The root is named, or the kind of a record without a name."""
    with pytest.raises(UsageError, match="root is <built-in"):
        write_graph({"root": print}, TYPES, known={})
    with pytest.raises(UsageError, match="value of Node is <built-in"):
        write_graph({"root": Node("", value=print)}, TYPES, known={})


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(Graph({"root": ["record", 5]}, [], []), id="no such record"),
        pytest.param(Graph({"root": ["Place", 1]}, [], []), id="too few values"),
        pytest.param(Graph({"root": ["system", "rm"]}, [], []), id="unknown type"),
        pytest.param(Graph({}, [["Place", 1, "red"]], []), id="no record among the records"),
        pytest.param(Graph({}, [["Fixed"]], []), id="too few fields"),
        pytest.param(Graph({"root": ["Colour", "blue"]}, [], []), id="no such member"),
    ],
)
def test_data_that_nobody_wrote_is_an_error(graph: Graph) -> None:
    """Whatever is wrong with it, reading ends with one of the errors it says."""
    with pytest.raises((LookupError, TypeError, ValueError)):
        read_graph(graph, TYPES, known={})


def test_shape_names_fields_and_members() -> None:
    """By it another shape is recognised."""
    assert TYPES.shape == {
        "Node": ["name", "next", "value"],
        "Fixed": ["text"],
        "Place": ["row", "colour"],
        "Colour": ["RED"],
    }
