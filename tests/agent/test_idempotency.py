"""The token of an attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbx_agent.idempotency import AttemptIdentity, attempt_tags, attempt_token

IDENTITY = AttemptIdentity("p", "d", "exec-1", "n0", "p:d:etl.daily:v1", 0)


@pytest.mark.fact("agent.submit.idempotency-token")
def test_token_is_stable_and_fits_the_service() -> None:
    """The same attempt has the same token in every process: 64 hexadecimal digits."""
    token = attempt_token(IDENTITY, output_prefix="s3://out/0")
    assert token == attempt_token(replace(IDENTITY), output_prefix="s3://out/0")
    assert token is not None
    assert (len(token), set(token) - set("0123456789abcdef")) == (64, set())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(IDENTITY, retry_attempt=1), id="attempt"),
        pytest.param(replace(IDENTITY, node="n1"), id="node"),
        pytest.param(replace(IDENTITY, execution="exec-2"), id="execution"),
        pytest.param(replace(IDENTITY, project="p2"), id="project"),
        pytest.param(replace(IDENTITY, domain="d2"), id="domain"),
        pytest.param(replace(IDENTITY, task="p:d:etl.hourly:v1"), id="task"),
        pytest.param(replace(IDENTITY, project="p/d", domain=""), id="other-split"),
    ],
)
def test_token_differs_for_whatever_is_another_run(other: AttemptIdentity) -> None:
    """Each part of the identity counts."""
    assert attempt_token(other, output_prefix="") != attempt_token(IDENTITY, output_prefix="")


def test_token_differs_where_only_the_output_prefix_does() -> None:
    """Nodes of two sub-workflows can share one identity, and each is a run of its own."""
    prefixes = ["s3://out/n0-0-dn0", "s3://out/n1-0-dn0", ""]
    tokens = [attempt_token(IDENTITY, output_prefix=prefix) for prefix in prefixes]
    assert None not in tokens
    assert len(set(tokens)) == 3


@pytest.mark.parametrize(
    "identity", [pytest.param(None, id="local"), pytest.param(replace(IDENTITY, execution=""), id="nameless")]
)
def test_token_falls_back_to_the_output_prefix(identity: AttemptIdentity | None) -> None:
    """Without a named execution the attempt's own prefix names it; without that nothing does."""
    token = attempt_token(identity, output_prefix="s3://out/0")
    assert token is not None
    assert token == attempt_token(None, output_prefix="s3://out/0")
    assert token != attempt_token(identity, output_prefix="s3://out/1")
    assert attempt_token(identity, output_prefix="") is None


@pytest.mark.fact("agent.submit.tag-values")
def test_tags_name_the_attempt_in_what_every_cloud_takes() -> None:
    """Letters, digits, dash and underscore, at most 63 of them; without an attempt there are none."""
    identity = AttemptIdentity("p", "d", "exec-1", "n0/dn_1:" + "x" * 80, "t", 3)
    assert attempt_tags(identity) == {
        "flyte_execution": "exec-1",
        "flyte_node": "n0-dn_1-" + "x" * 55,
        "flyte_attempt": "3",
    }
    assert attempt_tags(None) == attempt_tags(replace(identity, execution="")) == {}
