"""Personal tokens: rotated, refused, inherited, and sent nowhere that the deployment does not allow."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from dbx_agent.agent import DatabricksAgentV2, DatabricksJobMetadata, get_header
from dbx_agent.credentials import CLIENT_SECRET_KEY, SECRET_KEY, Credentials, is_token_refused
from dbx_agent.errors import ApiCallError, ConfigurationError, CredentialsError
from dbx_agent.settings import Settings
from dbx_emulator import StatusFault, Workspace
from tests.agent.support import CONF, ManualClock, Template, make_execution

from .virtual import VirtualTime, submit

pytestmark = [pytest.mark.flyte, pytest.mark.behaviour(9)]

TOKEN = "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN"


@pytest.mark.fact("agent.token.refused-403")
@pytest.mark.parametrize(
    ("error", "refused"),
    [
        pytest.param(ApiCallError("x", status_code=401), True, id="401"),
        pytest.param(ApiCallError("Invalid access token.", status_code=403), True, id="json"),
        pytest.param(ApiCallError("Error 403 Invalid access token.", status_code=403), True, id="html"),
        pytest.param(
            ApiCallError("Token is expiring within 30 seconds. (token expired)", status_code=403),
            True,
            id="expiring",
        ),
        pytest.param(
            ApiCallError("Invalid access token", status_code=403, error_code="PERMISSION_DENIED"),
            False,
            id="permission-denied",
        ),
        pytest.param(ApiCallError("not authorized", status_code=403), False, id="other-403"),
        pytest.param(ApiCallError("Invalid access token", status_code=400), False, id="400"),
        pytest.param(ApiCallError("no answer"), False, id="no-answer"),
    ],
)
def test_a_refused_token_is_told_from_a_missing_permission(
    error: ApiCallError,
    refused: bool,  # noqa: FBT001
) -> None:
    """By status and words; a permission that is missing is missing with the next token too."""
    assert is_token_refused(error) is refused


@pytest.mark.asyncio
@pytest.mark.parametrize("refusal", ["401-json", "403-json", "403-html", "expiring"])
async def test_a_token_that_was_rotated_meanwhile_is_read_again(
    workspace: Workspace, refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one in hand is refused; the secret holds another by now, and the call is made once more with that."""
    old = workspace.issue_token(lifetime="1h", refusal=refusal)
    tokens = iter([old, old, workspace.token, workspace.token])
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    agent._credentials = Credentials(lambda key: next(tokens) if key == SECRET_KEY else "", environ={})
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "pat")
    meta = await submit(agent)
    workspace.clock.advance("1h")
    assert "could not be read" not in (await agent.get(meta)).message
    assert [entry.status_code for entry in workspace.journal.calls("runs/get")] == [
        int(refusal[:3]) if refusal[:3].isdigit() else 403,
        200,
    ]


@pytest.mark.asyncio
async def test_a_refused_token_without_another_is_asked_once(workspace: Workspace) -> None:
    """Neither a storm of the same token, nor a second refusal hidden by the first."""
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    meta = await submit(agent)
    workspace.revoke_token(workspace.token)
    assert "Invalid access token" in (await agent.get(meta)).message
    assert len(workspace.journal.calls("runs/get")) == 1


