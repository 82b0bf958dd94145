"""Calls that nothing serves: which route comes nearest, and in what it differs."""

from __future__ import annotations

import difflib

from dbx_emulator._api.router import ROUTES
from dbx_emulator._core.journal import JournalEntry

__all__ = ["describe_unknown_call"]

_NEAREST = 3


def describe_unknown_call(entry: JournalEntry) -> str:
    """Return a call that nothing serves in lines: what it was told, what is near, and what to paste."""
    call = f"{entry.method} {entry.path}"
    lines = [
        f"{call} was called, which dbx-emulator does not serve: it answered {entry.status_code} {entry.error_code}"
    ]
    lines += [
        f"nearest: {method} {path} ({', '.join(_unlike(entry, method, path))})"
        for method, path in _nearest(entry)
    ]
    lines.append(f'to look at it: databricks.journal.where(path="{entry.path}")')
    lines.append(f'to allow it: @pytest.mark.filterwarnings("ignore:{call} was called")')
    return "\n  ".join(lines)


def _nearest(entry: JournalEntry) -> list[tuple[str, str]]:
    """Return the routes with the most similar paths, those of the same method first."""
    served = [(method, path) for (method, path), match in ROUTES.items() if not match.route.is_control]
    paths = difflib.get_close_matches(entry.path, dict.fromkeys(path for _, path in served), n=_NEAREST)
    near = [each for path in paths for each in served if each[1] == path]
    return near[:_NEAREST]


def _unlike(entry: JournalEntry, method: str, path: str) -> list[str]:
    pairs = {"method": (entry.method, method), "path": (entry.path, path)}
    return [f"{name} {said!r} ≠ {served!r}" for name, (said, served) in pairs.items() if said != served]
