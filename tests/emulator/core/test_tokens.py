"""What opens a workspace, and until when."""

from __future__ import annotations

import pytest

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.tokens import REFUSALS, Tokens


def _tokens() -> tuple[Tokens, Clock]:
    clock = Clock()
    return Tokens("first", further=["second"], clock=clock), clock


def test_tokens_open_for_whom_they_were_issued() -> None:
    """Those given at the beginning are the user's; a stranger's opens nothing."""
    tokens, _ = _tokens()
    guest, expired = tokens.issue("guest"), tokens.issue(Principal.EXPIRED)
    found = [tokens.principal(each) for each in ("first", "second", guest, expired, "other", None)]
    assert found == [Principal.USER, Principal.USER, Principal.GUEST, None, None, None]
    assert [each in tokens for each in ("first", guest, expired, "other")] == [True, True, True, False]
    assert tokens.find("other") is None


@pytest.mark.parametrize(
    ("refusal", "good_for"), [(each, 3_570 if each == "expiring" else 3_600) for each in REFUSALS]
)
def test_token_ends_in_virtual_time(refusal: str, good_for: int) -> None:
    """After its lifetime it opens nothing; one that is said to be expiring, half a minute before."""
    tokens, clock = _tokens()
    token = tokens.issue(lifetime="1h", refusal=refusal)
    clock.advance(good_for - 1)
    assert tokens.principal(token) is Principal.USER
    clock.advance(1)
    assert tokens.principal(token) is None
    found = tokens.find(token)
    assert found is not None
    assert found.refusal == refusal


def test_token_can_be_revoked() -> None:
    """From then on it opens nothing, and is still known to have been one."""
    tokens, _ = _tokens()
    tokens.revoke("second")
    assert (tokens.principal("second"), "second" in tokens, tokens.principal("first")) == (
        None,
        True,
        Principal.USER,
    )
    with pytest.raises(UsageError, match="never opened this workspace"):
        tokens.revoke("other")


def test_token_can_be_rotated() -> None:
    """The old one is refused, the new one opens, and whoever follows is told while it follows."""
    tokens, _ = _tokens()
    told: list[tuple[str, str]] = []
    with tokens.followed(lambda old, new: told.append((old, new))):
        new = tokens.rotate()
    newest = tokens.rotate()
    assert tokens.current == newest
    assert [tokens.principal(each) for each in ("first", new, newest)] == [None, None, Principal.USER]
    assert told == [("first", new)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"principal": "gest"}, "nearest: guest", id="principal"),
        pytest.param({"refusal": "403-jsn"}, "nearest: 403-json", id="refusal"),
        pytest.param({"lifetime": "soon"}, "lifetime: 'soon' is no duration", id="lifetime"),
    ],
)
def test_token_that_cannot_be_is_refused(fields: dict[str, str], said: str) -> None:
    """The value and what is allowed are named."""
    tokens, _ = _tokens()
    with pytest.raises(UsageError, match=said):
        tokens.issue(**fields)
