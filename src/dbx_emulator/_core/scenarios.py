"""What happens to a run: how long each of its stages takes and how it ends. Pure data.

A scenario is bound to a run when the run is created; from then on nothing can change the run's fate but a
cancel. The n-th run whose name matches a scenario takes its n-th outcome; further runs take the last one. A
run that no scenario matches takes the workspace's `Timing` and succeeds.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import NoneType

from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.states import TerminationCode

__all__ = ["Outcome", "Scenario", "Scenarios", "StageTimes", "Timing"]


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
        self.stage_times()

    def stage_times(self) -> StageTimes:
        """Return the four durations in milliseconds."""
        return StageTimes(
            queue_ms=duration_ms(self.queue, name="queue"),
            cluster_ms=duration_ms(self.cluster, name="cluster"),
            run_ms=duration_ms(self.run, name="run"),
            terminating_ms=duration_ms(self.terminating, name="terminating"),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to one run: the times of its stages and its end. In a run of several tasks, to each task.

    Attributes:
        queue: Time in QUEUED; `None` takes the workspace's timing, as for the next three.
        cluster: Time in PENDING.
        run: Time in RUNNING.
        terminating: Time in TERMINATING.
        termination_code: How the run ends, as `status.termination_details.code` will say.
        message: The state message at the end; `None` takes the usual text for the code.
        error: `error` of runs/get-output; `None` leaves it out.
        error_trace: `error_trace` of runs/get-output; `None` leaves it out.
        logs: `logs` of runs/get-output, for tasks that have logs; `None` leaves it out.
        notebook_output: The value a notebook exits with; `None` if it exits with none.

    Raises:
        UsageError: A duration is negative or no duration, the termination code is none the API knows, or a text
            is no text.
    """

    queue: Duration | None = None
    cluster: Duration | None = None
    run: Duration | None = None
    terminating: Duration | None = None
    termination_code: TerminationCode | str = TerminationCode.SUCCESS
    message: str | None = None
    error: str | None = None
    error_trace: str | None = None
    logs: str | None = None
    notebook_output: str | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "termination_code", TerminationCode(self.termination_code))
        except ValueError:
            allowed = [code.value for code in TerminationCode]
            found = str(self.termination_code)
            raise UsageError(
                f"termination_code: {found!r} is none of {', '.join(allowed)}{nearest(found, allowed)}"
            ) from None
        for name in ("message", "error", "error_trace", "logs", "notebook_output"):
            if not isinstance(text := getattr(self, name), (str, NoneType)):
                raise UsageError(f"{name}: {text!r} is no text")
        if self.code is TerminationCode.SUCCESS and (self.error or self.error_trace):
            raise UsageError(
                "error: a run that succeeds has none; add termination_code='RUN_EXECUTION_ERROR'"
            )
        self.stage_times(Timing())

    @property
    def code(self) -> TerminationCode:
        """The termination code, as the enum."""
        return TerminationCode(self.termination_code)

    def stage_times(self, timing: Timing) -> StageTimes:
        """Return the durations in milliseconds, those left open taken from `timing`."""
        return Timing(
            queue=timing.queue if self.queue is None else self.queue,
            cluster=timing.cluster if self.cluster is None else self.cluster,
            run=timing.run if self.run is None else self.run,
            terminating=timing.terminating if self.terminating is None else self.terminating,
        ).stage_times()


@dataclass(slots=True)
class Scenario:
    """The outcomes of the runs whose name matches.

    Attributes:
        run_name: A glob (`*`, `?`, `[…]`) over the whole `run_name`, with upper and lower case told apart.
        outcomes: What happens to the first, second, … run that matches; the last one repeats.
        matched: How many runs have matched so far.

    Raises:
        UsageError: `run_name` is empty or there is no outcome.
    """

    run_name: str
    outcomes: Sequence[Outcome]
    matched: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not self.run_name:
            raise UsageError("run_name: a scenario needs a glob over run names; '*' matches every run")
        if not self.outcomes:
            raise UsageError(f"outcomes: the scenario for {self.run_name!r} needs at least one outcome")
        for outcome in self.outcomes:
            if not isinstance(outcome, Outcome):
                raise UsageError(f"outcomes: {outcome!r} is no Outcome; write Outcome(run='40m')")
        self.outcomes = tuple(self.outcomes)

    def claim(self) -> Outcome:
        """Return the outcome of the next matching run and count it."""
        outcome = self.outcomes[min(self.matched, len(self.outcomes) - 1)]
        self.matched += 1
        return outcome


class Scenarios:
    """The scenarios of a workspace. Of two that match a run, the one added last is taken."""

    def __init__(self) -> None:
        self._scenarios: list[Scenario] = []

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self._scenarios)

    def __len__(self) -> int:
        return len(self._scenarios)

    def add(self, run_name: str, outcomes: Iterable[Outcome]) -> Scenario:
        """Decide what happens to the runs, created from now on, whose name matches.

        Args:
            run_name: A glob over the whole `run_name`.
            outcomes: What happens to the first, second, … such run; the last one repeats.

        Raises:
            UsageError: `run_name` is empty or there is no outcome.
        """
        if isinstance(outcomes, Outcome):
            raise UsageError("outcomes: a scenario has a list of them, one for each run; write [Outcome(…)]")
        scenario = Scenario(run_name, tuple(outcomes))
        self._scenarios.append(scenario)
        return scenario

    def clear(self) -> None:
        """Forget all scenarios. Runs that exist keep their fate."""
        self._scenarios.clear()

    def claim(self, run_name: str) -> Outcome:
        """Return what happens to a new run of that name."""
        for scenario in reversed(self._scenarios):
            if fnmatch.fnmatchcase(run_name, scenario.run_name):
                return scenario.claim()
        return Outcome()
