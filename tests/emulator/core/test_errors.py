"""The two ways a thing can be wrong."""

from __future__ import annotations

import pytest

from dbx_emulator._core.errors import ApiError, UsageError, nearest


def test_api_error_carries_what_is_served() -> None:
    """Status, code and text are data."""
    error = ApiError(400, "INVALID_STATE", "no")
    assert (error.status_code, error.error_code, error.message, str(error)) == (
        400,
        "INVALID_STATE",
        "no",
        "no",
    )


def test_usage_error_is_the_authors_and_no_answer_of_the_service() -> None:
    """The author's mistakes are ValueErrors and never become an answer."""
    assert issubclass(UsageError, ValueError)
    assert not issubclass(UsageError, ApiError)


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        pytest.param("runs/gt", " (nearest: runs/get)", id="close"),
        pytest.param("zzz", "", id="far"),
    ],
)
def test_nearest_hints_only_at_what_is_close(found: str, hint: str) -> None:
    """A hint that is no help is left out."""
    assert nearest(found, ["runs/get", "runs/submit"]) == hint
