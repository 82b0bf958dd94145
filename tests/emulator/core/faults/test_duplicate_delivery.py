"""The request that arrives twice."""

from __future__ import annotations

from dbx_emulator._core.faults import KINDS, DuplicateDelivery


def test_duplicate_delivery_is_decided_before_the_effect() -> None:
    """What was asked is about to be done, twice."""
    assert (DuplicateDelivery.kind, DuplicateDelivery("*").point) == ("duplicate_delivery", "before_handler")
    assert KINDS["duplicate_delivery"] is DuplicateDelivery
