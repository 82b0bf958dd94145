"""What to say when the library of what was asked for is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["needs"]


@contextmanager
def needs(library: str, *, package: str | None = None, what: str = "this door") -> Iterator[None]:
    """Name the remedy if what is imported in this context fails for want of a library.

    Args:
        library: The library, under the name by which it is imported.
        package: The name by which it is installed; `None` if that is the same.
        what: What needs it.

    Raises:
        ModuleNotFoundError: The library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        package = package or library
        raise ModuleNotFoundError(
            f"{what} needs {package}, which is not installed; get it with: pip install {package}",
            name=library,
        ) from None
