"""Modules that go by virtual time: what they took from `time` is replaced in their own names.

`from time import sleep` is a name of the module that did it, out of reach of a patch of `time`; and `time.time`
cannot be virtual for one module and real for all others unless that one has a `time` of its own.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbx_emulator._core.errors import UsageError, nearest

__all__ = ["virtual_modules"]

#: The name of a function of `time`, the objects that it may be found as, and what takes its place.
Replacements = Mapping[str, tuple[tuple[Any, ...], Any]]


class _Time:
    """The module `time`, but for the functions that go by virtual time."""

    def __init__(self, replacements: Replacements) -> None:
        for name, (_, replacement) in replacements.items():
            setattr(self, name, replacement)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def virtual_modules(names: Iterable[str], replacements: Replacements) -> Iterator[None]:
    """Replace functions of `time`, and `time` itself, in the names of modules while the context is open.

    Args:
        names: The modules; they are imported if they are not.
        replacements: What is replaced by what.

    Raises:
        UsageError: There is no such module.
    """
    modules = [_load(name) for name in names]
    replaced: list[tuple[dict[str, Any], str, Any, Any]] = []
    own_time = _Time(replacements)
    for module in modules:
        names_of_module = vars(module)
        for name, value in tuple(names_of_module.items()):
            replacement = own_time if value is time else _replacement(value, replacements)
            if replacement is not None:
                replaced.append((names_of_module, name, value, replacement))
                names_of_module[name] = replacement
    try:
        yield
    finally:
        for names_of_module, name, value, replacement in replaced:
            if names_of_module.get(name) is replacement:
                names_of_module[name] = value


def _replacement(value: Any, replacements: Replacements) -> Any:
    for originals, replacement in replacements.values():
        if any(value is original for original in originals):
            return replacement
    return None


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        hint = nearest(name, list(sys.modules))
        raise UsageError(
            f"modules: there is no module {name!r}{hint}; write the name it is imported by, such as "
            "'databricks.sdk.service.jobs'"
        ) from None
