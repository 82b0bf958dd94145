"""Takes secrets out of what others say before anybody reads it; pure.

Services quote what they were sent: a token that they refuse, a password that a cluster could not use. Their
words go on to Flyte's page, its cluster and its log.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["find_secrets", "redact"]

_MASK = b"***"

#: Shorter ones are no secrets worth the name, and taking them out would leave no text to read.
_MIN_LENGTH = 6

#: Names under which people keep secrets: Databricks' own `basic_auth.password` and environment variables.
_SECRET_NAME = re.compile(r"(?i)passw|secret|token|credential|api_?key|access_?key|private_?key|basic_auth")

#: The name of ours that looks like one.
_HARMLESS = frozenset({"idempotency_token"})


def find_secrets(body: object) -> tuple[str, ...]:
    """Return what looks like a secret in a JSON value, going by the names of its fields."""
    return tuple(dict.fromkeys(_walk(body, is_secret=False)))


def redact(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return the content with each secret as `***`, also where JSON or HTML spells it in another way."""
    for secret in secrets:
        if len(secret) >= _MIN_LENGTH:
            for spelling in {secret, json.dumps(secret)[1:-1], html.escape(secret)}:
                content = content.replace(spelling.encode(), _MASK)
    return content


def _walk(value: object, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, is_secret=is_secret or _is_secret(str(name)))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _walk(item, is_secret=is_secret)
    elif is_secret and isinstance(value, str):
        yield value


def _is_secret(name: str) -> bool:
    return name not in _HARMLESS and _SECRET_NAME.search(name) is not None
