"""Where the runs are."""

from __future__ import annotations

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.store import RunStore
from dbx_emulator._core.submitted import ForEach
from tests.emulator.support import make_engine, submitted_run, submitted_task


@pytest.mark.fact("runs.ids.below-2-53")
def test_ids_are_unique_and_fit_a_double() -> None:
    """Ids of runs, task runs and jobs differ, look like the service's and stay below 2**53."""
    engine, _, _ = make_engine()
    runs = [engine.submit(submitted_run(submitted_task("a"), submitted_task("b"))) for _ in range(3)]
    run_ids = [run.run_id for run in runs] + [each.run_id for run in runs for each in run.task_runs]
    job_ids = [run.job_id for run in runs]
    assert len({*run_ids, *job_ids}) == len(run_ids) + len(job_ids) == 12
    assert all(10**14 < each < 2**53 for each in run_ids + job_ids)


def test_ids_come_from_counters() -> None:
    """The same calls give the same ids."""
    first, second = make_engine()[0], make_engine()[0]
    for engine in (first, second):
        engine.submit(submitted_run(submitted_task("a"), submitted_task("b")))
    assert [run.run_id for run in first.store.active()] == [run.run_id for run in second.store.active()]
    assert first.store.new_run_id() == second.store.new_run_id()
    assert first.store.new_job_id() == second.store.new_job_id()


def test_find_knows_job_runs_and_task_runs() -> None:
    """A task run is found with the job run above it, a flat run is its only task run."""
    engine, _, _ = make_engine()
    graph = engine.submit(submitted_run(submitted_task("a"), submitted_task("b")))
    flat = engine.submit(submitted_run(is_flat=True))
    assert engine.store.find(graph.run_id) == (graph, None)
    assert engine.store.find(graph.task_runs[1].run_id) == (graph, graph.task_runs[1])
    assert engine.store.find(flat.run_id) == (flat, None)
    assert engine.store.find(0) is None


def test_find_by_token_knows_only_tokens_that_were_given() -> None:
    """No token is no token, however many runs came without one."""
    engine, _, _ = make_engine()
    with_token = engine.submit(submitted_run(idempotency_token="t"))
    engine.submit(submitted_run())
    assert engine.store.find_by_token("t") is with_token
    assert engine.store.find_by_token("") is None


def test_newest_first_goes_back_from_a_position() -> None:
    """Runs come in the opposite order of their creation, from below a position on."""
    engine, _, _ = make_engine()
    runs = [engine.submit(submitted_run()) for _ in range(4)]
    assert [run for _, run in engine.store.newest_first()] == runs[::-1]
    assert list(engine.store.newest_first(before=2)) == [(1, runs[1]), (0, runs[0])]
    assert list(engine.store.newest_first(before=10**6)) == [(index, runs[index]) for index in (3, 2, 1, 0)]
    assert list(engine.store.newest_first(before=0)) == []


def test_active_runs_leave_when_they_end() -> None:
    """What is over is no longer active, and asking for active runs does not look at it."""
    engine, clock, _ = make_engine()
    ended = engine.submit(submitted_run())
    clock.advance("1m")
    active = [engine.submit(submitted_run()) for _ in range(2)]
    assert engine.store.active() == [ended, *active]
    clock.advance("2m5s")
    engine.drain()
    assert engine.store.active() == active
    assert [run for _, run in engine.store.newest_first(active_only=True)] == active[::-1]
    assert [run for _, run in engine.store.newest_first(before=2, active_only=True)] == active[:1]
    assert len(engine.store) == 3


def test_deleted_run_is_gone_everywhere() -> None:
    """By its id, by those of its task runs and iterations, and in the order of creation; the others stay."""
    engine, clock, _ = make_engine()
    each = submitted_task("each", has_new_cluster=False, work=ForEach("[1, 2]", submitted_task("load")))
    deleted, kept = engine.submit(submitted_run(each)), engine.submit(submitted_run(is_flat=True))
    flat = engine.submit(submitted_run(is_flat=True))
    clock.advance("1d")
    engine.drain()
    iterations = deleted.latest["each"].iterations
    engine.delete(deleted)
    engine.delete(flat)
    task_runs = [*deleted.task_runs, *iterations, *flat.task_runs]
    assert len(task_runs) == 4
    gone = [deleted.run_id, *(task_run.run_id for task_run in task_runs)]
    assert [engine.store.find(run_id) for run_id in gone] == [None] * 5
    assert list(engine.store.newest_first()) == [(1, kept)]
    assert (len(engine.store), deleted.is_deleted, kept.is_deleted) == (1, True, False)
    later = engine.submit(submitted_run())
    assert list(engine.store.newest_first()) == [(3, later), (1, kept)]
    assert list(engine.store.newest_first(before=3)) == [(1, kept)]


def test_reopened_run_keeps_its_place() -> None:
    """A run that is repaired is active again, and as old as it was."""
    engine, clock, _ = make_engine()
    first = engine.submit(submitted_run())
    clock.advance("1d")
    second = engine.submit(submitted_run())
    engine.repair(first, {"only"})
    assert engine.store.active() == [first, second]
    assert [run for _, run in engine.store.newest_first(active_only=True)] == [second, first]


def test_ids_of_repairs_are_their_own() -> None:
    """They differ, and look like the service's."""
    engine, _, _ = make_engine()
    first, second = engine.store.new_repair_id(), engine.store.new_repair_id()
    assert first != second
    assert all(10**14 < each < 2**53 for each in (first, second))


def test_ids_can_start_elsewhere() -> None:
    """From then on they follow each other there; never back, and never beyond int64."""
    store = RunStore()
    store.start_ids_at(2**53 + 1)
    assert [store.new_run_id(), store.new_run_id()] == [2**53 + 1, 2**53 + 2]
    for run_id in (2**53 + 2, 0, 2**63 - 1):
        with pytest.raises(UsageError, match=f"run_id: {run_id} is none from {2**53 + 3} to "):
            store.start_ids_at(run_id)


def test_runs_of_one_name_are_numbered() -> None:
    """The name and the number are a run's key, whatever runs are made between."""
    store = RunStore()
    assert [store.new_key(name) for name in ("a", "b", "a")] == [("a", 1), ("b", 1), ("a", 2)]
