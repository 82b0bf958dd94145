"""The plugin in users' projects: what the fixtures give, what the marker takes, what a failure shows."""

from __future__ import annotations

import os
import shlex

import pytest

SUBMIT = """
import httpx, os

def submit(databricks):
    body = {"run_name": "etl", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}
    with httpx.Client(base_url=databricks.url, headers=databricks.headers) as client:
        return client.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"]
"""


def _run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(SUBMIT + code)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *options)


def test_marker_sets_timing_and_host(pytester: pytest.Pytester) -> None:
    """A marker on the test outranks one on the module, name by name."""
    _run(
        pytester,
        """
import pytest
pytestmark = pytest.mark.databricks(run="7h", cluster="1h")

@pytest.mark.databricks(run="2h", host="https://east.cloud.databricks.com", token="east")
def test_it(databricks):
    assert (databricks.url, databricks.token) == ("https://east.cloud.databricks.com", "east")
    run = databricks.runs[submit(databricks)]
    databricks.clock.advance("2h59m")
    assert databricks.runs[run.run_id].life_cycle_state == "RUNNING"
    databricks.clock.advance("2m")
    assert databricks.runs[run.run_id].is_terminal
""",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        pytest.param(
            "runs='2h'",
            "has no 'runs'; it has host, token, seed, profiles, scenarios, queue, cluster, run, term*",
            id="name",
        ),
        pytest.param("'2h'", "takes names, such as run='24h'", id="bare-value"),
        pytest.param("run='soon'", "run: 'soon' is no duration", id="value"),
        pytest.param("host='east'", "host: 'east' is no URL", id="host"),
        pytest.param("seed='7'", "seed: '7' is no whole number", id="seed"),
        pytest.param("scenarios='none.yaml'", "none.yaml: cannot be read", id="scenarios"),
        pytest.param("profiles='throtled'", "nearest: throttled", id="profile"),
    ],
)
def test_bad_marker_is_one_sentence_at_set_up(pytester: pytest.Pytester, marker: str, said: str) -> None:
    """What the marker cannot mean is an error of the set-up that names it."""
    result = _run(
        pytester,
        f"""
import pytest

@pytest.mark.databricks({marker})
def test_it(databricks):
    pass
""",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*UsageError: *{said}*"])


def test_failing_test_shows_calls_runs_faults_and_replay(pytester: pytest.Pytester) -> None:
    """Whoever reads the failure sees what the workspace saw, and how to see it again."""
    result = _run(
        pytester,
        """
from dbx_emulator import StatusFault

def test_it(databricks):
    databricks.faults.add(StatusFault("runs/get", status_code=503))
    submit(databricks)
    databricks.clock.advance("2m")
    assert databricks.runs.active == []
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Databricks calls*",
            "00:00:00.000  POST /api/2.1/jobs/runs/submit run * new → PENDING → 200",
            "*Databricks runs*",
            "run * 'etl': RUNNING for 2m",
            "  00:00:00.000  etl  PENDING",
            "  00:02:00.000  etl  RUNNING",
            "  etl  ░░░*",
            "*Databricks faults*",
            "status on runs/get: struck 0 of 0 calls (no call of runs/get came by)",
            "*Databricks replay*",
            "pytest 'test_failing_test_shows_calls_runs_faults_and_replay.py::test_it'",
        ]
    )


@pytest.mark.parametrize(
    ("body", "options"),
    [
        pytest.param("assert True", [], id="passing"),
        pytest.param("assert False", ["--databricks-report=never"], id="switched-off"),
    ],
)
def test_report_is_left_out(pytester: pytest.Pytester, body: str, options: list[str]) -> None:
    """A passing test says nothing, and the report can be switched off."""
    result = _run(
        pytester,
        f"""
def test_it(databricks):
    submit(databricks)
    {body}
""",
        *options,
    )
    result.stdout.no_fnmatch_line("*Databricks calls*")


def test_server_fixture_is_the_same_workspace(pytester: pytest.Pytester) -> None:
    """What is submitted at the socket is seen in Python, and the environment names the socket."""
    _run(
        pytester,
        """
def test_it(databricks, databricks_server):
    assert os.environ["DATABRICKS_HOST"] == databricks_server.url
    with httpx.Client(base_url=databricks_server.url, headers=databricks.headers, trust_env=False) as client:
        assert client.get("/api/2.2/jobs/runs/list").json() == {"has_more": False}
    assert [entry.route for entry in databricks.journal] == ["runs/list"]
""",
    ).assert_outcomes(passed=1)


def test_session_fixture_lives_beside_the_function_fixture(pytester: pytest.Pytester) -> None:
    """One workspace for the session, one for each test, at two hosts, in either order."""
    _run(
        pytester,
        """
def test_first(databricks_session, databricks):
    submit(databricks_session), submit(databricks)
    assert os.environ["DATABRICKS_HOST"] == databricks.url

def test_second(databricks, databricks_session):
    assert (len(databricks_session.runs), len(databricks.runs)) == (1, 0)

def test_third(databricks_session):
    assert os.environ["DATABRICKS_HOST"] == databricks_session.url
""",
    ).assert_outcomes(passed=3)


def test_two_workspaces_with_one_host_are_refused(pytester: pytest.Pytester) -> None:
    """Which of the two would answer could not be said."""
    result = _run(
        pytester,
        """
from dbx_emulator import Workspace

def test_it(databricks):
    with Workspace().intercept():
        pass
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*UsageError: host: dbx-emulator.cloud.databricks.com is intercepted already*"]
    )


def test_intercept_without_pytest(pytester: pytest.Pytester) -> None:
    """A unittest class enters the same context itself."""
    _run(
        pytester,
        """
import contextlib, unittest
from dbx_emulator import Workspace

class Nightly(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.workspace = Workspace()
        stack.enter_context(self.workspace.intercept())

    def test_submit(self):
        submit(self.workspace)
        self.assertEqual(os.environ["DATABRICKS_HOST"], self.workspace.url)
        self.assertEqual(len(self.workspace.runs), 1)
""",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "options"),
    [
        pytest.param("@pytest.mark.asyncio", ["-o", "asyncio_mode=strict"], id="asyncio-strict"),
        pytest.param("", ["-o", "asyncio_mode=auto"], id="asyncio-auto"),
        pytest.param("@pytest.mark.anyio", ["-p", "no:asyncio"], id="anyio"),
    ],
)
def test_fixture_works_with_async_plugins(pytester: pytest.Pytester, marker: str, options: list[str]) -> None:
    """The fixture is synchronous and bound to no loop, so every plugin can use it."""
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    _run(
        pytester,
        f"""
import pytest

{marker}
async def test_it(databricks):
    async with httpx.AsyncClient(base_url=databricks.url, headers=databricks.headers) as client:
        assert (await client.get("/api/2.2/jobs/runs/list")).json() == {{"has_more": False}}
""",
        *options,
    ).assert_outcomes(passed=1)


