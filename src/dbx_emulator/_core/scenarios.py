"""Which run has which fate: scenarios, what they match, and the one place where a new run claims its fate.

The unit is the run, not the URL: a scenario is bound to a run when the run is created, so there is no cursor that
concurrent runs could race for. The n-th run that a scenario takes has its n-th outcome; further runs have the
last one. A run that no scenario takes succeeds in the workspace's `Timing`.

A run can also be given a scenario by whoever submits it, without touching the emulator: by a `run_name` that ends
in `#name`, or by the tag `dbx_scenario`. The name is that of a scenario, or else of one in the catalogue. A
scenario that matches nothing by itself can be chosen in no other way.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, ClassVar

from dbx_emulator._core.draws import Draws
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.outcomes import Fate, Outcome, read_outcomes

if TYPE_CHECKING:
    from dbx_emulator._core.runs import JobRun
    from dbx_emulator._core.submitted import SubmittedRun, SubmittedTask

__all__ = ["CHOSEN_BY_TAG", "Claim", "Match", "OnSuccess", "Scenario", "Scenarios"]

#: The tag by which a run chooses its scenario.
CHOSEN_BY_TAG = "dbx_scenario"

_CHOSEN_BY_NAME = re.compile(r"#(?P<name>[A-Za-z_][\w\-]*)\Z")
_NAME = re.compile(r"[A-Za-z_][\w\-]*")

#: The test author's own code, called with the run after it succeeded.
OnSuccess = Callable[["JobRun"], object]


@dataclass(frozen=True, slots=True)
class Match:
    """Which runs a scenario takes: those for which all of this holds.

    Attributes:
        run_name: A glob (`*`, `?`, `[…]`) over the whole `run_name`, with upper and lower case told apart.
        task_key: A glob over task keys; then only those tasks have the scenario's fate. `*` is the whole run. The
            task that a for-each task repeats has a key of its own.
        tags: Globs over the values of tags that the run must have.
        parameters: Globs over the values of parameters that one of its tasks must have: of a notebook's
            `base_parameters`, of `named_parameters`, or written as `--name value` or `--name=value`.
        job_id: The id of its job; `None` takes every job.
        nth: Only the run of that number, from 1, among those for which all the rest holds; `None` takes each.
        probability: How likely it is that the scenario takes such a run, above 0 and at most 1.

    Raises:
        UsageError: A glob is empty, `nth` is below 1, or the probability is none.
    """

    run_name: str = "*"
    task_key: str = "*"
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    job_id: int | None = None
    nth: int | None = None
    probability: float = 1

    def __post_init__(self) -> None:
        for name in ("run_name", "task_key"):
            if not isinstance(glob := getattr(self, name), str) or not glob:
                raise UsageError(f"{name}: {glob!r} is no glob; '*' matches every one")
        for name in ("tags", "parameters"):
            globs = getattr(self, name)
            if not isinstance(globs, Mapping) or not all(isinstance(each, str) for each in globs.values()):
                raise UsageError(
                    f"{name}: {globs!r} is no mapping from names to globs, such as {{'team': 'data'}}"
                )
        if self.nth is not None and not (_is_count(self.nth) and self.nth >= 1):
            raise UsageError(f"nth: {self.nth!r} is no number of a run; the first is 1")
        if self.job_id is not None and not _is_count(self.job_id):
            raise UsageError(f"job_id: {self.job_id!r} is no id of a job")
        if isinstance(self.probability, bool) or not isinstance(self.probability, (int, float)):
            raise UsageError(f"probability: {self.probability!r} is no number")
        if not 0 < self.probability <= 1:
            raise UsageError(f"probability: {self.probability!r} is not above 0 and at most 1")

    def task_keys(self, run: SubmittedRun, *, job_id: int) -> set[str]:
        """Return the tasks of a run that are meant; none if the run is not. Leaves `nth` and chance aside."""
        if not (
            fnmatch.fnmatchcase(run.run_name, self.run_name)
            and self.job_id in (None, job_id)
            and _has_all(run.tags, self.tags)
            and any(_has_all(task.parameters, self.parameters) for task in run.every_task())
        ):
            return set()
        return {task.task_key for task in run.every_task() if self._is_meant(task, run)}

    def describe(self) -> str:
        """Return what it asks of a run, in a line: the glob over its name, then the rest with names."""
        rest = [
            f"{each.name}={value!r}"
            for each in fields(self)[1:]
            if (value := getattr(self, each.name)) != getattr(Match(), each.name)
        ]
        return " ".join([self.run_name, *rest])

    def _is_meant(self, task: SubmittedTask, run: SubmittedRun) -> bool:
        # A flat run is its only task, under a key that nobody gave it.
        return self.task_key == "*" or (not run.is_flat and fnmatch.fnmatchcase(task.task_key, self.task_key))


@dataclass(slots=True)
class Scenario:
    """What happens to the runs that match.

    Attributes:
        match: Which runs are meant; `None` if only those that choose it by its name.
        outcomes: What happens to the first, second, … run that it takes; the last one repeats.
        name: By what a run can choose it; an empty text if by nothing.
        on_success: Called with each run that it took, after the run succeeded; `None` calls nobody.
        description: What it is, in one line for those who look for one.
        matched: How many runs have matched so far, `nth` and `probability` left aside.
        taken: How many runs it took.

    Raises:
        UsageError: The match is none, there is no outcome, the name is none, or nothing could ever choose it.
    """

    match: Match | None
    outcomes: Sequence[Outcome]
    name: str = ""
    on_success: OnSuccess | None = None
    description: str = ""
    matched: int = field(default=0, compare=False)
    taken: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.match, (Match, NoneType)):
            raise UsageError(
                f"match: {self.match!r} is none; write a glob over run names, or Match(tags={{…}})"
            )
        self.outcomes = read_outcomes(self.outcomes)
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name or "_"):
            raise UsageError(
                f"name: {self.name!r} is no name of a scenario; write letters, digits, '_' and '-', a letter first"
            )
        if self.match is None and not self.name:
            raise UsageError("match: a scenario without a match can only be chosen by name; give it either")
        if not isinstance(self.description, str):
            raise UsageError(f"description: {self.description!r} is no text")
        if self.on_success is not None and not callable(self.on_success):
            raise UsageError(f"on_success: {self.on_success!r} cannot be called with the run")

    @property
    def label(self) -> str:
        """What it is called where it is spoken of: its name, or what it asks of a run."""
        return self.name if self.name or self.match is None else self.match.describe()

    def take(self) -> Outcome:
        """Return the outcome of the next run that it takes and count it."""
        outcome = self.outcomes[min(self.taken, len(self.outcomes) - 1)]
        self.taken += 1
        return outcome

    def describe_taken(self) -> str:
        """Return which of its outcomes the last run got, as in `etl-* #2`."""
        return f"{self.label} #{min(self.taken, len(self.outcomes))}"


@dataclass(slots=True)
class Claim:
    """What a new run got.

    Attributes:
        fates: What happens to each of its tasks, by task key.
        scenarios: Which scenarios took it, each with the number of the outcome, as in `etl-* #2`.
        on_success: Whom to call when it succeeded.
        notes: What looks like a mistake, in words for the author of the test.
    """

    fates: dict[str, Fate] = field(default_factory=dict)
    scenarios: list[str] = field(default_factory=list)
    on_success: list[OnSuccess] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Scenarios:
    """The scenarios of a workspace. Of two that match a run, the one added last is taken.

    Args:
        draws: Where chance comes from.
        catalogue: Scenarios that come with the emulator, by name.
    """

    #: What of them a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_scenarios", "_from_catalogue", "_meant")

    def __init__(
        self, *, draws: Draws | None = None, catalogue: Mapping[str, Scenario] = MappingProxyType({})
    ) -> None:
        self._draws = draws or Draws()
        self._catalogue = catalogue
        self._scenarios: list[Scenario] = []
        self._from_catalogue: dict[str, Scenario] = {}
        self._meant: list[Scenario] = []

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self._scenarios)

    def __len__(self) -> int:
        return len(self._scenarios)

    def add(
        self,
        match: str | Match | None,
        outcomes: Iterable[Outcome],
        *,
        name: str = "",
        on_success: OnSuccess | None = None,
        description: str = "",
    ) -> Scenario:
        """Decide what happens to the runs, created from now on, that match.

        Args:
            match: Which runs; a text is a glob over their whole `run_name`, `None` leaves it to them to choose.
            outcomes: What happens to the first, second, … such run; the last one repeats.
            name: By what a run can choose the scenario itself; empty for by nothing.
            on_success: Called with each run that the scenario took, after the run succeeded.
            description: What it is, in one line.

        Raises:
            UsageError: The match is none, there is no outcome, or the name is none or taken.
        """
        if isinstance(match, str):
            match = Match(run_name=match)
        # What is no collection of outcomes is refused there, in words.
        [scenario] = self.add_all([Scenario(match, outcomes, name, on_success, description)])  # type: ignore[arg-type]
        if scenario.match is not None and scenario.match.probability == 1:
            self._meant.append(scenario)
        return scenario

    def never_taken(self) -> list[Scenario]:
        """Return the scenarios that were added one by one to take a run for certain, and took none.

        Files and profiles only say what may happen.
        """
        return [each for each in self._meant if not each.taken]

    def add_all(self, scenarios: Iterable[Scenario]) -> list[Scenario]:
        """Add scenarios, or none of them if one cannot be, and return them as they count from now on.

        Args:
            scenarios: Of two that match a run, the later one is taken. Those given are copied.

        Raises:
            UsageError: A name is taken.
        """
        added = [replace(each, matched=0, taken=0) for each in scenarios]
        names = {each.name for each in self._scenarios if each.name}
        for name in filter(None, (each.name for each in added)):
            if name in names:
                raise UsageError(f"name: there is a scenario {name!r} already; give this one another name")
            names.add(name)
        self._scenarios.extend(added)
        return added

    def use(self, name: str, match: str | Match) -> Scenario:
        """Let a scenario of the catalogue, or a named one that was added, also happen to the runs that match.

        Args:
            name: Its name, such as `spot_loss`.
            match: Which runs, as for `add`.

        Raises:
            UsageError: There is no scenario of that name, or the match is none.
        """
        known = {each.name: each for each in self._scenarios if each.name}
        found = known.get(name) or self._catalogue.get(name)
        if found is None:
            names = sorted({*known, *self._catalogue})
            raise UsageError(f"name: {name!r} is none of {', '.join(names)}{nearest(name, names)}")
        return self.add(match, found.outcomes, on_success=found.on_success, description=found.description)

    def remove(self, scenario: Scenario) -> None:
        """Forget a scenario. Runs that exist keep their fate.

        Raises:
            UsageError: It is none of these.
        """
        if not any(each is scenario for each in self._scenarios):
            raise UsageError(f"scenario: {scenario!r} is none of these")
        self._scenarios = [each for each in self._scenarios if each is not scenario]
        self._meant = [each for each in self._meant if each is not scenario]

    def clear(self) -> None:
        """Forget all scenarios. Runs that exist keep their fate."""
        self._scenarios.clear()
        self._meant.clear()
        self._from_catalogue.clear()

    def claim(self, run: SubmittedRun, *, job_id: int, key: tuple[str, int]) -> Claim:
        """Return what happens to a new run.

        Args:
            run: The run as it was submitted.
            job_id: The id of its job.
            key: Its name and its number among the runs of that name, for chance.
        """
        claim = Claim()
        chosen = self._chosen(run, claim)
        task_keys = {task.task_key for task in run.every_task()}
        matching = (each for each in reversed(self._scenarios) if each.match is not None)
        for scenario in (chosen,) if chosen else matching:
            self._offer(scenario, run, claim, job_id=job_id, key=key, is_chosen=chosen is not None)
            if claim.fates.keys() == task_keys:
                break
        return claim

    def _offer(
        self,
        scenario: Scenario,
        run: SubmittedRun,
        claim: Claim,
        *,
        job_id: int,
        key: tuple[str, int],
        is_chosen: bool,
    ) -> None:
        """Let a scenario take the run, or those of its tasks that are still free."""
        match = None if is_chosen else scenario.match
        meant = (
            {task.task_key for task in run.every_task()}
            if match is None
            else match.task_keys(run, job_id=job_id)
        )
        free = meant - claim.fates.keys()
        if not free:
            return
        scenario.matched += 1
        if match is not None and not self._takes(scenario, match, key):
            return
        outcome = scenario.take()
        claim.scenarios.append(scenario.describe_taken())
        for task_key in free:
            claim.fates[task_key] = outcome.fate_of("" if run.is_flat else task_key)
        claim.notes.extend(_unknown_tasks(outcome, run))
        if scenario.on_success is not None:
            claim.on_success.append(scenario.on_success)

    def _takes(self, scenario: Scenario, match: Match, key: tuple[str, int]) -> bool:
        if match.nth not in (None, scenario.matched):
            return False
        if match.probability == 1:
            return True
        place = next(index for index, each in enumerate(self._scenarios) if each is scenario)
        return self._draws.fraction("scenario", scenario.name or place, *key) < match.probability

    def _chosen(self, run: SubmittedRun, claim: Claim) -> Scenario | None:
        """Return the scenario that a run asks for, if there is one of that name."""
        by_name = _CHOSEN_BY_NAME.search(run.run_name)
        name = run.tags.get(CHOSEN_BY_TAG, "") or (by_name["name"] if by_name else "")
        if not name:
            return None
        for scenario in self._scenarios:
            if scenario.name == name:
                return scenario
        if name not in self._catalogue:
            known = [*(each.name for each in self._scenarios if each.name), *self._catalogue]
            claim.notes.append(
                f"the run asks for the scenario {name!r}, and there is none{nearest(name, known)}"
            )
            return None
        if name not in self._from_catalogue:
            # Copied: each workspace counts its own runs.
            self._from_catalogue[name] = replace(self._catalogue[name], matched=0, taken=0)
        return self._from_catalogue[name]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _has_all(values: Mapping[str, str], globs: Mapping[str, str]) -> bool:
    return all(name in values and fnmatch.fnmatchcase(values[name], glob) for name, glob in globs.items())


def _unknown_tasks(outcome: Outcome, run: SubmittedRun) -> Iterator[str]:
    """Yield a note for each task that an outcome names and the run does not have."""
    task_keys = list(dict.fromkeys(task.task_key for task in run.every_task()))
    for glob in outcome.tasks:
        if not fnmatch.filter(task_keys, glob.partition("/")[0]):
            hint = nearest(glob, task_keys)
            yield f"the scenario names the task {glob!r}, and the run has {', '.join(task_keys)}{hint}"
