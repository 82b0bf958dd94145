"""What names a Flyte attempt to Databricks: the token that makes it one run, and tags for people; pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple, dataclass

__all__ = ["AttemptIdentity", "attempt_tags", "attempt_token"]

#: The characters that every cloud takes in the value of a tag, and how many.
#: Source: [agent.submit.tag-values] documented: Google Cloud documentation, Requirements for labels
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_TAG = 63


@dataclass(frozen=True, slots=True)
class AttemptIdentity:
    """How Flyte's engine names an attempt; on its own not unique.

    The node's id is the one in its own workflow: nodes of two sub-workflows, or the parts of an array node, can
    share all of these, and only their output prefixes differ.

    Attributes:
        project: The execution's project.
        domain: The execution's domain.
        execution: The execution's name.
        node: The node's id in the workflow.
        task: The task's full name with its version.
        retry_attempt: Flyte's count of attempts, from 0.
    """

    project: str
    domain: str
    execution: str
    node: str
    task: str
    retry_attempt: int


def attempt_token(identity: AttemptIdentity | None, *, output_prefix: str) -> str | None:
    """Derive the idempotency token of an attempt.

    The number of the attempt is part of it: with the token of the attempt before, the service would answer
    the run that has just failed. So is the output prefix, which alone tells apart what the identity does not.

    Source: [agent.submit.idempotency-token] documented: Databricks Jobs API 2.1, runs/submit

    Args:
        identity: The attempt; `None` for a local run, or when the engine did not say.
        output_prefix: Where the attempt writes, unique per attempt; empty when the engine did not say.

    Returns:
        64 hexadecimal digits, the longest that the service takes; `None` when nothing names the attempt.
    """
    if identity is not None and identity.execution:
        return _digest("attempt", *astuple(identity), output_prefix)
    return _digest("output-prefix", output_prefix) if output_prefix else None


def attempt_tags(identity: AttemptIdentity | None) -> dict[str, str]:
    """Say in tags which attempt a cluster is of, so that people find what nobody cancelled.

    Args:
        identity: The attempt; without one there is nothing to say.
    """
    if identity is None or not identity.execution:
        return {}
    said = {
        "flyte_execution": identity.execution,
        "flyte_node": identity.node,
        "flyte_attempt": str(identity.retry_attempt),
    }
    return {key: _NOT_IN_TAGS.sub("-", value)[:_LONGEST_TAG] for key, value in said.items()}


def _digest(*parts: str | int) -> str:
    # JSON keeps ("a", "b/c") and ("a/b", "c") apart, which a joining character would not.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
