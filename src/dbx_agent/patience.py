"""How long trouble with a run is taken as one that passes, so that none lasts for ever; pure.

Whoever polls a run and whoever cancels it have the same patience. It is kept in memory and lost with the process;
the next one begins to count anew.
"""

from __future__ import annotations

import math
from enum import Enum

__all__ = ["PATIENCE_SECONDS", "Patience", "Trouble"]


class Trouble(Enum):
    """Why the service could not be asked about a run."""

    PASSING = "passing"
    """No answer, a busy service, a page of a proxy: it says nothing of the run."""

    REFUSED = "refused"
    """An answer that waiting seldom mends, such as a 403, or no credentials to ask with."""

    MISSING = "missing"
    """The service says that there is no such run."""


#: For how long a trouble is taken as one that passes, in seconds.
#: Source: [agent.false-403] measured: apache/airflow issue 21286, valid tokens refused for up to 15 minutes
#: Source: [agent.get.late-visible] documented: PrefectHQ/prefect-dbt issue 145, 404 right after the start of a run
PATIENCE_SECONDS: dict[Trouble, float] = {
    Trouble.PASSING: math.inf,
    Trouble.REFUSED: 1200.0,
    Trouble.MISSING: 60.0,
}


class Patience:
    """Patience with one run."""

    __slots__ = ("_lasted_seconds", "_noted_at", "_trouble")

    def __init__(self) -> None:
        self._trouble: Trouble | None = None
        self._noted_at = 0.0
        self._lasted_seconds: dict[Trouble, float] = {}

    def note(self, trouble: Trouble, *, now: float) -> bool:
        """Remember a trouble, and tell whether it has lasted for too long.

        The time between two of them counts if they are the same, with no other between them: a single refusal
        before an outage and one after it are not a refusal that lasted.

        Args:
            trouble: What happened.
            now: The instant, in seconds of any monotonic clock.
        """
        lasted = self._lasted_seconds.get(trouble, 0.0)
        if self._trouble is trouble:
            lasted += now - self._noted_at
        self._lasted_seconds[trouble] = lasted
        self._trouble, self._noted_at = trouble, now
        return lasted >= PATIENCE_SECONDS[trouble]
