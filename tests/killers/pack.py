"""The pack: each wrong client with the life in which it shows, and by what it is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dbx_emulator import Outcome, Timing, Workspace
from tests.killers.clients import (
    BelievesLost,
    Careful,
    ForgetsInternalError,
    ForgetsTheRun,
    GivesUpAtOnce,
    IgnoresRetryAfter,
    Json,
    KnowsAllStates,
    NeverConfirms,
    NewTokenEachTime,
    NoToken,
    ReadsTerminatedAsSuccess,
    RepeatsAnything,
    StopsAtPageOne,
    WaitsForEver,
)

__all__ = ["KILLERS", "Killer"]

#: What a client does in a life.
Work = Callable[[Careful], object]


def lasting_runs() -> Workspace:
    """Make a workspace whose runs do not end by themselves before anybody could miss them."""
    return Workspace(timing=Timing(run="25m"))


def every_run_fails() -> Workspace:
    """Make one in which the code of every run raises."""
    workspace = lasting_runs()
    workspace.scenarios.add("*", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    return workspace


def sees_a_run_through(client: Careful) -> object:
    """Submit a run and wait for its end."""
    return client.follow(client.submit())


def sees_a_flat_run_through(client: Careful) -> object:
    """The same for a run without `tasks`, which ends as TERMINATED even if it failed."""
    flat: Json = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/load"}, "tasks": None}
    return client.follow(client.submit(**flat))


def thinks_better_of_it(client: Careful) -> object:
    """Submit a run, look at it once and cancel it."""
    run_id = client.submit()
    try:
        client.state(run_id)
    finally:
        client.cancel(run_id)
    return None


def cancels_all_there_is(client: Careful) -> object:
    """Cancel every active run, one by one."""
    mine: list[int] = []
    try:
        for number in range(2):
            mine.append(client.submit(f"load {number}", idempotency_token=f"load {number}"))  # noqa: PERF401
        client.stop(client.active())
    except Exception:
        client.stop(mine)
        raise
    return None


@dataclass(frozen=True)
class Killer:
    """A client that is wrong.

    Attributes:
        client: The client.
        caught_by: The invariant of the sweep that it breaks.
        plan: The smallest plan under which it does; empty if it is wrong by itself.
        lint: The rule of the lint that names it, under that plan; an empty text if none does.
        work: What it does.
        workspace: Makes the workspace.
    """

    client: type[Careful]
    caught_by: str
    plan: str
    lint: str = ""
    work: Work = sees_a_run_through
    workspace: Callable[[], Workspace] = lasting_runs

    def life(self, workspace: Workspace) -> object:
        """Live with the wrong client."""
        return self.work(self.client(workspace))

    def twin(self, workspace: Workspace) -> object:
        """Live with the one that does it right."""
        return self.work(Careful(workspace))


KILLERS = (
    Killer(NoToken, "no_duplicate_run", "runs/submit[1]:lost_response", "DBX003"),
    Killer(NewTokenEachTime, "no_duplicate_run", "runs/submit[1]:lost_response", "DBX004"),
    Killer(BelievesLost, "no_duplicate_run", "runs/get[1]:read_lag"),
    Killer(IgnoresRetryAfter, "same_end", "runs/submit[1]:429", "DBX001"),
    Killer(GivesUpAtOnce, "same_end", "runs/submit[1]:500"),
    Killer(ForgetsInternalError, "says_what_became_of_the_run", "", "DBX012", workspace=every_run_fails),
    Killer(
        ReadsTerminatedAsSuccess,
        "says_what_became_of_the_run",
        "",
        work=sees_a_flat_run_through,
        workspace=every_run_fails,
    ),
    Killer(KnowsAllStates, "no_leaked_run", "runs/get[1]:unknown_state", "DBX005"),
    # Its pages are short by its own wish, so that the lint cannot know that it wanted all.
    Killer(StopsAtPageOne, "no_leaked_run", "", work=cancels_all_there_is),
    Killer(NeverConfirms, "no_leaked_run", "runs/cancel[1]:500", "DBX006", work=thinks_better_of_it),
    Killer(ForgetsTheRun, "no_leaked_run", "runs/get[1]:401", "DBX005"),
    Killer(RepeatsAnything, "bounded_calls", "runs/submit[1]:400", "DBX007"),
    Killer(WaitsForEver, "ends", "runs/submit[1]:hang"),
)