def test_fixture_works_on_several_workers(pytester: pytest.Pytester) -> None:
    """Under pytest-xdist no worker sees another's workspace."""
    _run(
        pytester,
        """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_it(databricks, number):
    assert len(databricks.runs) == 0
    submit(databricks)
    assert len(databricks.runs) == 1
""",
        "-n",
        "2",
    ).assert_outcomes(passed=8)


@pytest.mark.parametrize("seed", range(3))
def test_fixture_works_in_any_order(pytester: pytest.Pytester, seed: int) -> None:
    """Whichever test comes first, each finds an empty workspace and leaves nothing to the next."""
    pytester.makeconftest(
        f"import random\ndef pytest_collection_modifyitems(items):\n    random.Random({seed}).shuffle(items)\n"
    )
    _run(
        pytester,
        """
import pytest
from dbx_emulator import StatusFault

@pytest.mark.parametrize("number", range(4))
def test_faulty(databricks, number):
    assert (len(databricks.runs), len(databricks.faults), len(databricks.scenarios)) == (0, 0, 0)
    databricks.faults.add(StatusFault("*", status_code=500))

@pytest.mark.parametrize("number", range(4))
def test_plain(databricks, databricks_session, number):
    submit(databricks)
    assert len(databricks.runs) == 1

def test_without():
    assert os.environ.get("DATABRICKS_HOST") != "https://dbx-emulator.cloud.databricks.com"
""",
    ).assert_outcomes(passed=9)


