"""References to what a run knows, written `{{job.parameters.day}}` in parameters, operands and inputs.

One that nobody can resolve stays as it is written: the service refuses it when the job is made, or does not know
it either.

Source: [runs.references] documented: Databricks documentation, What is a dynamic value reference
Source: [runs.references.unknown] assumed: what stands for nothing stays as it is written
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from dbx_emulator._core.runs import JobRun, TaskRun
from dbx_emulator._core.states import ResultState

__all__ = ["resolve"]

_REFERENCE = re.compile(r"\{\{\s*(?P<path>[^{}]+?)\s*\}\}")


def resolve(text: str, job_run: JobRun, task_run: TaskRun) -> str:
    """Return a text with every reference in it replaced by its value.

    Args:
        text: The text.
        job_run: The run that it stands in.
        task_run: The task run that it stands in.
    """

    def value(found: re.Match[str]) -> str:
        value = _find(found["path"], job_run, task_run)
        return found[0] if value is None else value

    return _REFERENCE.sub(value, text)


def _find(path: str, job_run: JobRun, task_run: TaskRun) -> str | None:
    """Return the value of a reference, or `None` if it stands for nothing."""
    namespace, _, name = path.partition(".")
    if path in _PLAIN:
        return _PLAIN[path](job_run, task_run)
    if path.startswith("job.parameters."):
        return job_run.job_parameters.get(path.removeprefix("job.parameters."))
    if path.startswith("job.start_time."):
        return _moment(job_run.start_time_ms, path.removeprefix("job.start_time."))
    if namespace == "tasks":
        return _of_task(job_run, name)
    if namespace == "input" and task_run.input:
        return _of_input(json.loads(task_run.input), name)
    return None


#: References that name one thing.
_PLAIN: dict[str, Callable[[JobRun, TaskRun], str]] = {
    "job.id": lambda job_run, _: str(job_run.job_id),
    "job.name": lambda job_run, _: job_run.run_name,
    "job.run_id": lambda job_run, _: str(job_run.run_id),
    "job.repair_count": lambda job_run, _: str(len(job_run.repairs) - 1),
    "job.trigger.type": lambda job_run, _: job_run.trigger.value.lower() if job_run.trigger else "",
    "task.name": lambda _, task_run: task_run.task_key,
    "task.run_id": lambda _, task_run: str(task_run.run_id),
    "task.execution_count": lambda _, task_run: str(task_run.attempt_number + 1),
}

#: Parts of a moment.
_PARTS: dict[str, Callable[[datetime], str]] = {
    "iso_date": lambda moment: f"{moment:%Y-%m-%d}",
    "iso_datetime": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03}Z",
    "iso_weekday": lambda moment: str(moment.isoweekday()),
    "is_weekday": lambda moment: "true" if moment.isoweekday() <= 5 else "false",  # noqa: PLR2004 - Friday
    "year": lambda moment: str(moment.year),
    "month": lambda moment: str(moment.month),
    "day": lambda moment: str(moment.day),
    "hour": lambda moment: str(moment.hour),
    "minute": lambda moment: str(moment.minute),
    "second": lambda moment: str(moment.second),
}

#: What a task that is over became, where it is not its result in small letters.
_RESULTS = {ResultState.SUCCESS_WITH_FAILURES: "success"}


def _moment(at_ms: int, part: str) -> str | None:
    if part == "timestamp_ms":
        return str(at_ms)
    seconds, ms = divmod(at_ms, 1_000)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc).replace(microsecond=ms * 1_000)
    return _PARTS[part](moment) if part in _PARTS else None


def _of_task(job_run: JobRun, name: str) -> str | None:
    """Return what another task of the run became, or a value that it set."""
    task_key, _, what = name.partition(".")
    task_run = job_run.latest.get(task_key)
    if task_run is None:
        return None
    if what == "run_id":
        return str(task_run.run_id)
    if what == "execution_count":
        return str(task_run.attempt_number + 1)
    if what == "result_state" and task_run.is_terminal and task_run.result_state is not None:
        return _RESULTS.get(task_run.result_state, task_run.result_state.value.lower())
    if what.startswith("values.") and task_run.is_terminal and task_run.has_worked:
        return _text(task_run.outcome.values.get(what.removeprefix("values.")))
    return None


def _of_input(value: Any, name: str) -> str | None:
    """Return what an iteration is for, or a part of it."""
    for key in name.split(".") if name else ():
        value = value.get(key) if isinstance(value, dict) else None
    return _text(value)


def _text(value: Any) -> str | None:
    """Return a value as it stands in a text: texts as they are, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
