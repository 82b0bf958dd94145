"""Serve a workspace, or a constant body as a raw ASGI application, under the same server."""

from __future__ import annotations

import socket
import sys

from dbx_emulator import Clock, Workspace
from dbx_emulator.doors.asgi import Receive, Scope, SendMessage
from dbx_emulator.doors.server import bind, run


class Constant:
    """Answers every request with one body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def __call__(self, _scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer one request."""
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def main(what: str) -> None:
    """Serve until terminated."""
    listener: socket.socket = bind("127.0.0.1", 0)
    app = Workspace(clock=Clock()).asgi() if what == "workspace" else Constant(what.encode())
    run(app, listener, on_ready=lambda: print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
