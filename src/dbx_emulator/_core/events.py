"""The heap: what is due, in the order of (deadline, sequence)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dbx_emulator._core.lifecycle import Event
    from dbx_emulator._core.runs import JobRun, TaskRun

__all__ = ["Due", "EventHeap"]


@dataclass(slots=True, eq=False)
class Due:
    """One event of one task run, or of a job run as a whole (`task_run` is `None`), due at a moment.

    It is void once the same run has another event scheduled: cancelling replaces what would have come.
    """

    deadline_ms: int
    job_run: JobRun
    task_run: TaskRun | None
    event: Event

    @property
    def owner(self) -> JobRun | TaskRun:
        """The run whose event it is."""
        return self.task_run or self.job_run

    @property
    def is_void(self) -> bool:
        return self.owner.due is not self


class EventHeap:
    """Events to come. Two that are due at one moment come in the order in which they were scheduled."""

    #: What of it a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Due]] = []
        self._sequence = 0

    def schedule(self, due: Due) -> None:
        """Make `due` the next event of its run, in place of any other."""
        due.owner.due = due
        self._sequence += 1
        heapq.heappush(self._heap, (due.deadline_ms, self._sequence, due))

    def pop_due(self, now_ms: int) -> Due | None:
        """Remove and return the first event due by `now_ms`, or `None`."""
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            due = heapq.heappop(heap)[2]
            if not due.is_void:
                due.owner.due = None
                return due
        return None

    def next_deadline_ms(self) -> int | None:
        """Return when the next event is due, or `None` if nothing is to come."""
        heap = self._heap
        while heap and heap[0][2].is_void:
            heapq.heappop(heap)
        return heap[0][0] if heap else None
