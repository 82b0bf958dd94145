"""How a run went: for each attempt of each task the stretches of time it spent in its states.

A `Timeline` is what was so at one moment, and changes no more. It is data, text or a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dbx_emulator._core.lifecycle import TERMINAL
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType
from dbx_emulator._core.timeline_svg import draw_timeline
from dbx_emulator._core.timeline_text import write_timeline

__all__ = ["Lane", "Stretch", "Timeline", "lane_of", "timeline_of"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """How long one attempt was in one state.

    Attributes:
        life_cycle_state: The state.
        start_ms: When it came into it, in milliseconds from the start of the run.
        end_ms: When it left it, or the present; the same as the start for the last one.
    """

    life_cycle_state: LifeCycleState
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One attempt of one task.

    Attributes:
        task_key: The task.
        attempt_number: Which attempt it is, from 0.
        iteration_index: Which iteration of a for-each task it belongs to, from 0; `None` if to none.
        life_cycle_state: Where it is.
        result_state: How it ended; `None` before.
        termination_code: Why it ended; `None` before.
        termination_type: Whose fault it was; `None` before.
        state_message: The text that goes with its state.
        stretches: Its states in order, at least one.
    """

    task_key: str
    attempt_number: int
    iteration_index: int | None
    life_cycle_state: LifeCycleState
    result_state: ResultState | None
    termination_code: TerminationCode | None
    termination_type: TerminationType | None
    state_message: str
    stretches: tuple[Stretch, ...]

    @property
    def label(self) -> str:
        """The task's key, with the number of the iteration if it is one, and of the attempt from the second on."""
        iteration = "" if self.iteration_index is None else f"/{self.iteration_index}"
        attempt = f"[{self.attempt_number}]" if self.attempt_number else ""
        return f"{self.task_key}{iteration}{attempt}"

    @property
    def ending(self) -> str:
        """How it ended, in the API's words, such as `TERMINATED FAILED (RUN_EXECUTION_ERROR)`; else its state."""
        result = f" {self.result_state.value}" if self.result_state else ""
        is_plain = self.termination_code in (None, TerminationCode.SUCCESS)
        code = "" if self.termination_code is None or is_plain else f" ({self.termination_code.value})"
        return f"{self.life_cycle_state.value}{result}{code}"

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "task_key": self.task_key,
            "attempt_number": self.attempt_number,
            "iteration_index": self.iteration_index,
            "states": [
                {
                    "life_cycle_state": each.life_cycle_state.value,
                    "start_ms": each.start_ms,
                    "end_ms": each.end_ms,
                }
                for each in self.stretches
            ],
            "result_state": self.result_state and self.result_state.value,
            "termination_code": self.termination_code and self.termination_code.value,
            "termination_type": self.termination_type and self.termination_type.value,
            "state_message": self.state_message,
        }


@dataclass(frozen=True, slots=True)
class Timeline:
    """How a run went until a moment.

    Attributes:
        run_id: Its id.
        run_name: Its name.
        start_time_ms: When it was created, in epoch milliseconds of virtual time.
        duration_ms: From then until its end, or the present.
        life_cycle_state: Where it is.
        result_state: How it ended; `None` before.
        scenario: What happens to it, as in the journal; `None` if no scenario took it.
        lanes: The attempts, task by task.
    """

    run_id: int
    run_name: str
    start_time_ms: int
    duration_ms: int
    life_cycle_state: LifeCycleState
    result_state: ResultState | None
    scenario: str | None
    lanes: tuple[Lane, ...]

    def __str__(self) -> str:
        return self.text()

    @property
    def is_over(self) -> bool:
        """Whether the run was over."""
        return self.life_cycle_state in TERMINAL

    def data(self) -> dict[str, Any]:
        """Return it as plain data; times within it are milliseconds from the start of the run."""
        return {
            "run_id": self.run_id,
            "run_name": self.run_name,
            "start_time_ms": self.start_time_ms,
            "duration_ms": self.duration_ms,
            "life_cycle_state": self.life_cycle_state.value,
            "result_state": self.result_state and self.result_state.value,
            "scenario": self.scenario,
            "tasks": [lane.data() for lane in self.lanes],
        }

    def text(self, *, width: int = 80, most: int | None = None) -> str:
        """Return it as lines: one for each change of a state, and a bar for each attempt over a common axis.

        Args:
            width: How many columns the bars and their labels have, at least 40.
            most: How many changes and how many bars are shown at most; `None` shows all.
        """
        return write_timeline(self, width=width, most=most)

    def svg(self) -> str:
        """Return it as a picture, complete in itself, for light and dark pages."""
        return draw_timeline(self)

    def _repr_svg_(self) -> str:
        # What a notebook shows.
        return self.svg()


def timeline_of(job_run: JobRun, *, now_ms: int) -> Timeline:
    """Return how a run went.

    Args:
        job_run: The run.
        now_ms: The present, in epoch milliseconds: what goes on goes on until then.
    """
    return Timeline(
        run_id=job_run.run_id,
        run_name=job_run.run_name,
        start_time_ms=job_run.start_time_ms,
        duration_ms=(job_run.end_time_ms if job_run.is_terminal else now_ms) - job_run.start_time_ms,
        life_cycle_state=job_run.life_cycle_state,
        result_state=job_run.result_state,
        scenario=job_run.step,
        lanes=tuple(lane_of(job_run, task_run, now_ms=now_ms) for task_run in _by_task(job_run)),
    )


def lane_of(job_run: JobRun, task_run: TaskRun, *, now_ms: int) -> Lane:
    """Return how one attempt went."""
    key = (task_run.task_key, task_run.attempt_number, task_run.iteration_index)
    entries = [
        entry
        for entry in job_run.timeline
        if (entry.task_key, entry.attempt_number, entry.iteration_index) == key
    ]
    end_ms = task_run.end_time_ms if task_run.is_terminal else now_ms
    ends_ms = [*(entry.at_ms for entry in entries[1:]), end_ms]
    start_ms = job_run.start_time_ms
    return Lane(
        task_key=task_run.task_key,
        attempt_number=task_run.attempt_number,
        iteration_index=task_run.iteration_index,
        life_cycle_state=task_run.life_cycle_state,
        result_state=task_run.result_state if task_run.is_terminal else None,
        termination_code=task_run.code if task_run.is_terminal else None,
        termination_type=task_run.type if task_run.is_terminal else None,
        state_message=task_run.state_message,
        stretches=tuple(
            Stretch(entry.life_cycle_state, entry.at_ms - start_ms, end_ms - start_ms)
            for entry, end_ms in zip(entries, ends_ms, strict=True)
        ),
    )


def _by_task(job_run: JobRun) -> Iterator[TaskRun]:
    """Yield the attempts of a run task by task, those of iterations below their for-each task."""
    for task_key in job_run.latest:
        for task_run in job_run.task_runs:
            if task_run.task_key == task_key:
                yield task_run
                yield from sorted(task_run.iterations, key=lambda each: each.iteration_index or 0)
