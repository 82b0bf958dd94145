"""No secret leaves: marked ones go through whole lives under faults, and are looked for in all that comes out."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata
from dbx_agent.connection_pool import SHARED_POOL
from dbx_agent.credentials import Credentials
from dbx_agent.errors import DatabricksAgentError
from dbx_agent.oauth import ClientCredentials
from dbx_agent.settings import Settings
from dbx_emulator import DriftFault, LostResponse, Outcome, StatusFault, WireFault, Workspace
from tests.agent.support import Container, Template, make_execution

from .virtual import VirtualTime

pytestmark = [
    pytest.mark.flyte,
    pytest.mark.behaviour(10),
    pytest.mark.weakness(11),
    pytest.mark.weakness(29),
    pytest.mark.shows_secret("journal", "the service is told to quote what it was not sent"),
]

PERSONAL = "canary-personal-aaaaaaaaaa"
CLIENT_SECRET = "canary-client-secret-bbbbbbbbbb"
INHERITED = "canary-inherited-cccccccccc"
REGISTRY = 'canary-registry-"<0123>"'
VARIABLE = "canary-variable-dddddddddd"
IN_TEMPLATE = "canary-template-eeeeeeeeee"

CONF = {
    "run_name": "etl",
    "new_cluster": {
        "num_workers": 1,
        "spark_version": "13.3",
        "node_type_id": "m",
        "docker_image": {"url": "registry/image", "basic_auth": {"username": "u", "password": REGISTRY}},
        "spark_env_vars": {"DB_PASSWORD": VARIABLE},
    },
}

#: What each call sends that a service may quote; the token of a person only where there is one.
SENT = {
    "runs/submit": f"{PERSONAL} {REGISTRY} {VARIABLE}",
    "runs/get": f"{PERSONAL} {INHERITED}",
    "runs/cancel": PERSONAL,
    "oidc/token": CLIENT_SECRET,
}


class _Kept(logging.Handler):
    """Keeps what every logger of the process says, arguments and tracebacks included."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))
        self.lines.append(repr(record.args))


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Kept]:
    """All loggers at DEBUG, those of httpx and httpcore too."""
    kept = _Kept()
    root = logging.getLogger()
    names = ["", "flytekit", "flytekit.dbx_agent", "httpx", "httpcore", "asyncio", "grpc"]
    for logger in map(logging.getLogger, names):
        monkeypatch.setattr(logger, "level", logging.DEBUG)
        monkeypatch.setattr(logger, "_cache", {})
    monkeypatch.setattr(logging.getLogger("flytekit"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("flytekit"), "propagate", True)
    root.addHandler(kept)
    yield kept
    root.removeHandler(kept)


class _Outputs:
    """Everything that anybody may read.

    Args:
        logs: What is logged meanwhile.
    """

    def __init__(self, logs: _Kept) -> None:
        self._logs = logs
        self.texts: list[str] = []

    def keep(self, *values: object) -> None:
        """Keep how values are written down."""
        self.texts += [f"{value!r} {value!s}" for value in values]

    async def call(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Make a call, and keep what it returns or how it fails, with the whole chain."""
        try:
            value = await call(*arguments, **options)
        except DatabricksAgentError as error:
            # What flytekit's service makes the details of the RPC of.
            self.texts += traceback.format_exception(error)
            self.keep(error, error.args, vars(error), error.__cause__, error.__context__)
            return None
        self.keep(value)
        return value

    def check(self, secrets: set[str]) -> None:
        """Fail if any of it holds a secret, or the beginning or the end of one."""
        parts = {part for secret in secrets for part in (secret, secret[:14], secret[-10:])}
        found = {part for part in parts for text in (*self.texts, *self._logs.lines) if part in text}
        assert found == set()


def _refusals(status_code: int, *, before: str = "", **options: Any) -> list[Any]:
    """Refuse every call with a text that quotes it."""
    return [
        StatusFault(route, status_code=status_code, message=f"{before}{sent}", **options)
        for route, sent in SENT.items()
    ]


FAULTS = [
    pytest.param(list, id="none"),
    pytest.param(lambda: _refusals(401, times=3), id="401"),
    pytest.param(lambda: _refusals(403, before="Invalid access token "), id="403"),
    pytest.param(lambda: _refusals(403, dialect="html", times=2), id="html"),
    pytest.param(lambda: _refusals(400), id="400"),
    pytest.param(lambda: _refusals(400, before="x" * 985, dialect="text"), id="cut-in-the-middle"),
    pytest.param(lambda: _refusals(503), id="503"),
    pytest.param(lambda: [WireFault("*", how="garbage", times=5)], id="garbage"),
    pytest.param(lambda: [WireFault("*", how="truncated", times=5)], id="truncated"),
    pytest.param(lambda: [WireFault("*", how="hang", times=3)], id="hang"),
    pytest.param(lambda: [LostResponse("*", times=3)], id="lost"),
    pytest.param(lambda: [DriftFault(route, body=[sent]) for route, sent in SENT.items()], id="not-the-api"),
    pytest.param(lambda: [DriftFault("oidc/token", body={"access_token": f"{PERSONAL} x"})], id="odd-token"),
    pytest.param(
        lambda: [StatusFault("*", status_code=302, headers={"Location": f"/login?token={PERSONAL}"})],
        id="redirect",
    ),
]


async def _live(
    workspace: Workspace, logs: _Kept, faults: list[Any], *, personal: str
) -> tuple[_Outputs, set[str]]:
    """Create, poll and cancel under faults; return what came out, with the secrets that went through."""
    outputs = _Outputs(logs)
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    outputs.keep(agent, agent._credentials, vars(agent), SHARED_POOL, Settings.from_environ({}))
    outputs.keep(ClientCredentials("id", CLIENT_SECRET), Credentials(lambda _: personal))
    metas = [await outputs.call(agent.create, _template(), task_execution_metadata=make_execution())]
    secrets = {CLIENT_SECRET, REGISTRY, VARIABLE, IN_TEMPLATE, INHERITED, *_minted(agent)}
    for fault in faults:
        workspace.faults.add(fault)
    again = DatabricksAgentV2(clock=VirtualTime(workspace))
    execution = make_execution(attempt=1)
    metas.append(await outputs.call(again.create, _template(), task_execution_metadata=execution))
    for meta in filter(None, metas):
        outputs.keep(meta, meta.encode())
        left = DatabricksJobMetadata.decode(meta.encode())
        left.inherited_token = INHERITED
        for pause in ("1s", "1h"):
            resource = await outputs.call(again.get, left)
            outputs.keep(resource.phase, resource.message, resource.log_links, vars(resource))
            await outputs.call(again.delete, meta)
            workspace.clock.advance(pause)
    pair = base64.b64encode(f"{workspace.client_id}:{CLIENT_SECRET}".encode()).decode()
    return outputs, secrets | {personal, pair, *_minted(again)}


def _minted(agent: DatabricksAgentV2) -> set[str]:
    entries = agent._credentials._access_tokens._entries.get().values()
    return {entry.token.text for entry in entries if entry.token is not None}


def _template() -> Template:
    return Template(
        {"databricksConf": CONF, "databricksToken": IN_TEMPLATE},
        container=Container(env={"A_TOKEN": VARIABLE}),
    )


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose token and client's secret are canaries."""
    workspace = Workspace(token=PERSONAL, client_secret=CLIENT_SECRET)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", PERSONAL)
    workspace.scenarios.add("*", [Outcome(error="ValueError: no", termination_code="RUN_EXECUTION_ERROR")])
    with workspace.intercept():
        # It hides what the environment says of Databricks.
        monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", workspace.host)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", CLIENT_SECRET)
        yield workspace


@pytest.mark.asyncio
@pytest.mark.parametrize("faults", FAULTS)
async def test_no_secret_comes_out_of_a_life_with_a_personal_token(
    place: Workspace, logs: _Kept, faults: Callable[[], list[Any]]
) -> None:
    """Not in metadata, messages, links, errors and their chains, reprs or any log, whatever the service quotes."""
    outputs, secrets = await _live(place, logs, faults(), personal=PERSONAL)
    assert len(workspace_calls(place)) > 2
    outputs.check(secrets)


@pytest.mark.asyncio
@pytest.mark.parametrize("faults", FAULTS)
async def test_no_secret_comes_out_of_a_life_with_an_oauth_client(
    place: Workspace, logs: _Kept, monkeypatch: pytest.MonkeyPatch, faults: Callable[[], list[Any]]
) -> None:
    """Nor the client's secret, nor an access token that it was given."""
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "oauth_m2m")
    monkeypatch.setitem(SENT, "runs/submit", f"{REGISTRY} {VARIABLE}")
    monkeypatch.setitem(SENT, "runs/get", INHERITED)
    monkeypatch.setitem(SENT, "runs/cancel", "nothing")
    outputs, secrets = await _live(place, logs, faults(), personal="no-personal-token")
    assert "oidc/token" in workspace_calls(place)
    outputs.check(secrets - {"no-personal-token"})