def test_thousand_set_ups_leave_nothing_behind(pytester: pytest.Pytester) -> None:
    """Threads, descriptors, workspaces, patched attributes: all is as it was before the first."""
    _run(
        pytester,
        """
import gc, threading
import pytest
import aiohttp, requests, time

ATTRIBUTES = [
    (httpx.HTTPTransport, "handle_request"),
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (requests.adapters.HTTPAdapter, "send"),
    (aiohttp.TCPConnector, "_resolve_host"),
    (time, "sleep"),
    (time, "time"),
]

def seen():
    gc.collect()
    names = [type(each).__name__ for each in gc.get_objects()]
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "workspaces": names.count("Workspace"),
        "runs": names.count("JobRun") + names.count("TaskRun"),
    }

ORIGINALS = [getattr(owner, name) for owner, name in ATTRIBUTES]
BEFORE = {}

def test_before():
    BEFORE.update(seen())

CLIENT = httpx.Client()
BODY = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}

@pytest.mark.parametrize("number", range(1000))
def test_it(databricks, number):
    url = f"{databricks.url}/api/2.1/jobs/runs/submit"
    CLIENT.post(url, json=BODY, headers=databricks.headers).raise_for_status()
    assert len(databricks.runs) == 1

def test_after():
    assert seen() == BEFORE
    assert [getattr(owner, name) for owner, name in ATTRIBUTES] == ORIGINALS
    assert all(getattr(owner, name) is each for (owner, name), each in zip(ATTRIBUTES, ORIGINALS))
""",
        "-q",
        "-p",
        "no:randomly",
    ).assert_outcomes(passed=1002)


