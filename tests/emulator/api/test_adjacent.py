"""What clients ask beside the Jobs API."""

from __future__ import annotations

import json

import pytest
from databricks.sdk.oauth import HostMetadata

from dbx_emulator import Workspace
from tests.emulator.support import send


@pytest.mark.fact("auth.host-metadata")
def test_host_metadata_is_answered_without_credentials() -> None:
    """The SDK asks it before anything else, and reads from it where tokens come from and which workspace it is."""
    workspace = Workspace("https://a.cloud.databricks.com")
    reply = send(workspace, "GET", "/.well-known/databricks-config", headers={})
    assert reply.status_code == 200
    body = json.loads(reply.body)
    assert body == {
        "oidc_endpoint": "https://a.cloud.databricks.com/oidc",
        "workspace_id": "900800700600",
    }
    metadata = HostMetadata.from_dict(body)
    assert (metadata.oidc_endpoint, metadata.workspace_id) == (body["oidc_endpoint"], body["workspace_id"])
