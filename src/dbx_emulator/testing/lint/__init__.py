"""Rules that judge a client by its calls: what it said, after what it had been told.

A rule sees the journal and the runs, when it is asked and not before, so that no call costs more for it. It judges
only what the client could know: an answer that was lost on the way has told it nothing.
"""

from __future__ import annotations

from dbx_emulator.testing.lint.judge import Lint
from dbx_emulator.testing.lint.rules import Finding, Rule
from dbx_emulator.testing.lint.table import RULES

__all__ = ["RULES", "Finding", "Lint", "Rule"]
