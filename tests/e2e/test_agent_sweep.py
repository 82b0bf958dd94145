"""The agent under every fault at every call: seen through by Flyte's engine, judged from the emulator's state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from dbx_emulator import Outcome, Timing, Workspace
from dbx_emulator.testing import SWEEP_KINDS, LifeOutcome, SweepKind, sweep
from dbx_emulator.testing.sweeps.kinds import SweptCall
from tests.agent.support import Template

if TYPE_CHECKING:
    from tests.agent.engine import Ending

pytestmark = [pytest.mark.flyte, pytest.mark.once]

#: A cluster that is new takes its time, so that a run which is cancelled at once has not worked.
TIMING = Timing(cluster="2m", run="11m")

CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1}
CONF = {"run_name": "etl", "new_cluster": CLUSTER}
TASK_KEYS = ("extract", "transform", "load")
MULTI_TASK: dict[str, Any] = {
    "run_name": "etl",
    "tasks": [
        {"task_key": key, "new_cluster": CLUSTER, "notebook_task": {"notebook_path": f"/{key}"}}
        for key in TASK_KEYS
    ],
}


@dataclass(frozen=True)
class Life:
    """What becomes of one task.

    Attributes:
        phase: How it ends without faults.
        conf: What the task says of its run.
        outcomes: What happens to its runs, one after the other.
        abort_after_polls: After how many polls the user aborts; `None` never.
    """

    phase: str
    conf: Mapping[str, Any] = field(default_factory=lambda: CONF)
    outcomes: tuple[Outcome, ...] = ()
    abort_after_polls: int | None = None

    def make_workspace(self) -> Workspace:
        """Make a workspace in which it happens."""
        workspace = Workspace(timing=TIMING)
        if self.outcomes:
            workspace.scenarios.add("etl", list(self.outcomes))
        return workspace

    async def __call__(self, workspace: Workspace) -> Ending:
        """Live it."""
        from tests.agent.engine import Engine

        engine = Engine(
            workspace, Template({"databricksConf": self.conf}), abort_after_polls=self.abort_after_polls
        )
        return await engine.see_through()


LIVES = {
    "succeeds": Life("SUCCEEDED"),
    "user-error": Life("FAILED", outcomes=(Outcome(termination_code="RUN_EXECUTION_ERROR", error="boom"),)),
    "spot-loss": Life("SUCCEEDED", outcomes=(Outcome(termination_code="CLOUD_FAILURE"), Outcome())),
    "cancelled": Life("DELETED", abort_after_polls=4),
    "times-out": Life("FAILED", conf=CONF | {"timeout_seconds": 660}, outcomes=(Outcome(run="1h"),)),
    "rejected": Life("FAILED", conf=MULTI_TASK | {"tasks": [*MULTI_TASK["tasks"], MULTI_TASK["tasks"][0]]}),
    "multi-task": Life(
        "FAILED",
        conf=MULTI_TASK,
        outcomes=(
            Outcome(tasks={"transform": Outcome(termination_code="RUN_EXECUTION_ERROR", error="boom")}),
        ),
    ),
}

#: Refusals that a client cannot tell from lasting ones. A submit takes them for what they say; what has a run in
#: its hands sits them out.
ENDURED = ("401", "403_token", "403_once")
LASTING = ("400", "403", "404")


def _on_submit(call: SweptCall) -> bool:
    return call.route == "runs/submit"


def _after_submit(call: SweptCall) -> bool:
    return call.route != "runs/submit"


def _kinds() -> list[SweepKind]:
    kinds = [kind for kind in SWEEP_KINDS.values() if kind.id not in ENDURED]
    for name in ENDURED:
        kinds.append(replace(SWEEP_KINDS[name], is_transient=True, strikes=_after_submit))
        kinds.append(replace(SWEEP_KINDS[name], id=f"{name}_on_submit", strikes=_on_submit))
    return kinds


KINDS = _kinds()

#: What is not transient: route and kind → the phase that is answered at last; the fault-free one where `None`.
ROWS: dict[tuple[str, str], str | None] = {
    **{("runs/submit", kind): "FAILED" for kind in (*LASTING, *(f"{name}_on_submit" for name in ENDURED))},
    **{("runs/get", kind): "FAILED" for kind in LASTING},
    **{("runs/get-output", kind): None for kind in LASTING},
    **{("runs/cancel", kind): None for kind in LASTING},
}


def no_exception(_workspace: Workspace, outcome: LifeOutcome) -> str | None:
    """`get` raises nothing, and a delete succeeds in the end."""
    ending: Ending = outcome.value  # type: ignore[assignment]
    return "; ".join(ending.raised) or None


def no_late_call(_workspace: Workspace, outcome: LifeOutcome) -> str | None:
    """Every call ends inside its budget."""
    ending: Ending = outcome.value  # type: ignore[assignment]
    return "; ".join(ending.late) or None


def known_or_cancelled(workspace: Workspace, outcome: LifeOutcome) -> str | None:
    """The engine has heard of every run that nobody cancelled."""
    ending: Ending = outcome.value  # type: ignore[assignment]
    for run in workspace.runs:
        if str(run.run_id) not in ending.run_ids and not run.is_cancel_requested:
            return f"nobody knows of run {run.run_id}, and nobody cancelled it"
    return None


def one_works_at_a_time(workspace: Workspace, _outcome: LifeOutcome) -> str | None:
    """No two runs of a task work at the same time, although one that is being cancelled may be there still."""
    spans = sorted(
        (min(starts), run.end_time_ms, run.run_id)
        for run in workspace.runs
        if (starts := [entry.at_ms for entry in run.timeline if entry.life_cycle_state.value == "RUNNING"])
    )
    for (_, end_ms, run_id), (start_ms, _, other) in pairwise(spans):
        if not end_ms or start_ms < end_ms:
            return f"runs {run_id} and {other} work at the same time"
    return None


def as_documented(phase: str, _workspace: Workspace, outcome: LifeOutcome) -> str | None:
    """After what is not transient the phase is the one of the table."""
    ending: Ending = outcome.value  # type: ignore[assignment]
    for strike in outcome.struck:
        if (strike.route, strike.kind) in ROWS:
            expected = {ROWS[strike.route, strike.kind] or phase}
            # Who aborts may come before the answer that would have been the last.
            if (phase, strike.route) == ("DELETED", "runs/get"):
                expected.add(phase)
            if ending.phase not in expected:
                return f"it ended as {ending.phase} instead of {' or '.join(expected)}: {ending.message}"
    return None


INVARIANTS = (no_exception, no_late_call, known_or_cancelled, one_works_at_a_time)


def _attempt(run: Any) -> str:
    """What a run is meant for: one attempt, which its token names."""
    return str(run.submitted.idempotency_token)


def _phase(outcome: LifeOutcome) -> object:
    return outcome.value.phase if outcome.error is None else repr(outcome.error)  # type: ignore[attr-defined]


def _judge(life: Life, **options: Any) -> None:
    documented: Callable[[Workspace, LifeOutcome], str | None] = partial(as_documented, life.phase)
    sweep(
        life,
        workspace=life.make_workspace,
        same=_phase,
        intent=_attempt,
        invariants=[*INVARIANTS, documented],
        **options,
    ).check()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of every workspace, and no drawing of log lines, which takes longer than a call."""
    monkeypatch.setenv("_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN", Workspace().token)
    monkeypatch.setattr(logging.getLogger("flytekit"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("flytekit.dbx_agent"), "propagate", False)


@pytest.mark.parametrize(
    ("name", "kinds", "chaos"),
    [
        pytest.param("cancelled", KINDS, 20, id="cancelled"),
        pytest.param("rejected", KINDS, 0, id="rejected"),
        pytest.param("spot-loss", ["504_after_effect", "hang"], 0, id="spot-loss"),
        pytest.param("multi-task", ["429", "truncated"], 0, id="multi-task"),
    ],
)
def test_the_agent_is_correct_under_faults(name: str, kinds: list[SweepKind | str], chaos: int) -> None:
    """A slice of what follows: the shortest lives under all kinds, others under the worst."""
    _judge(LIVES[name], kinds=kinds, chaos=chaos, seed=7)


@pytest.mark.soak
@pytest.mark.parametrize("name", LIVES)
def test_the_agent_is_correct_under_every_fault(name: str) -> None:
    """Each kind of fault at each call of each life, then 143 lives of chaos for each, a thousand in all."""
    _judge(LIVES[name], kinds=KINDS, chaos=143, rate=0.3, seed=7)
