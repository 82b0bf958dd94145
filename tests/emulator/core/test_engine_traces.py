"""The simulation: every run that can be made lives a life the API knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.lifecycle import TERMINAL, TRANSITIONS, mirror_task_run
from dbx_emulator._core.outcomes import OnCancel, Outcome, Timing
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import ConditionOp, LifeCycleState, ResultState, RunIf, TerminationCode
from dbx_emulator._core.submitted import Condition, Dependency, ForEach, RunJob, SubmittedTask, Work
from dbx_emulator._core.terminations import TERMINATIONS
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task

L = LifeCycleState
R = ResultState

_KEYS = "abcd"
_RANK = {L.QUEUED: 0, L.PENDING: 1, L.RUNNING: 2, L.TERMINATING: 3, **dict.fromkeys(TERMINAL, 4)}
_SUCCEEDED = {R.SUCCESS, R.SUCCESS_WITH_FAILURES}
_EXCLUDED = {R.EXCLUDED, R.DISABLED}
_CANCELLED = {R.CANCELED, R.UPSTREAM_CANCELED}

_TIMINGS = st.builds(
    Timing,
    queue=st.sampled_from([0, 5]),
    cluster=st.sampled_from([0, 5, 7.25]),
    run=st.sampled_from([0, 5, 11.5]),
    terminating=st.sampled_from([0, 2]),
)

#: Wait some seconds, cancel the task run or iteration of that number, or do something else to the run.
_MOVES = st.lists(
    st.one_of(
        st.sampled_from([0.5, 3.0, 5.0, 20.0]),
        st.sampled_from(["cancel", "cancel-all", "repair-failed", "repair-all", "run-now", "delete"]),
        st.integers(0, 9),
    ),
    max_size=8,
)


@dataclass(frozen=True)
class _Plan:
    """A run that is to be made, and what is to happen to it."""

    tasks: tuple[SubmittedTask, ...]
    is_flat: bool
    timeout_ms: int
    most: int
    is_queued: bool
    code: TerminationCode
    second: TerminationCode
    on_cancel: OnCancel
    cancel_after: float


@dataclass
class _World:
    """An engine, the runs that were made, and what was seen of them."""

    engine: Engine
    clock: Clock
    observed: dict[int, list[LifeCycleState]] = field(default_factory=dict)

    def runs(self) -> list[JobRun]:
        return [job_run for _, job_run in self.engine.store.newest_first()]

    def look(self) -> None:
        """Check everything that has to hold at any moment."""
        for job_run in self.runs():
            self.observed.setdefault(job_run.run_id, []).append(job_run.life_cycle_state)
            for task_run in _all_task_runs(job_run):
                _check_task_run(task_run)
            _check_parent(job_run)
            _check_job(job_run)
        active = [job_run for job_run in reversed(self.runs()) if not job_run.is_terminal]
        assert self.engine.store.active() == active
        _check_limits(self.runs())

    def finish(self) -> None:
        """Let everything happen that is to come, looking after each moment."""
        while (deadline_ms := self.engine.next_deadline_ms()) is not None:
            self.clock.advance(max(0, deadline_ms - self.clock.now_ms) / 1_000)
            self.engine.drain()
            self.look()


def _all_task_runs(job_run: JobRun) -> list[TaskRun]:
    return [each for task_run in job_run.task_runs for each in (task_run, *task_run.iterations)]


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
    if ended:
        assert task_run.due is None
        assert all(each.is_terminal for each in task_run.iterations)
        assert task_run.child is None or task_run.child.is_terminal or len(task_run.child.repairs) > 1
    if isinstance(task_run.task.work, ForEach):
        active = {each.iteration_index for each in task_run.iterations if not each.is_terminal}
        assert len(active) <= task_run.task.work.concurrency


def _check_parent(job_run: JobRun) -> None:
    """The run above says what its task runs amount to, judged here without the code that derives it."""
    tasks = list(job_run.latest.values())
    assert job_run.is_terminal is all(each.is_terminal for each in tasks)
    assert (job_run.end_time_ms > 0) is job_run.is_terminal
    assert (job_run.result_state is not None) is job_run.is_terminal
    assert (job_run.queue_code is not None) <= (job_run.life_cycle_state in {L.QUEUED, L.TERMINATING})
    assert job_run.repairs[-1].state == job_run.state
    made = [run_id for repair in job_run.repairs for run_id in repair.task_run_ids]
    assert sorted(made) == sorted(each.run_id for each in _all_task_runs(job_run))
    if not job_run.is_terminal:
        return
    last = [each for each in _all_task_runs(job_run) if each.repair_id == job_run.latest_repair_id]
    assert job_run.end_time_ms == max(each.end_time_ms for each in last)
    if job_run.is_flat:
        assert job_run.state == mirror_task_run(tasks[0])
    else:
        assert job_run.result_state in _expected_results(job_run)
        is_failure = job_run.result_state is R.FAILED
        assert (job_run.life_cycle_state is L.INTERNAL_ERROR) is is_failure


def _expected_results(job_run: JobRun) -> set[ResultState | None]:
    """Return what the end of a run with tasks may be, given the ends of its tasks alone."""
    results = {task_key: task_run.result_state for task_key, task_run in job_run.latest.items()}
    above = {each.task_key for task in job_run.submitted.tasks for each in task.depends_on}
    executed = {
        result
        for key, result in results.items()
        if job_run.latest[key].life_cycle_state is not L.SKIPPED
        and result not in _SUCCEEDED | _EXCLUDED | _CANCELLED
    }
    stopped: set[ResultState | None] = set()
    if job_run.is_cancel_requested and _CANCELLED & set(results.values()):
        stopped.add(R.CANCELED)
    if job_run.submitted.timeout_ms:
        stopped.add(R.TIMEDOUT)
    bad_leaves = {key for key, result in results.items() if result not in _SUCCEEDED | _EXCLUDED} - above
    if not bad_leaves:
        clean = set(results.values()) <= _SUCCEEDED | _EXCLUDED
        return {R.SUCCESS if clean else R.SUCCESS_WITH_FAILURES} | stopped
    if executed:
        return {R.FAILED} | stopped
    if _CANCELLED & set(results.values()):
        return {R.CANCELED} | stopped
    skipped = {each.life_cycle_state for each in job_run.latest.values()} == {L.SKIPPED}
    return (set(results.values()) if skipped else {R.FAILED}) | stopped


def _check_job(job_run: JobRun) -> None:
    """A run takes one of its job's places only while it is active and not held back."""
    job = job_run.job
    if job is None:
        return
    assert (job_run.run_id in job.active) <= (not job_run.is_terminal)
    assert not (job_run.run_id in job.active and job_run.queue_code is not None)


