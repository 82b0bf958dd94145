"""Situation 25: the same thing twice, whatever the machine, the worker or the order of tests."""

from __future__ import annotations

from itertools import pairwise

import httpx
from databricks.sdk import WorkspaceClient

from dbx_emulator import LostResponse, Outcome, StatusFault, Workspace
from tests.situations.client import get_run, poll, submit, submit_over_http
from tests.situations.situation import Client, situation

_SIX_HOURS_MS = 6 * 3_600_000


@situation(25, seed=7)
def dice(databricks: Workspace) -> None:
    """Chance that falls the same way each time: how long runs take, and which calls are lost."""
    databricks.scenarios.add("*", [Outcome(run="lognormal(40m, 0.8)")])
    databricks.faults.apply("flaky_network")


def _twin(client: Client, *, seed: int) -> Workspace:
    """Return a workspace of another worker, or of the next run of the suite."""
    twin = Workspace(client.workspace.url, seed=seed)
    dice.arrange(twin)
    return twin


def _nights(workspace: Workspace, *run_names: str) -> list[object]:
    """Return what a client that does not care about lost answers gets to see of thirty runs of each name."""
    with httpx.Client(
        base_url=workspace.url, transport=workspace.transport(), headers=workspace.headers, timeout=30
    ) as http:
        client = Client(workspace, WorkspaceClient(), http)
        seen: list[object] = [_submitted(client, each) for each in run_names for _ in range(30)]
    workspace.clock.advance("1d")
    return seen + [run.timeline for run in workspace.runs]


def _submitted(client: Client, run_name: str) -> bytes:
    try:
        return submit_over_http(client, run_name).content
    except httpx.TransportError as error:
        return type(error).__name__.encode()


@dice.shows
def the_same_calls_are_answered_with_the_same_bytes(client: Client) -> None:
    """A hundred dice fall as they fell before, ids and milliseconds included; with another seed they do not."""
    first = _nights(client.workspace, "etl")
    assert b"ReadError" in first
    assert _nights(_twin(client, seed=7), "etl") == first
    assert _nights(_twin(client, seed=8), "etl") != first


@dice.shows
def other_runs_change_nothing(client: Client) -> None:
    """What is drawn for a run is drawn for its name and number: tests can run in any order, in any worker."""
    _nights(client.workspace, "etl")
    twin = _twin(client, seed=7)
    _nights(twin, "report", "etl")
    took = [_took_ms(each, "etl") for each in (client.workspace, twin)]
    assert took[0] == took[1]
    assert len(set(took[0])) > 20


def _took_ms(workspace: Workspace, run_name: str) -> list[int]:
    task_runs = [run.latest[run_name] for run in workspace.runs if run.run_name == run_name]
    return [each.execution_duration_ms for each in task_runs]


@situation(25)
def long_run(databricks: Workspace) -> None:
    """A place to come back to, in the middle of a run."""
    databricks.scenarios.add("etl", [Outcome(run="6h")])
    databricks.start_here()


@long_run.shows
def six_hours_pass_at_once(client: Client) -> None:
    """By the workspace's clock, on which the code under test sleeps."""
    before_ms = client.workspace.clock.now_ms
    poll(client, submit(client), every_seconds=600)
    assert _SIX_HOURS_MS < client.workspace.clock.now_ms - before_ms < _SIX_HOURS_MS + 1_200_000


@long_run.shows
def two_futures_begin_at_one_snapshot(client: Client) -> None:
    """Cancelled in one and left alone in the other; where both do the same, they are the same byte for byte."""
    run_id = submit(client)
    client.workspace.clock.advance("3h")
    snapshot = client.workspace.snapshot()
    client.sdk.jobs.cancel_run_and_wait(run_id)
    canceled = get_run(client, run_id).content
    ends = []
    for _ in range(2):
        client.workspace.restore(snapshot)
        assert get_run(client, run_id).json()["state"]["life_cycle_state"] == "RUNNING"
        client.workspace.clock.advance("4h")
        ends.append((get_run(client, run_id).content, client.workspace.journal.export()))
    assert ends[0] == ends[1]
    assert b"CANCELED" in canceled
    assert b"CANCELED" not in ends[0][0]


@long_run.shows
def a_reset_begins_again_with_the_same_ids(client: Client) -> None:
    """Nothing is left of what was, and the scenario is there and counts from the beginning."""
    first = submit(client)
    client.workspace.reset()
    assert list(client.sdk.jobs.list_runs()) == []
    assert submit(client) == first
    [scenario] = client.workspace.scenarios
    assert scenario.taken == 1


@situation(25)
def history(databricks: Workspace) -> None:
    """A week that lies behind: jobs, runs that ended as runs do, and one that still goes on."""
    databricks.populate(runs=30, over="7d", active=1)


@history.shows
def the_week_is_listed(client: Client) -> None:
    """Thirty runs, the newest first, no two of which began in the same millisecond."""
    starts = [run.start_time or 0 for run in client.sdk.jobs.list_runs()]
    assert len(starts) == 30
    assert starts == sorted(set(starts), reverse=True)


@history.shows
def the_week_is_the_same_each_time(client: Client) -> None:
    """Made anew in another process or worker: ids, names, specs and every change of state."""
    twin = Workspace(client.workspace.url)
    history.arrange(twin)
    assert len(client.workspace.runs) == 30
    weeks = [
        [(run.run_id, run.run_name, run.submitted, run.timeline) for run in each.runs]
        for each in (client.workspace, twin)
    ]
    assert weeks[0] == weeks[1]


@situation(25)
def throttled(databricks: Workspace) -> None:
    """A record of every call, to ask how the client behaved."""
    databricks.faults.add(StatusFault("runs/get", status_code=429, retry_after=30, times=2))


@throttled.shows
def the_journal_says_that_it_waited(client: Client) -> None:
    """Two refusals, and each time half a minute until the next call."""
    client.sdk.jobs.get_run(submit(client))
    calls = client.workspace.journal.calls("runs/get")
    assert [call.status_code for call in calls] == [429, 429, 200]
    assert all(later.now_ms - call.now_ms >= 30_000 for call, later in pairwise(calls))
    assert [call.fault for call in calls] == ["status", "status", None]


@situation(25)
def misspelt(databricks: Workspace) -> None:
    """A rule that nothing meets, because it says something else than the client."""
    databricks.faults.add(LostResponse("runs/submit", run_name="etl-*"))


@misspelt.shows
def what_was_missed_is_told(client: Client) -> None:
    """Which rule never struck, how many calls it saw, and what the last of them had instead."""
    submit(client, "etl_nightly")
    [fault] = client.workspace.faults.never_struck()
    assert fault.describe_idleness() == (
        "1 calls of runs/submit came by, at the last of them run_name: 'etl_nightly' is not 'etl-*'"
    )
