"""Error bodies in all their shapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.error_body import MESSAGE_LIMIT, ErrorBody, read_error_body, shorten


@pytest.mark.fact("agent.error.shapes")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            b'{"error_code": "INVALID_STATE", "message": "Not\\n  now", "details": []}',
            ErrorBody("INVALID_STATE", "Not now"),
            id="json",
        ),
        pytest.param(
            b'{"error_code": 403, "message": "Invalid access token."}',
            ErrorBody("", "Invalid access token."),
            id="integer-code",
        ),
        pytest.param(b'{"error": "Bad Target"}', ErrorBody("", "Bad Target"), id="old-error"),
        pytest.param(
            b'{"detail": "no such user", "status": "404"}', ErrorBody("", "no such user"), id="scim"
        ),
        pytest.param(
            b'{"message": null, "x": 1}', ErrorBody("", '{"message": null, "x": 1}'), id="unknown-json"
        ),
        pytest.param(b"{}", ErrorBody("", ""), id="empty-object"),
        pytest.param(b'["a"]', ErrorBody("", '["a"]'), id="list"),
        pytest.param(
            b"RESOURCE_DOES_NOT_EXIST: Run 5 does not exist.",
            ErrorBody("RESOURCE_DOES_NOT_EXIST", "Run 5 does not exist."),
            id="coded-text",
        ),
        pytest.param(b"upstream connect error", ErrorBody("", "upstream connect error"), id="text"),
        pytest.param(
            b"<html><title>Error 403</title><body>Reason:<pre>    Invalid &amp; expired.</pre></body></html>",
            ErrorBody("", "Invalid & expired."),
            id="html-pre",
        ),
        pytest.param(
            b"<html><head><title>Bad <b>Gateway</b></title></head></html>",
            ErrorBody("", "Bad Gateway"),
            id="html-title",
        ),
        pytest.param(b"<p>Oops</p>", ErrorBody("", "Oops"), id="html-neither"),
        pytest.param(b"", ErrorBody("", ""), id="empty"),
        pytest.param(b"\xff\xfe no", ErrorBody("", "\ufffd\ufffd no"), id="not-utf-8"),
        pytest.param(b"[" * 100_000, ErrorBody("", "[" * (MESSAGE_LIMIT - 1) + "…"), id="too-deep"),
    ],
)
def test_error_body_is_read_in_every_shape(body: bytes, expected: ErrorBody) -> None:
    """The code where there is one, the words in any case."""
    assert read_error_body(body) == expected


@given(body=st.binary())
def test_error_body_never_raises(body: bytes) -> None:
    """Any bytes give a bounded message on one line."""
    said = read_error_body(body)
    assert len(said.message) <= MESSAGE_LIMIT
    assert said.message == " ".join(said.message.split())


def test_shorten_marks_what_it_cut() -> None:
    """A limit includes the mark."""
    assert (shorten("a  b\nc"), shorten("abcdef", 4), shorten("abcd", 4)) == ("a b c", "abc…", "abcd")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        pytest.param(
            b'{"error": "invalid_client", "error_description": "no such client"}',
            ErrorBody("invalid_client", "no such client"),
            id="described",
        ),
        pytest.param(
            b'{"error": "invalid_client"}', ErrorBody("invalid_client", "invalid_client"), id="bare"
        ),
        pytest.param(
            b'{"error": "invalid_client", "error_description": 5}',
            ErrorBody("invalid_client", "invalid_client"),
            id="odd",
        ),
    ],
)
def test_the_error_of_oauth_is_a_code(body: bytes, read: ErrorBody) -> None:
    """One word, with a description or without."""
    assert read_error_body(body) == read
