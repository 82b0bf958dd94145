"""The command line: `dbx-emulator serve` and `dbx-emulator demo`; `scenario` is beside it."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast, get_args

import click
from rich.console import Console

from dbx_emulator._core.clock import Clock, Policy
from dbx_emulator._core.durations import Duration, check_duration
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.scenarios import Scenarios
from dbx_emulator.cli_refusal import Refused
from dbx_emulator.cli_scenario import scenario
from dbx_emulator.doors.authority import Authority
from dbx_emulator.doors.server import bind, serve_here
from dbx_emulator.scenario_files import load_scenarios
from dbx_emulator.workspace import DEFAULT_TOKEN, Workspace
from dbx_emulator.workspaces import Workspaces

__all__ = ["cli"]

_PORT = 8765

FC = TypeVar("FC", bound=Callable[..., object])


class _ServeByDefault(click.Group):
    """A group that serves when it is called without arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_option_of_serve = args[:1] and args[0].startswith("-") and args[0] not in ("--help", "--version")
        return super().parse_args(ctx, ["serve", *args] if is_option_of_serve or not args else args)


@click.group(cls=_ServeByDefault, context_settings={"auto_envvar_prefix": "DBX_EMULATOR"})
@click.version_option(package_name="dbx-kit")
def cli() -> None:
    """A Databricks workspace on this machine: the Jobs and Runs API under a clock that you own.

    Without a command it serves, with the defaults of `serve`.
    """


cli.add_command(scenario)


def _duration(_ctx: click.Context, _option: click.Parameter, value: str) -> Duration:
    """Return what was given for a length of time; a bare number is in seconds."""
    try:
        duration: Duration = float(value)
    except ValueError:
        duration = value
    try:
        check_duration(duration, name="duration")
    except UsageError as error:
        raise click.BadParameter(str(error)) from None
    return duration


def _stage(name: str, what: str) -> Callable[[FC], FC]:
    """Return the option that says how long a stage of a run takes."""
    default = getattr(Timing(), name)
    return click.option(
        f"--{name}",
        callback=_duration,
        metavar="DURATION",
        default=default,
        show_default=True,
        show_envvar=True,
        help=f"{what}: seconds, a text such as 1h30m, or a distribution such as lognormal(2m, 0.4).",
    )


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, show_envvar=True, help="Address to listen on."
)
@click.option(
    "--port",
    default=_PORT,
    show_default=True,
    show_envvar=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--token",
    multiple=True,
    show_envvar=True,
    help="Bearer token that opens the workspace, and no other does; may be repeated. "
    f"[default: {DEFAULT_TOKEN}, and any other token opens a workspace of its own]",
)
@click.option(
    "--clock",
    # Who sleeps on the other side of a socket cannot be seen from here.
    type=click.Choice([policy for policy in get_args(Policy) if policy != "sleeping"]),
    default="scaled",
    show_default=True,
    show_envvar=True,
    help="How virtual time passes: by itself, faster than real time; as real time; by each poll, to that run's "
    "next event; or only when moved.",
)
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    show_envvar=True,
    help="Virtual seconds in a second, if scaled.",
)
@click.option(
    "--scenarios",
    multiple=True,
    type=click.Path(path_type=Path),
    show_envvar=True,
    help="YAML file of scenarios, what happens to runs; may be repeated.",
)
@click.option("--seed", default=0, show_default=True, show_envvar=True, help="What chance depends on.")
@_stage("queue", "Time of a run in QUEUED, unless a scenario says otherwise")
@_stage("cluster", "Time in PENDING")
@_stage("run", "Time in RUNNING")
@_stage("terminating", "Time in TERMINATING")
@click.option("--allow-host", multiple=True, show_envvar=True, help="Further name to be called by.")
@click.option(
    "--tls", is_flag=True, show_envvar=True, help="Speak HTTPS, with an authority made for this run."
)
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, path_type=Path),
    show_envvar=True,
    help="Where to write the authority's certificate. [default: a temporary file, removed at the end]",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one line of JSON.")
