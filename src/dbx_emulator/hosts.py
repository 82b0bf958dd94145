"""Where a workspace is: URLs as people give them, and hosts as clients write them."""

from __future__ import annotations

from dbx_emulator._core.errors import UsageError

__all__ = ["parse_host"]


def parse_host(url: str) -> tuple[str, str]:
    """Return a workspace's URL without trailing slash, and its host with port.

    Raises:
        UsageError: It is no URL of a workspace.
    """
    scheme, separator, host = url.rstrip("/").lower().partition("://")
    # As clients write it: without the port that goes without saying.
    host = host.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))
    if not separator or scheme not in ("http", "https") or not host or set(host) & set("/?#@ "):
        raise UsageError(f"host: {url!r} is no URL of a workspace; write 'https://name.cloud.databricks.com'")
    return f"{scheme}://{host}", host
