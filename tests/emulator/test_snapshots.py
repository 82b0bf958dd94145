"""A workspace that comes back to a snapshot is the one that it was taken of, in every byte from then on."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from hypothesis import given, settings

from dbx_emulator import Clock, ConnectionFault, Match, Outcome, StatusFault, Timing, UsageError, Workspace
from dbx_emulator._api.snapshots import TYPES
from dbx_emulator._core import agenda, events, jobs, journal, launching, lifecycle, outcomes, runs, submitted
from dbx_emulator._core import scenarios as scenarios_module
from dbx_emulator._core import tokens as tokens_module
from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.faults import PROFILES, profiles, rules
from dbx_emulator.cli import _workspace_maker
from tests.emulator.lives import ACTIONS, Action, Life, new_workspace
from tests.emulator.support import Caller, environment, flat_body, send

#: For each object that a workspace is made of what of it is no knowledge: who it works with, what it was made
#: with, what is made of the rest anew. Whoever adds something to one of them has to say here or in `STATE`
#: what it is.
WIRING: dict[str, set[str]] = {
    "Clock": {
        *("rate", "policy", "stall_after", "leap", "end_of_time_ms", "traffic", "requests", "_real_ms"),
        *("_started_ms", "_jumped_ms", "_ticked_ms", "_planned", "_lock", "_holds", "_held_ms"),
        *("_agendas", "_watchers"),
    },
    "Draws": {"seed"},
    "Scenarios": {"_draws", "_catalogue"},
    "Faults": {
        *("_on_profile", "_routes", "_clock", "_draws", "_watchers", "_is_listener_shared"),
        *("_remembered", "_by_route", "watches", "watches_early", "_lags", "_at_connections"),
    },
    "Gate": {"_faults", "_clock", "_watchers", "_holder", "has_changed", "is_unguarded"},
    "Tokens": {"_current", "_clock", "_first", "_followers"},
    "Journal": {"_limit", "_max_bytes", "_real_ns", "_lock", "_is_silent"},
    "Engine": {"_machine", "drain", "is_moved_by_polls", "store", "to_call"},
    "Machine": {"clock", "timing", "scenarios", "draws", "store", "heap", "to_call"},
    "RunStore": set(),
    "EventHeap": set(),
    "StallGuard": {"_clock", "_who", "_limit"},
    "WorkspaceAgenda": {"_engine", "_to_call", "_lock"},
    "RunsView": {"_engine", "_lock"},
    "Dispatcher": {"_service", "_drain", "_tokens", "_faults", "_journal", "_clock"},
    "Codec": {"_url", "_workspace_id"},
    "Control": {
        *("clock", "scenarios", "faults", "tokens", "journal", "_snapshots", "_make_another", "_start"),
        "describe_findings",
        "_unlocked",
    },
    "Snapshots": {"_made_with", "_secrets", "_known", "_guard", "_parts"},
    "Workspace": {
        *("url", "host", "workspace_id", "client_id", "client_secret", "clock", "draws", "scenarios"),
        *("faults", "gate", "_tokens", "journal", "_lock", "_engine", "_stall", "_agenda", "runs"),
        *("_snapshots", "_control", "_dispatcher", "_on_request"),
    },
}

#: Dataclasses that are made and gone within a call, or never change after import.
FLEETING = {"Claim", "Order", "Stage", "Timing", "Profile", "Fault"}


def _parts(workspace: Workspace) -> list[Any]:
    """Return every object of ours that a workspace is made of."""
    found: dict[int, Any] = {}
    ahead: list[Any] = [workspace]
    while ahead:
        each = ahead.pop()
        if id(each) not in found and type(each).__name__ in WIRING:
            found[id(each)] = each
            ahead += vars(each).values()
            if type(each).__name__ == "Dispatcher":
                ahead += [getattr(each._service, field.name) for field in dataclasses.fields(each._service)]
    return list(found.values())


def test_every_attribute_is_known_or_wiring() -> None:
    """Whoever adds an attribute to a part of a workspace has to decide whether a snapshot holds it."""
    parts = _parts(Workspace())
    assert {type(part).__name__ for part in parts} == set(WIRING)
    for part in parts:
        state = set(getattr(type(part), "STATE", ())) - {"present", "current"}
        assert set(vars(part)) - state == WIRING[type(part).__name__], type(part).__name__
        assert state <= set(vars(part))


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(each, id=each.__name__.rpartition(".")[2])
        for each in (
            *(agenda, events, jobs, journal, launching, lifecycle, outcomes, runs, submitted),
            *(scenarios_module, tokens_module, rules, profiles),
        )
    ],
)
def test_every_record_can_be_written(module: ModuleType) -> None:
    """A new record is either in the table of those that a snapshot may hold, or lives no longer than a call."""
    records = {
        name
        for name, each in vars(module).items()
        if inspect.isclass(each) and each.__module__ == module.__name__ and dataclasses.is_dataclass(each)
    }
    assert records <= set(TYPES.by_name) | FLEETING


@given(before=ACTIONS, after=ACTIONS)
@settings(derandomize=True, deadline=None, max_examples=50)
def test_life_goes_on_as_it_would_have(before: list[Action], after: list[Action]) -> None:
    """Whatever was done before and is done after: answers, journal and the next snapshot are the same bytes."""
    one = Life(new_workspace())
    one.live(before)
    snapshot = one.workspace.snapshot()
    # Something else lived here before, of which nothing may be left.
    other_workspace = new_workspace()
    Life(other_workspace).live(after)
    other_workspace.restore(snapshot)
    assert other_workspace.snapshot() == snapshot
    other = Life(other_workspace, run_ids=tuple(one.run_ids), job_ids=tuple(one.job_ids))
    other.page_token = one.page_token
    one.said.clear()
    one.live(after)
    other.live(after)
    assert one.said == other.said
    assert one.workspace.journal.export() == other.workspace.journal.export()
    assert one.workspace.snapshot() == other.workspace.snapshot()


@given(before=ACTIONS, after=ACTIONS)
@settings(derandomize=True, deadline=None, max_examples=20)
def test_reset_is_a_new_beginning(before: list[Action], after: list[Action]) -> None:
    """Whatever was done before, afterwards all goes as in a workspace that was just made."""
    new, used = Life(new_workspace()), Life(new_workspace())
    used.live(before)
    used.workspace.reset()
    new.live(after)
    again = Life(used.workspace)
    again.live(after)
    assert again.said == new.said
    assert used.workspace.snapshot() == new.workspace.snapshot()


_AFTERWARDS: list[Action] = [
    *(("get", 0, 0), ("advance", 3, 3), ("get", 0, 0), ("submit", 1, 1)),
    *(("list", 0, 0), ("fault", 0, 0), ("get", 1, 1)),
]

_IN_ANOTHER_PROCESS = f"""
import sys
from pathlib import Path
from dbx_emulator import Workspace
from tests.emulator.lives import Life
workspace = Workspace()
workspace.restore(Path(sys.argv[1]).read_bytes())
life = Life(workspace, run_ids=tuple(map(int, sys.argv[2].split(","))))
life.live({_AFTERWARDS})
print(life.said, workspace.journal.export(), sep=chr(10), end="")
"""


def test_another_process_goes_on_in_the_same_way(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """It says the same bytes and writes the same journal from then on."""
    one = Life(Workspace())
    one.live([("scenario", 0, 2), ("submit", 0, 0), ("submit", 2, 0), ("profile", 0, 0), ("advance", 2, 2)])
    (tmp_path / "snapshot.json").write_bytes(one.workspace.snapshot())
    run_ids = ",".join(map(str, one.run_ids))
    done = subprocess.run(
        [sys.executable, "-c", _IN_ANOTHER_PROCESS, str(tmp_path / "snapshot.json"), run_ids],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=pytestconfig.rootpath,
        env=environment(),
    )
    one.said.clear()
    one.live(_AFTERWARDS)
    assert done.stdout == f"{one.said}\n{one.workspace.journal.export()!r}"


@pytest.mark.parametrize("policy", ["manual", "sleeping", "per-poll", "scaled", "real"])
def test_restore_sets_any_clock_to_the_present_of_then(policy: Any) -> None:
    """How time goes on belongs to the clock, where it is to the snapshot."""
    one = Workspace()
    one.clock.advance("3h")
    real_ms = 0.0
    other = Workspace(clock=Clock(policy, real_ms=lambda: real_ms))
    real_ms = 5_000.0
    other.restore(one.snapshot())
    assert other.clock.now_ms == EPOCH_MS + 3 * 3_600_000
    real_ms = 6_000.0
    assert other.clock.now_ms == EPOCH_MS + 3 * 3_600_000 + 1_000 * other.clock.rate


def test_restore_while_time_is_held() -> None:
    """It stands still at the present of then until it is let go."""
    one = Workspace()
    one.clock.advance("1h")
    real_ms = 0.0
    other = Workspace(clock=Clock("scaled", speed=60, real_ms=lambda: real_ms))
    with other.clock.hold("test"):
        real_ms = 1_000.0
        other.restore(one.snapshot())
        real_ms = 9_000.0
        assert other.clock.now_ms == EPOCH_MS + 3_600_000
    real_ms = 10_000.0
    assert other.clock.now_ms == EPOCH_MS + 3_600_000 + 60_000


def test_doors_that_are_open_find_the_workspace_as_it_is() -> None:
    """A client that was made before goes on with what was restored."""
    workspace = Workspace()
    with httpx.Client(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        run_id = client.post("/api/2.2/jobs/runs/submit", json=flat_body()).json()["run_id"]
        snapshot = workspace.snapshot()
        workspace.reset()
        assert client.get("/api/2.2/jobs/runs/get", params={"run_id": run_id}).status_code == 400
        workspace.restore(snapshot)
        workspace.clock.run_until(run_id, "TERMINATED")
        run = client.get("/api/2.2/jobs/runs/get", params={"run_id": run_id}).json()
        assert run["state"]["result_state"] == "SUCCESS"


def test_sleeper_wakes_when_a_snapshot_brings_its_moment(databricks: Workspace) -> None:
    """Whoever watches the clock is told that it is elsewhere."""
    databricks.clock.advance("1h")
    later = databricks.snapshot()
    databricks.reset()
    seen: list[int] = []
    databricks.clock.watch(lambda: seen.append(databricks.clock.now_ms))
    databricks.restore(later)
    assert seen == [EPOCH_MS + 3_600_000]


def test_environment_follows_the_token(databricks: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads the environment anew is let in, before and after."""
    import os

    snapshot = databricks.snapshot()
    rotated = databricks.rotate_token()
    assert os.environ["DATABRICKS_TOKEN"] == rotated
    databricks.restore(snapshot)
    assert os.environ["DATABRICKS_TOKEN"] == databricks.token != rotated


