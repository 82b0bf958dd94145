"""The sweep as a whole: what it lives, judges, refuses and tells."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, SubmitTask

from dbx_emulator import Clock, Outcome, Timing, UsageError, Workspace
from dbx_emulator.testing import SWEEP_KINDS, LifeOutcome, SweepReport, sweep
from dbx_emulator.testing.sweeps.invariants import unprovoked
from dbx_emulator.testing.sweeps.lives import SweptRun
from tests.emulator.testing.lives import BODY, client_of, fire_and_forget, persistent, plain, tokenless

#: 200 that cannot be read, or a refusal for good, is more than the lives here are made for.
_TRANSIENT = [
    kind.id
    for kind in SWEEP_KINDS.values()
    if kind.is_transient and kind.id not in {"not_json", "empty_body"}
]


def _broken(report: object) -> set[tuple[str, str]]:
    return {(failure.invariant, failure.plan) for failure in report.failures}  # type: ignore[attr-defined]


def test_life_that_does_it_right_passes_every_kind_that_can_strike() -> None:
    """Each kind strikes somewhere, but the lag after a cancel, and nothing breaks."""
    report = sweep(persistent, kinds=_TRANSIENT)
    report.check()
    assert report.calls == ("runs/submit[1]", "runs/get[1]", "runs/get[2]")
    struck = {kind for (kind, _), cell in report.cells.items() if cell == "✓"}
    assert set(_TRANSIENT) - struck == {"stale_read"}
    assert report.cells["read_lag", "runs/get[1]"] == "✓"
    assert ("read_lag", "runs/get[2]") not in report.cells
    assert report.cells["stale_keep_alive", "runs/submit[1]"] == "·"


def test_tokenless_submit_is_one_failure_with_the_simplest_plan() -> None:
    """All plans that make a second run are shrunk to the same, and the report names it."""
    report = sweep(
        tokenless, kinds=["500", "lost_response", "closed", "duplicate_delivery"], chaos=3, rate=0.9
    )
    assert _broken(report) == {("no_duplicate_run", "runs/submit[1]:lost_response")}
    with pytest.raises(AssertionError, match=r"2 runs of 'etl' where 1 is meant") as raised:
        report.check()
    assert "replay: sweep(tokenless, plan='runs/submit[1]:lost_response')\n" in str(raised.value)
    assert "so do runs/submit[1]:closed; runs/submit[1]:duplicate_delivery" in str(raised.value)
    assert repr(report).startswith("<SweepReport of tokenless: 3 calls × 4 kinds, 14 plans in ")
    assert report.table().splitlines() == [
        "calls: 1 runs/submit, 2-3 runs/get",
        "                   123",
        "500                ✓✓✓",
        "lost_response      ✗✓✓",
        "closed             ✗✓✓",
        "duplicate_delivery ✗··",
    ]


def test_sweep_is_the_same_twice() -> None:
    """Order, numbers and texts: nothing is left to chance."""
    kinds = ["500", "lost_response", "hang"]
    assert sweep(tokenless, kinds=kinds, chaos=5, seed=3) == sweep(tokenless, kinds=kinds, chaos=5, seed=3)


def test_replay_judges_one_plan_as_it_is() -> None:
    """The pasted line breaks the same, has no grid, and says when it strikes nothing any more."""
    report = sweep(tokenless, plan="runs/submit[1]:hang")
    assert _broken(report) == {("no_duplicate_run", "runs/submit[1]:hang")}
    assert (report.lives, report.plans, report.cells) == (3, 1, {})
    missed = sweep(persistent, plan="runs/submit[2]:hang, runs/get[1]:500")
    missed.check()
    assert missed.notes == ("runs/submit[2]:hang struck nothing; the life has other calls now",)


def test_fault_free_life_may_be_wrong_by_itself() -> None:
    """A run that nobody follows is leaked without any fault, and told once; leaked_after=None allows it."""
    report = sweep(fire_and_forget, kinds=["401", "503"])
    assert ("no_leaked_run", "") in _broken(report)
    assert "RUNNING 10m after the last call; nobody asked to cancel it" in str(report)
    sweep(fire_and_forget, kinds=["401"], leaked_after=None).check()
    assert _broken(sweep(fire_and_forget, kinds=["401"], leaked_after="5m")) == {("no_leaked_run", "")}


def test_life_that_gives_up_ends_otherwise() -> None:
    """A transient fault is expected to change neither what is returned nor what is raised."""
    report = sweep(plain, kinds=["503", "400"])
    assert _broken(report) == {("same_end", "runs/submit[1]:503"), ("same_end", "runs/get[1]:503")}
    assert "it raised HTTPStatusError: Server error '503" in report.failures[0].told
    assert report.failures[0].told.endswith("without faults it returned 'SUCCESS'")
    sweep(plain, kinds=["503"], same=lambda _: None).check()
    told = sweep(plain, kinds=["503"], same=lambda outcome: outcome.value).failures[0].told
    assert told == "same() is None instead of 'SUCCESS'"


def test_runs_that_end_otherwise_are_told() -> None:
    """Cut short by its own client, the run is CANCELED where it was a success."""

    def life(workspace: Workspace) -> None:
        with client_of(workspace) as client:
            run_id = client.post("runs/submit", json=BODY).json()["run_id"]
            workspace.clock.advance("20m" if client.get("runs/list").status_code == 200 else "1m")
            client.post("runs/cancel", json={"run_id": run_id})

    told = sweep(life, plan="runs/list[1]:500").failures[0].told
    assert told == "'etl' ended as TERMINATED CANCELED instead of TERMINATED SUCCESS"


def _run(run_id: int, **changes: object) -> SweptRun:
    """Return a run that was there from minute to minute and succeeded."""
    run = SweptRun(
        run_id,
        "etl",
        start_time_ms=run_id * 60_000,
        end_time_ms=run_id * 60_000 + 50_000,
        life_cycle_state="TERMINATED",
        result_state="SUCCESS",
        is_cancel_requested=False,
        is_nested=False,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runs", "counted"),
    [
        pytest.param([_run(1), _run(2)], [1, 2], id="after-a-success"),
        pytest.param([_run(1, result_state="FAILED"), _run(2)], [1], id="after-a-failure"),
        pytest.param([_run(1, result_state="CANCELED"), _run(2)], [1], id="after-a-cancel"),
        pytest.param([_run(1, end_time_ms=0, result_state=None), _run(2)], [1, 2], id="beside-an-active-one"),
        pytest.param(
            [_run(1, end_time_ms=130_000, result_state="FAILED"), _run(2)], [1, 2], id="before-the-failure"
        ),
        pytest.param([_run(1), _run(2, is_nested=True)], [1], id="set-off-by-a-task"),
    ],
)
def test_run_that_replaces_a_failed_one_is_no_duplicate(runs: list[SweptRun], counted: list[int]) -> None:
    """Submitting again after a failure is what a client is for; a success leaves nothing to replace."""
    assert [run.run_id for run in unprovoked(runs)["etl"]] == counted


def test_endless_client_is_stopped_and_told() -> None:
    """Whoever repeats for ever is ended after the calls that it may make, whatever errors it catches."""

    def life(workspace: Workspace) -> object:
        with client_of(workspace) as client:
            while True:
                try:
                    return client.get("runs/list").raise_for_status().json()
                except Exception:  # noqa: BLE001, PERF203 - as people write
                    workspace.clock.sleep(1)

    report = sweep(life, kinds=["403"], most_calls=lambda calls: 5 * calls)
    assert _broken(report) == {("bounded_calls", "runs/list[1]:403")}
    assert report.failures[0].told == "it made more than 5 calls, 1 without"


def test_client_without_a_timeout_does_not_end() -> None:
    """An answer that never comes is waited for until the end of days."""

    def life(workspace: Workspace) -> object:
        with httpx.Client(transport=workspace.transport(), timeout=None) as client:
            return client.get(
                f"{workspace.url}/api/2.1/jobs/runs/list", headers=workspace.headers
            ).status_code

    report = sweep(life, kinds=["hang"])
    assert _broken(report) == {("ends", "runs/list[1]:hang")}
    assert "the client has no timeout" in report.failures[0].told


def test_asynchronous_life_is_given_arguments_and_may_raise() -> None:
    """What it raises without faults is its end, and noted."""

    async def life(workspace: Workspace, *, run_name: str) -> None:
        transport = workspace.transport()
        async with httpx.AsyncClient(transport=transport, headers=workspace.headers) as client:
            url = f"{workspace.url}/api/2.1/jobs/runs/"
            run_id = (await client.post(f"{url}submit", json=BODY | {"run_name": run_name})).json()["run_id"]
            await asyncio.sleep(60)  # noqa: TID251 - virtual
            await client.post(f"{url}cancel", json={"run_id": run_id})
        raise LookupError(run_name)

    report = sweep(life, arguments={"run_name": "mine"}, kinds=["late"])
    report.check()
    assert report.notes == ("without faults the life raises LookupError: mine",)
    assert "note: without faults the life raises LookupError: mine" in str(report)


def test_asynchronous_life_needs_a_loop_of_its_own() -> None:
    """Inside of a loop nobody can wait for another one."""

    async def life(workspace: Workspace) -> None:
        """Do nothing."""

    async def main() -> None:
        sweep(life)

    with pytest.raises(UsageError, match="a loop is running already"):
        asyncio.run(main())


def test_cancel_that_is_refused_for_good_excuses_the_run() -> None:
    """Nobody can stop what may not be stopped; a cancel that gets lost excuses nobody."""

    def life(workspace: Workspace) -> None:
        with client_of(workspace) as client:
            run_id = client.post("runs/submit", json=BODY).json()["run_id"]
            client.post("runs/cancel", json={"run_id": run_id})

    report = sweep(life, kinds=["503", "400"])
    leaked = {failure.plan for failure in report.failures if failure.invariant == "no_leaked_run"}
    assert leaked == {"runs/cancel[1]:503"}


def test_cancel_that_is_ignored_is_told_as_asked_for() -> None:
    """The report says that somebody tried."""

    def life(workspace: Workspace) -> None:
        with client_of(workspace) as client:
            run_id = client.post("runs/submit", json=BODY).json()["run_id"]
            client.post("runs/cancel", json={"run_id": run_id})

    def deaf() -> Workspace:
        workspace = Workspace(timing=Timing(run="15m"))
        workspace.scenarios.add("*", [Outcome(on_cancel="ignores")])
        return workspace

    assert "its cancel was asked for" in sweep(life, workspace=deaf, plan="").failures[0].told


def test_invariants_of_users_are_asked_too() -> None:
    """They return what is wrong, or assert; their names stand in the report, which says whose workspace it was."""

    def has_no_run(workspace: Workspace, outcome: LifeOutcome) -> str | None:
        return f"{len(workspace.runs)} runs" if outcome.struck else None

    def makes_few_calls(workspace: Workspace, outcome: LifeOutcome) -> str | None:
        assert len(outcome.calls) <= 3, f"{len(outcome.calls)} calls"
        return None

    report = sweep(
        persistent,
        workspace=lambda: Workspace(timing=Timing(run="20m")),
        kinds=["late", "500"],
        invariants=[has_no_run, makes_few_calls],
    )
    assert {(each.invariant, each.told) for each in report.failures} == {
        ("has_no_run", "1 runs"),
        ("makes_few_calls", "4 calls"),
    }
    assert report.failures[0].replay == (
        "sweep(persistent, plan='runs/submit[1]:late')  # with the same workspace"
    )


def test_progress_is_told_after_each_plan() -> None:
    """The life without faults, each strike, and chaos."""
    told: list[tuple[int, int]] = []
    sweep(persistent, kinds=["500"], chaos=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 6) for number in range(1, 7)]


def test_runs_too_short_to_leak_are_noted() -> None:
    """Whoever gives workspaces of his own is told when leaks cannot be seen."""
    report = sweep(persistent, workspace=Workspace, plan="")
    assert "every run is over within 10m by itself" in report.notes[0]


def test_intent_says_which_runs_stand_for_one_another() -> None:
    """Names that have a number in them are told apart unless the user says better."""

    def life(workspace: Workspace) -> None:
        with client_of(workspace) as client:
            for number in range(5):
                body = BODY | {"run_name": f"etl {number}"}
                with suppress(httpx.TransportError):
                    client.post("runs/submit", json=body)
                    break

    options = {"kinds": ["lost_response"], "leaked_after": None}
    assert _broken(sweep(life, **options)) == {("same_end", "runs/submit[1]:lost_response")}  # type: ignore[arg-type]
    report = sweep(life, intent=lambda run: run.run_name.split()[0], **options)  # type: ignore[arg-type]
    assert _broken(report) == {("no_duplicate_run", "runs/submit[1]:lost_response")}


def test_what_ends_a_program_ends_a_life() -> None:
    """SystemExit is an end like any other; what a person does is not."""

    def leaves(workspace: Workspace) -> None:
        client_of(workspace).get("runs/list")
        raise SystemExit(3)

    def is_interrupted(workspace: Workspace) -> None:
        raise KeyboardInterrupt

    sweep(leaves, kinds=["500"]).check()
    with pytest.raises(KeyboardInterrupt):
        sweep(is_interrupted)


def test_transience_is_the_users_to_say() -> None:
    """A kind of the table under another expectation."""
    strict = replace(SWEEP_KINDS["403_once"], is_transient=True)
    assert not sweep(plain, kinds=["403_once"], leaked_after=None).failures
    assert sweep(plain, kinds=[strict], leaked_after=None).failures


def test_end_of_time_does_not_hide_a_leak() -> None:
    """Where time ends before the ten minutes are over, it is looked at then."""

    def short() -> Workspace:
        return Workspace(timing=Timing(run="1h"), clock=Clock("sleeping", end_of_time="5m"))

    assert _broken(sweep(fire_and_forget, workspace=short, plan="")) == {("no_leaked_run", "")}


def _polls_for_ever(workspace: Workspace) -> None:
    with client_of(workspace) as client:
        while True:
            client.get("runs/list")


def _sleeps_for_ever(workspace: Workspace) -> None:
    with client_of(workspace) as client:
        while True:
            client.get("runs/list")
            workspace.clock.sleep(86_400)


def _catches_everything(workspace: Workspace) -> None:
    with client_of(workspace) as client:
        while True:
            try:
                _sleeps_for_ever(workspace)
            except Exception:  # noqa: BLE001, PERF203 - as people write
                client.get("runs/list?limit=2")


# From 1: a life that makes no call is another mistake.
_count = iter(range(1, 1_000))


def _differs(workspace: Workspace) -> int:
    client_of(workspace).get("runs/list")
    return next(_count)


def _calls_differently(workspace: Workspace) -> None:
    client_of(workspace).get("runs/list" if next(_count) % 2 else "runs/get")


def _calls_more(workspace: Workspace) -> None:
    for _ in range(next(_count)):
        client_of(workspace).get("runs/list")


@pytest.mark.parametrize(
    ("life", "told"),
    [
        pytest.param(_polls_for_ever, "never ends, even without faults: stall guard", id="stalls"),
        pytest.param(_sleeps_for_ever, "never ends, even without faults: end of time", id="end-of-time"),
        pytest.param(_differs, "ends differently each time", id="another-end"),
        pytest.param(_calls_differently, r"calls differently each time.*runs/list\[1\]", id="other-calls"),
        pytest.param(_calls_more, r"calls differently each time.*their number", id="more-calls"),
        pytest.param(lambda _: None, "made no call of the workspace", id="no-calls"),
        pytest.param(
            lambda ws: ws.tokn, "raised AttributeError before it called the workspace: .*tokn", id="raises"
        ),
        pytest.param("life", "cannot be called", id="no-function"),
    ],
)
def test_life_that_cannot_be_swept_is_refused(life: Callable[[Workspace], object], told: str) -> None:
    """It is said why, before any fault."""
    with pytest.raises(UsageError, match=told):
        sweep(life)


def test_chance_is_the_same_in_each_life() -> None:
    """The SDK's pauses have jitter, and yet each of its calls can be named; nobody else's chance is changed."""
    seen = set()

    def life(workspace: Workspace) -> str:
        seen.add(random.getstate())
        client = WorkspaceClient(host=workspace.url, token=workspace.token)
        task = SubmitTask(task_key="a", existing_cluster_id="1", notebook_task=NotebookTask("/a"))
        run = client.jobs.submit(run_name="etl", idempotency_token="etl", tasks=[task]).result()
        assert run.state is not None
        return str(run.state.result_state)

    for _ in range(2):
        before = random.getstate()
        sweep(life, workspace=lambda: Workspace(timing=Timing(run="5m")), kinds=["429"]).check()
        assert random.getstate() == before
        random.shuffle([1, 2])
    assert len(seen) == 1


def test_endless_life_that_catches_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even who swallows what the emulator says is ended."""
    monkeypatch.setattr("dbx_emulator.testing.sweeps.sweeping._MOST_CALLS", 50)
    with pytest.raises(UsageError, match="never ends, even without faults: it made 50 calls"):
        sweep(_catches_everything)


