"""The simulation, as the rest of the emulator sees it: makes jobs and runs, cancels, repairs and deletes them.

Owns every change of a record. It does not know HTTP; the workspace holds its lock around each call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set

from dbx_emulator._core import launching, repairs, stopping
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.dag import dependents
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.events import EventHeap
from dbx_emulator._core.jobs import Job, JobSettings
from dbx_emulator._core.machine import Machine
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun, Repair, TaskRun
from dbx_emulator._core.scenarios import OnSuccess, Scenarios
from dbx_emulator._core.states import LifeCycleState, TriggerType
from dbx_emulator._core.store import RunStore
from dbx_emulator._core.submitted import SubmittedRun

__all__ = ["Engine"]


class Engine:
    """All jobs and runs of one workspace and what is to come for them.

    Args:
        clock: The workspace's time.
        timing: How long stages take where no scenario says otherwise.
        scenarios: What happens to runs; consulted when one is created.
        draws: Where chance comes from.

    Attributes:
        drain: Lets everything happen that is due by now, in order, and returns what it took for now.
        is_moved_by_polls: Whether time moves whenever a run is read.
        store: The jobs and runs.
        to_call: Whom somebody has to call, with which run, because the run succeeded; oldest first.
    """

    def __init__(
        self, *, clock: Clock, timing: Timing, scenarios: Scenarios, draws: Draws | None = None
    ) -> None:
        self._machine = Machine(clock=clock, timing=timing, scenarios=scenarios, draws=draws or Draws())
        self.is_moved_by_polls = clock.policy == "per-poll"
        self.drain: Callable[[], int] = self._machine.drain
        self.store: RunStore = self._machine.store
        self.to_call: deque[tuple[OnSuccess, JobRun]] = self._machine.to_call

    @property
    def parts(self) -> tuple[RunStore, EventHeap, Machine]:
        """What a snapshot asks for what it holds."""
        return self.store, self._machine.heap, self._machine

    def next_deadline_ms(self, job_run: JobRun | None = None) -> int | None:
        """Return when the next event is due, of one run or of any, or `None` if nothing is to come.

        A run that waits for others, in the queue of its job, has the next event of any.
        """
        if job_run is None or job_run.queue_code is not None:
            return self._machine.heap.next_deadline_ms()
        due = [job_run.due] if job_run.due else []
        deadlines = [each.deadline_ms for each in due]
        for task_run in job_run.latest.values():
            for each in (task_run, *task_run.iterations):
                if each.due is not None:
                    deadlines.append(each.due.deadline_ms)
                if each.child is not None and (below_ms := self.next_deadline_ms(each.child)) is not None:
                    deadlines.append(below_ms)
        return min(deadlines, default=None)

    def polled(self, job_run: JobRun) -> None:
        """Let time move, because a run was read, to that run's next event, or to the next of any run."""
        if job_run.is_terminal:
            return
        clock = self._machine.clock
        deadline_ms = self.next_deadline_ms(job_run) or self.next_deadline_ms()
        assert deadline_ms is not None, "something is to come for an active run, or for one that it waits for"
        clock.plan_move(deadline_ms, who=f"a poll of run {job_run.run_id}")

    def submit(self, submitted: SubmittedRun, *, principal: Principal = Principal.USER) -> JobRun:
        """Make a run, or return the one that was made with the same idempotency token.

        The body of a repeated submit is not compared: the token wins.

        Raises:
            TokenOfDeletedRun: The run with that token was deleted.

        Source: [runs.submit.idempotency] sdk: databricks-sdk-py, jobs.py (JobsAPI.submit, idempotency_token)
        """
        return self._launch(launching.Order(submitted, principal.user_name))

    def create_job(self, settings: JobSettings, *, principal: Principal = Principal.USER) -> Job:
        """Make a job."""
        job = Job(
            job_id=self.store.new_job_id(),
            settings=settings,
            created_time_ms=self._machine.clock.tick(),
            creator_user_name=principal.user_name,
        )
        self.store.add_job(job)
        return job

    def find_job(self, job_id: int) -> Job | None:
        """Return the job with that id, or `None`."""
        return self.store.find_job(job_id)

    def run_now(
        self,
        job: Job,
        submitted: SubmittedRun,
        *,
        principal: Principal = Principal.USER,
        job_parameters: Mapping[str, str] | None = None,
        overriding_parameters: bytes = b"",
        is_queued: bool | None = None,
        trigger: TriggerType = TriggerType.ONE_TIME,
    ) -> JobRun:
        """Make a run of a job, or return the one that was made with the same idempotency token.

        Where the job has as many active runs as it may, the run waits for its turn or is skipped, as the job says.

        Args:
            job: The job.
            submitted: The run as it is to be made: `job.settings.to_run()`, perhaps with something replaced.
            principal: Who asks for it.
            job_parameters: The values of the job's parameters where they are not the defaults.
            overriding_parameters: The legacy parameters of run-now, as JSON; empty if there are none.
            is_queued: Whether the run waits for its turn, if it has to, or is skipped; `None` as the job says.
            trigger: What sets it off.

        Raises:
            TokenOfDeletedRun: The run with that token was deleted.
        """
        return self._launch(
            launching.Order(
                submitted,
                principal.user_name,
                job=job,
                job_parameters=job_parameters or {},
                overriding_parameters=overriding_parameters,
                is_queued=is_queued,
                trigger=trigger,
            )
        )

    def _launch(self, order: launching.Order) -> JobRun:
        token = order.submitted.idempotency_token
        if token and (existing := self.store.find_by_token(token)) is not None:
            return existing
        # What is due comes first: it may end a run whose turn this one gets.
        at_ms = self._machine.clock.tick()
        self._machine.drain(now_ms=at_ms)
        return launching.launch(self._machine, order, at_ms)

    def cancel(self, job_run: JobRun, task_run: TaskRun | None) -> None:
        """Ask a run to stop, or only one task run of it. It stops later; what is over keeps its outcome.

        Source: [runs.cancel.asynchronous] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_run)
        Source: [runs.cancel.terminal-noop] measured: databricks/cli, libs/testserver/jobs.go
        Source: [runs.cancel.task-only] measured: apache/airflow#69442
        """
        # What is due comes first, at the same moment: a clock that runs by itself may have moved meanwhile.
        stopping.cancel(self._machine, job_run, task_run, self.drain())
        self.drain()

    def cancel_all(self, *, job_id: int | None = None, is_queued_only: bool = False) -> None:
        """Ask all active runs to stop.

        Args:
            job_id: Only those of this job; `None` for those of every job.
            is_queued_only: Only those that are QUEUED.

        Source: [runs.cancel-all] sdk: databricks-sdk-py, jobs.py (JobsAPI.cancel_all_runs)
        """
        now_ms = self.drain()
        for job_run in self.store.active():
            is_meant = job_id in (None, job_run.job_id)
            if is_meant and (not is_queued_only or job_run.life_cycle_state is LifeCycleState.QUEUED):
                stopping.cancel(self._machine, job_run, None, now_ms)
        self.drain()

    def delete(self, job_run: JobRun) -> None:
        """Forget a run that is over; its idempotency token stays reserved."""
        self.store.delete(job_run)

    def repair(
        self,
        job_run: JobRun,
        task_keys: Set[str],
        *,
        job_parameters: Mapping[str, str] | None = None,
        overriding_parameters: bytes = b"",
    ) -> Repair:
        """Run some tasks of a run that is over anew, under the same run id.

        Args:
            job_run: The run.
            task_keys: The tasks; not empty.
            job_parameters: The values of the job's parameters where they are not the defaults.
            overriding_parameters: The legacy parameters of the repair, as JSON; empty if there are none.
        """
        at_ms = self._machine.clock.tick()
        self._machine.drain(now_ms=at_ms)
        job_run.overriding_parameters = overriding_parameters
        return repairs.repair(self._machine, job_run, task_keys, at_ms, job_parameters=job_parameters or {})

    def failed_task_keys(self, job_run: JobRun) -> set[str]:
        """Return the tasks that failed, were stopped, or were skipped because others did or were."""
        return repairs.failed_task_keys(job_run)

    def dependents(self, job_run: JobRun, task_keys: Iterable[str]) -> set[str]:
        """Return every task that depends on one of some tasks, directly or through others."""
        return dependents(job_run.downstream, task_keys)
