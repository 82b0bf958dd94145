"""The tree of errors."""

from __future__ import annotations

import pytest

from dbx_agent import errors
from dbx_agent.errors import ApiCallError, ConfigurationError, DatabricksAgentError, ResourceMetaError


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "DatabricksAgentError"])
def test_tree_has_one_root_and_is_drawn_in_the_docstring(name: str) -> None:
    """Each error is caught by the root, and is in the picture."""
    assert issubclass(getattr(errors, name), DatabricksAgentError)
    assert name in (errors.__doc__ or "")


def test_configuration_error_is_a_value_error_with_all_problems() -> None:
    """The documented ValueError, one line per mistake."""
    error = ConfigurationError(["a is wrong", "b is wrong"])
    assert isinstance(error, ValueError)
    assert (str(error), error.problems) == ("a is wrong\nb is wrong", ("a is wrong", "b is wrong"))
    assert ConfigurationError("only one").problems == ("only one",)
    assert issubclass(ResourceMetaError, ValueError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(ApiCallError("no"), "no", id="no-answer"),
        pytest.param(ApiCallError("no", status_code=500), "HTTP 500: no", id="status"),
        pytest.param(
            ApiCallError("no", status_code=400, error_code="INVALID_STATE"),
            "HTTP 400 INVALID_STATE: no",
            id="status-and-code",
        ),
    ],
)
def test_api_call_error_says_status_code_and_words(error: ApiCallError, text: str) -> None:
    """The text holds what the service said, as far as it said it."""
    assert str(error) == text
    assert error.message == "no"
