"""The command `dbx-agent`: reads the command line, and says in one line what is wrong and what to do.

Exit status: 0 after a clean stop, 2 if the command line, the environment or the installation is not as
needed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from dbx_agent.errors import ConfigurationError
from dbx_agent.logs import FORMATS, configure
from dbx_agent.settings import TASK_TYPES, Settings

__all__ = ["main"]

_MAX_PORT = 65535

logger = logging.getLogger("flytekit.dbx_agent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: The command line without the program's name; `None` takes the process's own.
    """
    parser = _make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return _serve(options)
    except ConfigurationError as error:
        return _complain(error.problems)
    except ImportError as error:
        return _complain(
            [f'{error}. Install what serving needs: pip install "dbx-kit[agent]" (Python 3.10 to 3.12)']
        )


def _serve(options: argparse.Namespace) -> int:
    settings = Settings.from_environ(os.environ)
    if options.task_types:
        settings = replace(settings, task_types=options.task_types)
    from dbx_agent.serve import ServeOptions, serve

    chosen = ServeOptions(
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        grace_seconds=options.grace,
    )
    configure(options.log_format, sys.stderr)
    announce = _announce if options.log_format == "text" else logger.info
    asyncio.run(serve(settings, chosen, announce=announce))
    return 0


def _announce(what: str) -> None:
    sys.stdout.write(f"dbx-agent: {what}\n")
    sys.stdout.flush()


def _complain(problems: Sequence[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"dbx-agent: {problem}\n")
    return 2


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dbx-agent", description="The Flyte agent for Databricks.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser(
        "serve",
        help="serve Flyte's engine over gRPC",
        description="Serve Flyte's engine over gRPC. The port asks nobody for credentials: "
        "open it to the engine alone.",
    )
    _add_addresses(serve)
    serve.add_argument(
        "--task-types",
        type=_task_types,
        metavar="TYPES",
        help=f"task types to serve (default: DBX_AGENT_TASK_TYPES, or {','.join(TASK_TYPES)})",
    )
    serve.add_argument(
        "--log-format",
        choices=FORMATS,
        default=FORMATS[0],
        help="how the log is written to standard error (default: %(default)s)",
    )
    serve.add_argument(
        "--grace",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long calls may go on after SIGTERM; no less than a create's budget (default: %(default)s)",
    )
    return parser


def _add_addresses(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 in a container (default: %(default)s)",
    )
    serve.add_argument(
        "--port",
        type=_port,
        default=8000,
        help="port to listen on; 0 takes a free one (default: %(default)s)",
    )
    serve.add_argument(
        "--metrics-port",
        type=_port,
        metavar="PORT",
        help="port of Prometheus' metrics; 0 takes a free one (default: there are none)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use a number from 0 to {_MAX_PORT}")
    return int(text)


def _task_types(text: str) -> tuple[str, ...]:
    named = text.split(",")
    for name in named:
        if name not in TASK_TYPES:
            allowed = " or ".join(TASK_TYPES)
            raise argparse.ArgumentTypeError(f"{name!r} is no task type of ours: use {allowed}, or both")
    return tuple(task_type for task_type in TASK_TYPES if task_type in named)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, zero or more")
    return seconds