def test_what_same_says_has_to_be_the_same_without_faults() -> None:
    """What cannot be compared cannot be judged."""
    with pytest.raises(UsageError, match=r"what same\(\) returns differs"):
        sweep(persistent, same=lambda _: object())


_used = Workspace()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"workspace": lambda: 3}, "it made 3", id="no-workspace"),
        pytest.param({"workspace": lambda: _used}, "has been used", id="used-workspace"),
        pytest.param(
            {"workspace": lambda: Workspace(clock=Clock("real", real_ms=lambda: 0.0))},
            "'real'",
            id="real-time",
        ),
        pytest.param({"chaos": -1}, "chaos: -1 is no count", id="chaos"),
        pytest.param({"rate": 0}, "rate: 0 is no number", id="rate"),
        pytest.param({"leaked_after": "soon"}, "leaked_after", id="leaked-after"),
        pytest.param({"kinds": ["501"]}, "nearest: 50", id="kinds"),
        pytest.param({"plan": "runs/get:500"}, "plan: 'runs/get:500' is not", id="plan"),
        pytest.param({"invariants": [3]}, "3 cannot be asked", id="invariant"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], told: str) -> None:
    """Each names its value."""
    with pytest.raises(UsageError, match=told):
        sweep(persistent, **options)  # type: ignore[arg-type]


