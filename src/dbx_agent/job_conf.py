"""What a user wrote into a task's configuration, read exactly; pure, and nothing it is given is changed.

Flyte carries a task's configuration in a protobuf Struct, whose only number is a double: 3 arrives as 3.0, and of
an id above 2^53 the last digits are lost before anybody here sees it. Whole numbers are made whole again. Where
digits may be lost the task is refused, since the wrong id would run or touch something else. Two spellings carry
such an id whole: a text, which the Jobs API takes for a number, and the whole of `databricksConf` as JSON text,
`{"json": "{…}"}`.

Source: [flyte.custom.numbers-are-floats] documented: protobuf, google/protobuf/struct.proto, number_value
Source: [agent.submit.int64-as-text] documented: protobuf, ProtoJSON format, int64 is a string or a number
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from dbx_agent.errors import ConfigurationError

__all__ = ["CONF", "expect", "read_conf", "read_texts"]

CONF = "databricksConf"
"""The key of a template's `custom` under which the body of `runs/submit` is."""

_TEXT_KEY = "json"
_EXACT_BELOW = 2**53
_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


def read_conf(custom: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `databricksConf` with exact numbers, without the keys that say null.

    A null says the same as no key, and the service would have to guess.

    Raises:
        ConfigurationError: If it is neither an object nor the JSON text of one, or has a number that is not exact.
    """
    conf = custom.get(CONF)
    if isinstance(conf, Mapping) and _TEXT_KEY in conf:
        if len(conf) > 1:
            others = ", ".join(sorted(key for key in conf if key != _TEXT_KEY))
            raise ConfigurationError(
                f"{CONF} has {_TEXT_KEY} and also {others}. The text is the whole configuration: put them into it."
            )
        conf = _parse(expect(conf[_TEXT_KEY], str, f"{CONF}.{_TEXT_KEY}"), f"{CONF}.{_TEXT_KEY}")
    elif isinstance(conf, str):
        conf = _parse(conf, CONF)
    exact: dict[str, Any] = _exact(expect(conf, dict, CONF), CONF)
    return {key: value for key, value in exact.items() if value is not None}


def read_texts(values: Any, field: str) -> dict[str, str]:
    """Write the values as the service's maps of text want them: `2.0` as "2", `true` as "true".

    Raises:
        ConfigurationError: If it is no object, or has a number that is not exact.
    """
    exact = _exact(expect(values, dict, field), field)
    return {key: item if isinstance(item, str) else json.dumps(item) for key, item in exact.items()}


def expect(value: Any, kind: type, field: str) -> Any:
    """Return a value of the type that the Jobs API has there, an empty one for what is left out.

    Raises:
        ConfigurationError: If it is of another type.
    """
    if value is None:
        return kind()
    if not isinstance(value, kind):
        # The value is not shown: a configuration may hold a secret.
        raise ConfigurationError(
            f"{field} is of a wrong type: {type(value).__name__}. The Jobs API wants {_KINDS[kind]} there."
        )
    return value


def _parse(text: str, field: str) -> Any:
    try:
        conf = json.loads(text)
    except ValueError as error:
        # What json says names a place and quotes nothing.
        raise ConfigurationError(f"{field} is no JSON: {error}. Write the text of an object.") from None
    except RecursionError:
        raise ConfigurationError(f"{field} is nested too deeply. Write the text of an object.") from None
    if not isinstance(conf, dict):
        raise ConfigurationError(f"{field} is the text of no object. Write the text of an object.")
    return conf


def _exact(value: Any, where: str) -> Any:
    """Copy JSON, giving back to whole numbers the type that the Struct took from them."""
    if isinstance(value, Mapping):
        return {key: _exact(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item, f"{where}[{index}]") for index, item in enumerate(value)]
    return _exact_number(value, where) if isinstance(value, float) else value


def _exact_number(value: float, where: str) -> int | float:
    if not math.isfinite(value):
        raise ConfigurationError(f"{where} is {value}, which JSON cannot say. Use a finite number.")
    if not value.is_integer():
        return value
    if abs(value) >= _EXACT_BELOW:
        raise ConfigurationError(
            f"{where} is about {value:.17g}: Flyte carries numbers of this size without their last digits. "
            'Write it as a text, "…".'
        )
    return int(value)
