"""The service answers with a status of its own instead of what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from types import MappingProxyType
from typing import ClassVar

from dbx_emulator._core.durations import duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["DIALECTS", "StatusFault"]

#: How the body of an error can look, and who writes such bodies.
DIALECTS: dict[str, str] = {
    "json": "error_code, message and details, as the Jobs API writes them",
    "error": "one field, `error`, as API 1.2 writes it",
    "scim": "`detail` and `status`, as the SCIM API writes them",
    "text": "`CODE: message` as plain text",
    "html": "a page with the message in its title and in a <pre>, as older gateways write it",
    "empty": "no body at all, as proxies answer",
    "binary": "bytes that are not UTF-8",
    "json_list": "JSON, but a list",
}

_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x20-\x7e]*")

_DATE = re.compile(r"date(?P<sign>[+-])(?P<duration>.+)")

_FIRST_ERROR = 400

#: Statuses that a client does well to try again.
#: Source: [errors.transient-statuses] documented: RFC 9110, 408, 429 and 5xx are about the moment, not the request
_TRANSIENT = frozenset({408, 429, *range(500, 600)})

#: The error code and text that go with a status unless the fault gives others.
#: Source: [errors.codes-by-status] documented: databricks-sdk-py, databricks/sdk/errors/platform.py
_DEFAULTS: dict[int, tuple[str, str]] = {
    400: ("INVALID_PARAMETER_VALUE", "Invalid parameter value."),
    401: ("UNAUTHENTICATED", "The request does not have valid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission to execute the operation."),
    404: ("NOT_FOUND", "The operation was performed on a resource that does not exist."),
    409: ("RESOURCE_CONFLICT", "The request conflicts with another one."),
    429: ("REQUEST_LIMIT_EXCEEDED", "Too many requests. Please wait a moment and try again."),
    500: ("INTERNAL_ERROR", "An internal error occurred."),
    501: ("NOT_IMPLEMENTED", "The operation is not implemented."),
    502: ("BAD_GATEWAY", "Bad gateway."),
    503: ("TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The deadline expired before the operation could complete."),
}


@dataclass(slots=True)
class StatusFault(Fault):
    """The call is answered with an error or a redirect; unless struck after the effect, it has none.

    Attributes:
        status_code: HTTP status, 300 to 599.
        headers: Further headers, such as `Location`.
        error_code: The error code; `None` takes the usual one for the status.
        message: The text; `None` takes the usual one for the status.
        dialect: How the body looks, one of `DIALECTS`; `None` is `json` for an error and `empty` for a redirect.
        retry_after: The header Retry-After: a number or a text that is sent as it is; `date+30s` and `date-30s`
            become an HTTP date that far from the virtual present. `None` sends none.

    Raises:
        UsageError: The status or the dialect is none of those, or a header cannot be sent.
    """

    kind: ClassVar[str] = "status"
    points: ClassVar[tuple[Point, ...]] = ("before_handler", "before_auth", "after_effect")

    status_code: int = 500
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error_code: str | None = None
    message: str | None = None
    dialect: str | None = None
    retry_after: float | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.status_code, int) or not 300 <= self.status_code <= 599:  # noqa: PLR2004 - HTTP
            raise UsageError(
                f"status_code: {self.status_code!r} is no status of a redirect or an error (300 to 599)"
            )
        Fault.__post_init__(self)
        if self.dialect is None:
            self.dialect = "json" if self.status_code >= _FIRST_ERROR else "empty"
        if self.dialect not in DIALECTS:
            hint = nearest(str(self.dialect), DIALECTS)
            raise UsageError(f"dialect: {self.dialect!r} is none of {', '.join(DIALECTS)}{hint}")
        for name, value in self.headers.items():
            _check_header(name, value)
        if self.retry_after is not None:
            self._check_retry_after()

    def usually_transient(self) -> bool:
        """Say whether the status is about the moment and not about the request."""
        return self.status_code in _TRANSIENT

    def error(self) -> tuple[str, str]:
        """Return the error code and text of the answer."""
        error_code, message = _DEFAULTS.get(self.status_code, ("INTERNAL_ERROR", "An error occurred."))
        return self.error_code or error_code, self.message or message

    def header_lines(self, now_ms: int) -> dict[str, str]:
        """Return the headers of an answer at that moment, in epoch milliseconds of virtual time."""
        if self.retry_after is None:
            return dict(self.headers)
        return dict(self.headers) | {"Retry-After": _retry_after(self.retry_after, now_ms)}

    def _check_retry_after(self) -> None:
        if any(name.lower() == "retry-after" for name in self.headers):
            raise UsageError(
                "retry_after: Retry-After is among the headers already; leave out one of the two"
            )
        if isinstance(self.retry_after, bool) or not isinstance(self.retry_after, (int, float, str)):
            raise UsageError(
                f"retry_after: {self.retry_after!r} is neither a number nor a text; write 30 or 'date+30s'"
            )
        _check_header("Retry-After", _retry_after(self.retry_after, 0))


def _retry_after(value: float | str, now_ms: int) -> str:
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return str(value)
    away_ms = duration_ms(match["duration"], name="retry_after")
    at_ms = now_ms + (away_ms if match["sign"] == "+" else -away_ms)
    return formatdate(at_ms / 1_000, usegmt=True)


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not _HEADER.fullmatch(f"{name}: {value}"):
        raise UsageError(f"headers: {name!r}: {value!r} is no header line; write printable ASCII text")
    if name.lower() in _FRAMING:
        raise UsageError(f"headers: {name!r} frames the answer; a WireFault sends answers framed wrongly")
