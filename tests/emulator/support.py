"""What the tests of the emulator share: bodies to submit, a caller without any door, records to start from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dbx_emulator
from dbx_emulator import Clock, Timing, Workspace
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.scenarios import Scenarios
from dbx_emulator._core.submitted import Dependency, SubmittedRun, SubmittedTask

Json = dict[str, Any]

NEW_CLUSTER: Json = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
NOTEBOOK: Json = {"notebook_path": "/Users/me/etl"}
PYTHON: Json = {"python_file": "dbfs:/main.py", "parameters": ["--day", "2024-01-01"]}


#: Where this very package is, for interpreters that start in another folder.
SOURCE = str(Path(dbx_emulator.__file__).parents[1])


def environment() -> dict[str, str]:
    """Return the environment of another interpreter that is to find the package where this one found it."""
    inherited = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([SOURCE, *([inherited] if inherited else [])])}


def flat_body(run_name: str = "nightly etl", **fields: Any) -> Json:
    """Return a body of runs/submit without `tasks`."""
    return {"run_name": run_name, "new_cluster": NEW_CLUSTER, "spark_python_task": PYTHON} | fields


def task(task_key: str, *depends_on: str, **fields: Any) -> Json:
    """Return an element of `tasks` that runs a notebook on a cluster of its own."""
    body: Json = {"task_key": task_key, "new_cluster": NEW_CLUSTER, "notebook_task": NOTEBOOK}
    if depends_on:
        body["depends_on"] = [{"task_key": each} for each in depends_on]
    return body | fields


def graph_body(*tasks: Json, run_name: str = "graph", **fields: Any) -> Json:
    """Return a body of runs/submit with `tasks`."""
    return {"run_name": run_name, "tasks": list(tasks)} | fields


def send(
    workspace: Workspace,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request straight to the workspace, with its credentials unless other headers are given."""
    lines = workspace.headers if headers is None else headers
    raw = [(name.encode(), value.encode()) for name, value in lines.items()]
    return workspace.handle(Request(method, target, raw, body))


@dataclass(frozen=True)
class Refusal:
    """An error as the service put it."""

    status_code: int
    error_code: str | int
    message: str


@dataclass(frozen=True)
class Caller:
    """Calls the Jobs API of a workspace without any door."""

    workspace: Workspace
    version: str = "2.1"

    def reply(self, method: str, endpoint: str, body: object = None, **parameters: Any) -> Reply:
        """Return the reply to a call."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return send(self.workspace, method, f"/api/{self.version}/jobs/{endpoint}{query}", content)

    def get(self, endpoint: str, **parameters: Any) -> Json:
        """Return the body of a successful GET."""
        return self._accepted(self.reply("GET", endpoint, **parameters))

    def post(self, endpoint: str, body: object) -> Json:
        """Return the body of a successful POST."""
        return self._accepted(self.reply("POST", endpoint, body))

    def submit(self, body: Json | None = None) -> int:
        """Submit a run and return its id."""
        answer = self.post("runs/submit", flat_body() if body is None else body)
        run_id: int = answer["run_id"]
        return run_id

    def run(self, run_id: int, **parameters: Any) -> Json:
        """Return the body of runs/get."""
        return self.get("runs/get", run_id=run_id, **parameters)

    def refusal(self, method: str, endpoint: str, body: object = None, **parameters: Any) -> Refusal:
        """Return the error with which a call is refused."""
        reply = self.reply(method, endpoint, body, **parameters)
        assert reply.status_code >= 400, reply.body
        error = json.loads(reply.body)
        return Refusal(reply.status_code, error["error_code"], error["message"])

    def submit_refusal(self, body: object) -> Refusal:
        """Return the error with which a submit is refused."""
        return self.refusal("POST", "runs/submit", body)

    def under(self, version: str) -> Caller:
        """Return a caller of another version of the API."""
        return Caller(self.workspace, version)

    @staticmethod
    def _accepted(reply: Reply) -> Json:
        assert reply.status_code == 200, reply.body
        answer: Json = json.loads(reply.body)
        return answer


def make_engine(
    *, timing: Timing | None = None, clock: Clock | None = None
) -> tuple[Engine, Clock, Scenarios]:
    """Return an engine, its clock and its scenarios."""
    clock = clock or Clock()
    scenarios = Scenarios()
    return Engine(clock=clock, timing=timing or Timing(), scenarios=scenarios), clock, scenarios


def submitted_task(task_key: str = "only", *depends_on: str | Dependency, **fields: Any) -> SubmittedTask:
    """Return a task that was found valid."""
    return SubmittedTask(
        task_key=task_key,
        depends_on=tuple(Dependency(each) if isinstance(each, str) else each for each in depends_on),
        existing_cluster_id="",
        spec=b'{"notebook_task":{"notebook_path":"/etl"}}',
        **{"has_new_cluster": True} | fields,
    )


def submitted_run(
    *tasks: SubmittedTask,
    is_flat: bool = False,
    run_name: str = "run",
    idempotency_token: str = "",
    tags: Mapping[str, str] | None = None,
    timeout_ms: int = 0,
) -> SubmittedRun:
    """Return a run that was found valid."""
    return SubmittedRun(
        run_name=run_name,
        tasks=tasks or (submitted_task(),),
        is_flat=is_flat,
        idempotency_token=idempotency_token,
        spec=b"{}",
        tags=tags or {},
        timeout_ms=timeout_ms,
    )


def make_runs(*tasks: SubmittedTask) -> tuple[JobRun, list[TaskRun]]:
    """Return a fresh job run and its task runs."""
    engine, _, _ = make_engine()
    job_run = engine.submit(submitted_run(*tasks))
    return job_run, job_run.task_runs


def outcome(termination_code: str = "SUCCESS", **fields: Any) -> Outcome:
    """Return an outcome by the name of its termination code."""
    return Outcome(termination_code=termination_code, **fields)
