"""Whole histories: jobs and runs of some days, made through the API as clients would have made them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Faults
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.scenarios import Scenarios
from dbx_emulator._core.states import ResultState
from dbx_emulator.doors.missing import needs
from dbx_emulator.runs_view import RunsView

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["History", "Inhabited", "populate"]

Json = dict[str, Any]

#: How often a run is cancelled by somebody, and how often a failed one is repaired.
_CANCELED, _REPAIRED = 0.04, 0.5

#: How many runs come to a job, and the share of runs that are submitted without one.
_RUNS_OF_A_JOB, _SUBMITTED = 8, 0.4


@dataclass(frozen=True, slots=True)
class History:
    """What was made.

    Attributes:
        job_ids: The jobs, oldest first.
        run_ids: The runs, oldest first.
        active_run_ids: Those of them that go on.
        ends: How many of the others ended with which termination code.
    """

    job_ids: tuple[int, ...]
    run_ids: tuple[int, ...]
    active_run_ids: tuple[int, ...]
    ends: dict[str, int]


class Inhabited(Protocol):
    """What a history needs of a workspace."""

    clock: Clock
    draws: Draws
    scenarios: Scenarios
    faults: Faults
    journal: Journal
    runs: RunsView

    @property
    def headers(self) -> dict[str, str]:
        """The headers that open it."""
        ...

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        ...


def populate(workspace: Inhabited, *, runs: int, over: Duration, active: int) -> History:
    """Make a history of some days, until now, and return what was made. Chance is drawn from the workspace's seed.

    Args:
        workspace: The workspace; its clock is moved by `over`.
        runs: How many runs, from 1.
        over: How long ago the first was made, when all are.
        active: How many of the last are long ones that still go on, from 0 to `runs`.

    Raises:
        UsageError: A count is none, a fault is armed, or time ends before.
        ModuleNotFoundError: faker is missing.
    """
    over_ms = duration_ms(over, name="over")
    _check(workspace, runs, active, over_ms)
    with needs("faker", what="populate"):
        from faker import Faker
    from dbx_emulator.faker import DatabricksProvider

    fake = Faker("en_US")
    fake.add_provider(DatabricksProvider)
    fake.seed_instance(int(workspace.draws.fraction("populate", len(workspace.runs), runs) * 2**53))
    return _Author(workspace, fake).write(runs, over_ms, active)


def _check(workspace: Inhabited, runs: int, active: int, over_ms: int) -> None:
    if type(runs) is not int or runs < 1:
        raise UsageError(f"runs: {runs!r} is no count from 1 on")
    if type(active) is not int or not 0 <= active <= runs:
        raise UsageError(f"active: {active!r} is no count from 0 to {runs}, of all runs")
    if len(workspace.faults):
        raise UsageError("faults: the calls that make a history are to succeed; arm faults afterwards")
    workspace.clock.check_move(over_ms, who="a history")


class _Author:
    """Writes one history into a workspace."""

    def __init__(self, workspace: Inhabited, fake: Faker) -> None:
        self._workspace = workspace
        self._fake: Any = fake
        self._random = fake.random
        self._run_ids: list[int] = []

    def write(self, runs: int, over_ms: int, active: int) -> History:
        workspace = self._workspace
        start_ms = workspace.clock.now_ms
        last_ms = start_ms + over_ms
        moments = sorted(start_ms + round(self._random.random() * over_ms) for _ in range(runs))
        outcomes = [self._fake.databricks_outcome() for _ in moments]
        for place in range(runs - active, runs):
            # Begun within the last half hour, and far from its end.
            moments[place] = last_ms - round(self._random.random() * min(over_ms, 1_800_000))
            outcomes[place] = Outcome(queue=0, cluster="1m", run="6h")
        # Its n-th run has the n-th of them.
        scenario = workspace.scenarios.add("*", outcomes)
        try:
            with workspace.journal.silent():
                job_ids = [self._create_job() for _ in range(1 + runs // _RUNS_OF_A_JOB)]
                self._happen(sorted(moments), job_ids, ending=runs - active)
                self._wait_until(last_ms)
        finally:
            workspace.scenarios.remove(scenario)
        return self._tell(job_ids)

    def _happen(self, moments: list[int], job_ids: list[int], *, ending: int) -> None:
        """Make a run at each moment. Of the first, which are to end, cancel some; repair some that have failed."""
        to_repair: list[JobRun] = []
        for number, at_ms in enumerate(moments):
            self._wait_until(at_ms)
            to_repair = [each for each in to_repair if not self._repair(each)]
            # Those that are to go on do not wait for the turn of a job.
            goes_on = number >= ending
            of_a_job = not goes_on and self._random.random() >= _SUBMITTED
            job_run = (
                self._run_now(self._random.choice(job_ids)) if of_a_job else self._submit(goes_on=goes_on)
            )
            if not goes_on and self._random.random() < _CANCELED:
                self._wait_until(
                    min(at_ms + self._random.randint(1, 600_000), *moments[number + 1 : number + 2])
                )
                self._post("runs/cancel", {"run_id": job_run.run_id})
            elif self._random.random() < _REPAIRED:
                to_repair.append(job_run)

    def _create_job(self) -> int:
        job_id: int = self._post("create", self._fake.databricks_job())["job_id"]
        return job_id

    def _run_now(self, job_id: int) -> JobRun:
        return self._keep(self._post("run-now", {"job_id": job_id}))

    def _submit(self, *, goes_on: bool) -> JobRun:
        body = self._fake.databricks_run(0 if goes_on else None)
        return self._keep(self._post("runs/submit", body | ({"timeout_seconds": 0} if goes_on else {})))

    def _keep(self, answer: Json) -> JobRun:
        self._run_ids.append(answer["run_id"])
        return self._workspace.runs[answer["run_id"]]

    def _repair(self, job_run: JobRun) -> bool:
        """Repair a run once it has failed; say whether it was over."""
        was_over = job_run.is_terminal
        if job_run.result_state is ResultState.FAILED:
            self._post("runs/repair", {"run_id": job_run.run_id, "rerun_all_failed_tasks": True})
        return was_over

    def _tell(self, job_ids: list[int]) -> History:
        job_runs = [self._workspace.runs[run_id] for run_id in self._run_ids]
        ends = Counter(
            str(each.state.code.value) for each in job_runs if each.is_terminal and each.state.code
        )
        active = tuple(each.run_id for each in job_runs if not each.is_terminal)
        return History(tuple(job_ids), tuple(self._run_ids), active, dict(ends.most_common()))

    def _wait_until(self, at_ms: int) -> None:
        clock = self._workspace.clock
        clock.wait(max(0, at_ms - clock.now_ms), who="a history")

    def _post(self, endpoint: str, body: Json) -> Json:
        headers = [(name.encode(), value.encode()) for name, value in self._workspace.headers.items()]
        request = Request("POST", f"/api/2.2/jobs/{endpoint}", headers, json.dumps(body).encode())
        reply = self._workspace.handle(request)
        assert reply.status_code == 200, reply.body  # noqa: PLR2004 - HTTP
        answer: Json = json.loads(reply.body)
        return answer
