"""What a situation is: the few lines that make it, and what a client then sees.

The lines are a function of the workspace alone, so that the page for users can show them as they are. What the
client sees is asked once more without those lines: if it held for plain success too, it would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import httpx
from databricks.sdk import WorkspaceClient

from dbx_emulator import Workspace

__all__ = ["Client", "Sees", "Situation", "situation", "situations_of"]


@dataclass(frozen=True)
class Client:
    """The unmodified clients that look.

    Attributes:
        workspace: The workspace, for what is known of it besides.
        sdk: The official SDK, which speaks through requests.
        http: httpx, for what the SDK hides.
    """

    workspace: Workspace
    sdk: WorkspaceClient
    http: httpx.Client


#: May return what has to be open meanwhile.
Arrange = Callable[[Workspace], AbstractContextManager[None] | None]
Sees = Callable[[Client], None]


@dataclass(frozen=True)
class Situation:
    """One of them.

    Attributes:
        number: Its number in the list of situations that this kit can make.
        arrange: Makes it, and says in its docstring what it is, in the words of whoever has the trouble.
        marker: What the marker of the fixture has to say besides.
        sees: What a client sees, each a test of its own.
    """

    number: int
    arrange: Arrange
    marker: dict[str, Any] = field(default_factory=dict)
    sees: list[Sees] = field(default_factory=list)

    def shows(self, sees: Sees) -> Sees:
        """Add something that a client sees."""
        self.sees.append(sees)
        return sees


def situation(number: int, **marker: Any) -> Callable[[Arrange], Situation]:
    """Make a situation of the function that arranges it.

    Args:
        number: Its number.
        marker: What `@pytest.mark.databricks` has to say for it.
    """

    def make(arrange: Arrange) -> Situation:
        return Situation(number, arrange, marker)

    return make


def situations_of(module: ModuleType) -> list[Situation]:
    """Return the situations that a module tells, in the order of its writing."""
    return [value for value in vars(module).values() if isinstance(value, Situation)]
