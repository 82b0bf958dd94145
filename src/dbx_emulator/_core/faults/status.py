"""The service answers with an error instead of doing what was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["StatusFault"]

_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x20-\x7e]*")

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
    """The call has no effect and is answered with an error.

    Attributes:
        status_code: HTTP status, 400 to 599.
        headers: Further headers, such as `Retry-After`.
        error_code: The error code; `None` takes the usual one for the status.
        message: The text; `None` takes the usual one for the status.

    Raises:
        UsageError: The status is no error status, or a header cannot be sent.
    """

    kind: ClassVar[str] = "status"
    point: ClassVar[Point] = "before_handler"

    status_code: int = 500
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error_code: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if not isinstance(self.status_code, int) or not 400 <= self.status_code <= 599:  # noqa: PLR2004 - HTTP errors
            raise UsageError(f"status_code: {self.status_code!r} is no error status (400 to 599)")
        for name, value in self.headers.items():
            _check_header(name, value)

    def error(self) -> tuple[str, str]:
        """Return the error code and text of the answer."""
        error_code, message = _DEFAULTS.get(self.status_code, ("INTERNAL_ERROR", "An error occurred."))
        return self.error_code or error_code, self.message or message


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not _HEADER.fullmatch(f"{name}: {value}"):
        raise UsageError(f"headers: {name!r}: {value!r} is no header line; write printable ASCII text")
    if name.lower() in _FRAMING:
        raise UsageError(f"headers: {name!r} frames the answer; a WireFault sends answers framed wrongly")