def test_armed_faults_of_connections_are_told_to_whoever_listens() -> None:
    """A listener hears that it is to close, and that it may open again."""
    workspace = Workspace()
    open_snapshot = workspace.snapshot()
    workspace.faults.add(ConnectionFault(times=2))
    closed_snapshot = workspace.snapshot()
    heard: list[bool] = []
    with workspace.gate.watched(lambda: heard.append(workspace.gate.is_unguarded)):
        workspace.restore(open_snapshot)
        workspace.restore(closed_snapshot)
    assert heard == [True, False]


def test_callbacks_of_runs_that_are_gone_are_not_made() -> None:
    """A reset while one waits for its turn is the end of it."""
    workspace = Workspace()
    called: list[int] = []

    def note(run: runs.JobRun) -> None:
        called.append(run.run_id)
        workspace.reset()

    workspace.scenarios.add("etl", [Outcome()], on_success=note)
    for _ in range(2):
        Caller(workspace).submit(flat_body("etl"))
    workspace.clock.advance("1h")
    assert len(called) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda _: b"", "no JSON, or only a part", id="empty"),
        pytest.param(lambda whole: whole[: len(whole) // 2], "no JSON, or only a part", id="truncated"),
        pytest.param(lambda _: b"[" * 100_000, "no JSON, or only a part", id="nested without end"),
        pytest.param(lambda _: b"\xff\xfe\x00", "no JSON, or only a part", id="no text"),
        pytest.param(lambda _: b'{"runs": []}', "no snapshot of a workspace", id="foreign object"),
        pytest.param(lambda _: b"[]", "no snapshot of a workspace", id="foreign list"),
        pytest.param(lambda _: 7, "int is none", id="no bytes"),
        pytest.param(
            lambda whole: whole.replace(b'"version":1', b'"version":2'),
            "version 2, and .* reads 1",
            id="newer",
        ),
        pytest.param(
            lambda whole: whole.replace(b'"version":1', b'"version":0'),
            "version 0, and .* reads 1",
            id="older",
        ),
        pytest.param(
            lambda whole: whole.replace(b"nightly", b"Nightly"), "not as it was taken", id="changed by hand"
        ),
        pytest.param(
            lambda whole: _signed(whole, shape={}), "writes Clock, .* in another way", id="other shape"
        ),
        pytest.param(
            lambda whole: _signed(whole, records=[["Job"]]), "does not hold together", id="incomplete record"
        ),
        pytest.param(lambda whole: _signed(whole, roots={}), "does not hold together", id="parts missing"),
    ],
)
def test_snapshot_that_is_none_changes_nothing(change: Any, says: str) -> None:
    """What is wrong is said, and the workspace is as it was."""
    workspace = Workspace()
    Caller(workspace).submit()
    workspace.clock.advance("1m")
    snapshot = workspace.snapshot()
    with pytest.raises(UsageError, match=says):
        workspace.restore(change(snapshot))
    assert workspace.snapshot() == snapshot


