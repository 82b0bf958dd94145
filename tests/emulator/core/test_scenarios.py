"""Which run has which fate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.runs import SubmittedRun
from dbx_emulator._core.scenarios import Claim, Match, Scenario, Scenarios
from dbx_emulator._core.submitted import ForEach
from tests.emulator.support import outcome, submitted_run, submitted_task

_LOST = outcome("CLOUD_FAILURE")
_BROKEN = outcome("DRIVER_ERROR")
_JOB_ID = 7


def _claim(scenarios: Scenarios, run: SubmittedRun | str, *, number: int = 1) -> Claim:
    if isinstance(run, str):
        run = submitted_run(run_name=run)
    return scenarios.claim(run, job_id=_JOB_ID, key=(run.run_name, number))


def _outcomes(claim: Claim) -> list[Outcome]:
    """Return what happens to the first attempt of each task that a scenario took."""
    return [fate.of_attempt(0) for _, fate in sorted(claim.fates.items())]


def test_scenario_gives_its_outcomes_in_turn_and_repeats_the_last() -> None:
    """The n-th run takes the n-th outcome."""
    scenario = Scenario(Match(), [_LOST, outcome()])
    assert [scenario.take() for _ in range(4)] == [_LOST, outcome(), outcome(), outcome()]
    assert scenario.taken == 4


def test_scenario_keeps_its_outcomes_from_later_changes() -> None:
    """The list that was given may be changed afterwards."""
    outcomes = [outcome()]
    scenario = Scenario(Match(), outcomes)
    outcomes.clear()
    assert scenario.take() == outcome()


@pytest.mark.parametrize(
    ("arguments", "options", "field"),
    [
        pytest.param(("", [Outcome()]), {}, "run_name", id="no-name"),
        pytest.param(("etl", []), {}, "outcomes", id="no-outcome"),
        pytest.param(("etl", Outcome()), {}, "outcomes", id="one-outcome"),
        pytest.param(("etl", [{"run": "1m"}]), {}, "outcomes", id="dict"),
        pytest.param(("etl", 5), {}, "outcomes", id="number"),
        pytest.param(("etl", "run"), {}, "outcomes", id="text"),
        pytest.param((None, [Outcome()]), {}, "match", id="no-way-to-choose"),
        pytest.param(("etl", [Outcome()]), {"name": 5}, "name", id="name-no-text"),
        pytest.param(("etl", [Outcome()]), {"description": 5}, "description", id="description-no-text"),
        pytest.param((7, [Outcome()]), {}, "match", id="no-match"),
        pytest.param(("etl", [Outcome()]), {"name": "1st"}, "name", id="name-with-digit-first"),
        pytest.param(("etl", [Outcome()]), {"name": "a b"}, "name", id="name-with-blank"),
        pytest.param(("etl", [Outcome()]), {"name": "taken"}, "name", id="name-taken"),
        pytest.param(("etl", [Outcome()]), {"on_success": "print"}, "on_success", id="no-callable"),
    ],
)
def test_scenario_that_makes_no_sense_is_refused(
    arguments: tuple[Any, Any], options: dict[str, Any], field: str
) -> None:
    """What would never match, never decide or never be found is a mistake, and nothing is added."""
    scenarios = Scenarios()
    scenarios.add("*", [Outcome()], name="taken")
    with pytest.raises(UsageError, match=f"^{field}: "):
        scenarios.add(*arguments, **options)
    assert len(scenarios) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"run_name": ""}, "run_name", id="empty-name"),
        pytest.param({"task_key": ""}, "task_key", id="empty-task-key"),
        pytest.param({"run_name": 5}, "run_name", id="name-no-text"),
        pytest.param({"tags": ["team"]}, "tags", id="tags-list"),
        pytest.param({"tags": {"team": 1}}, "tags", id="tag-no-text"),
        pytest.param({"parameters": "day"}, "parameters", id="parameters-text"),
        pytest.param({"nth": 0}, "nth", id="nth-zero"),
        pytest.param({"nth": "2"}, "nth", id="nth-text"),
        pytest.param({"nth": True}, "nth", id="nth-boolean"),
        pytest.param({"job_id": "7"}, "job_id", id="job-text"),
        pytest.param({"probability": 0}, "probability", id="never"),
        pytest.param({"probability": 1.01}, "probability", id="more-than-always"),
        pytest.param({"probability": "half"}, "probability", id="probability-text"),
        pytest.param({"probability": True}, "probability", id="probability-boolean"),
    ],
)
def test_match_refuses_what_matches_nothing(fields: dict[str, Any], field: str) -> None:
    """The error begins with the field."""
    with pytest.raises(UsageError, match=f"^{field}: "):
        Match(**fields)


@pytest.mark.parametrize(
    ("pattern", "run_name", "matches"),
    [
        pytest.param("etl", "etl", True, id="whole"),
        pytest.param("etl", "etl-2", False, id="no-prefix"),
        pytest.param("etl-*", "etl-2", True, id="star"),
        pytest.param("etl-?", "etl-22", False, id="one-character"),
        pytest.param("ETL", "etl", False, id="case"),
    ],
)
def test_scenarios_match_a_glob_over_the_whole_name(*, pattern: str, run_name: str, matches: bool) -> None:
    """Upper and lower case are told apart."""
    scenarios = Scenarios()
    scenarios.add(pattern, [_LOST])
    assert _outcomes(_claim(scenarios, run_name)) == ([_LOST] if matches else [])


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        pytest.param(Match(tags={"team": "data"}), True, id="tag"),
        pytest.param(Match(tags={"team": "d*", "cost": "*"}), True, id="tag-globs"),
        pytest.param(Match(tags={"team": "web"}), False, id="other-value"),
        pytest.param(Match(tags={"owner": "*"}), False, id="tag-missing"),
        pytest.param(Match(parameters={"day": "2024-*"}), True, id="parameter"),
        pytest.param(Match(parameters={"day": "2024-*", "hour": "3"}), False, id="parameters-of-two-tasks"),
        pytest.param(Match(parameters={"month": "*"}), False, id="parameter-missing"),
        pytest.param(Match(job_id=_JOB_ID), True, id="job"),
        pytest.param(Match(job_id=8), False, id="other-job"),
        pytest.param(Match("run", tags={"team": "data"}, job_id=_JOB_ID), True, id="all-together"),
        pytest.param(Match("other", tags={"team": "data"}), False, id="all-but-one"),
        pytest.param(Match(task_key="none"), False, id="no-such-task"),
    ],
)
def test_match_is_all_of_its_conditions(*, match: Match, matches: bool) -> None:
    """A run must fulfil each that is named; parameters must be those of one task."""
    run = submitted_run(
        submitted_task("a", parameters={"day": "2024-01-01"}),
        submitted_task("b", parameters={"hour": "3"}),
        tags={"team": "data", "cost": "7"},
    )
    scenarios = Scenarios()
    scenarios.add(match, [_LOST])
    assert bool(_claim(scenarios, run).fates) is matches


def test_scenarios_prefer_what_was_added_last() -> None:
    """The one that does not get the run does not count it either."""
    scenarios = Scenarios()
    first = scenarios.add("*", [_LOST])
    second = scenarios.add("etl", [_BROKEN])
    assert _outcomes(_claim(scenarios, "etl")) == [_BROKEN]
    assert _outcomes(_claim(scenarios, "other")) == [_LOST]
    assert (first.matched, first.taken, second.matched, second.taken) == (1, 1, 1, 1)
    assert list(scenarios) == [first, second]


def test_scenario_for_tasks_leaves_the_others_to_the_rest() -> None:
    """Two scenarios share a run: one has the tasks it names, the other what is left."""
    scenarios = Scenarios()
    whole = scenarios.add("*", [_LOST])
    part = scenarios.add(Match(task_key="load_*"), [_BROKEN])
    run = submitted_run(submitted_task("extract"), submitted_task("load_a"), submitted_task("load_b"))
    assert _outcomes(_claim(scenarios, run)) == [_LOST, _BROKEN, _BROKEN]
    assert (whole.taken, part.taken) == (1, 1)


def test_scenario_for_tasks_does_not_mean_a_run_without_tasks() -> None:
    """The task key of a flat run is made up by the service."""
    scenarios = Scenarios()
    scenarios.add(Match(task_key="only"), [_LOST])
    assert _claim(scenarios, submitted_run(submitted_task("only"), is_flat=True)).fates == {}
    assert _claim(scenarios, submitted_run(submitted_task("only"))).fates != {}


def test_nth_takes_one_of_those_that_match() -> None:
    """Others go on to the next scenario; a run of another name does not count."""
    scenarios = Scenarios()
    scenarios.add("*", [outcome()])
    second = scenarios.add(Match("etl", nth=2), [_LOST])
    names = ["etl", "other", "etl", "etl"]
    assert [_outcomes(_claim(scenarios, name)) for name in names] == [
        [outcome()],
        [outcome()],
        [_LOST],
        [outcome()],
    ]
    assert (second.matched, second.taken) == (3, 1)


def test_probability_is_drawn_for_the_run_and_not_in_turn() -> None:
    """The same run has the same fate whatever was claimed before it; another seed chooses others."""

    def taken(seed: int, numbers: Sequence[int]) -> set[int]:
        scenarios = Scenarios(draws=Draws(seed))
        scenarios.add("nothing", [outcome()])
        scenarios.add(Match("etl", probability=0.3), [_LOST])
        return {number for number in numbers if _claim(scenarios, "etl", number=number).fates}

    numbers = range(1, 1_001)
    first = taken(1, numbers)
    assert 230 < len(first) < 370
    assert taken(1, list(reversed(numbers))) == first
    assert taken(2, numbers) != first


def test_named_scenarios_have_chances_of_their_own() -> None:
    """Two scenarios of the same probability do not always take the same runs."""
    scenarios = Scenarios()
    scenarios.add(Match(task_key="a", probability=0.5), [_LOST], name="one")
    scenarios.add(Match(task_key="b", probability=0.5), [_LOST], name="other")
    run = submitted_run(submitted_task("a"), submitted_task("b"))
    assert {len(_claim(scenarios, run, number=number).fates) for number in range(50)} == {0, 1, 2}


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(submitted_run(run_name="nightly#lost"), id="run-name"),
        pytest.param(submitted_run(tags={"dbx_scenario": "lost"}), id="tag"),
        pytest.param(submitted_run(run_name="nightly#broken", tags={"dbx_scenario": "lost"}), id="tag-wins"),
    ],
)
def test_run_can_choose_its_scenario_by_name(run: SubmittedRun) -> None:
    """Whoever submits it says so, whatever else matches and whatever the scenario matches."""
    scenarios = Scenarios()
    chosen = scenarios.add("nobody", [_LOST], name="lost")
    scenarios.add("*", [_BROKEN], name="broken")
    assert _outcomes(_claim(scenarios, run)) == [_LOST]
    assert chosen.taken == 1


def test_scenario_without_a_match_is_for_those_who_choose_it() -> None:
    """No other run gets it, and it hides none of the others."""
    scenarios = Scenarios()
    scenarios.add("*", [_BROKEN])
    scenarios.add(None, [_LOST], name="lost")
    assert _outcomes(_claim(scenarios, "nightly")) == [_BROKEN]
    assert _outcomes(_claim(scenarios, "nightly#lost")) == [_LOST]


def test_scenarios_are_added_together_or_not_at_all() -> None:
    """A name that is taken, there or among themselves, keeps out all of them."""
    scenarios = Scenarios()
    scenarios.add(None, [_LOST], name="taken")
    for names in (["free", "taken"], ["same", "same"]):
        with pytest.raises(UsageError, match=r"^name: there is a scenario"):
            scenarios.add_all(Scenario(None, [_LOST], name) for name in names)
    assert len(scenarios) == 1


def test_scenarios_that_are_added_together_are_copies() -> None:
    """Two workspaces that have them count their runs each for itself; the later one is preferred."""
    given = [Scenario(Match(), [_LOST, _BROKEN]), Scenario(Match("etl"), [outcome()])]
    for scenarios in (Scenarios(), Scenarios()):
        added = scenarios.add_all(given)
        assert _outcomes(_claim(scenarios, "other")) == [_LOST]
        assert _outcomes(_claim(scenarios, "etl")) == [outcome()]
        assert added == given == list(scenarios)
        assert [each.taken for each in added] == [1, 1]


def test_named_scenario_can_be_used_for_a_match() -> None:
    """Those that were added come before the catalogue; each use has its own turn, and none takes the name."""
    called: list[object] = []
    scenarios = Scenarios(catalogue={name: Scenario(None, [_BROKEN], name) for name in ("lost", "other")})
    scenarios.add(None, [_LOST, outcome()], name="lost", on_success=called.append, description="Once.")
    used = scenarios.use("lost", "etl-*")
    assert (used.name, used.description, used.on_success) == ("", "Once.", called.append)
    assert [_outcomes(_claim(scenarios, run)) for run in ("etl-1", "etl-2", "x#lost")] == [
        [_LOST],
        [outcome()],
        [_LOST],
    ]
    scenarios.use("other", Match("etl-*"))
    assert _outcomes(_claim(scenarios, "etl-3")) == [_BROKEN]


def test_name_that_cannot_be_used_is_told_with_those_that_can() -> None:
    """Of the catalogue and of those that were added."""
    scenarios = Scenarios(catalogue={"spot_loss": Scenario(None, [_LOST], "spot_loss")})
    scenarios.add(None, [_BROKEN], name="mine")
    with pytest.raises(
        UsageError, match=r"^name: 'spot_los' is none of mine, spot_loss \(nearest: spot_loss\)$"
    ):
        scenarios.use("spot_los", "*")


def test_run_can_choose_from_the_catalogue() -> None:
    """A name that no scenario has is looked up there; its outcomes go in turn like others."""
    scenarios = Scenarios(catalogue={"flaky": Scenario(None, [_LOST, Outcome()], "flaky")})
    run = "nightly#flaky"
    assert [_outcomes(_claim(scenarios, run)) for _ in range(3)] == [[_LOST], [Outcome()], [Outcome()]]
    scenarios.clear()
    assert _outcomes(_claim(scenarios, run)) == [_LOST]
    own = scenarios.add("nobody", [_BROKEN], name="flaky")
    assert _outcomes(_claim(scenarios, run)) == [_BROKEN]
    assert own.taken == 1


def test_run_that_chooses_a_scenario_that_is_not_there_is_noted() -> None:
    """It goes on like any other, and the author of the test hears of it, with the nearest name."""
    scenarios = Scenarios()
    scenarios.add("*", [_BROKEN], name="spot_loss")
    claim = _claim(scenarios, "nightly#spot_los")
    assert _outcomes(claim) == [_BROKEN]
    assert claim.notes == ["the run asks for the scenario 'spot_los', and there is none (nearest: spot_loss)"]


@pytest.mark.parametrize("run_name", ["build #3", "a#", "#", "a#b c", "a#b#"])
def test_run_name_with_a_hash_chooses_nothing(run_name: str) -> None:
    """Only a name at its very end is one."""
    assert _claim(Scenarios(), run_name) == Claim()


def test_task_that_a_scenario_names_and_the_run_lacks_is_noted() -> None:
    """A misspelt task key would otherwise be plain success."""
    scenarios = Scenarios()
    whole = Outcome(tasks={"laod": _LOST, "ex*": _LOST})
    scenarios.add("*", [whole])
    claim = _claim(scenarios, submitted_run(submitted_task("extract"), submitted_task("load")))
    assert claim.notes == [
        "the scenario names the task 'laod', and the run has extract, load (nearest: load)"
    ]
    assert _outcomes(claim) == [_LOST, whole]


def test_scenarios_that_are_forgotten_decide_nothing_more() -> None:
    """Without a scenario a run succeeds in the workspace's own time."""
    scenarios = Scenarios()
    scenarios.add("*", [_LOST])
    scenarios.clear()
    assert _claim(scenarios, "etl") == Claim()