def test_environment_is_put_back(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own variables are gone during the test and back after it."""
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "production")
    assert "DATABRICKS_CONFIG_PROFILE" in os.environ
    _run(
        pytester,
        """
def test_during(databricks):
    assert "DATABRICKS_CONFIG_PROFILE" not in os.environ
    assert os.environ["DATABRICKS_TOKEN"] == databricks.token

def test_after():
    assert os.environ["DATABRICKS_CONFIG_PROFILE"] == "production"
    assert "DATABRICKS_TOKEN" not in os.environ
""",
    ).assert_outcomes(passed=2)


def test_fault_that_never_struck_is_told_of_a_passing_test(pytester: pytest.Pytester) -> None:
    """With what it saw; one that struck is no news, nor is any if the test failed anyway."""
    result = _run(
        pytester,
        """
from dbx_emulator import LostResponse, StatusFault

def test_passes(databricks):
    databricks.faults.add(StatusFault("runs/submit", run_name="report-*"))
    with databricks.faults.armed(LostResponse("runs/get")):
        submit(databricks)

def test_strikes(databricks):
    databricks.faults.add(StatusFault("runs/list"))
    httpx.get(databricks.url + "/api/2.1/jobs/runs/list", headers=databricks.headers)

def test_fails(databricks):
    databricks.faults.add(StatusFault("runs/list"))
    assert submit(databricks) == 0
""",
    )
    result.assert_outcomes(passed=2, failed=1, warnings=2)
    result.stdout.fnmatch_lines(
        [
            "*lost_response on runs/get never struck, and the test passed without it: no call of runs/get came by",
            "*status on runs/submit never struck, *: 1 calls of runs/submit came by, *: 'etl' is not 'report-?'",
        ]
    )


def test_marker_applies_profiles_and_sets_the_seed(pytester: pytest.Pytester) -> None:
    """One by its name, several as a list; that nothing of them struck is no warning."""
    _run(
        pytester,
        """
import pytest

@pytest.mark.databricks(profiles="throttled", seed=7)
def test_one(databricks):
    assert {fault.profile for fault in databricks.faults} == {"throttled"}

@pytest.mark.databricks(profiles=["flaky_network", "large_ids"])
def test_two(databricks):
    assert {fault.profile for fault in databricks.faults} == {"flaky_network"}
""",
    ).assert_outcomes(passed=2, warnings=0)


def test_sleep_of_the_test_passes_at_once(pytester: pytest.Pytester) -> None:
    """The fixture's clock moves with it, in coroutines as well, and ends after thirty days."""
    _run(
        pytester,
        """
import asyncio, time
import pytest

@pytest.mark.databricks(run="24h")
def test_it(databricks):
    run = databricks.runs[submit(databricks)]
    time.sleep(86_400)
    asyncio.run(asyncio.sleep(3_600))
    assert run.is_terminal
    with pytest.raises(ValueError, match="end of time"):
        time.sleep(30 * 86_400)

@pytest.mark.asyncio
async def test_async(databricks):
    before = databricks.clock.now_ms
    await asyncio.gather(*(asyncio.sleep(30) for _ in range(5)))
    assert databricks.clock.now_ms - before == 30_000

def test_session_is_moved_by_hand(databricks_session):
    time.sleep(0.001)
    assert databricks_session.clock.policy == "manual"
    before = databricks_session.clock.now_ms
    databricks_session.clock.advance("1h")
    assert databricks_session.clock.now_ms - before == 3_600_000
""",
    ).assert_outcomes(passed=3)


def test_marker_says_how_time_passes_and_for_whom(pytester: pytest.Pytester) -> None:
    """Policy, end, guard and leap of the clock; threads, modules and patience of the interception."""
    pytester.makepyfile(waits="from time import sleep\n\ndef wait(seconds):\n    sleep(seconds)\n")
    _run(
        pytester,
        """
import threading, time
import pytest, waits

@pytest.mark.databricks(clock="per-poll", stall_after=2)
def test_per_poll(databricks):
    assert (databricks.clock.policy, databricks.clock.stall_after) == ("per-poll", 2)

@pytest.mark.databricks(end_of_time="1h")
def test_end(databricks):
    with pytest.raises(ValueError, match="end of time: thread 'MainThread'"):
        time.sleep(3_601)

@pytest.mark.databricks(leap=True, run="24h")
def test_leap(databricks):
    run = databricks.runs[submit(databricks)]
    polls = 0
    while not run.is_terminal:
        time.sleep(1)
        polls += 1
    assert polls == 3

@pytest.mark.databricks(threads=["poller-*"], modules=["waits"], patience_seconds=5)
def test_others(databricks):
    before = databricks.clock.now_ms
    thread = threading.Thread(target=lambda: time.sleep(30), name="poller-1")
    thread.start()
    thread.join()
    waits.wait(30)
    assert databricks.clock.now_ms - before == 60_000
""",
    ).assert_outcomes(passed=4)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_sleepers_wake_in_one_order_on_every_worker(pytester: pytest.Pytester, workers: str) -> None:
    """Pollers on threads and in tasks make their calls in the same order each time."""
    _run(
        pytester,
        """
import asyncio, threading, time
import pytest

def poll(databricks, client, number):
    for _ in range(3):
        time.sleep(30)
        client.get(f"/api/2.1/jobs/runs/list?offset={number}", headers=databricks.headers)

@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.databricks(threads=["poller-*"])
def test_it(databricks, attempt):
    with httpx.Client(base_url=databricks.url) as client:
        threads = [
            threading.Thread(target=poll, args=(databricks, client, number), name=f"poller-{number}")
            for number in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    times = [entry.now_ms for entry in databricks.journal]
    assert sorted(set(times)) == times[::5] and len(times) == 15
    assert times[-1] - times[0] == 60_000
""",
        "-n",
        workers,
    ).assert_outcomes(passed=4)


_DRAWN = """
from dbx_emulator import Outcome

def test_it(databricks):
    databricks.scenarios.add("*", [Outcome(run="exponential(1h)")])
    run = databricks.runs[submit(databricks)]
    print(f"seed {databricks.seed} drew {run.task_runs[0].times.run_ms}")
    assert False
"""


def _drawn(result: pytest.RunResult) -> str:
    """Return what the failing test above has drawn."""
    return next(line for line in result.outlines if line.startswith("seed "))


@pytest.mark.parametrize(
    ("options", "variable", "seed"),
    [
        pytest.param(["--databricks-seed=7"], "", "7", id="option"),
        pytest.param([], "8", "8", id="variable"),
        pytest.param(["--databricks-seed=7"], "8", "7", id="option-before-variable"),
        pytest.param(["--databricks-seed=random"], "", "*", id="random"),
        pytest.param(["--databricks-seed=random", "-n", "1"], "", "*", id="random-of-workers"),
    ],
)
def test_failing_test_prints_the_line_that_replays_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str], variable: str, seed: str
) -> None:
    """What it prints, given to a shell, draws the same."""
    monkeypatch.setenv("DBX_EMULATOR_SEED", variable)
    first = _run(pytester, _DRAWN, "-p", "no:randomly", *options)
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines([f"*seed {seed} drew *", f"pytest '*::test_it' --databricks-seed={seed}"])
    monkeypatch.delenv("DBX_EMULATOR_SEED")
    replay = next(shlex.split(line) for line in first.outlines if line.startswith("pytest '"))
    again = pytester.runpytest_subprocess("-p", "no:cacheprovider", *replay[1:])
    assert _drawn(again) == _drawn(first)
    assert _drawn(pytester.runpytest_subprocess("-p", "no:cacheprovider")) != _drawn(first)


