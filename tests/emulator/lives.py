"""Lives of a workspace: all that can be done to one, drawn by hypothesis, as plain data that can be done again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from dbx_emulator import (
    Clock,
    DriftFault,
    LostResponse,
    Match,
    Outcome,
    RateLimit,
    ReadLag,
    StatusFault,
    UsageError,
    WireFault,
    Workspace,
)
from dbx_emulator._core.faults import DuplicateDelivery, Fault
from tests.emulator.support import Caller, flat_body, graph_body, task

__all__ = ["ACTIONS", "Action", "Life", "new_workspace"]

Json = dict[str, Any]

_OUTCOMES: list[list[Outcome]] = [
    [Outcome(run="uniform(1m, 3h)"), Outcome(termination_code="CLOUD_FAILURE", retries=(Outcome(),))],
    [Outcome(queue="5m", termination_code="RUN_EXECUTION_ERROR", error="boom", values={"rows": 12})],
    [Outcome(on_cancel="finishes", tasks={"b": Outcome(termination_code="DRIVER_ERROR")})],
    [Outcome(cancel_after="40s", notebook_output="42")],
]

_FAULTS: list[Callable[[], Fault]] = [
    lambda: StatusFault("*", status_code=503, probability=0.3),
    lambda: StatusFault("runs/get", status_code=429, retry_after="date+30s", skip=1, every=2, times=3),
    lambda: RateLimit("runs/*", per_second=0.01, burst=3),
    lambda: ReadLag("runs/get", reads=2, how="stale"),
    lambda: DriftFault("runs/get", replace={"state.life_cycle_state": "NEW"}, state="RUNNING"),
    lambda: LostResponse("runs/submit", probability=0.5),
    lambda: DuplicateDelivery("run-now", times=1),
    lambda: WireFault("runs/list", how="truncated", window=("1m", "2h")),
]

_GRAPHS: list[Json] = [
    graph_body(task("a", max_retries=2), task("b", "a", run_if="ALL_DONE"), task("c", "b"), run_name="graph"),
    graph_body(
        {
            "task_key": "each",
            "for_each_task": {"inputs": "[1, 2, 3]", "task": task("b"), "concurrency": 2},
        },
        {"task_key": "if", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "{{job.id}}"}},
        run_name="loops",
    ),
    flat_body("flat", timeout_seconds=90),
    flat_body("once", idempotency_token="once"),
    flat_body("chosen#spot_loss"),
    graph_body(task("a", tags=[]), run_name="graph", tags={"dbx_scenario": "nobody"}),
]

_JOB: Json = {"name": "job", "max_concurrent_runs": 1, "queue": {"enabled": True}, "tasks": [task("a")]}

#: What can be done.
_WAYS = (
    *("submit", "submit", "submit", "job", "run_now", "run_now", "advance", "advance", "advance", "step"),
    *("get", "get", "list", "list", "cancel", "repair", "delete", "output", "fault", "fault", "disarm"),
    *("profile", "scenario", "scenario", "issue", "rotate", "oidc", "unknown", "chain"),
    *("idle", "list_active", "cancel_all"),
)

#: What is done, to which of those there are, with which of what is possible.
Action = tuple[str, int, int]


def _actions(seed: int, length: int) -> list[Action]:
    """Return so many actions, each as likely as the others: what hypothesis draws leans to the first."""
    source = random.Random(seed)
    return [(source.choice(_WAYS), source.randrange(8), source.randrange(8)) for _ in range(length)]


ACTIONS = st.builds(_actions, st.integers(0, 2**32), st.integers(1, 50))


def new_workspace() -> Workspace:
    """Return a workspace that guards itself against four equal reads in a row."""
    return Workspace(clock=Clock("sleeping", end_of_time="30d", stall_after=3))


class Life:
    """Does to a workspace what was drawn, and writes down what it said.

    Args:
        workspace: The workspace.
        run_ids: The runs that there are already.
        job_ids: The jobs that there are already.
    """

    def __init__(
        self, workspace: Workspace, *, run_ids: tuple[int, ...] = (), job_ids: tuple[int, ...] = ()
    ) -> None:
        self.workspace = workspace
        self.run_ids = list(run_ids)
        self.job_ids = list(job_ids)
        self.page_token = ""
        self.said: list[object] = []
        # The only clock that is not the workspace's.
        workspace.journal._real_ns = lambda: 0

    def live(self, actions: list[Action]) -> None:
        """Do everything, one after the other."""
        for action in actions:
            self._act(*action)

    def _act(self, what: str, which: int, how: int) -> None:
        try:
            getattr(self, f"_{what}")(which, how)
        except UsageError as error:
            self.said.append(str(error))

    def _call(self, method: str, endpoint: str, body: object = None, **parameters: Any) -> Any:
        reply = Caller(self.workspace, "2.2").reply(method, endpoint, body, **parameters)
        self.said.append((reply.status_code, reply.body, tuple(reply.headers), reply.delay_ms, reply.wire))
        # What a fault made of it is no news of a run.
        return json.loads(reply.body) if reply.status_code == 200 and reply.body else {}

    def _run_id(self, which: int) -> int:
        return self.run_ids[which % len(self.run_ids)] if self.run_ids else 1

    def _keep(self, answer: Json) -> None:
        if "run_id" in answer:
            self.run_ids.append(answer["run_id"])

    def _submit(self, which: int, how: int) -> None:
        self._keep(self._call("POST", "runs/submit", _GRAPHS[(which + how) % len(_GRAPHS)]))

    def _job(self, _which: int, _how: int) -> None:
        self.job_ids.append(self._call("POST", "create", _JOB).get("job_id", 1))

    def _chain(self, which: int, _how: int) -> None:
        if self.job_ids:
            below = {"task_key": "r", "run_job_task": {"job_id": self.job_ids[which % len(self.job_ids)]}}
            self._keep(self._call("POST", "runs/submit", graph_body(below, run_name="chain")))

    def _run_now(self, which: int, _how: int) -> None:
        if self.job_ids:
            self._keep(self._call("POST", "run-now", {"job_id": self.job_ids[which % len(self.job_ids)]}))

    def _advance(self, which: int, how: int) -> None:
        self.workspace.clock.advance([0.5, 10, 59, 61, 130, 600, 7_200, 86_400][(which + how) % 8])

    def _step(self, _which: int, _how: int) -> None:
        self.said.append(self.workspace.clock.step())

    def _get(self, which: int, how: int) -> None:
        self._call("GET", "runs/get", run_id=self._run_id(which), include_history=how % 2 == 0)

    def _list(self, _which: int, how: int) -> None:
        token = {"page_token": self.page_token} if self.page_token and how % 2 else {}
        self.page_token = self._call("GET", "runs/list", limit=2, **token).get("next_page_token", "")

    def _cancel(self, which: int, _how: int) -> None:
        self._call("POST", "runs/cancel", {"run_id": self._run_id(which)})

    def _repair(self, which: int, _how: int) -> None:
        self._call("POST", "runs/repair", {"run_id": self._run_id(which), "rerun_all_failed_tasks": True})

    def _delete(self, which: int, _how: int) -> None:
        self._call("POST", "runs/delete", {"run_id": self._run_id(which)})

    def _output(self, which: int, _how: int) -> None:
        self._call("GET", "runs/get-output", run_id=self._run_id(which))

    def _fault(self, which: int, _how: int) -> None:
        self.workspace.faults.add(_FAULTS[which % len(_FAULTS)]())

    def _disarm(self, which: int, _how: int) -> None:
        if faults := list(self.workspace.faults):
            fault = faults[which % len(faults)]
            self.said.append((fault.describe_idleness(), fault.seen))
            self.workspace.faults.remove(fault)

    def _idle(self, _which: int, _how: int) -> None:
        self.said.append([each.taken for each in self.workspace.scenarios.never_taken()])
        self.said.append([each.id for each in self.workspace.faults.never_struck()])

    def _list_active(self, _which: int, _how: int) -> None:
        self.said.append([run.run_id for run in self.workspace.runs.active])

    def _cancel_all(self, _which: int, _how: int) -> None:
        self._call("POST", "runs/cancel-all", {"all_queued_runs": True})

    def _profile(self, which: int, _how: int) -> None:
        self.workspace.faults.apply(["flaky_network", "spot_storm", "large_ids"][which % 3])

    def _scenario(self, which: int, how: int) -> None:
        match = [Match("graph"), Match("f*", nth=2), Match(probability=0.5), Match(task_key="b")][how % 4]
        self.workspace.scenarios.add(match, _OUTCOMES[which % len(_OUTCOMES)])

    def _issue(self, which: int, _how: int) -> None:
        self.said.append(self.workspace.issue_token(["user", "guest"][which % 2], lifetime="10m"))

    def _rotate(self, _which: int, _how: int) -> None:
        self.said.append(self.workspace.rotate_token())

    def _oidc(self, which: int, _how: int) -> None:
        self._call("POST", "../../../oidc/v1/token", {"which": which})

    def _unknown(self, _which: int, _how: int) -> None:
        self._call("GET", "nothing")
