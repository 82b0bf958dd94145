"""The servers that an interception lends: when they start, whom they convince, when they end."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from dbx_emulator import Workspace
from dbx_emulator.doors.loopback import Address, address_of, lent_servers
from dbx_emulator.doors.patching import RefusedHost


def _connect(address: Address, name: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", address.port)) as connection,
        address.context.wrap_socket(connection, server_hostname=name),
    ):
        pass


def test_server_starts_when_it_is_needed_and_only_once(workspace: Workspace) -> None:
    """One with and one without TLS, each with a port and a mark of its own."""
    threads = threading.active_count()
    with lent_servers(workspace):
        assert threading.active_count() == threads
        addresses = [address_of(workspace, tls=tls) for tls in (False, True, False, True)]
        assert threading.active_count() == threads + 2
        assert addresses[:2] == addresses[2:]
        assert len({address.port for address in addresses}) == 2
        assert len({id(address.context) for address in addresses}) == 2
    assert threading.active_count() == threads


def test_server_is_verified_under_the_name_of_the_workspace(workspace: Workspace) -> None:
    """The workspace's host is believed, another one is not."""
    with lent_servers(workspace):
        address = address_of(workspace, tls=True)
        _connect(address, workspace.host)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'another\.example'"):
            _connect(address, "another.example")


def test_nothing_is_lent_outside(workspace: Workspace) -> None:
    """Who asks too late, or never had anything, is refused with the host's name."""
    with lent_servers(workspace):
        address_of(workspace, tls=False)
    with pytest.raises(
        RefusedHost, match=f"refused to connect to {workspace.host}: its interception is over"
    ):
        address_of(workspace, tls=False)
