"""The emulator as another process sees it: over HTTP, through the control API."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

__all__ = ["RemoteWorkspace"]


class RemoteWorkspace:
    """A workspace behind a socket.

    Args:
        url: Where it listens.
        token: What opens it.
    """

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/__dbx/",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=10.0,
        )
        self._seen = 0

    def __enter__(self) -> RemoteWorkspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, what: str, body: Mapping[str, Any]) -> Any:
        """Tell the emulator something and return its answer.

        Raises:
            httpx.HTTPStatusError: It refuses.
        """
        response = self._client.post(what, json=body)
        return response.raise_for_status().json()

    def advance(self, seconds: int) -> int:
        """Move its time and return the new present in epoch milliseconds."""
        now_ms: int = self.post("clock", {"advance": seconds})["now_ms"]
        return now_ms

    def now_ms(self) -> int:
        """Return its present in epoch milliseconds."""
        now_ms: int = self._client.get("clock").raise_for_status().json()["now_ms"]
        return now_ms

    def journal(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls that it has answered, oldest first.

        Args:
            after: The sequence number of the last call that is not wanted; 0 wants all.
        """
        response = self._client.get("journal", params={"after": after})
        entries: list[dict[str, Any]] = response.raise_for_status().json()["entries"]
        return entries

    def news(self) -> list[dict[str, Any]]:
        """Return the calls that it has answered since the last time it was asked this."""
        entries = self.journal(after=self._seen)
        self._seen = entries[-1]["sequence"] if entries else self._seen
        return entries
