"""What a process remembers of the runs that it polls; pure.

The resource meta cannot change between two polls, so this is all there is: the last answer, which is repeated
while a run cannot be read, and how much patience with it is left. It is bounded, forgotten at the run's end, and
lost with the process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbx_agent.links import Link
from dbx_agent.outcome import Outcome, Phase
from dbx_agent.patience import Patience, Trouble

__all__ = ["Answer", "PollMemory", "RunKey"]

#: The workspace and the run's id.
RunKey = tuple[str, int]

_MAX_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a poll is answered.

    Attributes:
        outcome: The phase and the message.
        links: Where people see more.
        info: What is known of the run, for programs.
        digest: Of what the service said, if that alone was made into this answer; empty otherwise.
    """

    outcome: Outcome
    links: tuple[Link, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    digest: bytes = b""


@dataclass(slots=True)
class _Memory:
    last: Answer | None = None
    patience: Patience = field(default_factory=Patience)


class PollMemory:
    """What is remembered of runs that are not over; may be used from several threads.

    Args:
        max_runs: How many runs are remembered; beyond, the one that was not polled for longest is forgotten.
    """

    def __init__(self, *, max_runs: int = _MAX_RUNS) -> None:
        self._max_runs = max_runs
        self._runs: OrderedDict[RunKey, _Memory] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def note_answer(self, key: RunKey, answer: Answer) -> None:
        """Remember what a run was answered, which ends all trouble; forget a run that is over."""
        with self._lock:
            self._runs.pop(key, None)
            if not answer.outcome.is_over:
                self._keep(key, _Memory(last=answer))

    def note_trouble(self, key: RunKey, trouble: Trouble, *, now: float) -> bool:
        """Remember that a run could not be read, and tell whether that has lasted for too long.

        Args:
            key: The run.
            trouble: Why it could not be read.
            now: The instant, in seconds of any monotonic clock.

        Returns:
            Whether it is time to give the run up, which also forgets it.
        """
        with self._lock:
            memory = self._runs.pop(key, None) or _Memory()
            if memory.patience.note(trouble, now=now):
                return True
            self._keep(key, memory)
            return False

    def last_answer(self, key: RunKey) -> Answer:
        """Return the last answer of a run that is not over.

        A run that this process has never read is QUEUED: for that phase Flyte shows the message, and RUNNING
        would be shown without the links, which a later RUNNING could not add.

        Source: [flyte.phase.running-drops-message] documented: flyteorg/flyte, webapi connector plugin
        """
        memory = self._runs.get(key)
        return (memory.last if memory else None) or Answer(Outcome(Phase.QUEUED, "not read yet"))

    def _keep(self, key: RunKey, memory: _Memory) -> None:
        self._runs[key] = memory
        if len(self._runs) > self._max_runs:
            self._runs.popitem(last=False)
