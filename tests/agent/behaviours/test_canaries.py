"""No secret leaves: marked secrets are sent through whole lives under faults, and looked for in all that comes out."""

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
]

PERSONAL = "canary-personal-0123456789"
CLIENT_SECRET = "canary-client-secret-0123456789"
INHERITED = "canary-inherited-0123456789"
REGISTRY = 'canary-registry-"<0123>"'
VARIABLE = "canary-variable-0123456789"
IN_TEMPLATE = "canary-template-0123456789"

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

#: What a service says that quotes what it was sent.
QUOTING = " ".join([PERSONAL, CLIENT_SECRET, INHERITED, REGISTRY, VARIABLE])


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


FAULTS = [
    pytest.param(lambda: [], id="none"),
    pytest.param(lambda: [StatusFault("*", status_code=401, message=QUOTING, times=3)], id="401"),
    pytest.param(
        lambda: [StatusFault("*", status_code=403, message=f"Invalid access token {QUOTING}")], id="403"
    ),
    pytest.param(
        lambda: [StatusFault("*", status_code=403, message=QUOTING, dialect="html", times=4)], id="html"
    ),
    pytest.param(lambda: [StatusFault("runs/*", status_code=400, message=QUOTING)], id="400"),
    pytest.param(
        lambda: [StatusFault("runs/*", status_code=400, message=f"{'x' * 985}{QUOTING}", dialect="text")],
        id="cut-in-the-middle",
    ),
    pytest.param(lambda: [StatusFault("oidc/token", status_code=400, message=QUOTING)], id="token-400"),
    pytest.param(lambda: [StatusFault("*", status_code=503, message=QUOTING)], id="503"),
    pytest.param(lambda: [WireFault("*", how="garbage", times=5)], id="garbage"),
    pytest.param(lambda: [WireFault("*", how="truncated", times=5)], id="truncated"),
    pytest.param(lambda: [WireFault("*", how="hang", times=3)], id="hang"),
    pytest.param(lambda: [LostResponse("*", times=3)], id="lost"),
    pytest.param(lambda: [DriftFault("runs/*", body=[QUOTING])], id="not-the-api"),
    pytest.param(lambda: [DriftFault("oidc/token", body={"access_token": f"{PERSONAL} x"})], id="odd-token"),
    pytest.param(
        lambda: [StatusFault("*", status_code=302, headers={"Location": f"/login?token={PERSONAL}"})],
        id="redirect",
    ),
]


async def _live(workspace: Workspace, logs: _Kept, *, template: Template) -> tuple[_Outputs, set[str]]:
    """Create, poll and cancel, and return what came out, with the secrets that went through."""
    outputs = _Outputs(logs)
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    outputs.keep(agent, agent._credentials, vars(agent), SHARED_POOL, Settings.from_environ({}))
    outputs.keep(ClientCredentials("id", CLIENT_SECRET), Credentials(lambda _: PERSONAL))
    meta = await outputs.call(
        agent.create, template, output_prefix="s3://out", task_execution_metadata=make_execution()
    )
    meta = meta or DatabricksJobMetadata(workspace.host, "7")
    outputs.keep(meta, meta.encode())
    meta.inherited_token = INHERITED
    for pause in ("1s", "5m", "2h"):
        resource = await outputs.call(agent.get, meta)
        outputs.keep(resource.phase, resource.message, resource.log_links, resource.custom_info)
        await outputs.call(agent.delete, DatabricksJobMetadata(workspace.host, meta.run_id))
        workspace.clock.advance(pause)
    pair = base64.b64encode(f"{workspace.client_id}:{CLIENT_SECRET}".encode()).decode()
    secrets = {PERSONAL, CLIENT_SECRET, REGISTRY, VARIABLE, IN_TEMPLATE, pair, *_minted(agent)}
    return outputs, secrets


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
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", workspace.host)
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", PERSONAL)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", CLIENT_SECRET)
    workspace.scenarios.add("*", [Outcome(error="ValueError: no", termination_code="RUN_EXECUTION_ERROR")])
    with workspace.intercept():
        yield workspace


@pytest.mark.asyncio
@pytest.mark.parametrize("auth_type", ["pat", "oauth_m2m"])
@pytest.mark.parametrize("faults", FAULTS)
async def test_no_secret_comes_out_of_a_life(
    place: Workspace,
    logs: _Kept,
    monkeypatch: pytest.MonkeyPatch,
    auth_type: str,
    *,
    faults: Callable[[], list[Any]],
) -> None:
    """Not in metadata, messages, links, errors and their chains, reprs or any log, whatever the service quotes."""
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", auth_type)
    for fault in faults():
        place.faults.add(fault)
    outputs, secrets = await _live(place, logs, template=_template())
    assert len(outputs.texts) > 10
    outputs.check(secrets)


@pytest.mark.asyncio
async def test_a_planted_canary_is_found(
    place: Workspace, logs: _Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let nothing be taken out of what the service says, and the same check fails."""
    monkeypatch.setattr("dbx_agent.api_call.redact", lambda content, _: content)
    place.faults.add(StatusFault("runs/*", status_code=400, message=QUOTING))
    outputs, secrets = await _live(place, logs, template=_template())
    with pytest.raises(AssertionError, match="canary-"):
        outputs.check(secrets)


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
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "pat")
    outputs, secrets = await _live(place, logs, template=_template())
    with pytest.raises(AssertionError, match="canary-"):
        outputs.check(secrets)
