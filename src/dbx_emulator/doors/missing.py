"""What to say when the library of a door that was asked for is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["needs"]


@contextmanager
def needs(library: str) -> Iterator[None]:
    """Name the remedy if what is imported in this context fails for want of a library.

    Args:
        library: The library, under the name by which it is both imported and installed.

    Raises:
        ModuleNotFoundError: The library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise ModuleNotFoundError(
            f"this door needs {library}, which is not installed; get it with: pip install {library}",
            name=library,
        ) from None
