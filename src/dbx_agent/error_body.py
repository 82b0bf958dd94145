"""Finds the service's words in the body of an error answer, whatever shape it has; pure, never raises."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["MESSAGE_LIMIT", "ErrorBody", "read_error_body", "shorten"]

MESSAGE_LIMIT = 1000
"""Characters of a service's message that are kept."""

_BODY_LIMIT = 200_000
_CODE_AND_TEXT = re.compile(r"\s*(?P<code>[A-Z][A-Z0-9_]{2,63}): (?P<text>.+)", re.DOTALL)
_PAGE_TEXTS = (re.compile(r"(?is)<pre[^>]*>(.*?)</pre>"), re.compile(r"(?is)<title[^>]*>(.*?)</title>"))
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The service's words.

    Attributes:
        error_code: Its code, such as `INVALID_PARAMETER_VALUE`; empty if it gave none.
        message: Its text, on one line; empty if the body says nothing.
    """

    error_code: str
    message: str


def read_error_body(body: bytes) -> ErrorBody:
    """Read an error body.

    Known shapes: the API's JSON, where the code is text, or a number from the authentication layer; the old
    `error`; SCIM's `detail`; `CODE: text`; an HTML page; nothing.

    Source: [agent.error.shapes] sdk: databricks-sdk-py, databricks/sdk/errors/deserializer.py
    """
    text = body[:_BODY_LIMIT].decode(errors="replace")
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return _read_text(text)
    return _read_object(decoded) if isinstance(decoded, dict) else _read_text(text)


def shorten(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Put text on one line of at most `limit` characters, all of which UTF-8 can hold."""
    line = " ".join(text.encode(errors="replace").decode().split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _read_object(body: dict[str, Any]) -> ErrorBody:
    code = body.get("error_code")
    message = next(
        (body[key] for key in ("message", "detail", "error") if isinstance(body.get(key), str) and body[key]),
        "",
    )
    return ErrorBody(
        error_code=shorten(code, 64) if isinstance(code, str) else "",
        message=shorten(message) if message else shorten(json.dumps(body)) if body else "",
    )


def _read_text(text: str) -> ErrorBody:
    if "<" in text:
        found = next((match[1] for pattern in _PAGE_TEXTS if (match := pattern.search(text))), text)
        return ErrorBody(error_code="", message=shorten(html.unescape(_TAG.sub(" ", found))))
    coded = _CODE_AND_TEXT.fullmatch(text)
    if coded is not None:
        return ErrorBody(error_code=coded["code"], message=shorten(coded["text"]))
    return ErrorBody(error_code="", message=shorten(text))
