"""The error in place of an answer."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk.errors import platform

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import KINDS, StatusFault


def test_status_fault_comes_before_the_effect() -> None:
    """What was asked is not done."""
    assert (StatusFault.kind, StatusFault("*").point) == ("status", "before_handler")
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


@pytest.mark.parametrize("status_code", [200, 299, 600])
def test_status_fault_refuses_other_statuses(status_code: int) -> None:
    """An error or a redirect has a status of 300 to 599."""
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


@pytest.mark.fact("errors.transient-statuses")
def test_status_fault_knows_what_is_worth_a_second_try() -> None:
    """Statuses about the moment are transient, those about the request are not."""
    faults = [
        StatusFault("*", status_code=status_code)
        for status_code in (302, 400, 401, 403, 404, 408, 429, 500, 599)
    ]
    assert [fault.status_code for fault in faults if fault.is_transient] == [408, 429, 500, 599]


def test_status_fault_has_a_usual_body() -> None:
    """An error is told in JSON, a redirect without a word."""
    faults = [StatusFault("*", status_code=status_code) for status_code in (302, 400)]
    assert [fault.dialect for fault in faults] == ["empty", "json"]


@pytest.mark.parametrize(
    ("retry_after", "sent"),
    [
        (30, "30"),
        (0, "0"),
        (-1, "-1"),
        (0.5, "0.5"),
        (10**9, "1000000000"),
        ("soon", "soon"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("date+30s", "Mon, 01 Jan 2024 00:00:30 GMT"),
        ("date-30s", "Sun, 31 Dec 2023 23:59:30 GMT"),
    ],
)
def test_status_fault_sends_retry_after_in_every_form(retry_after: float | str, sent: str) -> None:
    """Numbers and texts as they are, dates from the virtual present."""
    fault = StatusFault("*", status_code=429, retry_after=retry_after)
    assert fault.header_lines(EPOCH_MS) == {"Retry-After": sent}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"retry_after": "s\r\noon"}, "is no header line", id="line-break"),
        pytest.param({"retry_after": True}, "neither a number nor a text", id="boolean"),
        pytest.param({"retry_after": "date+soon"}, "retry_after: 'soon' is no duration", id="no-duration"),
        pytest.param({"retry_after": 1, "headers": {"retry-after": "2"}}, "leave out one", id="twice"),
        pytest.param({"dialect": "htm"}, "nearest: html", id="dialect"),
    ],
)
def test_status_fault_refuses_what_it_cannot_send(fields: dict[str, Any], said: str) -> None:
    """The mistake is found when the fault is made."""
    with pytest.raises(UsageError, match=said):
        StatusFault("*", status_code=429, **fields)
