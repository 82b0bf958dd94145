"""The command line: `dbx-emulator serve` and `dbx-emulator demo`."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import cast, get_args

import click
from rich.console import Console

from dbx_emulator._core.clock import Clock, Policy
from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.server import bind, serve_here
from dbx_emulator.workspace import DEFAULT_TOKEN, Workspace

__all__ = ["cli"]

_PORT = 8765


class _Refused(click.ClickException):
    """What was asked for cannot be; told in one line, without the usage."""

    exit_code = 2


class _ServeByDefault(click.Group):
    """A group that serves when it is called without arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["serve"])


@click.group(cls=_ServeByDefault, context_settings={"auto_envvar_prefix": "DBX_EMULATOR"})
@click.version_option(package_name="dbx-kit")
def cli() -> None:
    """A Databricks workspace on this machine: the Jobs and Runs API under a clock that you own.

    Without a command it serves, with the defaults of `serve`.
    """


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
    help=f"Bearer token that opens the workspace; may be repeated. [default: {DEFAULT_TOKEN}]",
)
@click.option(
    "--clock",
    type=click.Choice(get_args(Policy)),
    default="scaled",
    show_default=True,
    show_envvar=True,
    help="How virtual time passes: by itself, faster than real time; as real time; or only when moved.",
)
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    show_envvar=True,
    help="Virtual seconds in a second, if scaled.",
)
@click.option("--allow-host", multiple=True, show_envvar=True, help="Further name to be called by.")
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one line of JSON.")
def serve(
    *,
    host: str,
    port: int,
    token: tuple[str, ...],
    clock: str,
    speed: float,
    allow_host: tuple[str, ...],
    as_json: bool,
) -> None:
    """Serve a workspace over HTTP until interrupted."""
    try:
        time_passes = Clock(cast("Policy", clock), speed=speed, real_ms=lambda: time.perf_counter() * 1_000)
        listener = bind(host, port)
        bound_host, bound_port = listener.getsockname()[:2]
        name = f"[{bound_host}]" if ":" in bound_host else bound_host
        first, *further = token or (DEFAULT_TOKEN,)
        workspace = Workspace(
            f"http://{name}:{bound_port}", clock=time_passes, token=first, further_tokens=further
        )
    except UsageError as error:
        raise _Refused(str(error)) from None
    announce = _announce_json if as_json else _announce
    serve_here(workspace, listener, allowed_hosts=frozenset(allow_host), on_ready=lambda: announce(workspace))


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
        raise _Refused(
            f'the demo needs {error.name}, which is not installed: pip install "dbx-kit[all]"'
        ) from None
    sys.exit(main(as_json=as_json))


def _announce(workspace: Workspace) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]dbx-emulator[/bold] serves a Databricks workspace at [cyan]{workspace.url}[/cyan]")
    console.print(f"  token   {workspace.token}")
    console.print(f"  clock   {workspace.clock.policy}, {workspace.clock.rate:g} virtual seconds in a second")
    console.print(
        f"  try     curl -H 'Authorization: Bearer {workspace.token}' {workspace.url}/api/2.2/jobs/runs/list"
    )
    console.print("Press Ctrl-C to stop.")


def _announce_json(workspace: Workspace) -> None:
    click.echo(json.dumps({"url": workspace.url, "token": workspace.token, "pid": os.getpid()}))
