"""From bytes to Structs, and from msgspec's errors to the service's texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from dbx_emulator._api.errors import invalid_parameter, malformed_request
from dbx_emulator._core.errors import ApiError

__all__ = ["decode_body", "decode_query"]

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
    return _convert(_without_nulls(value), struct)


def decode_query(query: str, body: bytes, struct: type[T]) -> T:
    """Return the parameters of a GET as `struct`, taken from the query and, where it is silent, from the body.

    Source: [requests.get-with-body] measured: apache/airflow sends the parameters of some GETs in a JSON body

    Raises:
        ApiError: 400 MALFORMED_REQUEST or INVALID_PARAMETER_VALUE in the service's words.
    """
    if not body:
        return cast("T", _decode_query(query, cast("Hashable", struct)))
    in_query = dict(parse_qsl(query, keep_blank_values=True))
    return _convert(decode_body(body, dict[str, Any]) | in_query, struct)


# A client that polls sends the same query each time. The Structs of parameters are never changed.
@functools.lru_cache(maxsize=4_096)
def _decode_query(query: str, struct: Hashable) -> object:
    return _convert(dict(parse_qsl(query, keep_blank_values=True)), cast("type[object]", struct))


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
    field = _INDEX.sub("", place.rstrip("`").removeprefix("$")).strip(".").rsplit(".", maxsplit=1)[-1]
    # Without a match it says that a number is out of range.
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


def _without_nulls(value: object) -> object:
    """Return JSON without the fields that are null, which protobuf-JSON reads as left out."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
