"""All situations, wherever they are told."""

from __future__ import annotations

from tests.situations import access, calls, kit, letters, lives
from tests.situations.situation import Situation, situations_of

__all__ = ["SITUATIONS"]

SITUATIONS: list[Situation] = [
    each for module in (lives, calls, access, letters, kit) for each in situations_of(module)
]
