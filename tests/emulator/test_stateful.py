"""Any order of calls (submit, advance, cancel, repair, delete, get, list) with random graphs, through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from dbx_emulator import Outcome, Workspace
from tests.emulator.support import Caller, flat_body, graph_body, task

Json = dict[str, Any]

_OVER = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}

#: Where a task run can go from each state, in the words of the API; written down here once more.
_NEXT = {
    "BLOCKED": {"PENDING", "QUEUED", "RUNNING", "TERMINATING", "WAITING_FOR_RETRY"} | _OVER,
    "QUEUED": {"PENDING", "RUNNING", "TERMINATING"} | _OVER,
    "WAITING_FOR_RETRY": {"PENDING", "RUNNING", "TERMINATING"} | _OVER,
    "PENDING": {"RUNNING", "TERMINATING"} | _OVER,
    "RUNNING": {"TERMINATING", "TERMINATED", "INTERNAL_ERROR"},
    "TERMINATING": {"TERMINATED", "INTERNAL_ERROR"},
    **{state: set[str]() for state in _OVER},
}

_KEYS = "abcd"
_GRAPHS = st.lists(st.sets(st.sampled_from(_KEYS)), min_size=1, max_size=4).map(
    lambda upstream: [sorted(each & set(_KEYS[:index])) for index, each in enumerate(upstream)]
)
_RUN_IF = st.sampled_from(["ALL_SUCCESS", "ALL_DONE", "NONE_FAILED", "AT_LEAST_ONE_FAILED", "ALL_FAILED"])
_ENDS = st.sampled_from(["SUCCESS", "RUN_EXECUTION_ERROR", "CLOUD_FAILURE", "CLUSTER_ERROR"])


class Client(RuleBasedStateMachine):
    """A client that does what it likes, and remembers what it was told."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.workspace = Workspace()
        self.caller = Caller(self.workspace, "2.2")
        self.there: set[int] = set()
        self.deleted: set[int] = set()
        self.seen: dict[int, str] = {}
        self.now_ms = 0

    @rule(
        target=runs,
        graph=_GRAPHS,
        run_if=_RUN_IF,
        end=_ENDS,
        max_retries=st.integers(0, 2),
        seconds=st.integers(0, 90),
    )
    def submit_graph(
        self, graph: list[list[str]], run_if: str, end: str, max_retries: int, seconds: int
    ) -> int:
        """Submit a run of several tasks of which the second ends in some way."""
        name = f"graph {len(self.there) + len(self.deleted)}"
        self.workspace.scenarios.add(name, [Outcome(tasks={"b": _outcome(end, seconds)})])
        tasks = [
            task(key, *upstream, max_retries=max_retries, run_if=run_if if upstream else "ALL_SUCCESS")
            for key, upstream in zip(_KEYS, graph, strict=False)
        ]
        return self._submitted(self.caller.submit(graph_body(*tasks, run_name=name)))

    @rule(target=runs, end=_ENDS, timeout_seconds=st.integers(0, 300))
    def submit_flat(self, end: str, timeout_seconds: int) -> int:
        """Submit a run without `tasks`."""
        name = f"flat {len(self.there) + len(self.deleted)}"
        self.workspace.scenarios.add(name, [_outcome(end, 60)])
        return self._submitted(self.caller.submit(flat_body(name, timeout_seconds=timeout_seconds)))

    @rule(seconds=st.sampled_from([0.5, 10, 70, 200, 3_600]))
    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.workspace.clock.advance(seconds)

    @rule(run_id=runs)
    def cancel(self, run_id: int) -> None:
        """Cancel a run, whatever it is doing."""
        if run_id in self.there:
            self.caller.post("runs/cancel", {"run_id": run_id})

    @rule(run_id=runs)
    def cancel_task(self, run_id: int) -> None:
        """Cancel the first task of a run."""
        if run_id in self.there:
            task_run = self.caller.run(run_id)["tasks"][0]
            self.caller.post("runs/cancel", {"run_id": task_run["run_id"]})

    @rule(run_id=runs)
    def repair(self, run_id: int) -> None:
        """Repair a run if it is over and something failed; else it is refused and nothing changes."""
        if run_id not in self.there:
            return
        run = self.caller.run(run_id, include_history="true")
        body: Json = {"run_id": run_id, "rerun_all_failed_tasks": True}
        if len(run["repair_history"]) > 1:
            body["latest_repair_id"] = run["repair_history"][-1]["id"]
        reply = self.caller.reply("POST", "runs/repair", body)
        if reply.status_code == 200:
            assert run["state"]["life_cycle_state"] in _OVER
            self.seen = {each: state for each, state in self.seen.items() if each != run_id}
        else:
            assert self.caller.run(run_id, include_history="true") == run

    @rule(run_id=runs)
    def delete(self, run_id: int) -> None:
        """Delete a run that is over; one that is active is refused."""
        if run_id not in self.there:
            return
        is_over = self.caller.run(run_id)["state"]["life_cycle_state"] in _OVER
        status_code = self.caller.reply("POST", "runs/delete", {"run_id": run_id}).status_code
        assert status_code == (200 if is_over else 400)
        if is_over:
            self.there.remove(run_id)
            self.deleted.add(run_id)
            assert "does not exist" in self.caller.refusal("GET", "runs/get", run_id=run_id).message

    @rule(limit=st.integers(1, 3), adds=st.booleans())
    def list_pages(self, limit: int, adds: bool) -> None:  # noqa: FBT001 - drawn by name
        """Page through all runs while more are made: each that was there comes once, the newest first."""
        there = set(self.there)
        listed: list[int] = []
        parameters: Json = {"limit": limit}
        while True:
            page = self.caller.get("runs/list", **parameters)
            listed += [run["run_id"] for run in page.get("runs", ())]
            if "next_page_token" not in page:
                break
            parameters["page_token"] = page["next_page_token"]
            if adds:
                self._submitted(self.caller.submit(flat_body("late")))
        assert len(listed) == len(set(listed))
        assert there <= set(listed) <= self.there
        assert [each for each in listed if each in there] == sorted(there, reverse=True)

    @invariant()
    def every_run_is_as_it_can_be(self) -> None:
        """No run is lost, no state follows that cannot, time never goes back, the parent is its tasks' sum."""
        assert self.workspace.clock.now_ms >= self.now_ms
        self.now_ms = self.workspace.clock.now_ms
        for run_id in self.there:
            run = self.caller.run(run_id)
            for each in run["tasks"]:
                self._follow(each["run_id"], each["state"]["life_cycle_state"])
            assert run["start_time"] <= self.now_ms
            is_over = run["state"]["life_cycle_state"] in _OVER
            assert is_over is (run["end_time"] > 0)
            assert is_over is all(state in _OVER for state, _ in _latest(run).values())
            if is_over and run["format"] == "MULTI_TASK":
                assert run["state"]["result_state"] in _sums(run), json.dumps(run)

    def _submitted(self, run_id: int) -> int:
        assert run_id not in self.there | self.deleted
        self.there.add(run_id)
        return run_id

    def _follow(self, run_id: int, state: str) -> None:
        before = self.seen.get(run_id, state)
        assert state == before or state in _NEXT[before] or _leads(before, state), f"{before} to {state}"
        self.seen[run_id] = state


