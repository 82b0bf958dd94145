"""What of a call must not be shown: credentials and secrets, in headers, queries and bodies, and their quotes.

What cannot be read cannot be cleaned, and so is left out as a whole.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

__all__ = ["REDACTED", "find_secrets", "redact_body", "redact_form", "redact_headers", "redact_quotes"]

#: What stands in place of a secret.
REDACTED = "REDACTED"

_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)

#: Names of what is secret: in bodies and forms, in environment variables, Spark settings and arguments.
_SECRET_NAME = re.compile(
    r"secret|passw(or)?d|token|credential|assertion|private[._-]?key|api[._-]?key|access[._-]?key|account[._-]?key"
    r"|(^|[._-])sas([._-]|$)",
    re.IGNORECASE,
)

#: Names that only look like that.
_HARMLESS = frozenset({"idempotency_token", "page_token", "next_page_token", "prev_page_token", "token_type"})
_HARMLESS_END = re.compile(r"endpoint|_supported$")

#: What is shorter is a word among others, and without it nothing could be read.
_MIN_QUOTED = 8

_ARGUMENT = re.compile(r"--?(?P<name>[\w.\-]+)(?P<value>=.*)?", re.DOTALL)


def redact_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return header lines as text, those that bring credentials without them."""
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return [(name, REDACTED if _SECRET_HEADER.search(name) else value) for name, value in lines]


def redact_form(text: str) -> list[tuple[str, str]]:
    """Return the fields of a form or a query, secret ones without their values."""
    return [(name, REDACTED if _is_secret(name) else value) for name, value in _fields(text)]


def redact_body(body: bytes, content_type: str, *, is_answer: bool = False) -> str | None:
    """Return a body as text without secrets; `None` if it is not known how to read it.

    Args:
        body: The body.
        content_type: What it says it is: a form, or else it is read as JSON, as the service does.
        is_answer: Whether the service wrote it, whose pages and plain texts hold no secrets.
    """
    if is_answer and content_type.startswith("text/"):
        return body.decode(errors="replace")
    try:
        text = body.decode()
        if "x-www-form-urlencoded" in content_type:
            return urlencode(redact_form(text))
        return (
            json.dumps(_redact(json.loads(text), []), ensure_ascii=False, separators=(",", ":"))
            if text
            else ""
        )
    except (ValueError, RecursionError):
        return None


def find_secrets(headers: Iterable[tuple[bytes, bytes]], query: str, body: bytes) -> list[str]:
    """Return what of a request is secret, as far as it can be read; whoever answers may quote it."""
    taken = [value for name, value in _fields(query) if _is_secret(name)]
    for name, value in headers:
        if _SECRET_HEADER.search(name.decode("latin-1")):
            taken += _credentials(value.decode("latin-1"))
    text = body.decode(errors="replace")
    try:
        _redact(json.loads(text), taken)
    except (ValueError, RecursionError):
        taken += [value for name, value in _fields(text) if _is_secret(name)]
    # The longest first: one may be the beginning of another.
    return sorted({each for each in taken if len(each) >= _MIN_QUOTED}, key=lambda each: (-len(each), each))


def redact_quotes(value: object, secrets: Iterable[str]) -> object:
    """Return plain data without these secrets in its texts, also where JSON or HTML spells them in another way."""
    if isinstance(value, dict):
        return {name: redact_quotes(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [redact_quotes(each, secrets) for each in value]
    if isinstance(value, str):
        for secret in secrets:
            for spelling in (secret, json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)):
                value = value.replace(spelling, REDACTED)
    return value


def _fields(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _credentials(value: str) -> list[str]:
    """Return what is secret of a header: all of it, what follows the scheme, and of `Basic` the password."""
    scheme, _, shown = value.partition(" ")
    found = [value, shown.strip()]
    if scheme.lower() == "basic":
        with suppress(ValueError):
            found.append(base64.b64decode(shown).decode(errors="replace").partition(":")[2])
    return found


def _redact(value: object, taken: list[str]) -> object:
    """Return plain data without secrets, which are added to those that were taken out."""
    if isinstance(value, list):
        return _redact_list(value, taken)
    if not isinstance(value, dict):
        return value
    redacted: dict[object, object] = {}
    for name, each in value.items():
        if _is_secret(name) and isinstance(each, (str, int, float)):
            taken += [each] if isinstance(each, str) else []
            redacted[name] = REDACTED
        else:
            redacted[name] = _redact(each, taken)
    return redacted


def _redact_list(values: list[object], taken: list[str]) -> list[object]:
    """Return a list without secrets; `--password`, `x` and `--password=x` are arguments of a program."""
    redacted: list[object] = []
    is_next_secret = False
    for each in values:
        argument = _ARGUMENT.fullmatch(each) if isinstance(each, str) else None
        is_secret = argument is not None and _is_secret(argument["name"])
        if is_next_secret and argument is None:
            taken += [each] if isinstance(each, str) else []
            redacted.append(REDACTED)
        elif argument is not None and is_secret and argument["value"]:
            taken.append(argument["value"][1:])
            redacted.append(f"{str(each).partition('=')[0]}={REDACTED}")
        else:
            redacted.append(_redact(each, taken))
        is_next_secret = is_secret and argument is not None and not argument["value"]
    return redacted


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and name not in _HARMLESS and not _HARMLESS_END.search(name)
