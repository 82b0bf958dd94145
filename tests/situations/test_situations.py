"""Each situation that the kit can make, as an unmodified client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import httpx
import pytest
from databricks.sdk import WorkspaceClient

from dbx_emulator import Workspace
from tests.situations.page import PAGE, render
from tests.situations.situation import Client, Sees, Situation
from tests.situations.told import SITUATIONS

#: The fixture warns of what a situation has prepared and this client does not meet.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestWarning")

_SEEN = [
    pytest.param(each, sees, id=f"{each.number:02}-{each.arrange.__name__}-{sees.__name__}")
    for each in SITUATIONS
    for sees in each.sees
]

#: The numbers that are owed.
_OWED = set(range(1, 26))


@pytest.fixture
def http(databricks: Workspace) -> Iterator[httpx.Client]:
    """A client of httpx as a user makes it."""
    with httpx.Client(base_url=databricks.url, headers=databricks.headers, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("situation", "sees"), _SEEN)
def test_client_sees_the_situation(request: pytest.FixtureRequest, situation: Situation, sees: Sees) -> None:
    """What it sees is what the situation is about."""
    request.node.add_marker(pytest.mark.databricks(**situation.marker))
    databricks: Workspace = request.getfixturevalue("databricks")
    client = Client(databricks, WorkspaceClient(), request.getfixturevalue("http"))
    with situation.arrange(databricks) or nullcontext():
        sees(client)


@pytest.mark.parametrize(("situation", "sees"), _SEEN)
def test_plain_success_does_not_look_like_it(
    databricks: Workspace, http: httpx.Client, situation: Situation, sees: Sees
) -> None:
    """Without the situation's lines the same client sees something else, and the test above would fail."""
    with pytest.raises((Exception, pytest.fail.Exception)):
        sees(Client(databricks, WorkspaceClient(), http))


def test_every_situation_that_is_owed_is_shown() -> None:
    """None of the numbers is without a client that looks."""
    assert {each.number for each in SITUATIONS if each.sees} == _OWED
    assert [each for each in SITUATIONS if not each.sees] == []


def test_page_of_the_situations_is_current() -> None:
    """The documentation shows the lines that are tested here."""
    assert PAGE.read_text(encoding="utf-8") == render()
