"""What is not shown."""

from __future__ import annotations

import base64
import json

import pytest

from dbx_emulator._core.redaction import (
    find_secrets,
    redact_body,
    redact_form,
    redact_headers,
    redact_quotes,
)


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        pytest.param(
            {"password": "x", "username": "me"}, {"password": "REDACTED", "username": "me"}, id="docker"
        ),
        pytest.param({"idempotency_token": "a"}, {"idempotency_token": "a"}, id="idempotency"),
        pytest.param({"next_page_token": "a", "token_endpoint": "u"}, None, id="harmless"),
        pytest.param(
            {"access_token": "a", "token_type": "Bearer", "expires_in": 3600},
            {"access_token": "REDACTED", "token_type": "Bearer", "expires_in": 3600},
            id="oauth",
        ),
        pytest.param({"token": {"value": 1}, "n": None}, None, id="object-is-searched"),
        pytest.param(
            {"spark_env_vars": {"AWS_SECRET_ACCESS_KEY": "x", "DAY": "1"}},
            {"spark_env_vars": {"AWS_SECRET_ACCESS_KEY": "REDACTED", "DAY": "1"}},
            id="environment",
        ),
        pytest.param(
            {"spark_conf": {"fs.azure.account.key.me": "x"}},
            {"spark_conf": {"fs.azure.account.key.me": "REDACTED"}},
            id="spark",
        ),
        pytest.param(
            ["--token", "x", "y", "--password=x=y", "--day=1", "--secret", "--day", 1],
            ["--token", "REDACTED", "y", "--password=REDACTED", "--day=1", "--secret", "--day", 1],
            id="arguments",
        ),
    ],
)
def test_json_body_loses_its_secrets(value: object, redacted: object) -> None:
    """Values whose names say that they are secret are replaced, wherever they are; all else stays."""
    text = redact_body(json.dumps(value).encode(), "application/json")
    assert json.loads(text or "") == (redacted or value)


def test_form_and_query_lose_their_secrets() -> None:
    """As a client sends them for a token."""
    form = b"grant_type=client_credentials&client_secret=x&empty="
    assert redact_body(form, "application/x-www-form-urlencoded") == (
        "grant_type=client_credentials&client_secret=REDACTED&empty="
    )
    assert redact_form("run_id=1&access_token=x") == [("run_id", "1"), ("access_token", "REDACTED")]


@pytest.mark.parametrize(
    ("body", "content_type", "is_answer", "text"),
    [
        pytest.param(b"", "", False, "", id="empty"),
        pytest.param(b"password: x", "text/plain", False, None, id="text-of-a-client"),
        pytest.param(b"<p>502</p>", "text/html", True, "<p>502</p>", id="page-of-the-service"),
        pytest.param(b"\xff", "application/json", True, None, id="binary"),
        pytest.param(b"[" * 100_000, "application/json", False, None, id="bottomless"),
    ],
)
def test_what_cannot_be_read_is_not_shown(
    body: bytes, content_type: str, *, is_answer: bool, text: str | None
) -> None:
    """Only what the service wrote itself is shown without being understood."""
    assert redact_body(body, content_type, is_answer=is_answer) == text


def test_headers_lose_their_credentials() -> None:
    """Whatever the header is called in which they come."""
    names = ("Authorization", "COOKIE", "set-cookie", "X-Databricks-Azure-SP-Management-Token")
    lines = [(name.encode(), b"x") for name in names]
    assert redact_headers([*lines, (b"accept", b"*/*")]) == [
        *((name, "REDACTED") for name in names),
        ("accept", "*/*"),
    ]


@pytest.mark.parametrize(
    ("headers", "query", "body", "secrets"),
    [
        pytest.param(
            {"Authorization": "Bearer abcdefgh"}, "", b"", ["Bearer abcdefgh", "abcdefgh"], id="bearer"
        ),
        pytest.param(
            {"Authorization": f"Basic {base64.b64encode(b'me:12345678').decode()}", "Accept": "text/plain"},
            "",
            b"",
            ["Basic bWU6MTIzNDU2Nzg=", "bWU6MTIzNDU2Nzg=", "12345678"],
            id="basic",
        ),
        pytest.param({"Authorization": "Basic abcde"}, "", b"", ["Basic abcde"], id="no-base64"),
        pytest.param({}, "token=12345678&password=short&day=20240101", b"", ["12345678"], id="query"),
        pytest.param({}, "", b"client_secret=12345678&scope=all-apis", ["12345678"], id="form"),
        pytest.param({}, "", b"[" * 100_000, [], id="bottomless"),
        pytest.param(
            {},
            "",
            b'{"a": [{"password": "123456789", "max_tokens": 12345678}, "--token", "12345678", "--secret", 1],'
            b' "b": ["--api-key=1234567890"]}',
            ["1234567890", "123456789", "12345678"],
            id="json",
        ),
    ],
)
def test_secrets_of_a_request_are_found(
    headers: dict[str, str], query: str, body: bytes, secrets: list[str]
) -> None:
    """By the names under which they are sent, the longest first; what is short is left."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert find_secrets(lines, query, body) == secrets


def test_quoted_secrets_are_taken_out() -> None:
    """However it is spelled there, and wherever it is."""
    said = {"a": ['x <12>"34y', 1], "b": json.dumps('<12>"34'), "c": "&lt;12&gt;&quot;34."}
    assert redact_quotes(said, ['<12>"34']) == {"a": ["x REDACTEDy", 1], "b": '"REDACTED"', "c": "REDACTED."}
