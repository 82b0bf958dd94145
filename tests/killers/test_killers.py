"""Each wrong client is caught by name, with one fault at most; its twin that does it right is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbx_emulator import Workspace
from dbx_emulator.testing import SWEEP_KINDS, LifeOutcome, sweep
from tests.killers.pack import KILLERS, Killer

_EACH = [pytest.param(killer, id=killer.client.__name__) for killer in KILLERS]

#: One twin for each life that there is.
_TWINS = {(killer.work.__name__, killer.workspace.__name__): killer for killer in KILLERS}


def says_what_became_of_the_run(workspace: Workspace, outcome: LifeOutcome) -> str | None:
    """Ask that a life returns the results of its run, unless the service refused to tell."""
    results = [run.result_state.value for run in workspace.runs if run.result_state is not None]
    is_refused = not all(SWEEP_KINDS[strike.kind].is_transient for strike in outcome.struck)
    if is_refused or outcome.error is outcome.value is None or outcome.value in results:
        return None
    return f"it said {outcome.value!r} of {results}"


@pytest.mark.parametrize("killer", _EACH)
def test_sweep_catches_the_killer_with_one_fault_at_most(killer: Killer) -> None:
    """The sweep names what it breaks, and the smallest plan under which it does."""
    # Whoever is wrong by itself is wrong at every call of every kind; a few show that it is told once.
    kinds = None if killer.plan else ["500", "lost_response"]
    asked = [says_what_became_of_the_run]
    report = sweep(killer.life, workspace=killer.workspace, kinds=kinds, invariants=asked)
    found = {(failure.invariant, failure.plan) for failure in report.failures}
    assert (killer.caught_by, killer.plan) in found, report
    assert killer.plan.count(":") <= 1
    again = sweep(killer.life, workspace=killer.workspace, plan=killer.plan, invariants=asked)
    assert killer.caught_by in {failure.invariant for failure in again.failures}


@pytest.mark.parametrize("killer", [pytest.param(each, id="-".join(key)) for key, each in _TWINS.items()])
def test_twin_passes_the_sweep(killer: Killer) -> None:
    """Whoever does it right holds out against every kind at every call."""
    sweep(killer.twin, workspace=killer.workspace, invariants=[says_what_became_of_the_run]).check()


def _rules_that_speak(life: Callable[[Workspace], object], killer: Killer) -> set[str]:
    """Return the rules that have something to say of the life under the killer's plan."""
    lived: list[Workspace] = []

    def made() -> Workspace:
        lived.append(killer.workspace())
        return lived[-1]

    sweep(life, workspace=made, plan=killer.plan)
    return {finding.rule_id for finding in lived[-1].lint.findings()}


@pytest.mark.skipif(not hasattr(Workspace, "lint"), reason="the lint of a workspace is not merged yet")
@pytest.mark.parametrize(
    "killer", [pytest.param(each, id=each.client.__name__) for each in KILLERS if each.lint]
)
def test_lint_names_the_killer_and_not_its_twin(killer: Killer) -> None:
    """Under the smallest plan the rule that is about it speaks, and keeps silent about the twin."""
    assert killer.lint in _rules_that_speak(killer.life, killer)
    assert killer.lint not in _rules_that_speak(killer.twin, killer)
