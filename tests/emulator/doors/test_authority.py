"""The authority: who is believed, under which names, by whom."""

from __future__ import annotations

import ssl
import sys

import pytest

from dbx_emulator import UsageError
from dbx_emulator.doors.authority import Authority, trusting


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Return the client's side of a TLS connection.

    Raises:
        ssl.SSLError: One side does not want it.
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    left = list(sides)
    while left:
        side = left.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            left.append(side)
    return sides[0]


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "adb-7.12.azuredatabricks.net"])
def test_server_is_believed_under_each_of_its_names(name: str) -> None:
    """One certificate names hosts and addresses alike."""
    authority = Authority()
    names = {"127.0.0.1", "::1", "localhost", "adb-7.12.azuredatabricks.net"}
    client = _shake_hands(authority.server_context(names), trusting(authority.ca_pem), name)
    assert client.selected_alpn_protocol() == "http/1.1"


def test_server_is_not_believed_under_another_name() -> None:
    """Verification is what it always is."""
    authority = Authority()
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'another'"):
        _shake_hands(authority.server_context({"localhost"}), trusting(authority.ca_pem), "another")


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(ssl.create_default_context, id="the-world"),
        pytest.param(lambda: trusting(Authority().ca_pem), id="another-authority"),
    ],
)
def test_server_is_not_believed_by_those_who_trust_others(client: object) -> None:
    """Each authority is new, and nobody's trust comes by itself."""
    assert callable(client)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
        _shake_hands(Authority().server_context({"localhost"}), client(), "localhost")


def test_who_trusts_the_authority_trusts_no_other() -> None:
    """The world's authorities are not among those of `trusting`."""
    assert len(trusting(Authority().ca_pem).get_ca_certs()) == 1


def test_name_that_no_certificate_can_have_is_refused() -> None:
    """A host that is no host name is named."""
    with pytest.raises(UsageError, match=r"^host: a certificate cannot name it: .*under_score"):
        Authority().server_context({"localhost", "under_score"})


def test_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trustme there is no authority, and the message says how to get it."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs trustme, which is not installed; .*pip install"):
        Authority()
