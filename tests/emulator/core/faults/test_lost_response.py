"""The answer that gets lost."""

from __future__ import annotations

from dbx_emulator._core.faults import KINDS, LostResponse


def test_lost_response_comes_after_the_effect() -> None:
    """What was asked is done; only the answer is missing."""
    assert (LostResponse.kind, LostResponse("*").point) == ("lost_response", "after_effect")
    assert KINDS["lost_response"] is LostResponse
