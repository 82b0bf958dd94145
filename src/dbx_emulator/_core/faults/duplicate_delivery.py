"""The request arrives twice, as when a proxy tries again by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dbx_emulator._core.faults.rules import Fault, Point

__all__ = ["DuplicateDelivery"]


@dataclass(slots=True)
class DuplicateDelivery(Fault):
    """The service does twice what was asked, and the client gets the second answer.

    A submit without an idempotency token makes two runs, of which the client knows one.
    """

    kind: ClassVar[str] = "duplicate_delivery"
    points: ClassVar[tuple[Point, ...]] = ("before_handler",)
