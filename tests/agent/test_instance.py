"""A workspace's address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.errors import ConfigurationError
from dbx_agent.instance import read_instance


@pytest.mark.parametrize(
    ("text", "origin", "name"),
    [
        pytest.param(
            "dbc-1.cloud.databricks.com",
            "https://dbc-1.cloud.databricks.com",
            "dbc-1.cloud.databricks.com",
            id="bare-host",
        ),
        pytest.param(
            " https://DBC-1.Cloud.Databricks.com./?o=12 ",
            "https://dbc-1.cloud.databricks.com",
            "dbc-1.cloud.databricks.com",
            id="from-the-browser",
        ),
        pytest.param("host:8443", "https://host:8443", "host:8443", id="port"),
        pytest.param("https://host:443", "https://host", "host", id="default-port"),
        pytest.param(
            "http://127.0.0.1:8765", "http://127.0.0.1:8765", "http://127.0.0.1:8765", id="loopback"
        ),
        pytest.param("http://localhost", "http://localhost", "http://localhost", id="localhost"),
        pytest.param("http://a.localhost", "http://a.localhost", "http://a.localhost", id="below-localhost"),
        pytest.param("http://[::1]:80", "http://[::1]", "http://[::1]", id="ipv6"),
    ],
)
def test_instance_is_a_host_or_a_url(text: str, origin: str, name: str) -> None:
    """A bare host means https; the short name reads back as the same instance."""
    instance = read_instance(text, field="f", allow_http=False)
    assert (instance.origin, instance.name) == (origin, name)
    assert read_instance(name, field="f", allow_http=False) == instance


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "not a host",
        "-host",
        "host-.com",
        "a..b",
        "host/path",
        "https://host/jobs/1",
        "ftp://host",
        "host:port",
        "host:99999",
        "host\\evil",
        "ho\nst",
        "höst",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://[v1.x]",
        "https://[v1.a:b]",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "https://host:443:443",
    ],
)
def test_instance_that_is_no_host_names_the_field_and_the_remedy(text: str) -> None:
    """The message says which field, what it holds and what it should hold."""
    with pytest.raises(ConfigurationError, match=r"databricksInstance is .* no host\. Use a host such as"):
        read_instance(text, field="databricksInstance", allow_http=True)


def test_instance_with_a_password_is_refused_without_showing_it() -> None:
    """What stands before an @ may be a secret."""
    with pytest.raises(ConfigurationError, match="contains '@'") as caught:
        read_instance("https://user:canary-x@host", field="databricksInstance", allow_http=True)
    assert "canary" not in str(caught.value)


def test_plain_http_stays_on_this_machine_unless_allowed() -> None:
    """The token travels in the header."""
    with pytest.raises(ConfigurationError, match="DBX_AGENT_ALLOW_HTTP=true"):
        read_instance("http://10.0.0.1", field="f", allow_http=False)
    assert read_instance("http://10.0.0.1", field="f", allow_http=True).origin == "http://10.0.0.1"


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost", True),
        ("host", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_told_by_its_spelling(text: str, loopback: bool) -> None:  # noqa: FBT001
    """No name is looked up for it."""
    assert read_instance(text, field="f", allow_http=False).is_loopback is loopback


@given(text=st.text())
def test_instance_is_read_or_refused(text: str) -> None:
    """Whatever people write is an address or a ConfigurationError."""
    try:
        instance = read_instance(text, field="f", allow_http=True)
    except ConfigurationError:
        return
    assert read_instance(instance.name, field="f", allow_http=True) == instance
