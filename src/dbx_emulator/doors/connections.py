"""The connections that clients in process would have, if there were any: kept ones, and none to be had."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from weakref import WeakKeyDictionary

from dbx_emulator._api.messages import RequestHandler

__all__ = ["Connections"]

#: What keeps a client out → the error that its socket would raise.
_ERRORS: dict[str, Callable[[], OSError]] = {
    "refused": lambda: ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    "tls": lambda: ssl.SSLError(
        ssl.SSL_ERROR_SSL, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure"
    ),
}

_PLAIN = ("refused",)
_TLS = ("refused", "tls")


class Connections:
    """Which clients have a connection to which workspaces that they would use again."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[object, set[int]] = WeakKeyDictionary()

    def open(self, owner: object, handler: RequestHandler, *, is_tls: bool) -> bool:
        """Return whether a request would come on a connection that carried another; if not, it is opened.

        Args:
            owner: Whose connections they are: what keeps a pool.
            handler: Where they lead.
            is_tls: Whether they are encrypted.

        Raises:
            OSError: Nobody gets in, as the socket would say it. No connection is kept then.
        """
        kept = self._kept.get(owner)
        if kept is None:
            kept = self._kept[owner] = set()
        gate = handler.gate
        how = None if gate.is_unguarded else gate.connect(_TLS if is_tls else _PLAIN)
        if how is not None:
            kept.discard(id(handler))
            refusal = _ERRORS[how]()
            raise refusal
        if id(handler) in kept:
            return True
        kept.add(id(handler))
        return False

    def drop(self, owner: object, handler: RequestHandler) -> None:
        """Note that a connection has ended."""
        self._kept[owner].discard(id(handler))
