"""Many runs and many tasks: what a workspace costs that has seen a lot."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Ratio, Reported, compare
from dbx_emulator import Clock, Workspace
from dbx_emulator._api.messages import Request

__all__ = ["bytes_per_run", "get_among_many", "list_among_many", "snapshot_of_thousand", "thousand_tasks"]

_MANY, _FEW = 100_000, 100

#: More calls than a journal keeps.
_JOURNAL = 10_001
_CLUSTER = {"existing_cluster_id": "0101-1"}
_BODY = {"run_name": "bench", "notebook_task": {"notebook_path": "/bench"}} | _CLUSTER


def _workspace(runs: int) -> tuple[Workspace, int]:
    """Return a workspace with so many runs, and the id of one in the middle."""
    workspace = Workspace(clock=Clock())
    body = json.dumps(_BODY).encode()
    run_ids = [json.loads(_send(workspace, "POST", "runs/submit", body))["run_id"] for _ in range(runs)]
    return workspace, run_ids[runs // 2]


def _fill_journal(workspace: Workspace) -> None:
    """Have every further call push an older read out of the journal; to forget a submit takes longer."""
    for _ in range(_JOURNAL):
        _send(workspace, "GET", "runs/list?limit=1")
    assert workspace.journal.dropped


def _send(workspace: Workspace, method: str, endpoint: str, body: bytes = b"") -> bytes:
    headers = [(b"authorization", b"Bearer " + workspace.token.encode())]
    return workspace.handle(Request(method, f"/api/2.2/jobs/{endpoint}", headers, body)).body


def _among_many(name: str, call: Callable[[Workspace, int], object]) -> Ratio:
    (many, one_of_many), (few, one_of_few) = _workspace(_MANY), _workspace(_FEW)
    _fill_journal(many)
    _fill_journal(few)
    ours_us, baseline_us = compare(lambda: call(many, one_of_many), lambda: call(few, one_of_few))
    value = ours_us / baseline_us
    return Ratio(name, ours_us, baseline_us, value, "≤ 1.1", value <= 1.1)


def get_among_many() -> Ratio:
    """`runs/get` with 100,000 runs ÷ with 100."""
    return _among_many(
        "runs/get with 100,000 runs ÷ with 100, time",
        lambda workspace, run_id: _send(workspace, "GET", f"runs/get?run_id={run_id}"),
    )


def list_among_many() -> Ratio:
    """One page of `runs/list` with 100,000 runs ÷ with 100."""
    return _among_many(
        "a page of runs/list with 100,000 runs ÷ with 100, time",
        lambda workspace, _run_id: _send(workspace, "GET", "runs/list?limit=25"),
    )


def bytes_per_run() -> Reported:
    """Memory of a live run, among 10,000 of them that nobody has read."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    workspace, _ = _workspace(10_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Reported("memory of a live run", f"{(after - before) / len(workspace.runs):,.0f} bytes")


def snapshot_of_thousand() -> Reported:
    """A history of 1,000 runs written down, and come back to."""
    workspace = Workspace(clock=Clock())
    workspace.populate(runs=1_000, over="30d")
    started = time.perf_counter()
    snapshot = workspace.snapshot()
    taken = time.perf_counter()
    workspace.restore(snapshot)
    restored = time.perf_counter()
    return Reported(
        "a history of 1,000 runs as a snapshot",
        f"{len(snapshot) / 1e6:.1f} MB, taken in {(taken - started) * 1e3:.0f} ms, "
        f"restored in {(restored - taken) * 1e3:.0f} ms",
    )


def thousand_tasks() -> Reported:
    """A chain of 1,000 tasks from its submit to its end, event by event, without reading it."""
    tasks: list[dict[str, Any]] = [{"task_key": "t0", "notebook_task": {"notebook_path": "/t"}} | _CLUSTER]
    tasks += [
        tasks[0] | {"task_key": f"t{n}", "depends_on": [{"task_key": f"t{n - 1}"}]} for n in range(1, 1_000)
    ]
    body = json.dumps({"tasks": tasks}).encode()
    started = time.perf_counter()
    workspace = Workspace(clock=Clock())
    _send(workspace, "POST", "runs/submit", body)
    workspace.clock.advance("3d")
    [run] = workspace.runs
    assert run.is_terminal
    return Reported(
        "a chain of 1,000 tasks, submit to end", f"{(time.perf_counter() - started) * 1e3:.0f} ms"
    )
