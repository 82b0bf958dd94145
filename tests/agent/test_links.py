"""Links for people."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.links import Link, console_link, run_links
from dbx_agent.run_snapshot import ClusterInstance, RunSnapshot, TaskSnapshot

ORIGIN = "https://agents-name.example.com"
CLUSTER = ClusterInstance("0101-000000-abc", "8123")


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
        pytest.param("https://h/" + "x" * 2000, None, id="endless"),
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


@pytest.mark.fact("agent.link.cluster-pages")
@pytest.mark.parametrize(
    ("url", "page", "home"),
    [
        pytest.param(
            "https://data.example.com/?o=12#job/34/run/56",
            "https://data.example.com/jobs/34/runs/56?o=12",
            "https://data.example.com/?o=12",
            id="vanity-host",
        ),
        pytest.param(
            "https://dbc-1.cloud.databricks.com#job/34/run/56",
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56",
            "https://dbc-1.cloud.databricks.com/",
            id="old-form",
        ),
        pytest.param(
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56?a=b&o=12&c",
            "https://dbc-1.cloud.databricks.com/jobs/34/runs/56?a=b&o=12&c",
            "https://dbc-1.cloud.databricks.com/?o=12",
            id="new-form",
        ),
        pytest.param("", f"{ORIGIN}/jobs/34/runs/56", f"{ORIGIN}/", id="missing"),
        pytest.param("javascript:alert(1)", f"{ORIGIN}/jobs/34/runs/56", f"{ORIGIN}/", id="script"),
    ],
)
def test_run_has_its_page_and_its_clusters_pages(url: str, page: str, home: str) -> None:
    """On the host that the service names; without one, where the agent asked."""
    run = RunSnapshot(run_id=56, job_id=34, run_page_url=url, cluster=CLUSTER)
    assert run_links(run, origin=ORIGIN) == (
        Link("Databricks Console", page),
        Link("Driver logs", f"{home}#setting/sparkui/0101-000000-abc/driver-logs"),
        Link("Spark UI", f"{home}#setting/sparkui/0101-000000-abc/8123"),
    )


def test_run_that_names_nothing_has_no_links() -> None:
    """No link rather than a wrong one."""
    assert run_links(RunSnapshot(), origin=ORIGIN) == ()
    assert run_links(RunSnapshot(run_id=1), origin=ORIGIN) == ()


def test_failed_tasks_have_their_pages_and_their_clusters_come_first() -> None:
    """Several clusters are told apart and bounded; of two contexts the known one counts."""
    tasks = tuple(
        TaskSnapshot(f"t{number}", number, 0, cluster=ClusterInstance(f"c/{number}", ""))
        for number in range(9)
    )
    failed = [TaskSnapshot("t8", 8, 0, run_page_url="https://h/?o=1#job/34/run/8", cluster=tasks[8].cluster)]
    run = RunSnapshot(
        run_id=56, job_id=34, tasks=(*tasks, TaskSnapshot("t8", 10, 1, cluster=ClusterInstance("c/8", "9")))
    )
    assert run_links(
        run, origin=ORIGIN, failed=[*failed, TaskSnapshot("flat", 56), TaskSnapshot("?", None)]
    ) == (
        Link("Databricks Console", f"{ORIGIN}/jobs/34/runs/56"),
        Link("Failed task t8 (run 8)", "https://h/jobs/34/runs/8?o=1"),
        Link("Driver logs of cluster c/8", f"{ORIGIN}/#setting/sparkui/c%2F8/driver-logs"),
        Link("Spark UI of cluster c/8", f"{ORIGIN}/#setting/sparkui/c%2F8/9"),
        Link("Driver logs of cluster c/0", f"{ORIGIN}/#setting/sparkui/c%2F0/driver-logs"),
        Link("Driver logs of cluster c/1", f"{ORIGIN}/#setting/sparkui/c%2F1/driver-logs"),
    )
