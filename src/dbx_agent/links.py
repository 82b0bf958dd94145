"""Links for people; pure, and never raising on what a service may put into a URL."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["console_link"]

_FRAGMENT = re.compile(r"job/(?P<job>[0-9]+)/run/(?P<run>[0-9]+)")


def console_link(run_page_url: str) -> str | None:
    """Turn the `run_page_url` of a run into the address that opens the run's page.

    The service gives the page as a fragment (`/?o=W#job/J/run/R`); the current console's own form is
    `/jobs/J/runs/R?o=W`, which also survives a login redirect, as a fragment does not.

    Source: [agent.link.run-page-url] sdk: databricks/cli, which rewrites the fragment form for display

    Returns:
        The link; `None` when the text is no http(s) URL. Any other form is passed through.
    """
    try:
        parts = urlsplit(run_page_url)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return None
    found = _FRAGMENT.fullmatch(parts.fragment)
    if found is None:
        return run_page_url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/jobs/{found['job']}/runs/{found['run']}{query}"
