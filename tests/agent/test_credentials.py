"""The token, and where it may go."""

from __future__ import annotations

import asyncio

import pytest

from dbx_agent.access_tokens import Fetch
from dbx_agent.budget import Budget
from dbx_agent.credentials import Credentials, is_host_allowed
from dbx_agent.errors import ConfigurationError, CredentialsError
from dbx_agent.instance import read_instance
from dbx_agent.oauth import ClientCredentials
from dbx_agent.settings import Settings

from .support import CANARY

DEPLOYED = Settings(instance=read_instance("http://127.0.0.1:8765", field="f", allow_http=False))


@pytest.mark.fact("agent.hosts.databricks")
@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        pytest.param("dbc-1.cloud.databricks.com", True, id="aws"),
        pytest.param("adb-1.2.azuredatabricks.net", True, id="azure"),
        pytest.param("adb-1.2.databricks.azure.cn", True, id="azure-china"),
        pytest.param("adb-1.2.databricks.azure.us", True, id="azure-government"),
        pytest.param("1.2.gcp.databricks.com", True, id="gcp"),
        pytest.param("cloud.databricks.com", False, id="no-workspace"),
        pytest.param("dbc-1.cloud.databricks.com.evil.example", False, id="suffix"),
        pytest.param("evilcloud.databricks.com", False, id="prefix"),
        pytest.param("data.example.com", False, id="foreign"),
        pytest.param("http://localhost:8080", False, id="loopback"),
        pytest.param("169.254.169.254", False, id="metadata-service"),
    ],
)
def test_a_task_may_name_only_hosts_of_databricks(host: str, allowed: bool) -> None:  # noqa: FBT001
    """Without a word from the deployment, its token goes to workspaces of the known clouds alone."""
    assert is_host_allowed(read_instance(host, field="f", allow_http=False), Settings()) is allowed


@pytest.mark.parametrize(
    ("host", "settings", "allowed"),
    [
        pytest.param("http://127.0.0.1:8765", DEPLOYED, True, id="the-deployment's-own"),
        pytest.param("http://127.0.0.1:22", DEPLOYED, False, id="another-port-of-it"),
        pytest.param("data.example.com", Settings(allowed_hosts=("*.example.com",)), True, id="glob"),
        pytest.param("http://localhost:1", Settings(allowed_hosts=("localhost",)), True, id="any-port"),
        pytest.param("http://localhost:1", Settings(allowed_hosts=("localhost:1",)), True, id="that-port"),
        pytest.param(
            "http://localhost:2", Settings(allowed_hosts=("localhost:1",)), False, id="not-that-port"
        ),
        pytest.param("http://[::1]:1", Settings(allowed_hosts=("[::1]:1",)), True, id="ipv6"),
    ],
)
def test_the_deployment_names_further_hosts(host: str, settings: Settings, allowed: bool) -> None:  # noqa: FBT001
    """Its own instance on its own port, and its list; loopback like any other host."""
    assert is_host_allowed(read_instance(host, field="f", allow_http=False), settings) is allowed


@pytest.mark.weakness(12)
def test_a_refused_host_gets_no_token() -> None:
    """The secret is not even read; the message names the field and the remedy."""
    reads: list[str] = []

    def read_secret(key: str) -> str:
        reads.append(key)
        return CANARY

    with pytest.raises(
        ConfigurationError, match=r"databricksInstance names evil\.example.*DBX_AGENT_ALLOWED_HOSTS"
    ):
        asyncio.run(_ask(Credentials(read_secret), "evil.example"))
    assert reads == []


def test_a_rotated_token_is_picked_up() -> None:
    """The secret is read for each use."""
    tokens = iter(["first", " second\n"])
    credentials = Credentials(lambda _: next(tokens))
    assert [asyncio.run(_ask(credentials, "dbc-1.cloud.databricks.com")) for _ in range(2)] == [
        "first",
        "second",
    ]


async def _ask(credentials: Credentials, host: str) -> str:
    """Ask for the token that a workspace gets; a personal one is nowhere fetched."""
    instance = read_instance(host, field="f", allow_http=False)
    settings = Settings(auth_type="pat")
    budget = Budget(started_at=0.0, limit_seconds=1.0)
    return await credentials.token_for(instance, settings, budget=budget, fetch=_no_fetch)


def _no_fetch(client: ClientCredentials) -> Fetch:
    raise AssertionError(client)


def _fail(error: Exception) -> str:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError(f"not in {CANARY}"), id="missing"),
        pytest.param(OSError(f"cannot read {CANARY}"), id="unreadable"),
    ],
)
def test_a_missing_token_says_where_to_put_it(error: Exception) -> None:
    """What the secret manager says is not repeated."""
    with pytest.raises(CredentialsError, match="_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN") as caught:
        Credentials(lambda _: _fail(error)).token()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "token", ["", " ", f"{CANARY} x", f"{CANARY}\nHost: x", f"{CANARY}é", f"{CANARY}\x00"]
)
def test_what_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    """The HTTP library would quote it."""
    with pytest.raises(CredentialsError) as caught:
        Credentials(lambda _: token).token()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("secrets", "is_enough"),
    [
        pytest.param({"FLYTE_DATABRICKS_ACCESS_TOKEN": CANARY}, True, id="token"),
        pytest.param({"DATABRICKS_CLIENT_ID": "c", "DATABRICKS_CLIENT_SECRET": CANARY}, True, id="client"),
        pytest.param({"DATABRICKS_CLIENT_ID": "c"}, False, id="client-without-secret"),
        pytest.param({}, False, id="nothing"),
    ],
)
def test_credentials_are_there_or_not(secrets: dict[str, str], is_enough: bool) -> None:  # noqa: FBT001
    """A deployment is ready with a token or with a client and its secret; nobody is asked whether they open."""

    def read_secret(key: str) -> str:
        if key not in secrets:
            raise ValueError(key)
        return secrets[key]

    credentials = Credentials(read_secret, environ={})
    if is_enough:
        credentials.require(Settings())
    else:
        with pytest.raises(CredentialsError):
            credentials.require(Settings())