@pytest.mark.asyncio
async def test_a_missing_permission_is_not_a_reason_for_another_token(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The OAuth client may not see the run: one request, no new token."""
    meta = await submit(DatabricksAgentV2())
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "oauth_m2m")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", workspace.client_secret)
    workspace.faults.add(StatusFault("runs/get", status_code=403, error_code="PERMISSION_DENIED"))
    await DatabricksAgentV2(clock=VirtualTime(workspace)).get(meta)
    assert len(workspace.journal.calls("oidc/token")) == 1
    assert {entry.status_code for entry in workspace.journal.calls("runs/get")} == {403}


def _inherited(workspace: Workspace, run_id: str, token: str) -> DatabricksJobMetadata:
    meta = DatabricksJobMetadata(workspace.host, run_id)
    meta.inherited_token = token
    return meta


@pytest.mark.weakness(11)
@pytest.mark.asyncio
@pytest.mark.parametrize("own", ["absent", "refused", "not-permitted"])
async def test_a_token_that_an_older_agent_left_serves_where_the_deployments_does_not(
    workspace: Workspace, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in each call, for that run; a run whose token has ended in turn is refused and not asked for ever."""
    meta = await submit(DatabricksAgentV2())
    left = workspace.issue_token(lifetime="1h")
    tokens = {"absent": "", "refused": "canary-wrong", "not-permitted": workspace.issue_token("guest")}
    monkeypatch.setenv(TOKEN, tokens[own])
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    inherited = _inherited(workspace, meta.run_id, left)
    assert "could not be read" not in (await agent.get(inherited)).message
    statuses = [entry.status_code for entry in workspace.journal.calls("runs/get")]
    assert statuses == ([200] if own == "absent" else [403, 200])
    workspace.clock.advance("1h")
    assert "Invalid access token" in (await agent.get(inherited)).message
    assert len(workspace.journal.calls("runs/get")) == len(statuses) * 2


@pytest.mark.weakness(11)
@pytest.mark.asyncio
async def test_a_token_that_an_older_agent_left_is_not_used_where_ours_is_good(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request, with the deployment's own; and one that no header can carry is as none."""
    agent = DatabricksAgentV2(clock=VirtualTime(workspace))
    meta = await submit(agent)
    assert "could not be read" not in (await agent.get(_inherited(workspace, meta.run_id, "left"))).message
    assert len(workspace.journal.calls("runs/get")) == 1
    monkeypatch.setenv(TOKEN, "")
    assert (
        "There is no Databricks token" in (await agent.get(_inherited(workspace, meta.run_id, "a b"))).message
    )


@pytest.fixture
def sent(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Every request that leaves, whatever its host."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"run_id": 7})

    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", httpx.MockTransport(answer))
    return requests


@pytest.mark.weakness(12)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host",
    ["evil.example", "http://127.0.0.1:1", "169.254.169.254", "dbc-1.cloud.databricks.com.evil.example"],
)
async def test_credentials_go_to_no_host_that_a_task_invents(
    sent: list[httpx.Request], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Neither with a personal token nor with an OAuth client, nor for a run that somebody wrote into metadata."""
    template = Template({"databricksConf": CONF, "databricksInstance": host})
    for auth_type in ("pat", "oauth_m2m"):
        monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", auth_type)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", "id")
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "canary-secret")
        agent = DatabricksAgentV2(clock=ManualClock())
        meta = await agent.create(template, task_execution_metadata=make_execution())
        assert "DBX_AGENT_ALLOWED_HOSTS" in meta.rejected
        forged = DatabricksJobMetadata(host, "7")
        forged.inherited_token = "left"
        await agent.get(forged)
        with pytest.raises(ConfigurationError):
            await agent.delete(forged)
    assert sent == []


@pytest.mark.weakness(13)
@pytest.mark.asyncio
async def test_no_file_and_no_secret_is_read_because_a_task_names_it(
    sent: list[httpx.Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The keys by which upstream's tasks choose secrets, clients and files change nothing."""
    (tmp_path / "stolen").write_text("stolen-file")
    monkeypatch.setenv("_FSEC_OTHER_SECRET", "canary-stolen-secret")
    keys = {
        "databricksTokenSecret": "OTHER_SECRET",
        "databricksOauthSecret": "OTHER_SECRET",
        "databricksOidcTokenFile": str(tmp_path / "stolen"),
        "databricksClientId": "stolen-client",
        "databricksAuthType": "oidc_federation",
        "databricksToken": "stolen-token",
    }
    agent = DatabricksAgentV2(clock=ManualClock())
    asked: list[str] = []
    read = agent._credentials._read_secret
    agent._credentials._read_secret = lambda key: asked.append(key) or read(key)  # type: ignore[func-returns-value]
    await agent.create(Template({"databricksConf": CONF, **keys}), task_execution_metadata=make_execution())
    [request] = sent
    assert set(asked) == {SECRET_KEY}
    assert "stolen" not in f"{request.url} {request.headers.raw} {request.content!r}"


@pytest.mark.weakness(14)
@pytest.mark.asyncio
async def test_a_slow_token_stops_no_other_call(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one create waits for its access token, another task of the loop goes on."""
    opened = asyncio.Event()
    transport: httpx.AsyncBaseTransport = workspace.transport()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await opened.wait()
            return await transport.handle_async_request(request)

    monkeypatch.setattr("dbx_agent.client.SHARED_POOL._transport", Slow())
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "oauth_m2m")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", workspace.client_id)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", workspace.client_secret)
    creating = asyncio.create_task(submit(DatabricksAgentV2()))

    async def other() -> int:
        return 7

    assert await asyncio.create_task(other()) == 7
    assert not creating.done()
    opened.set()
    assert (await creating).run_id


@pytest.mark.weakness(24)
def test_get_header_takes_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no namespace to be taken from one; the token is the deployment's."""
    monkeypatch.setenv(TOKEN, "canary-token")
    assert get_header()["Authorization"] == "Bearer canary-token"
    with pytest.raises(TypeError):
        get_header(Template({}))  # type: ignore[call-arg]


@pytest.mark.weakness(25)
@pytest.mark.asyncio
async def test_a_bad_auth_type_is_no_matter_of_import(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making the agents raises nothing; the call that needs it names the variable, for both task types."""
    monkeypatch.setenv("FLYTE_DATABRICKS_AUTH_TYPE", "kerberos")
    agent = DatabricksAgentV2()
    with pytest.raises(
        ConfigurationError, match=r"FLYTE_DATABRICKS_AUTH_TYPE is 'kerberos'. Use pat .* oauth_m2m"
    ):
        await submit(agent)
    assert len(workspace.journal) == 0


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        pytest.param({}, "Set DATABRICKS_CLIENT_ID in the agent's deployment", id="no-client"),
        pytest.param(
            {"DATABRICKS_CLIENT_ID": "me"},
            "no secret for the OAuth client me. Set DATABRICKS_CLIENT_SECRET in the agent's deployment, or "
            "provide it as a secret: the variable _FSEC_DATABRICKS_CLIENT_SECRET",
            id="no-secret",
        ),
        pytest.param(
            {"DATABRICKS_CLIENT_ID": "me", "DATABRICKS_CLIENT_SECRET": "canary-secret x"},
            f"The secret {CLIENT_SECRET_KEY} is no token",
            id="secret-with-blanks",
        ),
    ],
)
def test_a_bad_client_names_the_variable_and_the_remedy(secrets: dict[str, str], says: str) -> None:
    """And never what was found in a secret."""
    credentials = Credentials(lambda key: secrets.get(key, ""), environ={})
    with pytest.raises(CredentialsError) as caught:
        credentials.client(Settings(auth_type="oauth_m2m"))
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_client_that_is_gone_cannot_be_renewed(workspace: Workspace) -> None:
    """The secret vanished after the token was refused: the refusal is what is told."""
    settings = Settings.from_environ({"FLYTE_DATABRICKS_INSTANCE": workspace.host})
    assert settings.instance is not None
    credentials = Credentials(lambda _: "", environ={})
    assert credentials.renew("old", settings.instance, settings) is False