def _signed(whole: bytes, **changed: Any) -> bytes:
    """Return a snapshot with something else in it that says it is whole."""
    from dbx_emulator._api.snapshots import _digest, _write

    document = json.loads(whole) | changed
    del document["checksum"]
    return _write(document | {"checksum": _digest(_write(document))})


def test_text_that_was_written_in_another_way_is_the_same_snapshot() -> None:
    """Indented by some tool, it is still what it was; a text does as well as bytes."""
    workspace = Workspace()
    Caller(workspace).submit()
    snapshot = workspace.snapshot()
    other = Workspace()
    other.restore(json.dumps(json.loads(snapshot), indent=2))
    assert other.snapshot() == snapshot


def test_snapshot_is_stable() -> None:
    """The same life gives the same bytes, and taking one changes nothing."""
    first, second = Workspace(), Workspace()
    for each in (first, second):
        Life(each).live([("submit", 0, 0), ("advance", 1, 1), ("fault", 0, 0), ("get", 0, 0)])
    assert first.snapshot() == first.snapshot() == second.snapshot()


def test_workspace_that_was_made_otherwise_is_named() -> None:
    """What differs is said, secrets by name alone."""
    snapshot = Workspace(token="dapi-secret").snapshot()
    with pytest.raises(UsageError) as caught:
        Workspace(seed=7, client_secret="hidden").restore(snapshot)
    assert "another token; seed=0 (here 7); client_secret." in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "dapi-secret" not in str(caught.value)


