"""What Flyte keeps about a run."""

from __future__ import annotations

import json

import pytest

from dbx_agent.errors import ResourceMetaError
from dbx_agent.job_metadata import DatabricksJobMetadata

pytestmark = pytest.mark.flyte


def test_an_ordinary_run_is_written_with_the_documented_keys_alone() -> None:
    """So that every older agent can read it."""
    meta = DatabricksJobMetadata(databricks_instance="h", run_id="7")
    assert json.loads(meta.encode()) == {"databricks_instance": "h", "run_id": "7"}
    assert DatabricksJobMetadata.decode(meta.encode()) == meta


def test_further_fields_survive_and_do_not_compare() -> None:
    """They are written when they say something."""
    meta = DatabricksJobMetadata("h", "", version=2, rejected="no", is_local=True)
    decoded = DatabricksJobMetadata.decode(meta.encode())
    assert (decoded.version, decoded.rejected, decoded.is_local) == (2, "no", True)
    assert decoded == DatabricksJobMetadata("h", "")


@pytest.mark.fact("flyte.meta.unknown-key-raises")
def test_unknown_keys_and_numbers_are_tolerated() -> None:
    """Metadata of flytekit's own agents is read; their token is dropped."""
    data = b'{"databricks_instance": "h", "run_id": 7, "auth_token": "canary-older", "namespace": null}'
    meta = DatabricksJobMetadata.decode(data)
    assert meta == DatabricksJobMetadata("h", "7")
    assert meta.version == 1
    assert b"canary" not in meta.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"canary-x",
        b"{}",
        b'{"databricks_instance": "h"}',
        b'{"databricks_instance": "h", "run_id": {"x": "canary-x"}}',
        b'{"databricks_instance": "h", "run_id": "7", "is_local": "canary-x"}',
        b'{"databricks_instance": "h", "run_id": true}',
    ],
)
def test_other_bytes_are_refused_without_showing_them(data: bytes) -> None:
    """An older agent's metadata may hold a token."""
    with pytest.raises(ResourceMetaError, match="not written by a Databricks agent") as caught:
        DatabricksJobMetadata.decode(data)
    assert "canary" not in str(caught.value)