def test_seed_of_the_run_is_told_at_its_head(pytester: pytest.Pytester) -> None:
    """A run that passes can be had again, too; the usual seed is not worth a line."""
    head = ["databricks: --databricks-seed=7"]
    code = "def test_it(databricks, databricks_session): assert databricks.seed == databricks_session.seed"
    _run(pytester, code, "--databricks-seed=7").stdout.fnmatch_lines(head)
    _run(pytester, code).stdout.no_fnmatch_line("databricks: *")


def test_seed_of_a_test_outranks_that_of_the_run(pytester: pytest.Pytester) -> None:
    """What the author wrote into the marker needs no option to be replayed."""
    code = "import pytest\npytestmark = pytest.mark.databricks(seed=5)\n" + _DRAWN
    result = _run(pytester, code, "--databricks-seed=7")
    result.stdout.fnmatch_lines(["seed 5 drew *", "pytest '*::test_it'"])


@pytest.mark.parametrize("seed", ["soon", "1.5", ""])
def test_seed_that_is_none_ends_the_run(pytester: pytest.Pytester, seed: str) -> None:
    """Before any test, in one line."""
    result = _run(pytester, "def test_it(): pass", f"--databricks-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--databricks-seed: '{seed}' is no whole number, and not 'random'"])


@pytest.mark.parametrize(
    "files", ["'data/one.yaml'", "['data/one.yaml', pathlib.Path('two.yaml')]"], ids=["one", "several"]
)
def test_marker_takes_files_of_scenarios(pytester: pytest.Pytester, files: str) -> None:
    """They are looked for beside the test, wherever pytest was started."""
    (pytester.mkdir("tests") / "data").mkdir()
    for name, file in (("lost", "data/one.yaml"), ("broken", "two.yaml")):
        (pytester.path / "tests" / file).write_text(f"scenarios: [{{name: {name}, outcomes: [{{}}]}}]")
    (pytester.path / "tests" / "test_files.py").write_text(
        f"""
import pathlib, pytest

@pytest.mark.databricks(scenarios={files})
def test_it(databricks):
    names = [each.name for each in databricks.scenarios]
    assert names == ["lost", "broken"][:len(names)] and names
"""
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_notes_about_runs_are_warnings_and_shown_in_a_failure(pytester: pytest.Pytester) -> None:
    """A scenario that a run asks for in vain would otherwise look like plain success."""
    result = _run(
        pytester,
        """
def test_it(databricks):
    body = {"run_name": "etl#spot_los", "existing_cluster_id": "1", "notebook_task": {"notebook_path": "/n"}}
    with httpx.Client(base_url=databricks.url, headers=databricks.headers) as client:
        client.post("/api/2.1/jobs/runs/submit", json=body).raise_for_status()
    assert False
""",
    )
    result.assert_outcomes(failed=1, warnings=1)
    note = "run * 'etl#spot_los': the run asks for the scenario 'spot_los', and there is none (nearest: spot_loss)"
    result.stdout.fnmatch_lines(["*Databricks notes*", note, f"*PytestWarning: {note}"])


def test_near_misses_are_told(pytester: pytest.Pytester) -> None:
    """A scenario that took no run, with the nearest one: in the report of a failure, else as a warning."""
    result = _run(
        pytester,
        """
import pytest

from dbx_emulator import Outcome

@pytest.mark.parametrize("is_good", [False, True])
def test_it(databricks, is_good):
    databricks.scenarios.add("et_", [Outcome(run="40m")])
    submit(databricks)
    assert is_good
""",
    )
    told = [
        "*scenario 'et_' took none of 1 runs",
        "*nearest run * 'etl': match.run_name 'et_' ≠ 'etl'",
        '*to paste: databricks.scenarios.add("etl", [[]Outcome(run="40m")[]])',
    ]
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*Databricks near misses*", *told, "*warnings summary*", *told])


def test_what_judges_the_client_fails_at_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    """Nobody has to scroll past our own code."""
    result = _run(
        pytester,
        """
from dbx_emulator.testing import sweep

def test_expect(databricks):
    databricks.expect.calls("runs/submit", times=1)

def test_lint(databricks):
    httpx.get(databricks.url + "/api/2.2/jobs/runs/list", headers=databricks.headers)
    databricks.lint.check()

def test_sweep():
    sweep(submit, kinds=["500"]).check()
""",
    )
    result.assert_outcomes(failed=3)
    result.stdout.no_re_match_line(r".*dbx_emulator.*\.py:\d+: ")
