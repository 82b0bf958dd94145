"""From bytes to Structs, and from msgspec's errors to the service's texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from dbx_emulator._api.errors import invalid_parameter, malformed_request
from dbx_emulator._core.errors import ApiError

__all__ = ["decode_body", "decode_query"]

T = TypeVar("T")

_MISMATCH = re.compile(
    r"Expected `(?P<expected>[\w ]+)`.*?(?:, got `(?P<found>\w+)`)?(?: - at `(?P<at>.+)`)?$"
)
_INDEX = re.compile(r"\[[^\]]*\]")

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
        return msgspec.json.decode(body or b"{}", type=struct, strict=False)
    except msgspec.ValidationError as error:
        if "`null`" not in str(error):
            raise _refuse(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed_request("the body is not valid JSON") from None
    return _convert(_without_nulls(msgspec.json.decode(body)), struct)


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
    match = _MISMATCH.match(str(error))
    assert match is not None, f"msgspec changed its errors: {error}"
    field = _INDEX.sub("", (match["at"] or "$").removeprefix("$")).strip(".").rsplit(".", maxsplit=1)[-1]
    if match["found"] is None or (match["expected"] == "int" and match["found"] == "str"):
        # Source: [errors.bad-number] documented: Jobs API 2.1 OpenAPI document, example of a 400
        return invalid_parameter(f"Invalid value for parameter {field}")
    expected = _EXPECTED.get(match["expected"], match["expected"])
    found = _FOUND.get(match["found"], match["found"].upper())
    where = f" for field {field}" if field else ""
    return malformed_request(f"Expected {expected}{where}, found {found}")


def _without_nulls(value: object) -> object:
    """Return JSON without the fields that are null, which protobuf-JSON reads as left out."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
