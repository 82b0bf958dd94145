"""The command line: `dbx-emulator scenario check`, `render`, `list` and `schema`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from dbx_emulator._api.scenario_schema import scenario_schema
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.scenarios import Scenario
from dbx_emulator._core.states import LifeCycleState
from dbx_emulator._core.timeline import Lane
from dbx_emulator._core.timeline_text import GLYPHS, column_of, length
from dbx_emulator.catalogue import CATALOGUE
from dbx_emulator.cli_refusal import Refused
from dbx_emulator.rehearsal import Rehearsal, rehearse
from dbx_emulator.scenario_files import load_scenarios

__all__ = ["scenario"]

#: How a stretch of time in a state is drawn, and in which colour; a state that is not here is left blank.
_STYLES = {
    LifeCycleState.QUEUED: "dim",
    LifeCycleState.PENDING: "yellow",
    LifeCycleState.RUNNING: "cyan",
    LifeCycleState.TERMINATING: "magenta",
    LifeCycleState.WAITING_FOR_RETRY: "dim",
}

_LEAST_WIDTH = 20

_FILE = click.Path(path_type=Path)


@click.group()
def scenario() -> None:
    """What happens to runs: check files of scenarios, see what becomes of them."""


@scenario.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Say whether files of scenarios are right.

    Each mistake is one line, `file:line:column: what is wrong`, and the exit status is 2.
    """
    checked = [_check(path) for path in files]
    if mistakes := [each for each in checked if isinstance(each, UsageError)]:
        click.echo("\n".join(map(str, mistakes)), err=True)
        ctx.exit(2)
    count = sum(each for each in checked if isinstance(each, int))
    click.echo(
        f"{count} scenario{'s' * (count != 1)} in {len(files)} file{'s' * (len(files) != 1)}: all right"
    )


@scenario.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_(*, as_json: bool) -> None:
    """List the scenarios that come with the emulator.

    A run asks for one of them by a run_name that ends in #NAME, or by the tag dbx_scenario.
    """
    described = {each.name: each.description for each in _read(CATALOGUE.values())}
    if as_json:
        rows = [{"name": name, "description": text} for name, text in described.items()]
        click.echo(json.dumps({"scenarios": rows}))
        return
    width = max(map(len, described))
    for name, text in described.items():
        click.echo(f"{name:{width}}  {text}")


@scenario.command()
def schema() -> None:
    """Print the JSON Schema of a file of scenarios, for editors."""
    click.echo(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))


@scenario.command()
@click.argument("what", metavar="FILE|NAME")
@click.option(
    "--tasks", default="", help="Task keys of the run, such as extract,load. [default: those named]"
)
@click.option("--seed", default=0, show_default=True, help="What chance depends on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def render(what: str, *, tasks: str, seed: int, as_json: bool) -> None:
    """Show what becomes of the runs of each scenario of a file, or of one of the catalogue by its name.

    The real engine plays them, under a clock that stands still until it is moved to the next event.
    """
    task_keys = [key.strip() for key in tasks.split(",") if key.strip()]
    try:
        found = _find(what)
    except UsageError as error:
        raise Refused(str(error)) from None
    played = [(each, list(rehearse(each, task_keys=task_keys, seed=seed))) for each in found]
    if as_json:
        click.echo(json.dumps({"scenarios": [_described(*each) for each in played]}))
        return
    console = Console(highlight=False)
    for each, rehearsals in played:
        _draw(console, each, rehearsals)
    legend = [Text.assemble((glyph, _STYLES[state]), f" {state.value}") for state, glyph in GLYPHS.items()]
    console.print(Text("  ").join(legend), soft_wrap=True)


def _check(path: Path) -> int | UsageError:
    """Return how many scenarios a file has, or what is wrong with it."""
    try:
        return len(_load(path))
    except UsageError as error:
        return error


def _load(path: Path) -> list[Scenario]:
    try:
        return load_scenarios(path)
    except ModuleNotFoundError as error:
        raise Refused(str(error)) from None


def _read(scenarios: Iterable[Scenario]) -> list[Scenario]:
    try:
        return list(scenarios)
    except ModuleNotFoundError as error:
        raise Refused(str(error)) from None


def _find(what: str) -> list[Scenario]:
    """Return the scenarios of a file, or the one of the catalogue.

    Raises:
        UsageError: There is neither, or the file is wrong.
    """
    if what in CATALOGUE:
        return _read([CATALOGUE[what]])
    if not Path(what).exists():
        raise UsageError(
            f"{what!r} is no file and no scenario of the catalogue{nearest(what, CATALOGUE)}; "
            "`dbx-emulator scenario list` lists those"
        )
    return _load(Path(what))


def _draw(console: Console, scenario: Scenario, rehearsals: Sequence[Rehearsal]) -> None:
    name = scenario.name or (scenario.match.run_name if scenario.match else "")
    console.print(Text.assemble((name, "bold"), f"  {scenario.description}".rstrip()), soft_wrap=True)
    for number, rehearsal in enumerate(rehearsals, start=1):
        console.print(f"run {number} of {len(rehearsals)}, {length(rehearsal.duration_ms)}")
        label_width = max(len(lane.label) for lane in rehearsal.lanes)
        width = max(_LEAST_WIDTH, console.width - label_width - 4)
        for lane in rehearsal.lanes:
            label = f"  {lane.label:{label_width}}  "
            console.print(Text.assemble(label, _bar(lane, rehearsal.duration_ms, width)), soft_wrap=True)
        if rehearsal.cancelled_ms is not None:
            column = column_of(rehearsal.cancelled_ms, rehearsal.duration_ms, width)
            words = f"cancel at {length(rehearsal.cancelled_ms)}"
            # At the right end the words would not fit behind the mark.
            is_right = column + len(words) + 2 > width
            mark = f"{words} ^".rjust(column + 1) if is_right else " " * column + f"^ {words}"
            console.print(f"  {'':{label_width}}  {mark}", soft_wrap=True)
        for lane in rehearsal.lanes:
            console.print(f"  {lane.label}: {_story(lane)}", soft_wrap=True)
    console.print()


def _bar(lane: Lane, total_ms: int, width: int) -> Text:
    """Return the states of an attempt over the time of its run; what takes any time has at least one sign."""
    cells: list[tuple[str, str]] = [(" ", "")] * width
    for stretch in lane.stretches:
        state = stretch.life_cycle_state
        if stretch.end_ms > stretch.start_ms and state in GLYPHS:
            first = column_of(stretch.start_ms, total_ms, width)
            last = column_of(stretch.end_ms - 1, total_ms, width)
            cells[first : last + 1] = [(GLYPHS[state], _STYLES[state])] * (last + 1 - first)
    return Text.assemble(*cells)


def _story(lane: Lane) -> str:
    """Return the states of an attempt with their lengths, and its end."""
    states = [
        f"{each.life_cycle_state.value} {length(each.end_ms - each.start_ms)}" for each in lane.stretches[:-1]
    ]
    result = f" {lane.result_state.value}" if lane.result_state else ""
    code = f" ({lane.termination_code.value})" if lane.termination_code else ""
    message = f": {' '.join(lane.state_message.split())}" if lane.state_message else ""
    return " → ".join([*states, f"{lane.life_cycle_state.value}{result}{code}{message}"])


def _described(scenario: Scenario, rehearsals: Sequence[Rehearsal]) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "description": scenario.description,
        "runs": [
            {
                "duration_ms": rehearsal.duration_ms,
                "cancelled_ms": rehearsal.cancelled_ms,
                "tasks": [lane.data() for lane in rehearsal.lanes],
            }
            for rehearsal in rehearsals
        ],
    }