def _check_limits(job_runs: Sequence[JobRun]) -> None:
    """No more runs of a job are active than may be, those apart that are repaired, which do not wait."""
    for job in {job_run.job for job_run in job_runs if job_run.job is not None}:
        taken = [each for each in job_runs if each.run_id in job.active and len(each.repairs) == 1]
        assert len(taken) <= job.settings.max_concurrent_runs


def _check_traces(job_run: JobRun, observed: Sequence[LifeCycleState]) -> None:
    """Each task run followed the table, the run above it never went back, and the record is in order."""
    moments = [entry.at_ms for entry in job_run.timeline]
    assert moments == sorted(moments)
    assert moments[0] >= job_run.start_time_ms
    for task_run in _all_task_runs(job_run):
        attempt = (task_run.task_key, task_run.iteration_index, task_run.attempt_number)
        trace = [
            entry.life_cycle_state
            for entry in job_run.timeline
            if (entry.task_key, entry.iteration_index, entry.attempt_number) == attempt
        ]
        if task_run.above is None:
            assert trace[0] in _starts(task_run)
            assert trace[-1] is task_run.life_cycle_state
            assert all(after in TRANSITIONS[before].values() for before, after in itertools.pairwise(trace))
    if len(job_run.repairs) == 1 and not (job_run.is_flat and len(job_run.task_runs) > 1):
        ranks = [_RANK[state] for state in observed]
        assert ranks == sorted(ranks)
        assert len({state for state in observed if state in TERMINAL}) <= 1


def _starts(task_run: TaskRun) -> set[LifeCycleState]:
    if task_run.retry_number:
        return {L.WAITING_FOR_RETRY}
    is_blocked = task_run.task.depends_on or task_run.task.is_disabled
    return {L.BLOCKED} if is_blocked else {L.QUEUED, L.PENDING}


#: The job that run-job tasks start; there is one of that id, and its runs start others of it in turn.
_JOB_ID = 900_000_000_000_001

_WORKS: st.SearchStrategy[Work | None] = st.one_of(
    st.none(),
    st.none(),
    st.builds(
        Condition,
        op=st.sampled_from(ConditionOp),
        left=st.sampled_from(["1", "x", "{{tasks.a.result_state}}"]),
        right=st.sampled_from(["1", "2", "success"]),
    ),
    st.builds(
        ForEach,
        inputs=st.sampled_from(["[]", "[1]", "[1, 2, 3]", "{{job.name}}"]),
        task=st.builds(
            submitted_task,
            st.just("nested"),
            max_retries=st.integers(0, 1),
            timeout_ms=st.sampled_from([0, 0, 8_000]),
            work=st.one_of(st.none(), st.none(), st.just(RunJob(_JOB_ID))),
        ),
        concurrency=st.integers(1, 2),
    ),
    st.just(RunJob(_JOB_ID)),
)


