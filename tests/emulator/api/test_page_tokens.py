"""Page tokens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._api.page_tokens import Page, read_page_token, write_page_token
from dbx_emulator._core.errors import ApiError

_TOKEN = write_page_token(Page(100), scope="runs/list")


def _refused(page_token: str, scope: str = "runs/list") -> tuple[int, str | int]:
    with pytest.raises(ApiError) as raised:
        read_page_token(page_token, scope=scope)
    return raised.value.status_code, raised.value.error_code


@pytest.mark.fact("paging.opaque-tokens")
@pytest.mark.parametrize("page", [Page(0), Page(1), Page(100), Page(10**9, "prev")])
def test_page_token_round_trips(page: Page) -> None:
    """A token stands for one page and does not show which."""
    token = write_page_token(page, scope="runs/list")
    assert read_page_token(token, scope="runs/list") == page
    assert str(page.position) not in token or page.position < 10


@pytest.mark.fact("paging.garbage-token")
@pytest.mark.parametrize("index", range(len(_TOKEN)))
def test_page_token_that_was_changed_is_refused(index: int) -> None:
    """Any other character anywhere, and the token is none."""
    other = "A" if _TOKEN[index] != "A" else "B"
    assert _refused(_TOKEN[:index] + other + _TOKEN[index + 1 :]) == (400, "INVALID_PARAMETER_VALUE")


def test_page_token_is_good_for_one_list() -> None:
    """The token of one list opens no page of another."""
    assert _refused(_TOKEN, "run/5") == (400, "INVALID_PARAMETER_VALUE")


@settings(derandomize=True, deadline=None)
@given(token=st.one_of(st.text(), st.text(alphabet="cGFnZTo5OA=_-", max_size=40)))
def test_page_token_of_someone_else_is_refused(token: str) -> None:
    """What this emulator did not write is an invalid value, never anything worse."""
    assert _refused(token) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("text", [b"next:5", b"next:-1", b"prev:", b"next:" + b"9" * 9_000])
def test_page_token_without_its_checksum_is_refused(text: bytes) -> None:
    """Knowing the form of a token is not enough to make one."""
    assert _refused(base64.urlsafe_b64encode(b"\0" * 6 + text).decode()) == (400, "INVALID_PARAMETER_VALUE")
