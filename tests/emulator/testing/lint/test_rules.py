"""Each rule finds the client that breaks it, and nothing in the corrected one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from dbx_emulator import Workspace
from dbx_emulator.testing.lint import RULES

from .clients import PAIRS, Client, Pair

#: Some of the clients are stopped by what they do; what they leave behind is what is judged.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestWarning")

_PAIRS = [pytest.param(pair, id=f"{pair.rule_id}-{pair.name}") for pair in PAIRS]


@pytest.fixture
def client(databricks: Workspace) -> Iterator[Client]:
    """A client that names its product and has a timeout."""
    headers = databricks.headers | {"User-Agent": "nightly-loader/1.4"}
    transport = databricks.transport()
    with httpx.Client(transport=transport, base_url=databricks.url, headers=headers, timeout=30) as http:
        yield Client(http, databricks)


@pytest.mark.parametrize("pair", _PAIRS)
def test_bad_client_breaks_this_rule_alone(pair: Pair, client: Client) -> None:
    """There is one finding, of the rule that the mistake is about."""
    pair.prepare(client.workspace)
    pair.bad(client)
    [finding] = client.workspace.lint.findings()
    assert (finding.rule_id, pair.said in finding.message) == (pair.rule_id, True), finding
    assert (finding.severity, finding.remedy) == (RULES[pair.rule_id].severity, RULES[pair.rule_id].remedy)


@pytest.mark.parametrize("pair", _PAIRS)
def test_corrected_client_breaks_no_rule(pair: Pair, client: Client) -> None:
    """In the same situation there is nothing to say of it."""
    pair.prepare(client.workspace)
    pair.good(client)
    assert client.workspace.lint.findings() == ()


def test_every_rule_has_a_bad_client() -> None:
    """None of the rules is without one."""
    assert {pair.rule_id for pair in PAIRS} == set(RULES)
