"""The workspace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

import dbx_emulator
from dbx_emulator import Clock, JobRun, Match, Outcome, Timing, UsageError, Workspace
from dbx_emulator._api.messages import Request
from dbx_emulator._core.clock import EPOCH_MS
from tests.emulator.support import Caller, environment, flat_body, graph_body, send, task


def test_workspace_says_where_it_is_and_what_opens_it() -> None:
    """URL, host, token and headers are what a client needs."""
    workspace = Workspace("https://a.cloud.databricks.com/", token="secret")
    assert (workspace.url, workspace.host) == ("https://a.cloud.databricks.com", "a.cloud.databricks.com")
    assert workspace.headers == {"Authorization": "Bearer secret"}
    assert Workspace("http://127.0.0.1:8765").host == "127.0.0.1:8765"


def test_repr_names_no_token(workspace: Workspace) -> None:
    """What is printed in a failing test says where and how many, never the token."""
    Caller(workspace).submit()
    assert repr(workspace) == "<Workspace https://dbx-emulator.cloud.databricks.com with 1 runs>"


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("a.cloud.databricks.com", id="no-scheme"),
        pytest.param("ftp://a.example", id="other-scheme"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://:443", id="port-alone"),
        pytest.param("https://a.example/path", id="path"),
        pytest.param("https://a.example?o=1", id="query"),
        pytest.param("https://user@a.example", id="user"),
        pytest.param("", id="empty"),
    ],
)
def test_workspace_refuses_a_host_that_is_no_url(host: str) -> None:
    """The error shows what was found and how to write it."""
    with pytest.raises(UsageError, match=r"host: .* is no URL of a workspace; write 'https://"):
        Workspace(host)


def test_workspace_refuses_an_empty_token() -> None:
    """An empty token would open nothing."""
    with pytest.raises(UsageError, match=r"^token: "):
        Workspace(token="")


def test_seed_decides_every_draw() -> None:
    """Chance in scenarios and in times depends on it alone."""

    def fates(seed: int) -> list[object]:
        workspace = Workspace(seed=seed, timing=Timing(run="exponential(1h)"))
        workspace.scenarios.add(Match(probability=0.5), [Outcome(termination_code="DRIVER_ERROR")])
        runs = [workspace.runs[Caller(workspace).submit()] for _ in range(20)]
        return [(run.task_runs[0].times.run_ms, run.task_runs[0].outcome.code) for run in runs]

    assert (Workspace().seed, Workspace(seed=7).seed, Workspace(seed=7).draws.seed) == (0, 7, 7)
    assert fates(7) == fates(7) != fates(8)


def test_workspaces_share_nothing() -> None:
    """Two workspaces have their own runs, time, scenarios and faults."""
    one, two = Workspace(), Workspace()
    Caller(one).submit()
    one.clock.advance("1h")
    assert (len(one.runs), len(two.runs), two.clock.now_ms) == (1, 0, EPOCH_MS)


def test_workspace_takes_its_clock_and_timing() -> None:
    """Both can be given."""
    clock = Clock()
    workspace = Workspace(clock=clock, timing=Timing(cluster=0, run=0, terminating=0))
    run_id = Caller(workspace).submit()
    assert workspace.clock is clock
    assert workspace.runs[run_id].is_terminal


def test_runs_can_be_looked_at_without_a_client(workspace: Workspace) -> None:
    """By the id of a run or of a task run, as number or text, in the order of their creation."""
    caller = Caller(workspace)
    flat, graph = caller.submit(), caller.submit(graph_body(task("a"), task("b")))
    assert [run.run_id for run in workspace.runs] == [flat, graph]
    assert workspace.runs[str(flat)].run_name == "nightly etl"
    assert workspace.runs[workspace.runs[graph].task_runs[1].run_id].run_id == graph
    assert [run.run_id for run in workspace.runs.active] == [flat, graph]


def test_looking_at_runs_lets_happen_what_is_due(workspace: Workspace) -> None:
    """A run is at the workspace's present, whichever way it is looked at."""
    run_id = Caller(workspace).submit()
    workspace.clock.advance("1d")
    assert workspace.runs.active == []
    other = Caller(workspace).submit(flat_body("other"))
    workspace.clock.advance("1d")
    assert [run.is_terminal for run in workspace.runs] == [True, True]
    assert workspace.runs[other].end_time_ms > workspace.runs[run_id].end_time_ms


