"""HTTPS for a workspace: a certificate authority of its own, which nobody trusts who was not told to.

Its keys exist in memory only, and end with the object.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from dbx_emulator._core.errors import UsageError
from dbx_emulator.doors.missing import needs

__all__ = ["Authority", "trusting"]


class Authority:
    """A freshly generated certificate authority.

    Attributes:
        ca_pem: Its certificate, for those who are to trust it.

    Raises:
        ModuleNotFoundError: What generates it is not installed.
    """

    def __init__(self) -> None:
        with needs("trustme"):
            import trustme
        self._ca = trustme.CA(organization_name="dbx-emulator")
        self.ca_pem: bytes = self._ca.cert_pem.bytes()

    def server_context(self, names: Iterable[str]) -> ssl.SSLContext:
        """Return what a server needs to be believed under each of these host names and addresses.

        Raises:
            UsageError: One of them cannot stand in a certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        try:
            certificate = self._ca.issue_cert(*sorted(names))
        except ValueError as error:
            raise UsageError(f"host: a certificate cannot name it: {error}") from None
        certificate.configure_cert(context)
        return context


def trusting(ca_pem: bytes) -> ssl.SSLContext:
    """Return what a client needs to trust this authority and no other."""
    context = ssl.create_default_context(cadata=ca_pem.decode("ascii"))
    context.set_alpn_protocols(["http/1.1"])
    return context