def test_end_of_time_refuses_a_later_present() -> None:
    """All parts are put back, those that were set before the clock refused included."""
    one = Workspace(clock=Clock())
    one.clock.advance("31d")
    other = Workspace()
    Caller(other).submit()
    before = other.snapshot()
    with pytest.raises(UsageError, match="end of time: a snapshot would move the clock"):
        other.restore(one.snapshot())
    assert other.snapshot() == before


def test_shared_listener_refuses_faults_of_connections() -> None:
    """Nothing is half restored: the runs are those of before as well."""
    one = Workspace()
    Caller(one).submit()
    one.faults.add(ConnectionFault(times=1))
    other = Workspace()
    other.faults.share_listener()
    before = other.snapshot()
    with pytest.raises(UsageError, match="several workspaces share the server"):
        other.restore(one.snapshot())
    assert other.snapshot() == before


@pytest.mark.parametrize("what", ["restore", "reset"])
def test_shared_clock_cannot_go_back(what: str) -> None:
    """For the other workspace time would become another under its feet."""
    clock = Clock()
    workspace, _other = Workspace(clock=clock), Workspace(clock=clock)
    snapshot = workspace.snapshot()
    with pytest.raises(UsageError, match="other workspaces live by it too"):
        workspace.restore(snapshot) if what == "restore" else workspace.reset()


def test_function_of_a_scenario_cannot_be_written_down() -> None:
    """The scenario is named, and what clears it is enough."""
    workspace = Workspace()
    workspace.scenarios.add("etl", [Outcome()], name="nightly", on_success=print)
    with pytest.raises(UsageError, match="on_success of Scenario 'nightly' is <built-in function print>"):
        workspace.snapshot()
    workspace.scenarios.clear()
    workspace.snapshot()


