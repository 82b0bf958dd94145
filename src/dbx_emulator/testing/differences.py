"""Two values, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dbx_emulator._core.journal import JournalEntry
from dbx_emulator._core.redaction import redact_body, redact_form

__all__ = ["body_of", "call_differences", "differences"]

_ABSENT = object()


def differences(one: object, other: object, *, path: str = "") -> Iterator[str]:
    """Yield a line for each field in which two values of JSON differ, as in `tasks.0.task_key: 'a' ≠ 'b'`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from differences(one.get(name, _ABSENT), other.get(name, _ABSENT), path=f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, path=f"{path}.{index}")
    elif one != other:
        yield f"{path.lstrip('.')}: {_shown(one)} ≠ {_shown(other)}"


def call_differences(one: JournalEntry, other: JournalEntry) -> list[str]:
    """Return in what two calls differ, secrets left out: route, query, and the fields of their bodies."""
    return list(differences(_fields(one), _fields(other))) or ["none: they say the same"]


def body_of(entry: JournalEntry) -> Any:
    """Return the body of a call as JSON without secrets; `None` if it has none, or none that can be read."""
    text = redact_body(entry.said.body, "") if entry.said else None
    return json.loads(text) if text else None


def _fields(entry: JournalEntry) -> dict[str, object]:
    query = redact_form(entry.said.target.partition("?")[2]) if entry.said else []
    return {"route": entry.route, "query": dict(query), "body": body_of(entry)}


def _shown(value: object) -> str:
    return "absent" if value is _ABSENT else repr(value)
