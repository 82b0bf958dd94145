"""The heap of what is to come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.events import Due, EventHeap
from dbx_emulator._core.lifecycle import Event
from tests.emulator.support import make_runs, submitted_task


def _due(deadline_ms: int, event: Event = Event.CLUSTER_READY) -> Due:
    job_run, [task_run] = make_runs(submitted_task())
    return Due(deadline_ms, job_run, task_run, event)


def test_heap_gives_back_what_is_due_in_order() -> None:
    """Earlier deadlines come first; what is not due stays."""
    heap = EventHeap()
    later, sooner, future = _due(20), _due(10), _due(30)
    for due in (later, sooner, future):
        heap.schedule(due)
    assert [heap.pop_due(20), heap.pop_due(20), heap.pop_due(20)] == [sooner, later, None]
    assert heap.next_deadline_ms() == 30


def test_heap_keeps_the_order_of_scheduling_at_one_moment() -> None:
    """Two events of one moment come as they were scheduled."""
    heap = EventHeap()
    dues = [_due(10) for _ in range(5)]
    for due in dues:
        heap.schedule(due)
    assert [heap.pop_due(10) for _ in dues] == dues


def test_heap_forgets_an_event_that_another_replaced() -> None:
    """A task run has one next event: scheduling replaces what would have come."""
    heap = EventHeap()
    replaced = _due(10)
    heap.schedule(replaced)
    replacement = Due(20, replaced.job_run, replaced.task_run, Event.CLEANED_UP)
    heap.schedule(replacement)
    assert (replaced.is_void, replacement.is_void) == (True, False)
    assert heap.next_deadline_ms() == 20
    assert heap.pop_due(30) is replacement
    assert replacement.owner.due is None


def test_heap_skips_void_events_that_are_due() -> None:
    """What was replaced does not happen even when its moment comes first."""
    heap = EventHeap()
    replaced = _due(10)
    heap.schedule(replaced)
    heap.schedule(Due(40, replaced.job_run, replaced.task_run, Event.CLEANED_UP))
    assert heap.pop_due(30) is None


def test_heap_without_events_has_no_deadline() -> None:
    """Nothing to come is None, not a moment."""
    heap = EventHeap()
    assert (heap.next_deadline_ms(), heap.pop_due(10**15)) == (None, None)


@settings(derandomize=True, deadline=None)
@given(deadlines=st.lists(st.integers(0, 20), max_size=30))
def test_heap_orders_by_deadline_then_sequence(deadlines: list[int]) -> None:
    """Whatever is scheduled comes out sorted, and sorted stably."""
    heap = EventHeap()
    dues = [_due(deadline_ms) for deadline_ms in deadlines]
    for due in dues:
        heap.schedule(due)
    popped = [heap.pop_due(20) for _ in dues]
    assert popped == sorted(dues, key=lambda due: due.deadline_ms)