def test_invariant_cannot_take_the_name_of_one_that_always_holds() -> None:
    """Else a report would not say which of the two was broken."""

    def ends(workspace: Workspace, outcome: LifeOutcome) -> str | None:
        return None

    with pytest.raises(UsageError, match="'ends' is the name of one"):
        sweep(persistent, invariants=[ends])


def test_control_calls_are_no_calls_of_the_life() -> None:
    """Who asks the emulator about itself is not counted, and no fault strikes him."""

    def life(workspace: Workspace) -> int:
        with client_of(workspace) as client:
            client.get("runs/list")
            return client.get(f"{workspace.url}/__dbx/journal").status_code

    report = sweep(life, kinds=["500", "refused"], same=lambda _: None, most_calls=int)
    assert report.calls == ("runs/list[1]",)
    report.check()


def test_refused_connection_before_a_call_that_the_life_does_not_make_never_happens() -> None:
    """It is armed by the number of a call in the life without faults."""
    report = sweep(persistent, plan="runs/get[9]:refused")
    assert report.notes == ("runs/get[9]:refused struck nothing; the life has other calls now",)


def test_clock_that_never_ends_and_runs_of_runs_are_judged_too() -> None:
    """A run that a task of another one sets off is the service's, however many there are."""

    def life(workspace: Workspace) -> None:
        with client_of(workspace) as client:
            task = {"task_key": "only", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}
            job_id = client.post("create", json={"name": "below", "tasks": [task]}).json()["job_id"]
            above = {"task_key": "above", "run_job_task": {"job_id": job_id}}
            tasks = [above, above | {"task_key": "again"}]
            client.post("runs/submit", json={"tasks": tasks, "idempotency_token": "t"})
            workspace.clock.advance("2h")

    def endless() -> Workspace:
        return Workspace(clock=Clock())

    report = sweep(life, workspace=endless, kinds=["duplicate_delivery"])
    assert report.cells["duplicate_delivery", "runs/submit[1]"] == "✓"


def test_grid_of_many_calls_goes_on_below() -> None:
    """Eighty calls a line, with their tens above."""
    calls = tuple(f"runs/list[{nth}]" for nth in range(1, 86))
    report = SweepReport("etl", calls, ("late",), {("late", call): "✓" for call in calls}, 87, 86, ())
    lines = report.table().splitlines()
    assert lines[0] == "calls: 1-85 runs/list"
    assert lines[1].endswith("7         8")
    assert [len(line) for line in (lines[2], lines[3], lines[5], lines[6])] == [85, 85, 10, 10]