def test_claim_tells_whom_to_call() -> None:
    """Each scenario that took a part of the run is told once, those that took none are not."""
    called: list[str] = []

    def one(_run: object) -> None:
        called.append("one")

    scenarios = Scenarios()
    scenarios.add("*", [outcome()], on_success=one)
    scenarios.add("other", [outcome()], on_success=one)
    assert _claim(scenarios, "etl").on_success == [one]


def _for_each(*, key: str = "each", **fields: Any) -> SubmittedRun:
    return submitted_run(submitted_task(key, work=ForEach("[1]", submitted_task("load", **fields))))


def test_scenario_reaches_the_task_that_is_repeated() -> None:
    """By its own key and by its parameters; a task that the outcome names may be an iteration of it."""
    scenarios = Scenarios()
    scenarios.add(Match(task_key="load", parameters={"day": "mon"}), [Outcome(tasks={"load/0": _LOST})])
    claim = _claim(scenarios, _for_each(parameters={"day": "mon"}))
    assert claim.fates.keys() == {"load"}
    assert claim.fates["load"].of_iteration("load/0").of_attempt(0) is _LOST
    assert claim.notes == []
    assert _claim(scenarios, _for_each()).fates == {}


def test_scenario_for_the_whole_run_has_the_repeated_task_too() -> None:
    """Nothing is left for scenarios that were added before; an iteration of no such task is noted."""
    scenarios = Scenarios()
    first = scenarios.add("*", [outcome()])
    scenarios.add("*", [Outcome(tasks={"lode/0": _LOST})])
    claim = _claim(scenarios, _for_each())
    assert claim.fates.keys() == {"each", "load"}
    assert first.matched == 0
    [note] = claim.notes
    assert "'lode/0', and the run has each, load" in note