def workspace_calls(workspace: Workspace) -> list[str]:
    """Return the routes that were called."""
    return [entry.route for entry in workspace.journal]


@pytest.mark.shows_secret("exception", "it is planted")
@pytest.mark.shows_secret("log", "it is planted")
@pytest.mark.shows_secret("metadata", "it is planted")
@pytest.mark.shows_secret("repr", "it is planted")
@pytest.mark.shows_secret("resource", "it is planted")
@pytest.mark.asyncio
async def test_a_planted_canary_is_found(
    place: Workspace, logs: _Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let nothing be taken out of what the service says, and the same check fails."""
    monkeypatch.setattr("dbx_agent.api_call.redact", lambda content, _: content)
    outputs, secrets = await _live(place, logs, _refusals(400), personal=PERSONAL)
    with pytest.raises(AssertionError, match="canary-"):
        outputs.check(secrets)


@pytest.mark.shows_secret("log", "it is planted")
@pytest.mark.asyncio
async def test_a_planted_canary_in_a_log_is_found(
    place: Workspace, logs: _Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the agent that ours replaces logs the beginning of its token."""
    read = Credentials.token

    def token(credentials: Credentials) -> str:
        text = read(credentials)
        logging.getLogger("flytekit.dbx_agent").debug("using token %s...", text[:14])
        return text

    monkeypatch.setattr(Credentials, "token", token)
    outputs, secrets = await _live(place, logs, [], personal=PERSONAL)
    with pytest.raises(AssertionError, match="canary-"):
        outputs.check(secrets)
