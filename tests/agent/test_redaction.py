"""What is taken out of the words of others."""

from __future__ import annotations

import json

import pytest

from dbx_agent.redaction import find_secrets, redact


def test_secrets_are_found_by_the_names_of_their_fields() -> None:
    """At any depth; names that only look like ours, values that are no text, and all else are left."""
    body = {
        "run_name": "etl",
        "idempotency_token": "not-a-secret",
        "new_cluster": {
            "docker_image": {"url": "u", "basic_auth": {"username": "someone", "password": "pass-word"}},
            "spark_env_vars": {"API_KEY": "key-0123", "MODE": "fast", "MAX_TOKENS": 5},
        },
        "tasks": [{"notebook_task": {"base_parameters": {"db_passwd": "deep-0123"}}}, ["plain"]],
        "secrets": ["listed-0123", "pass-word"],
    }
    assert find_secrets(body) == ("someone", "pass-word", "key-0123", "deep-0123", "listed-0123")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param('refused s3cr"<t>', id="plain"),
        pytest.param(json.dumps({"message": 'refused s3cr"<t>'}), id="json"),
        pytest.param("refused s3cr&quot;&lt;t&gt;", id="html"),
    ],
)
def test_a_secret_is_taken_out_however_it_is_spelled(said: str) -> None:
    """As text, as JSON and as HTML write it."""
    left = redact(said.encode(), ['s3cr"<t>'])
    assert b"***" in left
    assert b"s3cr" not in left


def test_what_is_too_short_to_be_a_secret_is_left() -> None:
    """Else a password of one letter would take the words apart."""
    assert redact(b"a bad password", ["a", "bad"]) == b"a bad password"
