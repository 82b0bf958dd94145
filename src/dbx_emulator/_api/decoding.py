"""From bytes to Structs, and from msgspec's errors to the service's texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from dbx_emulator._api.errors import invalid_parameter, malformed_request
from dbx_emulator._core.errors import ApiError

__all__ = ["decode_body", "decode_query", "unknown_in_body"]

T = TypeVar("T")

_MISMATCH = re.compile(r"Expected `(?P<expected>[^`]+)`(?:, got `(?P<found>\w+)`)?")
_INDEX = re.compile(r"\[[^\]]*\]")

#: How deep a body may be nested, as for protobuf's JSON parsers. Every walk over a body stays clear of the
#: interpreter's own limit, however deep the stack it starts from.
_DEEPEST = 100

#: msgspec's names of types in the service's words.
#: Source: [errors.malformed-field] measured: databrickslabs/dbx#182 ("Expected object for field …, found STRING")
_EXPECTED = {"int": "integer", "str": "string", "bool": "boolean", "float": "number"}
_FOUND = {
    "str": "STRING",
    "int": "NUMBER",
    "float": "NUMBER",
    "bool": "BOOLEAN",
    "null": "NULL",
    "array": "ARRAY",
    "object": "OBJECT",
}


def decode_body(body: bytes, struct: type[T]) -> T:
    """Return a JSON body as `struct`. An empty body is an empty object, a null is a field left out.

    Raises:
        ApiError: 400 MALFORMED_REQUEST or INVALID_PARAMETER_VALUE in the service's words.
    """
    try:
        if b"null" not in body and body.count(b"{") + body.count(b"[") <= _DEEPEST:
            return msgspec.json.decode(body or b"{}", type=struct, strict=False)
        value = msgspec.json.decode(body)
    except msgspec.ValidationError as error:
        raise _refuse(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed_request("the body is not valid JSON") from None
    _check_depth(value)
    return _convert(_without_nulls(value, struct), struct)


def decode_query(query: str, body: bytes, struct: type[T]) -> tuple[T, Sequence[str]]:
    """Return the parameters of a GET as `struct`, and a note for each that `struct` does not have.

    They are taken from the query and, where it is silent, from the body.

    Source: [requests.get-with-body] measured: apache/airflow sends the parameters of some GETs in a JSON body

    Raises:
        ApiError: 400 MALFORMED_REQUEST or INVALID_PARAMETER_VALUE in the service's words.
    """
    if not body:
        return _from_query(query, struct)
    in_query = dict(parse_qsl(query, keep_blank_values=True))
    parameters = _convert(decode_body(body, dict[str, Any]) | in_query, struct)
    return parameters, [*_unknown_parameters(in_query, struct), *unknown_in_body(body, struct)]


def _decode_query(query: str, struct: type[T]) -> tuple[T, Sequence[str]]:
    in_query = dict(parse_qsl(query, keep_blank_values=True))
    return _convert(in_query, struct), _unknown_parameters(in_query, struct)


# A client that polls sends the same query each time. The Structs of parameters are never changed.
_from_query: Callable[..., tuple[Any, Sequence[str]]] = functools.lru_cache(maxsize=4_096)(_decode_query)


def _convert(parameters: object, struct: type[T]) -> T:
    try:
        return msgspec.convert(parameters, struct, strict=False)
    except msgspec.ValidationError as error:
        raise _refuse(error) from None


def _refuse(error: msgspec.ValidationError) -> ApiError:
    """Return the service's error for a value of the wrong type or out of range."""
    text, _, place = str(error).partition(" - at `")
    if text.startswith("Object "):
        # A field that is missing or too many, which only the Structs of the control API mind.
        return malformed_request(text.replace("`", "'"))
    match = _MISMATCH.match(text)
    field = _INDEX.sub("", place.rstrip("`").removeprefix("$")).strip(".")
    # Without a match it says that a number is out of range, or a word none of those that the field has.
    if match is None or match["found"] is None or (match["expected"] == "int" and match["found"] == "str"):
        # Source: [errors.bad-number] documented: Jobs API 2.1 OpenAPI document, example of a 400
        return invalid_parameter(f"Invalid value for parameter {field}")
    expected = _EXPECTED.get(match["expected"], match["expected"])
    found = _FOUND.get(match["found"], match["found"].upper())
    where = f" for field {field}" if field else ""
    return malformed_request(f"Expected {expected}{where}, found {found}")


def _check_depth(value: object) -> None:
    """Refuse JSON that is nested too deep, level by level."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [each for outer in level for each in _inside(outer)]
        if not level:
            return
    raise malformed_request(f"the body is nested deeper than {_DEEPEST} levels")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _Shape(NamedTuple):
    """What a Struct has inside: the Structs by the names of their fields, and which fields are maps."""

    structs: dict[str, type[Struct]]
    maps: frozenset[str]


@functools.cache
def _shape(struct: object) -> _Shape:
    structs: dict[str, type[Struct]] = {}
    maps = set()
    if isinstance(struct, type) and issubclass(struct, Struct):
        for name, hint in get_type_hints(struct).items():
            for each in get_args(hint) or (hint,):
                inner = get_args(each)[0] if get_origin(each) is list else each
                if isinstance(inner, type) and issubclass(inner, Struct):
                    structs[name] = inner
                elif each == dict[str, str]:
                    maps.add(name)
    return _Shape(structs, frozenset(maps))


def _without_nulls(value: object, struct: object = None) -> object:
    """Return JSON without the fields that are null, which protobuf-JSON reads as left out.

    Source: [errors.null-in-a-map] documented: Azure Data Factory, Troubleshoot connectors

    Raises:
        ApiError: 400 MALFORMED_REQUEST for a null in a map, where it can be no field left out.
    """
    shape = _shape(struct)
    if isinstance(value, dict):
        for name, each in value.items():
            nulls = [key for key, inner in each.items() if inner is None] if isinstance(each, dict) else []
            if nulls and name in shape.maps:
                raise malformed_request(
                    f"Expected 'key' and 'value' to be set for JSON map field {name}, "
                    f"got 'key: \"{nulls[0]}\"' instead."
                )
        return {
            name: _without_nulls(each, shape.structs.get(name))
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [_without_nulls(each, struct) for each in value]
    return value


def unknown_in_body(body: bytes, struct: type[object]) -> list[str]:
    """Return a note for each field of a sound body that `struct` does not have.

    The service ignores them, and so does the emulator; the author of a test may want to know.

    Source: [requests.unknown-fields] measured: databricks/cli#838 (fields of other endpoints do no harm)
    """
    found = _unknown(msgspec.json.decode(body or b"{}"), struct)
    return [f"ignored field: {place}" for place in dict.fromkeys(found)]


def _unknown_parameters(in_query: dict[str, str], struct: object) -> tuple[str, ...]:
    return tuple(f"ignored parameter: {name}" for name in _unknown(in_query, struct))


def _unknown(value: object, struct: object, place: str = "") -> Iterator[str]:
    """Yield the places of the fields that JSON has and `struct` does not."""
    if isinstance(value, list):
        for each in value:
            yield from _unknown(each, struct, place)
    elif isinstance(value, dict) and isinstance(struct, type) and issubclass(struct, Struct):
        shape = _shape(struct)
        for name, each in value.items():
            if name not in struct.__struct_fields__:
                yield f"{place}{name}"
            elif name in shape.structs:
                yield from _unknown(each, shape.structs[name], f"{place}{name}.")
