"""What happens to one run: how long its stages take, how it ends, what it does when it is cancelled. Pure data.

An `Outcome` is bound to a run when the run is created (`scenarios` says which one); from then on nothing can
change the run's fate but a cancel. What cannot happen cannot be written: a run whose cluster never starts says
nothing, and success is never retried.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import NoneType
from typing import Any, TypeVar

from dbx_emulator._core.durations import Duration, check_duration, draw_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.states import ResultState, TerminationCode, TerminationType
from dbx_emulator._core.terminations import FURTHER_RESULTS, RETRIED, TERMINATIONS

__all__ = ["Fate", "OnCancel", "Outcome", "StageTimes", "Timing", "read_outcomes"]

E = TypeVar("E", bound=Enum)

#: The stages of a task run that take time, as `Timing` and `Outcome` name them.
_STAGES = ("queue", "cluster", "run", "terminating")

#: What a run cannot have whose cluster never becomes ready.
_AFTER_SETUP = ("run", "terminating", "logs", "notebook_output")

_TEXTS = ("message", "error", "error_trace", "logs", "notebook_output")


class OnCancel(str, Enum):
    """What a run does when somebody cancels it."""

    OBEYS = "obeys"
    IGNORES = "ignores"
    FINISHES = "finishes"


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long each stage of a task run takes, in milliseconds."""

    queue_ms: int
    cluster_ms: int
    run_ms: int
    terminating_ms: int


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the stages of a run take unless a scenario says otherwise.

    Each is a number of seconds, a text such as `"1h30m"`, or a distribution such as `"lognormal(2m, 0.4)"`, from
    which every attempt of every task draws its own.

    Attributes:
        queue: Time in QUEUED; 0 means that the run is never QUEUED.
        cluster: Time in PENDING, while the cluster starts.
        run: Time in RUNNING.
        terminating: Time in TERMINATING, while the cluster is cleaned up.

    Raises:
        UsageError: A duration is negative or no duration.
    """

    queue: Duration = "0s"
    cluster: Duration = "2m"
    run: Duration = "1m"
    terminating: Duration = "2s"

    def __post_init__(self) -> None:
        for stage in _STAGES:
            check_duration(getattr(self, stage), name=stage)

    def draw(self, fraction: Callable[[str], float]) -> StageTimes:
        """Return the four durations in milliseconds.

        Args:
            fraction: Gives a number above 0 and below 1 for the stage of that name; asked only for a distribution.
        """
        return StageTimes(
            *(
                draw_ms(getattr(self, stage), name=stage, fraction=partial(fraction, stage))
                for stage in _STAGES
            )
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to one run: the times of its stages and its end. In a run of several tasks, to each task.

    Attributes:
        queue: Time in QUEUED, as for `Timing`; `None` takes the workspace's timing, as for the next three.
        cluster: Time in PENDING.
        run: Time in RUNNING.
        terminating: Time in TERMINATING.
        termination_code: How the run ends, as `status.termination_details.code` will say.
        termination_type: Whose fault it was; `None` takes the usual one for the code.
        result_state: `state.result_state` at the end; `None` takes the usual one for the code, an empty text
            leaves it out, as the service does for some runs that are SKIPPED or an INTERNAL_ERROR.
        message: The state message at the end; `None` takes the usual text for the code.
        error: `error` of runs/get-output; `None` leaves it out.
        error_trace: `error_trace` of runs/get-output; `None` leaves it out.
        logs: `logs` of runs/get-output, for tasks that have logs; `None` leaves it out.
        notebook_output: The value a notebook exits with; `None` if it exits with none.
        values: The task values that its work sets, by key, for references in the tasks below it; any JSON.
        on_cancel: What it does when it is cancelled: `obeys`, `ignores` (it goes on as if nothing had been said),
            or `finishes` (its work ends at that very moment, so that the cancel comes too late).
        cancel_after: How long it stays in its state before it obeys.
        retries: What happens to its second, third, … attempt, if the service retries it (`max_retries`); the last
            one repeats. Without any, each attempt goes as the first.
        tasks: What happens to some tasks instead, by task key or a glob over task keys; `"load/2"` is the third
            iteration of a for-each task that repeats `load`.

    Raises:
        UsageError: A value that its field cannot have, or fields that cannot be together.
    """

    queue: Duration | None = None
    cluster: Duration | None = None
    run: Duration | None = None
    terminating: Duration | None = None
    termination_code: TerminationCode | str = TerminationCode.SUCCESS
    termination_type: TerminationType | str | None = None
    result_state: ResultState | str | None = None
    message: str | None = None
    error: str | None = None
    error_trace: str | None = None
    logs: str | None = None
    notebook_output: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    on_cancel: OnCancel | str = OnCancel.OBEYS
    cancel_after: Duration = 0
    retries: Sequence[Outcome] = ()
    tasks: Mapping[str, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set(self, "termination_code", _enum(TerminationCode, "termination_code", self.termination_code))
        _set(self, "on_cancel", _enum(OnCancel, "on_cancel", self.on_cancel))
        if self.termination_type is not None:
            _set(self, "termination_type", _enum(TerminationType, "termination_type", self.termination_type))
        if self.result_state:
            _set(self, "result_state", _enum(ResultState, "result_state", self.result_state))
        for name in _TEXTS:
            if not isinstance(text := getattr(self, name), (str, NoneType)):
                raise UsageError(f"{name}: {text!r} is no text")
        for name in (*_STAGES, "cancel_after"):
            if (value := getattr(self, name)) is not None:
                check_duration(value, name=name)
        _check_end(self)
        _check_retries(self)
        _check_tasks(self)
        if not isinstance(self.values, Mapping) or not all(isinstance(key, str) for key in self.values):
            raise UsageError(f"values: {self.values!r} is no mapping; write values={{'rows': 12}}")
        _set(self, "retries", tuple(self.retries))
        _set(self, "tasks", dict(self.tasks))
        _set(self, "values", dict(self.values))

    @property
    def code(self) -> TerminationCode:
        """The termination code, as the enum."""
        return TerminationCode(self.termination_code)

    def timing(self, timing: Timing) -> Timing:
        """Return the times of its stages, those left open taken from `timing`."""
        return Timing(
            *(getattr(timing, stage) if (own := getattr(self, stage)) is None else own for stage in _STAGES)
        )

    def fate_of(self, task_key: str) -> Fate:
        """Return what happens to a task: its own if it is named, or else what happens to the run."""
        outcome = _named(self.tasks, task_key) or self
        iterations = {glob: each for glob, each in self.tasks.items() if "/" in glob}
        return Fate((outcome, *outcome.retries), iterations)


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one task of a run, attempt by attempt.

    Attributes:
        attempts: What happens to each attempt; further ones go as the last.
        iterations: What happens to single iterations of it instead, by a glob over task key and index.
    """

    attempts: tuple[Outcome, ...]
    iterations: Mapping[str, Outcome] = field(default_factory=dict)

    def of_attempt(self, attempt_number: int) -> Outcome:
        """Return what happens to an attempt, counted from 0."""
        return self.attempts[min(attempt_number, len(self.attempts) - 1)]

    def of_iteration(self, iteration: str) -> Fate:
        """Return what happens to an iteration of it, given as task key and index, such as `load/2`."""
        outcome = _named(self.iterations, iteration)
        return self if outcome is None else Fate((outcome, *outcome.retries))


def read_outcomes(outcomes: object) -> tuple[Outcome, ...]:
    """Return the outcomes of a scenario.

    Raises:
        UsageError: There is none, or something else is among them.
    """
    if isinstance(outcomes, (Outcome, str)) or not isinstance(outcomes, Iterable):
        raise UsageError("outcomes: a scenario has a list of them, one for each run; write [Outcome(…)]")
    found = tuple(outcomes)
    if not found:
        raise UsageError("outcomes: a scenario needs at least one outcome; write [Outcome(…)]")
    for outcome in found:
        if not isinstance(outcome, Outcome):
            raise UsageError(f"outcomes: {outcome!r} is no Outcome; write Outcome(run='40m')")
    return found


def _named(outcomes: Mapping[str, Outcome], name: str) -> Outcome | None:
    """Return the outcome of that name, or else the first one whose glob matches it."""
    globs = (each for glob, each in outcomes.items() if fnmatch.fnmatchcase(name, glob))
    return outcomes.get(name) or next(globs, None)


def _set(outcome: Outcome, name: str, value: object) -> None:
    object.__setattr__(outcome, name, value)


def _enum(enum: type[E], name: str, found: object) -> E:
    try:
        return enum(found)
    except ValueError:
        allowed = [str(each.value) for each in enum]
        text = str(found)
        raise UsageError(
            f"{name}: {text!r} is none of {', '.join(allowed)}{nearest(text, allowed)}"
        ) from None


def _check_end(outcome: Outcome) -> None:
    """Refuse an end that no run of the service has."""
    code, termination = outcome.code, TERMINATIONS[outcome.code]
    if code is TerminationCode.SUCCESS and (outcome.error or outcome.error_trace):
        raise UsageError("error: a run that succeeds has none; add termination_code='RUN_EXECUTION_ERROR'")
    if termination.strikes == "setup":
        for name in _AFTER_SETUP:
            if getattr(outcome, name) is not None:
                raise UsageError(
                    f"{name}: a run that ends with {code.value} never has a cluster that is ready; "
                    f"leave {name} out, or choose a code that strikes later, such as CLOUD_FAILURE"
                )
    if outcome.notebook_output is not None and termination.type is not TerminationType.SUCCESS:
        raise UsageError(f"notebook_output: a notebook that ends with {code.value} exits with no value")
    possible = {termination.result_state, *FURTHER_RESULTS.get(code, ())}
    if outcome.result_state and outcome.result_state not in possible:
        allowed = ", ".join(sorted(each.value for each in possible))
        found = ResultState(outcome.result_state).value
        raise UsageError(
            f"result_state: {found!r} does not go with {code.value}; possible is {allowed}, or '' to leave it out"
        )
    if outcome.cancel_after != 0 and outcome.on_cancel is not OnCancel.OBEYS:
        raise UsageError(
            f"cancel_after: a run that {OnCancel(outcome.on_cancel).value} a cancel never obeys it"
        )


def _check_retries(outcome: Outcome) -> None:
    _check_outcomes("retries", outcome.retries, without=("retries", "tasks"))
    for number, attempt in enumerate((outcome, *outcome.retries)[:-1]):
        if attempt.code not in RETRIED | {TerminationCode.CANCELED}:
            raise UsageError(
                f"retries: attempt {number} ends with {attempt.code.value}, which the service does not retry; "
                f"leave out what comes after it"
            )


def _check_tasks(outcome: Outcome) -> None:
    if not isinstance(outcome.tasks, Mapping):
        raise UsageError(
            f"tasks: {outcome.tasks!r} is no mapping; write tasks={{'load': Outcome(run='40m')}}"
        )
    _check_outcomes("tasks", tuple(outcome.tasks.values()), without=("tasks",))


def _check_outcomes(name: str, outcomes: Any, *, without: Sequence[str]) -> None:
    """Refuse what is no sequence of outcomes, or has in it what only the outcome around it may have."""
    if not isinstance(outcomes, Sequence) or isinstance(outcomes, str):
        raise UsageError(f"{name}: {outcomes!r} is no list of outcomes; write [Outcome(…)]")
    for each in outcomes:
        if not isinstance(each, Outcome):
            raise UsageError(f"{name}: {each!r} is no Outcome; write Outcome(run='40m')")
        for inner in without:
            if getattr(each, inner):
                raise UsageError(f"{inner}: an outcome in {name} has none of its own")
