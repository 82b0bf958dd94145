"""Randomness without a stream: each draw is a function of the seed and of what is drawn for.

A shared stream of random numbers would give one run another fate whenever another run asks first. Here a draw
is a hash of the seed and a key, such as the run, the attempt and the event, so that neither the order of calls,
nor threads, nor workers of a test suite can change it.
"""

from __future__ import annotations

import hashlib

from dbx_emulator._core.errors import UsageError

__all__ = ["Draws"]

_BITS = 53


class Draws:
    """The draws of one seed.

    Args:
        seed: Any whole number; the same seed gives the same draws, on every machine.

    Raises:
        UsageError: The seed is no whole number.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UsageError(f"seed: {seed!r} is no whole number")
        self.seed = seed

    def fraction(self, *key: str | int) -> float:
        """Return a number above 0 and below 1 that depends on the seed and the key alone.

        Args:
            key: What is drawn for, from the general to the particular.
        """
        text = "\x1f".join(str(part) for part in (self.seed, *key))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) / float(2**_BITS)
