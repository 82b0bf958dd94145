"""What clients ask beside the Jobs API before they come to the point."""

from __future__ import annotations

import msgspec

from dbx_emulator._api.calls import Call

__all__ = ["get_host_metadata", "get_login_page", "render_host_metadata"]


def render_host_metadata(*, url: str, workspace_id: int) -> bytes:
    """Return the body of /.well-known/databricks-config.

    Source: [auth.host-metadata] sdk: databricks-sdk-py, databricks/sdk/config.py (asked before any other call)
    """
    return msgspec.json.encode({"oidc_endpoint": f"{url}/oidc", "workspace_id": str(workspace_id)})


def get_host_metadata(call: Call) -> bytes:
    """Answer GET /.well-known/databricks-config, without credentials."""
    return call.service.host_metadata


def get_login_page(_call: Call) -> bytes:
    """Answer GET /login.html, where a client ends whose network may not reach the workspace: a 200 that is a page.

    Source: [auth.private-link] sdk: databricks-sdk-py, databricks/sdk/errors/private_link.py
    """
    return b"<!doctype html>\n<html><head><title>Databricks - Sign In</title></head><body></body></html>\n"
