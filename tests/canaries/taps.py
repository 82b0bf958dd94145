"""Where the watch looks: the functions that every secret and every text that people read goes through.

A function that is tapped does what it did. Then the watch looks at what it was called with, and what it returned.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from .watch import Watch

__all__ = ["Taps"]

Look = Callable[[Watch, tuple[Any, ...], Any], None]


def _workspace(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    workspace = arguments[0]
    # Those that it issues later begin with the first.
    watch.know("the token of a workspace", *workspace._tokens._tokens)
    watch.know("the secret of a workspace's client", workspace.client_secret)
    watch.note("repr", workspace)
    watch.keep(workspace.journal)


def _error(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    # The one that is being handled is what the new one is raised from, or chained to.
    error, seen = sys.exc_info()[1], 0
    while error is not None and seen < 5:
        watch.note("exception", str(error), error.args)
        error, seen = error.__cause__ or error.__context__, seen + 1
    watch.note("exception", *map(str, arguments[0].args), arguments[0].args)


def _record(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    record = arguments[1]
    watch.note("log", record.getMessage(), record.args)
    if record.exc_info:
        watch.note("log", "".join(traceback.format_exception(*record.exc_info)))


def _output(watch: Watch, _: tuple[Any, ...], value: Any) -> None:
    for text in value:
        if text:
            watch.note("output", text.decode(errors="replace") if isinstance(text, bytes) else text)


def _command(watch: Watch, _: tuple[Any, ...], value: Any) -> None:
    watch.note("output", value.output)


def _warning(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.note("report", str(arguments[1]))


def _meta(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.know("a token that an older agent left", arguments[0].inherited_token)
    watch.note("repr", arguments[0])


def _encoded(watch: Watch, _: tuple[Any, ...], value: Any) -> None:
    watch.note("metadata", value.decode())


def _resource(watch: Watch, _: tuple[Any, ...], value: Any) -> None:
    watch.note("resource", value)


def _client(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.know("the secret of the agent's client", arguments[0].client_secret)
    watch.note("repr", arguments[0])


def _access_token(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.know("an access token", arguments[0].text)
    watch.note("repr", arguments[0])


def _with_secrets(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.know("a secret that the agent sends", *arguments[0].secrets)
    watch.note("repr", arguments[0])


def _written(watch: Watch, arguments: tuple[Any, ...], _: object) -> None:
    watch.note("repr", arguments[0])


#: Module, class (none for a function of the module), function → who looks.
TAPS: dict[tuple[str, str, str], Look] = {
    ("logging", "Logger", "handle"): _record,
    ("subprocess", "Popen", "communicate"): _output,
    ("_pytest.capture", "CaptureFixture", "readouterr"): _output,
    ("_pytest.nodes", "Node", "warn"): _warning,
    ("click.testing", "CliRunner", "invoke"): _command,
    ("dbx_emulator.workspace", "Workspace", "__init__"): _workspace,
    ("dbx_emulator._core.errors", "UsageError", "__init__"): _error,
    ("dbx_agent.errors", "DatabricksAgentError", "__init__"): _error,
    ("dbx_agent.job_metadata", "DatabricksJobMetadata", "__init__"): _meta,
    ("dbx_agent.job_metadata", "DatabricksJobMetadata", "encode"): _encoded,
    ("dbx_agent.agent", "", "make_resource"): _resource,
    ("dbx_agent.oauth", "ClientCredentials", "__init__"): _client,
    ("dbx_agent.access_tokens", "AccessToken", "__init__"): _access_token,
    ("dbx_agent.api_call", "ApiCall", "__init__"): _with_secrets,
    ("dbx_agent.api_call", "Showing", "__init__"): _with_secrets,
    ("dbx_agent.settings", "Settings", "__init__"): _written,
    ("dbx_agent.credentials", "Credentials", "__init__"): _written,
    ("dbx_agent.agent", "DatabricksAgent", "__init__"): _written,
}


class Taps:
    """The taps of one watch. Each is put in as soon as its module is there.

    Args:
        watch: Who looks.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._patches = pytest.MonkeyPatch()
        self._missing = dict(TAPS)

    def put_in(self) -> None:
        """Tap what has been loaded by now."""
        for place in [each for each in self._missing if each[0] in sys.modules]:
            module, owner, name = place
            where = getattr(sys.modules[module], owner) if owner else sys.modules[module]
            self._patches.setattr(where, name, self._tapped(getattr(where, name), self._missing.pop(place)))

    def take_out(self) -> None:
        """Leave everything as it was."""
        self._patches.undo()

    def _tapped(self, function: Callable[..., Any], look: Look) -> Callable[..., Any]:
        watch = self._watch

        @wraps(function)
        def tapped(*arguments: Any, **options: Any) -> Any:
            value = function(*arguments, **options)
            look(watch, arguments, value)
            return value

        return tapped
