"""Several replicas behind one name, of which one after the other is killed, under faults."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_emulator import Clock, LostResponse, StatusFault, Workspace

from .serving import DEADLINE_SECONDS, create_request, get, serve
from .support import phase_name

pytestmark = [pytest.mark.flyte, pytest.mark.once]

REPLICAS = 3
AT_ONCE = 16
_ENDS = ("SUCCEEDED", "FAILED", "ABORTED", "RETRYABLE_FAILED")


class Replicas:
    """Agents on ports of their own, for one workspace.

    Attributes:
        addresses: Where they listen, also after they were started anew.
    """

    def __init__(self, url: str, token: str) -> None:
        self._workspace = (url, token)
        self._open = [ExitStack() for _ in range(REPLICAS)]
        with ThreadPoolExecutor(REPLICAS) as threads:
            self.addresses = list(threads.map(self._start, range(REPLICAS)))

    def replace(self, number: int) -> None:
        """Kill one, and start it anew where it was."""
        self._open[number].close()
        self._start(number, "--port", self.addresses[number].rpartition(":")[2])

    def close(self) -> None:
        """Kill all."""
        for replica in self._open:
            replica.close()

    def _start(self, number: int, *options: str) -> str:
        _, address = self._open[number].enter_context(serve(*self._workspace, *options))
        return address


@contextmanager
def _replicas(workspace: Workspace) -> Iterator[Replicas]:
    with workspace.serve() as server:
        replicas = Replicas(server.url, workspace.token)
        try:
            yield replicas
        finally:
            replicas.close()


class Engine:
    """As much of Flyte's engine as drives one task after the other to its end.

    Attributes:
        known: The runs that a create answered.
        ended: Released by each task that is over.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self._numbers = itertools.count()
        self.known: set[int] = set()
        self.ended = threading.Semaphore(0)

    @property
    def attempts(self) -> int:
        """How many attempts it began; to be asked once, at the end."""
        return next(self._numbers)

    def run(self, execution: str) -> str:
        """See a task through, with as many attempts as it takes to create it."""
        meta = self._create(execution)
        self.known.add(int(DatabricksJobMetadata.decode(meta).run_id))
        while True:
            try:
                phase = phase_name(get(self._stub, meta))
            except grpc.RpcError:
                continue
            if phase in _ENDS:
                self.ended.release()
                return phase

    def _create(self, execution: str) -> bytes:
        for attempt in itertools.count():
            next(self._numbers)
            request = create_request(attempt=attempt, execution=execution)
            try:
                answer = self._stub.CreateTask(request, wait_for_ready=True, timeout=DEADLINE_SECONDS)
            except grpc.RpcError:
                continue
            return bytes(answer.resource_meta)
        raise AssertionError("never reached")


@pytest.mark.parametrize(
    ("tasks", "deaths"),
    [pytest.param(45, 2, id="slice"), pytest.param(6_000, 120, id="whole", marks=pytest.mark.soak)],
)
def test_replicas_behave_as_one(tasks: int, deaths: int) -> None:
    """Whatever replica a call reaches: each task succeeds, no attempt has two runs, no run is left going."""
    workspace = Workspace(clock=Clock("per-poll"))
    workspace.faults.add(LostResponse("runs/submit", probability=0.1))
    workspace.faults.add(StatusFault("*", status_code=503, probability=0.05))
    with _replicas(workspace) as replicas:
        target = "ipv4:" + ",".join(replicas.addresses)
        options = [("grpc.lb_policy_name", "round_robin"), ("grpc.max_reconnect_backoff_ms", 500)]
        with (
            grpc.insecure_channel(target, options=options) as channel,
            ThreadPoolExecutor(AT_ONCE) as threads,
        ):
            engine = Engine(AsyncAgentServiceStub(channel))
            lives = [threads.submit(engine.run, f"e{number}") for number in range(tasks)]
            for number in range(deaths):
                for _ in range(tasks // (deaths + 1)):
                    assert engine.ended.acquire(timeout=DEADLINE_SECONDS)
                replicas.replace(number % REPLICAS)
            phases = Counter(life.result(timeout=10 * DEADLINE_SECONDS) for life in lives)
    assert phases == {"SUCCEEDED": tasks}
    tokens = Counter(run.submitted.idempotency_token for run in workspace.runs)
    assert None not in tokens
    assert set(tokens.values()) == {1}
    assert tasks <= len(tokens) <= engine.attempts
    workspace.clock.advance("1d")
    assert engine.known <= {run.run_id for run in workspace.runs}
    assert workspace.runs.active == []
