"""Serve a workspace, or a constant body as a raw ASGI application, under the same server.

With a second argument over TLS: the certificate to trust is written to the file that it names.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from dbx_emulator import Clock, Workspace
from dbx_emulator.doors.asgi import AsgiApp, Receive, Scope, SendMessage
from dbx_emulator.doors.authority import Authority
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


class Counting:
    """Answers as another application does, and says at `/connections` over how many connections it was asked.

    Args:
        app: The other application.
    """

    def __init__(self, app: AsgiApp | Constant) -> None:
        self._app = app
        self._clients: set[tuple[str, int]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer one request."""
        if scope["path"] == "/connections":
            await Constant(str(len(self._clients)).encode())(scope, receive, send)
            return
        self._clients.add(tuple(scope["client"]))
        await self._app(scope, receive, send)


def main(what: str, ca_file: str = "") -> None:
    """Serve until terminated."""
    listener: socket.socket = bind("127.0.0.1", 0)
    app = Workspace(clock=Clock()).asgi() if what == "workspace" else Constant(what.encode())
    url = f"{'https' if ca_file else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    if not ca_file:
        run(app, listener, on_ready=lambda: print(url, flush=True))
        return
    authority = Authority()
    Path(ca_file).write_bytes(authority.ca_pem)
    context = authority.server_context(["127.0.0.1", "localhost"])
    run(Counting(app), listener, on_ready=lambda: print(url, flush=True), context=context)


if __name__ == "__main__":
    main(*sys.argv[1:])
