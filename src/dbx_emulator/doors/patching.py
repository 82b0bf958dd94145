"""What interception and the doors that patch a library have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbx_emulator._api.messages import RequestHandler

__all__ = ["Finder", "RefusedHost", "Undo", "refuse"]

#: Says who answers for a host (with its port if it names one), or `None` if the request is to go out. Raises
#: RefusedHost for a host of Databricks that nobody answers for.
Finder = Callable[[str], RequestHandler | None]

#: Puts back what a patch replaced.
Undo = Callable[[], None]


class RefusedHost(Exception):  # noqa: N818 - becomes the library's own connection error
    """A request to a workspace of Databricks that no test meant to reach. The message says what to do."""


def refuse(host: str, answered: Sequence[str]) -> RefusedHost:
    """Return the refusal of a host, naming those that are answered for."""
    return RefusedHost(
        f"dbx-emulator refused to connect to {host}: it answers for {', '.join(answered)}. "
        "Point the code under test at the workspace's url."
    )
