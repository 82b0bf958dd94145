"""Links for people."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.links import console_link


@pytest.mark.fact("agent.link.run-page-url")
@pytest.mark.parametrize(
    ("url", "link"),
    [
        pytest.param(
            "https://dbc-1.cloud.databricks.com/?o=12#job/34/run/56",
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56?o=12",
            id="fragment",
        ),
        pytest.param(
            "https://dbc-1.cloud.databricks.com#job/34/run/56",
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56",
            id="fragment-without-workspace",
        ),
        pytest.param(
            "https://data.example.com/jobs/34/runs/56?o=12",
            "https://data.example.com/jobs/34/runs/56?o=12",
            id="already-new",
        ),
        pytest.param(
            "https://data.example.com/?o=1#setting/x", "https://data.example.com/?o=1#setting/x", id="other"
        ),
        pytest.param("", None, id="missing"),
        pytest.param("javascript:alert(1)", None, id="script"),
        pytest.param("https://", None, id="no-host"),
        pytest.param("https://[::1", None, id="broken"),
    ],
)
def test_link_opens_the_page_of_the_run(url: str, link: str | None) -> None:
    """The fragment form becomes the console's own; no link rather than a wrong one."""
    assert console_link(url) == link


@given(url=st.text())
def test_link_never_raises(url: str) -> None:
    """Any text is a link to http(s) or none."""
    link = console_link(url)
    assert link is None or urlsplit(link).scheme in {"http", "https"}