@pytest.mark.parametrize("run_id", [7, "7", "etl", -1, ""])
def test_run_that_does_not_exist_is_a_usage_error(workspace: Workspace, run_id: int | str) -> None:
    """The error says how many runs there are."""
    with pytest.raises(UsageError, match="does not exist; the workspace has 0 runs"):
        workspace.runs[run_id]


def test_handle_may_be_called_from_threads(workspace: Workspace) -> None:
    """Every call counts once, and every id is given once."""
    run_ids: list[int] = []

    def submit() -> None:
        run_ids.extend(Caller(workspace).submit() for _ in range(50))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(run_ids)) == len(workspace.runs) == len(workspace.journal) == 400
    assert [entry.sequence for entry in workspace.journal] == list(range(1, 401))


def test_lock_is_held_while_anything_happens() -> None:
    """Nobody looks at the time of the runs, and so at the runs, without the workspace's lock."""
    looks: list[bool] = []
    made: list[Workspace] = []

    def real_ms() -> float:
        looks.extend(getattr(workspace._lock, "_is_owned")() for workspace in made)  # noqa: B009 - not in the stubs
        return 0.0

    workspace = Workspace(clock=Clock("real", real_ms=real_ms))
    made.append(workspace)
    run_id = Caller(workspace).submit()
    assert workspace.runs[run_id] in list(workspace.runs)
    assert workspace.runs.active
    assert len(looks) > 4
    assert all(looks)


def test_front_door_is_lazy() -> None:
    """Importing the package loads none of its modules; a name loads its own, and a wrong one is told."""
    code = (
        "import sys, dbx_emulator\n"
        "assert not [name for name in sys.modules if name.startswith('dbx_emulator.')]\n"
        "assert 'httpx' not in sys.modules and 'msgspec' not in sys.modules\n"
        "assert set(dbx_emulator.__all__) <= set(dir(dbx_emulator))\n"
        "assert dbx_emulator.Timing is dbx_emulator.Timing\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
    assert set(dbx_emulator.__all__) <= set(dir(dbx_emulator))
    with pytest.raises(AttributeError, match="has no attribute 'Workspacez'"):
        getattr(dbx_emulator, "Workspacez")  # noqa: B009 - mypy knows that it is missing


def test_success_is_told_to_the_author_of_the_test() -> None:
    """After the event, with the run, without the lock: the callable may look around and call the API."""
    workspace = Workspace()
    seen: list[tuple[int, str, str]] = []

    def tell(run: JobRun) -> None:
        other = threading.Thread(
            target=lambda: seen.append((run.run_id, run.run_name, run.life_cycle_state.value))
        )
        other.start()
        other.join()
        Caller(workspace).submit(flat_body("next"))

    workspace.scenarios.add("etl", [Outcome()], on_success=tell)
    run_id = Caller(workspace).submit(flat_body("etl"))
    assert seen == []
    workspace.clock.advance("1h")
    assert seen == [(run_id, "etl", "TERMINATED")]
    assert [run.run_name for run in workspace.runs] == ["etl", "next"]


def test_success_found_out_by_a_control_call_is_told_after_it() -> None:
    """Whoever moves the clock over HTTP gets the callables called as well, once the answer is made."""
    workspace = Workspace()
    seen: list[bool] = []

    def tell(_run: JobRun) -> None:
        free = threading.Thread(target=lambda: seen.append(len(workspace.runs) == 1))
        free.start()
        free.join()

    workspace.scenarios.add("*", [Outcome()], on_success=tell)
    Caller(workspace).submit()
    assert send(workspace, "POST", "/__dbx/clock", b'{"advance": "1h"}').status_code == 200
    assert seen == [True]


def test_rotated_token_is_followed_by_the_environment(workspace: Workspace) -> None:
    """While the workspace is intercepted, later clients find the new one; a variable of others stays."""
    names = ("DATABRICKS_TOKEN", "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")
    with workspace.intercept():
        os.environ[names[1]] = "another"
        new = workspace.rotate_token()
        assert [os.environ[name] for name in names] == [new, "another"]
    before = {name: os.environ.get(name) for name in names}
    workspace.rotate_token()
    assert {name: os.environ.get(name) for name in names} == before


def test_whoever_wants_to_know_is_asked_before_each_request(workspace: Workspace) -> None:
    """What it raises ends the request, which then has no effect and stands in no journal."""
    seen: list[str] = []

    def asked(request: Request) -> None:
        seen.append(request.target)
        raise LookupError(request.target)

    workspace.on_request(asked)
    with pytest.raises(LookupError):
        send(workspace, "GET", "/api/2.2/jobs/runs/list")
    assert seen == ["/api/2.2/jobs/runs/list"]
    assert len(workspace.journal) == 0