def test_function_of_a_run_cannot_be_written_down() -> None:
    """A run that is going to call one keeps it when the scenario is gone."""
    workspace = Workspace()
    workspace.scenarios.add(Match("etl"), [Outcome()], on_success=print)
    run_id = Caller(workspace).submit(flat_body("etl"))
    workspace.scenarios.clear()
    with pytest.raises(UsageError, match=f"on_success of JobRun {run_id} is"):
        workspace.snapshot()


def test_function_of_a_fault_cannot_be_written_down() -> None:
    """The fault is named."""
    workspace = Workspace()
    workspace.faults.add(StatusFault("runs/get", when=lambda _call: True))
    with pytest.raises(UsageError, match="when of StatusFault 'status-1' is <function"):
        workspace.snapshot()


def test_reset_comes_back_to_where_it_was_told_to_start() -> None:
    """Scenarios that were there then are there again, uncounted."""
    workspace = Workspace()
    workspace.scenarios.add("etl", [Outcome(run="5m")])
    workspace.start_here()
    Caller(workspace).submit(flat_body("etl"))
    workspace.clock.advance("1h")
    workspace.reset()
    [scenario] = workspace.scenarios
    assert (scenario.taken, len(workspace.runs), workspace.clock.now_ms) == (0, 0, EPOCH_MS)


@pytest.mark.databricks(profiles="flaky_network")
@pytest.mark.filterwarnings("ignore:.*never struck")
def test_reset_keeps_what_the_marker_says(databricks: Workspace) -> None:
    """A profile is there again, and what the test armed is not."""
    databricks.faults.add(StatusFault("runs/get"))
    databricks.reset()
    assert {fault.profile for fault in databricks.faults} == {"flaky_network"}


def test_reset_keeps_what_the_command_line_says(tmp_path: Path) -> None:
    """The scenarios of a file are there again, uncounted."""
    file = tmp_path / "scenarios.yaml"
    file.write_text("scenarios:\n- match: etl\n  outcomes:\n  - run: 5m\n", encoding="utf-8")
    make = _workspace_maker(clock="manual", speed=60, timing=Timing(), seed=3, files=(file,))
    workspace = make("http://127.0.0.1:8765", "token")
    Caller(workspace).submit(flat_body("etl"))
    workspace.scenarios.use("user_error", "*")
    workspace.reset()
    [scenario] = workspace.scenarios
    assert (scenario.matched, len(workspace.runs)) == (0, 0)


def test_profiles_are_data() -> None:
    """Every one of them can be written down."""
    workspace = Workspace()
    workspace.faults.apply(*PROFILES)
    snapshot = workspace.snapshot()
    other = Workspace()
    other.restore(snapshot)
    assert other.snapshot() == snapshot


def test_snapshot_restore_and_reset_over_http() -> None:
    """Another process can do what Python can, with the workspace's own token alone."""
    workspace = Workspace()
    run_id = Caller(workspace).submit()
    snapshot = send(workspace, "GET", "/__dbx/snapshot").body
    assert send(workspace, "POST", "/__dbx/reset", b"{}").body == b"{}"
    assert len(workspace.runs) == 0
    assert send(workspace, "POST", "/__dbx/restore", snapshot).body == b"{}"
    assert workspace.runs[run_id].run_id == run_id
    refused = send(workspace, "POST", "/__dbx/restore", snapshot[:-5])
    assert (refused.status_code, b"only a part of it" in refused.body) == (400, True)
    assert send(workspace, "POST", "/__dbx/restore", snapshot, headers={}).status_code == 401


def test_snapshot_goes_over_a_socket_however_large(databricks: Workspace) -> None:
    """One above the limit of the API's bodies comes back whole while its client is connected."""
    for letter in "xy":
        task = {"python_file": "dbfs:/main.py", "parameters": [letter * 6_000_000]}
        Caller(databricks).submit(flat_body(spark_python_task=task))
    with (
        databricks.serve() as server,
        httpx.Client(base_url=server.url, headers=databricks.headers) as client,
    ):
        snapshot = client.get("/__dbx/snapshot").content
        assert len(snapshot) > 11 * 1024 * 1024
        client.post("/__dbx/reset").raise_for_status()
        assert client.get("/api/2.2/jobs/runs/list").json() == {"has_more": False}
        client.post("/__dbx/restore", content=snapshot).raise_for_status()
        assert len(client.get("/api/2.2/jobs/runs/list").json()["runs"]) == 2
