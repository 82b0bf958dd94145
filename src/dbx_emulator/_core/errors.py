"""The ways a thing can be wrong: the service says so, or the test's author erred."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

__all__ = ["ApiError", "TokenOfDeletedRun", "UsageError", "nearest"]


class UsageError(ValueError):
    """The emulator was asked for something that it cannot mean.

    It names what was found, what is allowed and the remedy, and it never becomes an HTTP answer to the code
    under test.
    """


class ApiError(Exception):
    """An error of the emulated service: data, turned into a reply in one place.

    Attributes:
        status_code: HTTP status, 300 to 599.
        error_code: The service's code, such as `INVALID_PARAMETER_VALUE`; an integer in errors of the
            authentication layer.
        message: The service's text.
        dialect: How the body says it, one of the dialects of faults.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status_code: int,
        error_code: str | int,
        message: str,
        *,
        dialect: str = "json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_code = error_code
        self.message = message
        self.dialect = dialect
        self.headers = headers or {}


class TokenOfDeletedRun(Exception):  # noqa: N818 - it names a state of the workspace, which the API ring turns into an error
    """An idempotency token stands for a run that was deleted: it stays reserved, and no run is made."""


def nearest(found: str, allowed: Iterable[str]) -> str:
    """Return a hint ` (nearest: X)` for the allowed word closest to `found`, or nothing if none is close."""
    close = difflib.get_close_matches(found, list(allowed), n=1)
    return f" (nearest: {close[0]})" if close else ""