def _leads(before: str, state: str) -> bool:
    """Say whether a state can be reached over others, which nobody saw."""
    return any(state in _NEXT[between] for between in _NEXT[before])


def _outcome(end: str, seconds: int) -> Outcome:
    return Outcome(termination_code=end, run=None if end == "CLUSTER_ERROR" else seconds)


def _latest(run: Json) -> dict[str, tuple[str, str | None]]:
    """Return the states of the latest attempt of each task."""
    return {
        each["task_key"]: (each["state"]["life_cycle_state"], each["state"].get("result_state"))
        for each in sorted(run["tasks"], key=lambda each: int(each["attempt_number"]))
    }


def _sums(run: Json) -> Iterator[str]:
    """Yield the results that a run may have whose tasks ended as they did."""
    results = {key: result for key, (_, result) in _latest(run).items()}
    upstream = {each["task_key"] for task in run["tasks"] for each in task.get("depends_on", ())}
    leaves = [result for key, result in results.items() if key not in upstream]
    good = {"SUCCESS", "EXCLUDED"}
    if any("CANCELED" in str(result) for result in results.values()):
        yield "CANCELED"
    if any(result not in good for result in leaves):
        yield "FAILED"
        yield "TIMEDOUT"
    elif all(result in good for result in results.values()):
        yield "SUCCESS"
    else:
        yield "SUCCESS_WITH_FAILURES"


TestClient = Client.TestCase
TestClient.settings = settings(derandomize=True, deadline=None, max_examples=150, stateful_step_count=40)
