"""A reply played in process to a client library that reads from what it takes for a connection.

The library's own code reads the bytes and raises its own exceptions, so that a test in process meets what a
socket would show. Time that a client would spend waiting passes on the workspace's clock, at once.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import NoReturn

from dbx_emulator._api.messages import Fin, HalfClose, Hang, Pause, Reply, RequestHandler, Reset, Send
from dbx_emulator._api.wire import exchange
from dbx_emulator._core.errors import UsageError

__all__ = ["Script"]


class Script:
    """What is left to happen on one connection.

    Args:
        handler: Whose clock passes.
        reply: What is to be played.
    """

    def __init__(self, handler: RequestHandler, reply: Reply) -> None:
        self._handler = handler
        self._reply = reply
        self._left = deque(exchange(reply))

    def read(self, max_bytes: int, *, timeout_seconds: float | None) -> bytes:
        """Return the next bytes, none at the orderly end.

        Args:
            max_bytes: How many at most.
            timeout_seconds: How long the client is willing to wait for them; `None` waits for ever.

        Raises:
            TimeoutError: They do not come in that time, which has then passed.
            ConnectionResetError: The connection is reset.
            UsageError: They never come, and the client would wait for ever.
        """
        left_ms = None if timeout_seconds is None else round(timeout_seconds * 1_000)
        while self._left:
            operation = self._left.popleft()
            if isinstance(operation, Pause):
                left_ms = self._wait(operation.ms, left_ms)
            elif isinstance(operation, Send):
                if len(operation.data) > max_bytes:
                    self._left.appendleft(Send(operation.data[max_bytes:]))
                return operation.data[:max_bytes]
            elif isinstance(operation, (Fin, HalfClose)):
                self._left.clear()
            elif isinstance(operation, Reset):
                self._left.appendleft(operation)
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            else:
                self._left.appendleft(operation)
                self._hang(operation, left_ms)
        return b""

    def _wait(self, ms: int, left_ms: int | None) -> int | None:
        """Let time pass and return how long the client is still willing to wait."""
        if left_ms is None:
            self._reply.is_untimed = True
            self._handler.pass_time(ms)
            return None
        if ms >= left_ms:
            self._left.appendleft(Pause(ms - left_ms))
            self._give_up(left_ms)
        self._handler.pass_time(ms)
        return left_ms - ms

    def _hang(self, _operation: Hang, left_ms: int | None) -> None:
        if left_ms is None:
            self._reply.is_untimed = True
            raise UsageError(
                "the answer never comes, and the client has no timeout: it would wait for ever; give it one"
            )
        self._give_up(left_ms)

    def _give_up(self, after_ms: int) -> NoReturn:
        """Let the client's time pass, and be out of it."""
        self._reply.is_given_up = True
        self._handler.pass_time(after_ms)
        raise TimeoutError("timed out")
