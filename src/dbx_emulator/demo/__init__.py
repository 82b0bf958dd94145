"""The demo: a real Flyte task goes through the agent's gRPC service to the emulator and back.

Two real processes are started, `dbx-emulator serve` and `dbx-agent serve`. The demo plays Flyte's engine: it
speaks gRPC to the agent, moves the emulator's clock by one poll interval at a time, and tells what it is
answered. What it reports at the end comes from those answers and from the emulator's journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbx_emulator.demo.play import main as main

__all__ = ["main"]


def __getattr__(name: str) -> object:
    """Load what needs grpc and flyteidl when it is asked for; the verdict needs neither.

    Raises:
        ModuleNotFoundError: One of them is not installed.
    """
    if name != "main":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dbx_emulator.demo.play import main

    return main
