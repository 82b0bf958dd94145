"""Looking back over HTTP."""

from __future__ import annotations

import json
from xml.dom import minidom

import pytest

from dbx_emulator import Clock, Outcome, Workspace
from dbx_emulator._api.messages import Reply
from tests.emulator.support import Caller, send


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time is moved by hand, with a run of a scenario that was read once."""
    workspace = Workspace(clock=Clock())
    workspace.scenarios.add("nightly*", [Outcome(run="10m")])
    caller = Caller(workspace)
    caller.run(caller.submit())
    return workspace


def _get(workspace: Workspace, name: str) -> Reply:
    return send(workspace, "GET", f"/__dbx/{name}")


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        pytest.param("", [1, 2], id="all"),
        pytest.param("?route=runs/get", [2], id="route"),
        pytest.param("?route=runs/*&status_code=200&scenario=nightly*", [1, 2], id="globs"),
        pytest.param("?fault=", [1, 2], id="none"),
        pytest.param("?after=1", [2], id="after"),
        pytest.param("?run_id=1", [], id="other-run"),
    ],
)
def test_journal_is_filtered_by_the_query(workspace: Workspace, query: str, sequences: list[int]) -> None:
    """The names of the query are the filters of Python."""
    entries = json.loads(_get(workspace, f"journal{query}").body)["entries"]
    assert [entry["sequence"] for entry in entries] == sequences
    exported = _get(workspace, f"journal/export{query}").body
    assert exported.count(b"\n") == len(sequences)
    assert len(json.loads(_get(workspace, f"journal/har{query}").body)["log"]["entries"]) == len(sequences)


@pytest.mark.parametrize("name", ["journal", "journal/export", "journal/har"])
def test_journal_refuses_an_unknown_filter(workspace: Workspace, name: str) -> None:
    """As in Python, with the nearest one; words that Python gives a meaning are no exception."""
    reply = _get(workspace, f"{name}?rout=runs/get")
    assert (reply.status_code, b"nearest: route" in reply.body) == (400, True)
    assert _get(workspace, f"{name}?self=1").status_code == 400


def test_timeline_comes_as_data_text_and_picture(workspace: Workspace) -> None:
    """What Python gives, each with its media type."""
    [job_run] = workspace.runs
    timeline = workspace.runs.timeline(job_run.run_id)
    data, text, svg = (
        _get(workspace, f"timeline{form}?run_id={job_run.run_id}") for form in ("", "/text", "/svg")
    )
    assert json.loads(data.body) == timeline.data()
    assert (text.body.decode(), text.headers) == (
        f"{timeline}\n",
        ((b"content-type", b"text/plain; charset=utf-8"),),
    )
    assert (svg.body.decode(), svg.headers) == (timeline.svg(), ((b"content-type", b"image/svg+xml"),))
    minidom.parseString(svg.body)


@pytest.mark.parametrize("query", ["", "?run_id=", "?run_id=x", "?run_id=7"])
def test_timeline_refuses_what_is_no_run(workspace: Workspace, query: str) -> None:
    """No id, no number, no run: it says what to write."""
    reply = _get(workspace, f"timeline{query}")
    assert (reply.status_code, b"is no run of this workspace" in reply.body) == (400, True)