def serve(
    *,
    host: str,
    port: int,
    token: tuple[str, ...],
    clock: str,
    speed: float,
    scenarios: tuple[Path, ...],
    seed: int,
    queue: Duration,
    cluster: Duration,
    run: Duration,
    terminating: Duration,
    allow_host: tuple[str, ...],
    tls: bool,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Serve a workspace over HTTP or HTTPS until interrupted."""
    announce = _announce_json if as_json else _announce
    try:
        make_workspace = _workspace_maker(
            clock=cast("Policy", clock),
            speed=speed,
            timing=Timing(queue, cluster, run, terminating),
            seed=seed,
            files=scenarios,
        )
        listener = bind(host, port)
        url = f"{'https' if tls else 'http'}://{_address(listener)}"
        workspaces = _workspaces(make_workspace, url, token)
        with _authority(ca_file, tls=tls) as (authority, written):
            serve_here(
                workspaces,
                listener,
                allowed_hosts=frozenset(allow_host),
                on_ready=lambda: announce(next(iter(workspaces)), written),
                authority=authority,
            )
    except UsageError as error:
        raise Refused(str(error)) from None


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Tell the story as lines of JSON.")
def demo(*, as_json: bool) -> None:
    """Run a real Flyte task through the agent's gRPC service to the emulator and back.

    Hours of cluster time in a few seconds: the first attempt loses its spot instance, the second succeeds, one
    answer gets lost on the way and one poll is throttled.
    """
    try:
        from dbx_emulator.demo import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dbx_emulator":
            raise
        raise Refused(
            f'the demo needs {error.name}, which is not installed: pip install "dbx-kit[all]"'
        ) from None
    sys.exit(main(as_json=as_json))


def _workspace_maker(
    *, clock: Policy, speed: float, timing: Timing, seed: int, files: tuple[Path, ...]
) -> Callable[..., Workspace]:
    """Return what makes a workspace of a URL and its tokens. What is wrong with the options is told at once.

    Raises:
        UsageError: There cannot be such a clock, or something is wrong with the files of scenarios.
    """
    make_clock = partial(Clock, clock, speed=speed, real_ms=lambda: time.perf_counter() * 1_000)
    make_clock()
    try:
        scenarios = [each for path in files for each in load_scenarios(path)]
    except ModuleNotFoundError as error:
        raise UsageError(f"--scenarios: {error}") from None
    Scenarios().add_all(scenarios)

    def make(url: str, token: str, *further: str) -> Workspace:
        workspace = Workspace(
            url, clock=make_clock(), timing=timing, seed=seed, token=token, further_tokens=further
        )
        workspace.scenarios.add_all(scenarios)
        workspace.start_here()
        return workspace

    return make


def _workspaces(make: Callable[..., Workspace], url: str, tokens: tuple[str, ...]) -> Workspaces:
    """Return what the tokens open; without any, each token that nobody knows opens a workspace of its own."""
    first, *further = tokens or (DEFAULT_TOKEN,)
    return Workspaces(make(url, first, *further), make=None if tokens else partial(make, url))


def _address(listener: socket.socket) -> str:
    """Return host and port by which this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    # Nobody can call a wildcard: links name the loopback address.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _authority(ca_file: Path | None, *, tls: bool) -> Iterator[tuple[Authority | None, Path | None]]:
    """Yield who vouches for the server, and the file that clients are to trust.

    Raises:
        UsageError: The file cannot be written, nobody would be asked to trust it, or trustme is missing.
    """
    if not tls:
        if ca_file is not None:
            raise UsageError("--ca-file names what clients of HTTPS are to trust; add --tls")
        yield None, None
        return
    try:
        authority = Authority()
    except ModuleNotFoundError as error:
        raise UsageError(f"--tls: {error}") from None
    with tempfile.TemporaryDirectory(prefix="dbx-emulator-") as folder:
        written = ca_file.absolute() if ca_file else Path(folder, "ca.pem")
        try:
            written.write_bytes(authority.ca_pem)
        except OSError as error:
            raise UsageError(f"cannot write {written}: {error.strerror}") from None
        yield authority, written


def _announce(workspace: Workspace, ca_file: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]dbx-emulator[/bold] serves a Databricks workspace at [cyan]{workspace.url}[/cyan]")
    console.print(f"  token   {workspace.token}")
    console.print(f"  clock   {workspace.clock.policy}, {workspace.clock.rate:g} virtual seconds in a second")
    trust = ""
    if ca_file is not None:
        path = shlex.quote(str(ca_file))
        trust = f"--cacert {path} "
        console.print(f"  trust   export SSL_CERT_FILE={path} REQUESTS_CA_BUNDLE={path}")
    console.print(
        f"  try     curl {trust}-H 'Authorization: Bearer {workspace.token}' "
        f"{workspace.url}/api/2.2/jobs/runs/list"
    )
    console.print("Press Ctrl-C to stop.")


def _announce_json(workspace: Workspace, ca_file: Path | None) -> None:
    announced: dict[str, str | int] = {"url": workspace.url, "token": workspace.token, "pid": os.getpid()}
    if ca_file is not None:
        announced["ca_file"] = str(ca_file)
    click.echo(json.dumps(announced))
