"""The simulation: every run that can be made lives a life the API knows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.lifecycle import TERMINAL, TRANSITIONS, mirror_task_run
from dbx_emulator._core.outcomes import OnCancel, Timing
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import LifeCycleState, ResultState, TerminationCode, TerminationType
from dbx_emulator._core.terminations import TERMINATIONS
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_KEYS = "abcd"
_RANK = {L.QUEUED: 0, L.PENDING: 1, L.RUNNING: 2, L.TERMINATING: 3, **dict.fromkeys(TERMINAL, 4)}
_GRAPHS = st.integers(1, 4).flatmap(
    lambda count: st.tuples(*(st.sets(st.sampled_from(_KEYS[:index] or "-")) for index in range(count)))
)
_TIMINGS = st.builds(
    Timing,
    queue=st.sampled_from([0, 5]),
    cluster=st.sampled_from([0, 5, 7.25]),
    run=st.sampled_from([0, 5, 11.5]),
    terminating=st.sampled_from([0, 2]),
)
#: Wait some seconds, cancel the run (None), or cancel the task of that number.
_MOVES = st.lists(st.one_of(st.sampled_from([0.5, 3.0, 5.0, 20.0]), st.none(), st.integers(0, 3)), max_size=6)


def _check_task_run(task_run: TaskRun) -> None:
    """A task run says of itself only what can be together."""
    ended = task_run.is_terminal
    assert (task_run.end_time_ms > 0) is ended
    settled = ended or task_run.life_cycle_state is L.TERMINATING
    assert {task_run.code is None, task_run.type is None, task_run.result_state is None} == {not settled}
    durations = (task_run.setup_duration_ms, task_run.execution_duration_ms, task_run.cleanup_duration_ms)
    assert all(each >= 0 and each % 1_000 == 0 for each in (*durations, task_run.queue_duration_ms))
    if ended and task_run.start_time_ms:
        assert sum(durations) <= task_run.end_time_ms - task_run.start_time_ms
    if ended and task_run.code is not TerminationCode.SKIPPED and task_run.code is not None:
        row = TERMINATIONS[task_run.code]
        assert (task_run.life_cycle_state, task_run.type) == (row.life_cycle_state, row.type)


def _check_parent(job_run: JobRun) -> None:
    """The run above says what its task runs amount to, judged here without the code that derives it."""
    tasks = list(job_run.latest.values())
    results = {each.result_state for each in tasks}
    assert job_run.is_terminal is all(each.is_terminal for each in tasks)
    assert (job_run.end_time_ms > 0) is job_run.is_terminal
    assert (job_run.result_state is not None) is job_run.is_terminal
    if not job_run.is_terminal:
        return
    assert job_run.end_time_ms == max(each.end_time_ms for each in tasks)
    if job_run.is_flat:
        assert job_run.state == mirror_task_run(tasks[0])
    elif job_run.result_state is R.SUCCESS:
        assert results <= {R.SUCCESS, R.SUCCESS_WITH_FAILURES, R.EXCLUDED, R.DISABLED}
        assert job_run.state.code is TerminationCode.SUCCESS
    elif job_run.result_state is R.CANCELED:
        assert results & {R.CANCELED, R.UPSTREAM_CANCELED}
        assert job_run.life_cycle_state is L.TERMINATED
    elif job_run.result_state is R.FAILED:
        assert job_run.life_cycle_state is L.INTERNAL_ERROR
        assert any(each.type is not TerminationType.SUCCESS for each in tasks)
    else:
        assert {each.life_cycle_state for each in tasks} == {L.SKIPPED}


def _check_traces(job_run: JobRun, observed: Sequence[LifeCycleState]) -> None:
    """Each task run followed the table, the run above it never went back, and the record is in order."""
    moments = [entry.at_ms for entry in job_run.timeline]
    assert moments == sorted(moments)
    for task_run in job_run.task_runs:
        attempt = (task_run.task_key, task_run.attempt_number)
        trace = [
            entry.life_cycle_state
            for entry in job_run.timeline
            if (entry.task_key, entry.attempt_number) == attempt
        ]
        starts = {L.BLOCKED} if task_run.task.depends_on else {L.QUEUED, L.PENDING}
        starts = {L.WAITING_FOR_RETRY} if task_run.attempt_number else starts
        assert trace[0] in starts
        assert trace[-1] is task_run.life_cycle_state
        assert all(after in TRANSITIONS[before].values() for before, after in itertools.pairwise(trace))
    if not (job_run.is_flat and len(job_run.task_runs) > 1):
        ranks = [_RANK[state] for state in observed]
        assert ranks == sorted(ranks)
    assert len({state for state in observed if state in TERMINAL}) <= 1


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    graph=_GRAPHS,
    timing=_TIMINGS,
    code=st.sampled_from(list(TerminationCode)),
    moves=_MOVES,
    is_flat=st.booleans(),
    max_retries=st.integers(0, 2),
    on_cancel=st.sampled_from(OnCancel),
    cancel_after=st.sampled_from([0, 4.5]),
)
def test_every_trace_is_legal_and_the_parent_agrees_with_its_tasks(  # noqa: PLR0917 - drawn by name
    graph: tuple[set[str], ...],
    timing: Timing,
    code: TerminationCode,
    moves: list[float | int | None],
    is_flat: bool,  # noqa: FBT001 - drawn by name
    max_retries: int,
    on_cancel: OnCancel,
    cancel_after: float,
) -> None:
    """Any graph with any outcome, cancelled as a whole or in part at any moment, lives a life the API knows."""
    engine, clock, scenarios = make_engine(timing=timing)
    waits = cancel_after if on_cancel is OnCancel.OBEYS else 0
    scenarios.add("*", [outcome(code.value, on_cancel=on_cancel, cancel_after=waits)])
    if is_flat:
        tasks = [submitted_task("only", max_retries=max_retries)]
    else:
        tasks = [
            submitted_task(key, *sorted(upstream - {"-"}), max_retries=max_retries)
            for key, upstream in zip(_KEYS, graph, strict=False)
        ]
    job_run = engine.submit(submitted_run(*tasks, is_flat=is_flat))
    observed = [job_run.life_cycle_state]

    def look() -> None:
        observed.append(job_run.life_cycle_state)
        for task_run in job_run.task_runs:
            _check_task_run(task_run)
        _check_parent(job_run)

    for move in moves:
        if isinstance(move, float):
            clock.advance(move)
            engine.drain()
        else:
            task_run = None if move is None else job_run.task_runs[move % len(job_run.task_runs)]
            engine.cancel(job_run, task_run)
        look()
    while (deadline_ms := engine.next_deadline_ms()) is not None:
        clock.advance((deadline_ms - clock.now_ms) / 1_000 if deadline_ms > clock.now_ms else 0)
        engine.drain()
        look()
    assert job_run.is_terminal
    assert engine.store.active() == []
    _check_traces(job_run, observed)
