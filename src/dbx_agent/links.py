"""Links for people; pure, and never raising on what a service may put into a URL.

All come from the run's own answer: the page from `run_page_url`, whose host may be a name that the agent does
not use, and with it the console's other pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from dbx_agent.error_body import shorten
from dbx_agent.run_snapshot import ClusterInstance, RunSnapshot, TaskSnapshot

__all__ = ["Link", "console_link", "run_links"]

_FRAGMENT = re.compile(r"job/(?P<job>[0-9]+)/run/(?P<run>[0-9]+)")
_WORKSPACE = re.compile(r"(?:^|&)(?P<o>o=[0-9]+)(?:&|$)")
_URL_LIMIT = 2000
_CLUSTERS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Link:
    """A link as Flyte shows it.

    Attributes:
        name: What it is called.
        url: Where it leads.
    """

    name: str
    url: str


def run_links(run: RunSnapshot, *, origin: str, failed: Sequence[TaskSnapshot] = ()) -> tuple[Link, ...]:
    """Choose the links of a run: its page, those of failed tasks, and what its clusters wrote.

    Flyte shows new links with a new phase only, so all that is known is given each time. The task of a flat run
    is the run itself, and has no page of its own.

    Source: [agent.link.cluster-pages] sdk: databricks-sdk-py, databricks/sdk/service/jobs.py, ClusterInstance

    Args:
        run: The run.
        origin: The workspace as the agent calls it, for a run whose answer names no page.
        failed: The failed task runs to link to; their clusters come first.
    """
    links = [_page("Databricks Console", run.run_page_url, run.run_id, run=run, origin=origin)]
    links += [
        _page(
            f"Failed task {shorten(task.task_key, 100) or '?'} (run {task.run_id})",
            task.run_page_url,
            task.run_id,
            run=run,
            origin=origin,
        )
        for task in failed
        if task.run_id not in {None, run.run_id}
    ]
    clusters = _clusters(run, failed)
    for cluster in clusters[:_CLUSTERS_SHOWN]:
        of = f" of cluster {shorten(cluster.cluster_id, 100)}" if len(clusters) > 1 else ""
        links += _cluster_pages(cluster, home=_home(run, origin), of=of)
    return tuple(link for link in links if link is not None)


def console_link(run_page_url: str) -> str | None:
    """Turn the `run_page_url` of a run into the address that opens the run's page.

    The service gives the page as a fragment (`/?o=W#job/J/run/R`); the current console's own form is
    `/jobs/J/runs/R?o=W`, which also survives a login redirect, as a fragment does not.

    Source: [agent.link.run-page-url] sdk: databricks/cli, which rewrites the fragment form for display

    Returns:
        The link; `None` when the text is no http(s) URL of a usable length. Any other form is passed through.
    """
    parts = _split(run_page_url)
    if parts is None:
        return None
    found = _FRAGMENT.fullmatch(parts.fragment)
    if found is None:
        return run_page_url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/jobs/{found['job']}/runs/{found['run']}{query}"


def _page(name: str, run_page_url: str, run_id: int | None, *, run: RunSnapshot, origin: str) -> Link | None:
    url = console_link(run_page_url)
    if url is None and None not in {run.job_id, run_id}:
        url = f"{origin}/jobs/{run.job_id}/runs/{run_id}"
    return Link(name, url) if url is not None else None


def _clusters(run: RunSnapshot, failed: Sequence[TaskSnapshot]) -> list[ClusterInstance]:
    """Return the clusters of a run, each once with its latest Spark context, those of failed tasks first."""
    found: dict[str, ClusterInstance] = {}
    for cluster in (run.cluster, *(task.cluster for task in (*failed, *run.tasks))):
        if cluster.cluster_id and not found.get(cluster.cluster_id, ClusterInstance()).spark_context_id:
            found[cluster.cluster_id] = cluster
    return list(found.values())


def _cluster_pages(cluster: ClusterInstance, *, home: str, of: str) -> Iterator[Link]:
    page = f"{home}#setting/sparkui/{quote(cluster.cluster_id[:100], safe='')}"
    yield Link(f"Driver logs{of}", f"{page}/driver-logs")
    if cluster.spark_context_id:
        yield Link(f"Spark UI{of}", f"{page}/{quote(cluster.spark_context_id[:100], safe='')}")


def _home(run: RunSnapshot, origin: str) -> str:
    parts = _split(run.run_page_url)
    if parts is None:
        return f"{origin}/"
    workspace = _WORKSPACE.search(parts.query)
    return f"{parts.scheme}://{parts.netloc}/{'?' + workspace['o'] if workspace else ''}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    usable = parts.scheme in {"http", "https"} and parts.netloc and len(url) <= _URL_LIMIT
    return parts if usable else None
