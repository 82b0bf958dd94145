"""The service does what was asked, and the connection breaks before the answer arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["LostResponse"]


@dataclass(slots=True)
class LostResponse(Fault):
    """The effect is kept and the connection is reset in place of the answer.

    This is the case that proves idempotency: a client that repeats `runs/submit` without a token makes a second
    run.
    """

    kind: ClassVar[str] = "lost_response"
    points: ClassVar[tuple[Point, ...]] = ("after_effect",)
