"""The JSON Schema of scenarios, for editors: made from the same dataclasses that read them.

The words are those of the docstrings. What a schema cannot say, such as which result goes with which code, is left
to `dbx-emulator scenario check`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from dbx_emulator._api.scenario_data import field_names
from dbx_emulator._core.durations import DISTRIBUTIONS, Duration
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.scenarios import Match, Scenario
from dbx_emulator._core.states import ResultState

__all__ = ["scenario_schema"]

Schema = dict[str, Any]

#: Draft 7 is what every editor knows.
_DRAFT = "http://json-schema.org/draft-07/schema#"

_TITLE = "Scenarios of dbx-emulator"

_TYPES: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
}

_LENGTH = r"( *[0-9]+(\.[0-9]+)?(ms|s|m|h|d))+ *"
_DURATION: Schema = {
    "description": (
        "A length of time: a number of seconds, a text such as `1h30m`, or a distribution: "
        + ", ".join(f"`{form}`" for form, _, _ in DISTRIBUTIONS.values())
    ),
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": rf"^({_LENGTH}|\s*({'|'.join(DISTRIBUTIONS)})\([^()]+\)\s*)$"},
    ],
    "examples": [90, "250ms", "1h30m", "lognormal(2m, 0.4)"],
}

#: What the types of fields do not say.
_LIMITS: dict[tuple[type, str], Schema] = {
    (Match, "run_name"): {"minLength": 1},
    (Match, "task_key"): {"minLength": 1},
    (Match, "nth"): {"minimum": 1},
    (Match, "probability"): {"exclusiveMinimum": 0, "maximum": 1},
    (Scenario, "name"): {"pattern": r"^([A-Za-z_][A-Za-z0-9_-]*)?$"},
    (Scenario, "outcomes"): {"minItems": 1},
}

#: What an outcome within another one may not have, by the name of its definition.
_OUTCOMES: dict[str, tuple[str, ...]] = {
    "Outcome": (),
    "OutcomeOfTask": ("tasks",),
    "OutcomeOfAttempt": ("tasks", "retries"),
}

#: What the fields are that hold other dataclasses, or more than their type says.
_INNER: dict[str, Schema] = {
    "match": {
        "anyOf": [
            {"type": "string", "minLength": 1, "description": "A glob over the whole `run_name`."},
            {"$ref": "#/definitions/Match"},
        ]
    },
    "outcomes": {"type": "array", "items": {"$ref": "#/definitions/Outcome"}},
    "result_state": {"enum": [*(each.value for each in ResultState), ""]},
    "retries": {"type": "array", "items": {"$ref": "#/definitions/OutcomeOfAttempt"}},
    "tasks": {"type": "object", "additionalProperties": {"$ref": "#/definitions/OutcomeOfTask"}},
    "values": {"type": "object"},
}

_ATTRIBUTE = re.compile(r" {4}(?P<name>\w+): (?P<text>.+(?:\n {8}.+)*)")


def scenario_schema() -> Schema:
    """Return the JSON Schema of a file of scenarios."""
    return {
        "$schema": _DRAFT,
        "title": _TITLE,
        "type": "object",
        "additionalProperties": False,
        "required": ["scenarios"],
        "properties": {"scenarios": {"type": "array", "items": {"$ref": "#/definitions/Scenario"}}},
        "definitions": {
            "Duration": _DURATION,
            "Match": _object(Match),
            **{name: _object(Outcome, without=without) for name, without in _OUTCOMES.items()},
            "Scenario": _object(Scenario)
            | {"required": ["outcomes"], "anyOf": [{"required": ["match"]}, {"required": ["name"]}]},
        },
    }


def _object(value_type: type, *, without: Sequence[str] = ()) -> Schema:
    """Return the schema of a dataclass."""
    doc = inspect.getdoc(value_type) or ""
    words = {found["name"]: " ".join(found["text"].split()) for found in _ATTRIBUTE.finditer(doc)}
    hints = get_type_hints(value_type, localns={"JobRun": object})
    return {
        "description": doc.partition("\n")[0],
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": words[name]}
            | (_INNER.get(name) or _of_type(hints[name]))
            | _LIMITS.get((value_type, name), {})
            for name in field_names(value_type)
            if name not in without
        },
    }


def _of_type(hint: Any) -> Schema:
    """Return the schema of what a field may hold; null is for Python, where a file leaves the field out."""
    if get_origin(hint) is Mapping:
        return {"type": "object", "additionalProperties": _of_type(get_args(hint)[1])}
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    if set(kinds) >= set(get_args(Duration)):
        # Beside a bare reference, Draft 7 would not look at the description.
        return {"allOf": [{"$ref": "#/definitions/Duration"}]}
    enums = [kind for kind in kinds if issubclass(kind, Enum)]
    return {"enum": [each.value for each in enums[0]]} if enums else dict(_TYPES[kinds[0]])
