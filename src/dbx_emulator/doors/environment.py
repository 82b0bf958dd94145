"""The environment variables by which clients find a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["environment", "replace_token"]

#: What clients of Databricks read, and Flyte's agents for it.
_PREFIXES = ("DATABRICKS_", "FLYTE_DATABRICKS_", "_FSEC_FLYTE_DATABRICKS_")

_TOKENS = ("DATABRICKS_TOKEN", "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN")


@contextmanager
def environment(*, url: str, token: str) -> Iterator[None]:
    """Point this process at a workspace while the context is open.

    Every variable that names another workspace, profile or credential is taken away, so that no test reaches a
    real one; all are put back at the end as they were.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES)}
    ours = {
        "DATABRICKS_HOST": url,
        "DATABRICKS_CONFIG_FILE": os.devnull,
        "FLYTE_DATABRICKS_INSTANCE": url.removeprefix("https://"),
    } | dict.fromkeys(_TOKENS, token)
    _replace(ours)
    try:
        yield
    finally:
        _replace(before)


def replace_token(old: str, new: str) -> None:
    """Write a new token over an old one where clients find it, if it is still there."""
    for name in _TOKENS:
        if os.environ.get(name) == old:
            os.environ[name] = new


def _replace(variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ.update(variables)