@st.composite
def _tasks(draw: st.DrawFn, is_flat: bool) -> tuple[SubmittedTask, ...]:  # noqa: FBT001 - drawn by name
    tasks: list[SubmittedTask] = []
    for key in "a" if is_flat else _KEYS[: draw(st.integers(1, 4))]:
        above = draw(st.lists(st.sampled_from(tasks), unique_by=lambda task: task.task_key)) if tasks else []
        depends_on = (
            Dependency(
                each.task_key,
                draw(st.sampled_from([None, True, False])) if isinstance(each.work, Condition) else None,
            )
            for each in sorted(above, key=lambda task: task.task_key)
        )
        task = submitted_task(
            key,
            *depends_on,
            run_if=draw(st.sampled_from(RunIf)),
            is_disabled=not is_flat and draw(st.integers(0, 9)) == 0,
            timeout_ms=draw(st.sampled_from([0, 0, 6_000, 11_000])),
            retry_on_timeout=draw(st.booleans()),
            max_retries=draw(st.integers(0, 2)),
            work=None if is_flat else draw(_WORKS),
        )
        tasks.append(task)
    return tuple(tasks)


@st.composite
def _plans(draw: st.DrawFn) -> _Plan:
    is_flat = draw(st.booleans()) and draw(st.booleans())
    on_cancel = draw(st.sampled_from(OnCancel))
    return _Plan(
        tasks=draw(_tasks(is_flat)),
        is_flat=is_flat,
        timeout_ms=draw(st.sampled_from([0, 0, 7_000, 20_000])),
        most=draw(st.sampled_from([1, 1, 2, 0])),
        is_queued=draw(st.booleans()),
        code=draw(st.sampled_from(list(TerminationCode))),
        second=draw(st.sampled_from(list(TerminationCode))),
        on_cancel=on_cancel,
        cancel_after=draw(st.sampled_from([0, 4.5])) if on_cancel is OnCancel.OBEYS else 0,
    )


def _begin(plan: _Plan, timing: Timing) -> tuple[_World, JobRun]:
    """Make the run: flat by submit, or one of a job."""
    engine, clock, scenarios = make_engine(timing=timing)
    fields = {"on_cancel": plan.on_cancel, "cancel_after": plan.cancel_after}
    second = outcome(plan.second.value, **fields)
    scenarios.add("*", [Outcome(termination_code=plan.code, tasks={"b": second}, **fields)])  # type: ignore[arg-type]
    job = engine.create_job(
        JobSettings(
            "job",
            plan.tasks,
            max_concurrent_runs=plan.most,
            is_queued=plan.is_queued,
            timeout_ms=plan.timeout_ms,
        )
    )
    assert job.job_id == _JOB_ID
    if plan.is_flat:
        run = submitted_run(*plan.tasks, is_flat=True, timeout_ms=plan.timeout_ms)
        return _World(engine, clock), engine.submit(run)
    return _World(engine, clock), engine.run_now(job, job.settings.to_run())


def _do(world: _World, job_run: JobRun, move: float | int | str) -> None:
    engine = world.engine
    if isinstance(move, float):
        world.clock.advance(move)
        engine.drain()
    elif isinstance(move, int):
        task_runs = _all_task_runs(job_run)
        engine.cancel(job_run, task_runs[move % len(task_runs)])
    elif move == "cancel":
        engine.cancel(job_run, None)
    elif move == "cancel-all":
        engine.cancel_all()
    elif move == "run-now" and job_run.job is not None:
        engine.run_now(job_run.job, job_run.job.settings.to_run())
    elif job_run.is_terminal and move == "delete" and not job_run.is_deleted:
        engine.delete(job_run)
        assert engine.store.find(job_run.run_id) is None
    elif job_run.is_terminal and move.startswith("repair") and not job_run.is_deleted:
        is_all = move == "repair-all"
        keys: Iterable[str] = job_run.latest if is_all else engine.failed_task_keys(job_run)
        engine.repair(job_run, set(keys) or {"a"})


@settings(derandomize=True, deadline=None, max_examples=300)
@given(plan=_plans(), timing=_TIMINGS, moves=_MOVES)
def test_every_trace_is_legal_and_the_parent_agrees_with_its_tasks(
    plan: _Plan, timing: Timing, moves: list[float | int | str]
) -> None:
    """Any graph of any tasks with any outcome, whatever is done to it and when, lives a life the API knows."""
    world, job_run = _begin(plan, timing)
    world.look()
    for move in moves:
        _do(world, job_run, move)
        world.look()
    world.finish()
    assert world.engine.store.active() == []
    for each in world.runs():
        assert each.is_terminal
        _check_traces(each, world.observed[each.run_id])
