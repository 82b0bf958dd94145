"""The deployment's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbx_agent.errors import ConfigurationError
from dbx_agent.instance import Instance
from dbx_agent.settings import _DEFAULT_SECONDS, _VARIABLES, Settings


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    """Nothing has to be set."""
    assert Settings.from_environ({}) == Settings()


def test_settings_are_read_from_the_environment() -> None:
    """Every variable has its field."""
    environ = {
        "FLYTE_DATABRICKS_INSTANCE": " http://127.0.0.1:8765 ",
        "FLYTE_DATABRICKS_AUTH_TYPE": "OAuth_M2M",
        "DATABRICKS_CLIENT_ID": "0a1b-client",
        "DBX_AGENT_TASK_TYPES": "databricks ,",
        "DBX_AGENT_ALLOWED_HOSTS": "*.Example.com, 127.0.0.1:9000,[::1]:80,",
        "DBX_AGENT_ALLOW_HTTP": "True",
        "DBX_AGENT_RETRYABLE_FAILURES": "no",
        "DBX_AGENT_CREATE_BUDGET_SECONDS": "20",
        "DBX_AGENT_GET_BUDGET_SECONDS": "1.5",
        "DBX_AGENT_DELETE_BUDGET_SECONDS": "4",
        "DBX_AGENT_CONNECT_TIMEOUT_SECONDS": "0.5",
        "DBX_AGENT_REQUEST_TIMEOUT_SECONDS": "600",
    }
    assert Settings.from_environ(environ) == Settings(
        instance=Instance("http", "127.0.0.1", 8765),
        task_types=("databricks",),
        allowed_hosts=("*.example.com", "127.0.0.1:9000", "[::1]:80"),
        allow_http=True,
        auth_type="oauth_m2m",
        client_id="0a1b-client",
        retryable_failures=False,
        create_budget_seconds=20.0,
        get_budget_seconds=1.5,
        delete_budget_seconds=4.0,
        connect_timeout_seconds=0.5,
        request_timeout_seconds=600.0,
    )


def test_all_mistakes_are_reported_at_once() -> None:
    """One sentence per mistake, in the order of the variables, each with its remedy."""
    environ = {
        "FLYTE_DATABRICKS_INSTANCE": "not a host",
        "FLYTE_DATABRICKS_AUTH_TYPE": "oidc_federation",
        "DATABRICKS_CLIENT_ID": "id:secret",
        "DBX_AGENT_TASK_TYPES": "spark,Databricks",
        "DBX_AGENT_ALLOWED_HOSTS": "https://example.com",
        "DBX_AGENT_ALLOW_HTTP": "maybe",
        "DBX_AGENT_RETRYABLE_FAILURES": "never",
        "DBX_AGENT_CREATE_BUDGET_SECONDS": "soon",
        "DBX_AGENT_GET_BUDGET_SECONDS": "-1",
    }
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert caught.value.problems == (
        "DBX_AGENT_ALLOW_HTTP is 'maybe'. Use true or false.",
        "DBX_AGENT_RETRYABLE_FAILURES is 'never'. Use true or false.",
        "DBX_AGENT_CREATE_BUDGET_SECONDS is 'soon'. Use seconds, more than 0 and at most 600.",
        "DBX_AGENT_GET_BUDGET_SECONDS is '-1'. Use seconds, more than 0 and at most 600.",
        (
            "FLYTE_DATABRICKS_INSTANCE is 'not a host', which is no host. Use a host such as "
            "'dbc-1234.cloud.databricks.com'."
        ),
        "DBX_AGENT_TASK_TYPES contains 'Databricks'. Use spark or databricks, or both, separated by a comma.",
        (
            "DBX_AGENT_ALLOWED_HOSTS contains 'https://example.com'. Use hosts or globs without a scheme, "
            "such as '*.databricks.example.com', separated by commas."
        ),
        (
            "FLYTE_DATABRICKS_AUTH_TYPE is 'oidc_federation'. Use pat for a personal token or oauth_m2m for an "
            "OAuth client."
        ),
        (
            "DATABRICKS_CLIENT_ID has characters that no id has. Use the application id of a service principal."
        ),
    )


@pytest.mark.parametrize("text", ["0", "nan", "inf", "601", "", "1e400"])
def test_seconds_are_finite_positive_and_bounded(text: str) -> None:
    """A budget of no time, or of for ever, is a mistake."""
    with pytest.raises(ConfigurationError, match="DBX_AGENT_GET_BUDGET_SECONDS"):
        Settings.from_environ({"DBX_AGENT_GET_BUDGET_SECONDS": text})


def test_what_kubernetes_adds_for_a_service_named_dbx_agent_is_no_mistake() -> None:
    """Names that begin like ours are left alone."""
    environ = {"DBX_AGENT_PORT": "tcp://10.0.0.7:8000", "DBX_AGENT_SERVICE_HOST": "10.0.0.7"}
    assert Settings.from_environ(environ) == Settings()


def test_page_names_every_variable_and_its_default() -> None:
    """Who deploys the agent finds each variable in docs/agent/running.md."""
    page = (Path(__file__).parents[2] / "docs" / "agent" / "running.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for variable in _VARIABLES:
        [row] = [row for row in rows if f"`{variable}`" in row]
        if variable in _DEFAULT_SECONDS:
            assert f"`{_DEFAULT_SECONDS[variable]:g}`" in row
