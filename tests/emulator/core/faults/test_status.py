"""The error in place of an answer."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import platform

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, StatusFault


def test_status_fault_comes_before_the_effect() -> None:
    """What was asked is not done."""
    assert (StatusFault.kind, StatusFault.point) == ("status", "before_handler")
    assert KINDS["status"] is StatusFault


@pytest.mark.fact("errors.codes-by-status")
@pytest.mark.parametrize(
    ("status_code", "error_code"),
    [
        (400, "INVALID_PARAMETER_VALUE"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "RESOURCE_CONFLICT"),
        (429, "REQUEST_LIMIT_EXCEEDED"),
        (500, "INTERNAL_ERROR"),
        (501, "NOT_IMPLEMENTED"),
        (503, "TEMPORARILY_UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_status_fault_has_the_code_that_the_sdk_raises_for_that_status(
    status_code: int, error_code: str
) -> None:
    """The SDK maps the code to an error that is, or derives from, the one it has for the status."""
    assert StatusFault("*", status_code=status_code).error()[0] == error_code
    by_code = platform.ERROR_CODE_MAPPING.get(error_code)
    by_status = platform.STATUS_CODE_MAPPING[status_code]
    assert by_code is None or issubclass(by_code, by_status)
    name = error_code.title().replace("_", "")
    assert by_code is not None or by_status.__name__ == name


def test_status_fault_without_a_usual_code_is_an_internal_error() -> None:
    """A status that public sources say nothing about still has a code and a text."""
    error_code, message = StatusFault("*", status_code=418).error()
    assert (error_code, bool(message)) == ("INTERNAL_ERROR", True)


def test_status_fault_says_what_it_is_told() -> None:
    """Code and text can be given."""
    fault = StatusFault("*", status_code=429, error_code="RESOURCE_EXHAUSTED", message="slow down")
    assert fault.error() == ("RESOURCE_EXHAUSTED", "slow down")


@pytest.mark.parametrize("status_code", [200, 302, 399, 600])
def test_status_fault_refuses_a_status_that_is_no_error(status_code: int) -> None:
    """An error has a status of 400 to 599."""
    with pytest.raises(UsageError, match=f"^status_code: {status_code} "):
        StatusFault("*", status_code=status_code)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "1\r\nX: 2"}, id="line-break-in-value"),
        pytest.param({"Retry After": "1"}, id="blank-in-name"),
        pytest.param({"": "1"}, id="no-name"),
        pytest.param({"X": "é"}, id="not-ascii"),
    ],
)
def test_status_fault_refuses_headers_that_cannot_be_sent(headers: dict[str, str]) -> None:
    """A header that would break the answer is refused when the fault is made."""
    with pytest.raises(UsageError, match="is no header line"):
        StatusFault("runs/get", status_code=429, headers=headers)
