"""What doors and engine exchange."""

from __future__ import annotations

import pytest

from dbx_emulator._api.messages import Request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(b"authorization", b"Bearer a", id="any-case-first-value"),
        pytest.param(b"host", None, id="absent"),
    ],
)
def test_request_header_is_found_in_any_case(name: bytes, value: bytes | None) -> None:
    """The first line of that name counts, however it is spelled."""
    lines = [(b"X-Authorizations", b"x"), (b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    assert Request("GET", "/", lines).header(name) == value
