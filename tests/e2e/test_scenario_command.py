"""`dbx-emulator scenario` as a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.processes import run_command
from tests.reference import render_schema

_GOOD = """\
scenarios:
  - name: nightly
    match: nightly-*
    outcomes:
      - cluster: lognormal(4m, 0.3)
        run: 40m
        tasks:
          load_*: {run: 2h, termination_code: CLOUD_FAILURE, retries: [{run: 1h}]}
          report: {cluster: 1m}
      - cluster: lognormal(4m, 0.3)
        run: 40m
  - match: etl
    outcomes: [{}]
"""
_BAD = """\
scenarios:
  - match: etl
    outcomes:
      - rnu: 40m
      - run: soon
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A file that is right."""
    path = tmp_path / "good.yaml"
    path.write_text(_GOOD, encoding="utf-8")
    return path


def test_check_counts_what_is_right(good: Path) -> None:
    """One line, exit status 0."""
    done = run_command("dbx_emulator", "scenario", "check", str(good))
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 scenarios in 1 file: all right\n", "")


def test_check_tells_every_mistake_of_every_file(good: Path, tmp_path: Path) -> None:
    """Each in a line that an editor can jump to, with the nearest name; exit status 2."""
    bad, missing = tmp_path / "bad.yaml", tmp_path / "missing.yaml"
    bad.write_text(_BAD, encoding="utf-8")
    done = run_command("dbx_emulator", "scenario", "check", str(good), str(bad), str(missing))
    assert (done.returncode, done.stdout) == (2, "")
    first, second, third = done.stderr.splitlines()
    assert first.startswith(f"{bad}:4:9: rnu: an outcome has no such field; ")
    assert first.endswith("(nearest: run)")
    assert second.startswith(f"{bad}:5:9: run: 'soon' is no duration; ")
    assert third.startswith(f"{missing}: cannot be read: ")


def test_list_names_the_catalogue() -> None:
    """Name and description, for people and for programs."""
    lines = run_command("dbx_emulator", "scenario", "list").stdout.splitlines()
    listed = json.loads(run_command("dbx_emulator", "scenario", "list", "--json").stdout)["scenarios"]
    assert [line.split("  ")[0] for line in lines] == [each["name"] for each in listed]
    assert all(line.endswith(each["description"]) for line, each in zip(lines, listed, strict=True))
    assert "spot_loss" in {each["name"] for each in listed}


def test_schema_prints_what_editors_take() -> None:
    """The very text of docs/reference/scenarios.schema.json."""
    assert run_command("dbx_emulator", "scenario", "schema").stdout == render_schema()


def test_render_draws_what_becomes_of_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states of each attempt over the time of its run, as wide as the terminal is."""
    monkeypatch.setenv("COLUMNS", "60")
    done = run_command("dbx_emulator", "scenario", "render", "spot_loss")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("spot_loss  The cloud takes the spot instances away")
    assert lines[1] == "run 1 of 2, 1h41m4s"
    assert lines[2].split() == ["run", lines[2].split()[1]]
    assert set(lines[2].split()[1]) == set("░█▒")
    assert lines[3].startswith("  run[1]  ")
    assert max(len(line) for line in lines[2:4]) == 60
    assert lines[4] == (
        "  run: PENDING 4m → RUNNING 38m → TERMINATING 2s → INTERNAL_ERROR FAILED (CLOUD_FAILURE): "
        "The cloud provider reclaimed the spot instance of the driver"
    )
    assert lines[6] == "run 2 of 2, 59m2s"


def test_render_on_a_terminal_of_few_characters_has_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets a traceback for the encoding of a terminal."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run_command("dbx_emulator", "scenario", "render", "spot_loss")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run: PENDING 4m ? RUNNING 38m ? TERMINATING 2s" in done.stdout


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        pytest.param("slow_cancel", "cancel at 1h2m ^", id="at-the-right"),
        pytest.param("cancel_ignored", "^ cancel at 1h2m", id="in-the-middle"),
    ],
)
def test_render_cancels_a_run_that_is_about_cancels(name: str, mark: str) -> None:
    """Half-way through its work; else it would look like any other."""
    assert mark in run_command("dbx_emulator", "scenario", "render", name).stdout


def test_render_as_json_has_the_tasks_that_are_asked_for(good: Path) -> None:
    """Without any, those that the outcome names, and one that it does not."""
    done = run_command("dbx_emulator", "scenario", "render", str(good), "--json")
    nightly, etl = json.loads(done.stdout)["scenarios"]
    first, second = nightly["runs"]
    assert [(each["task_key"], each["attempt_number"]) for each in first["tasks"]] == [
        ("load_1", 0),
        ("report", 0),
        ("others", 0),
        ("load_1", 1),
    ]
    assert [each["task_key"] for each in second["tasks"]] == ["run"]
    assert first["tasks"][1]["states"][0] == {"life_cycle_state": "PENDING", "start_ms": 0, "end_ms": 60_000}
    assert (etl["name"], etl["runs"][0]["duration_ms"]) == ("", 182_000)
    asked = run_command("dbx_emulator", "scenario", "render", str(good), "--json", "--tasks", "load_a, x")
    tasks = json.loads(asked.stdout)["scenarios"][0]["runs"][0]["tasks"]
    assert [(each["task_key"], each["termination_code"]) for each in tasks] == [
        ("load_a", "CLOUD_FAILURE"),
        ("x", "SUCCESS"),
        ("load_a", "SUCCESS"),
    ]


def test_render_draws_by_the_seed(good: Path) -> None:
    """The same seed shows the same times, another one others."""

    def shown(*options: str) -> str:
        return run_command("dbx_emulator", "scenario", "render", str(good), "--json", *options).stdout

    assert shown() == shown("--seed", "0") != shown("--seed", "1")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        pytest.param(
            "spot_los",
            "'spot_los' is no file and no scenario of the catalogue (nearest: spot_loss)",
            id="name",
        ),
        pytest.param(".", ".: cannot be read: Is a directory", id="folder"),
    ],
)
def test_render_of_nothing_is_one_line_and_exit_2(what: str, said: str) -> None:
    """What was asked for is named."""
    done = run_command("dbx_emulator", "scenario", "render", what)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {said}")
