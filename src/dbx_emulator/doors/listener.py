"""The listening socket of a server, which is really closed while nobody is to get in.

The machine refuses connections then, as it does for a service that is down. The port is held meanwhile by a socket
that is bound and does not listen.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable

from dbx_emulator._api.messages import RequestHandler

__all__ = ["Listener", "refuse_handshakes"]

#: How long whoever closes the gate waits for the server to have done so. It takes a loop's turn.
_PATIENCE_SECONDS = 5.0


class Listener:
    """Opens and closes a server as the gate of its workspace says.

    Args:
        handler: Whose gate it is.
        opened: Serves on a bound socket.
        closed: Stops listening and closes the sockets.
        dropped: Ends the connections, those on which an answer is under way after that.
        is_tls: Whether clients have to shake hands.
    """

    def __init__(
        self,
        handler: RequestHandler,
        *,
        opened: Callable[[socket.socket], Awaitable[None]],
        closed: Callable[[], None],
        dropped: Callable[[], None],
        is_tls: bool,
    ) -> None:
        self._handler = handler
        self._opened = opened
        self._closed = closed
        self._dropped = dropped
        self._is_tls = is_tls
        self._was_open = True
        self._held: socket.socket | None = None
        self._waiting: list[threading.Event] = []

    async def run(self, listening: socket.socket) -> None:
        """Follow the gate until cancelled.

        Args:
            listening: The socket that is served now.
        """
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._family, self._address = listening.family, listening.getsockname()
        self._wake = asyncio.Event()
        gate = self._handler.gate
        try:
            with gate.watched(self._changed):
                while True:
                    self._wake.clear()
                    await self._follow()
                    ms = gate.changes_in_ms()
                    seconds = None if ms is None else self._handler.real_seconds(ms)
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), seconds)
        finally:
            if self._held is not None:
                self._held.close()

    async def _follow(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._close()
        if self._held is not None and self._handler.gate.is_listening:
            held, self._held = self._held, None
            await self._opened(held)
        if waiting:
            # A transport that was told to close does so in the loop's next turn.
            turn = self._loop.create_future()
            self._loop.call_soon(turn.set_result, None)
            await turn
        for each in waiting:
            each.set()

    @property
    def _is_open(self) -> bool:
        gate = self._handler.gate
        return gate.is_listening and (gate.is_shaking_hands or not self._is_tls)

    def _close(self) -> None:
        """Do what keeps clients out, if they are to be kept out."""
        was_open, self._was_open = self._was_open, self._is_open
        if was_open and not self._was_open:
            # Who has a connection would not notice that no other is to be had.
            self._dropped()
        if self._held is None and not self._handler.gate.is_listening:
            self._closed()
            self._held = socket.socket(self._family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind(self._address)

    def _changed(self) -> None:
        """Have the server follow the gate; it has done so when this returns."""
        gate = self._handler.gate
        if self._is_open is self._was_open and (self._held is None) is gate.is_listening:
            if gate.changes_in_ms() is not None:
                # Nothing to do now, but the time when there will be is another.
                self._loop.call_soon_threadsafe(self._wake.set)
            return
        if threading.get_ident() == self._thread:
            # It cannot wait for itself. Nobody is to get in from now on; letting in may take another turn.
            self._close()
            self._wake.set()
            return
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._follow_for, done)
        done.wait(_PATIENCE_SECONDS)

    def _follow_for(self, done: threading.Event) -> None:
        self._waiting.append(done)
        self._wake.set()


def refuse_handshakes(context: ssl.SSLContext, handler: RequestHandler) -> None:
    """Let a server refuse handshakes with an alert while the gate says so."""

    def look(_socket: object, _name: object, _context: object) -> int | None:
        refused = handler.gate.connect(("tls",)) is not None
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if refused else None

    context.sni_callback = look
