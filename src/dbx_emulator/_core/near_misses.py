"""Scenarios that took no run: which run came nearest, in what it differs, and the line that would take it."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import glob
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from dbx_emulator._core.journal_filters import Miss
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.scenarios import Match, Scenario

__all__ = ["describe_idle_scenario", "match_misses", "mended"]


def describe_idle_scenario(scenario: Scenario, job_runs: Sequence[JobRun]) -> str:
    """Return why a scenario took none of the runs, in lines: the nearest, field by field, and what to paste."""
    match = scenario.match or Match()
    lines = [f"scenario {scenario.label!r} took none of {len(job_runs)} runs"]
    nearest = min(job_runs, key=lambda each: _distance(match, each), default=None)
    if nearest is not None:
        missed = match_misses(match, nearest)
        run = f"nearest run {nearest.run_id} {nearest.run_name!r}: "
        why = [f"match.{each.name} {each.wanted!r} ≠ {each.seen!r}" for each in missed]
        lines.append(run + (", ".join(why) or _why_not(scenario, match, nearest)))
        lines += [f"to paste: {_line(scenario, mended(match, nearest))}"] if missed else []
    return "\n  ".join(lines)


def match_misses(match: Match, job_run: JobRun) -> list[Miss]:
    """Return what of a match does not hold for a run, chance and numbers left aside."""
    run = job_run.submitted
    found = []
    if not fnmatch.fnmatchcase(run.run_name, match.run_name):
        found.append(Miss("run_name", match.run_name, run.run_name))
    if match.job_id not in (None, job_run.job_id):
        found.append(Miss("job_id", match.job_id, job_run.job_id if job_run.job else None))
    found += _unlike("tags", match.tags, run.tags)
    found += _unlike("parameters", match.parameters, _nearest_parameters(match, job_run))
    task_keys = [] if run.is_flat else [task.task_key for task in run.every_task()]
    if match.task_key != "*" and not fnmatch.filter(task_keys, match.task_key):
        found.append(Miss("task_key", match.task_key, ", ".join(task_keys) or None))
    return found


def mended(match: Match, job_run: JobRun) -> Match:
    """Return a match changed in as little as needed for it to take a run."""
    changes: dict[str, Any] = {}
    run = job_run.submitted
    for missed in match_misses(match, job_run):
        name, _, key = missed.name.partition(".")
        if name == "run_name":
            changes[name] = glob.escape(run.run_name)
        elif name == "task_key":
            keys = [] if run.is_flat else [task.task_key for task in run.every_task()]
            close = difflib.get_close_matches(match.task_key, keys, n=1, cutoff=0)
            changes[name] = glob.escape(close[0]) if close else "*"
        elif name == "job_id":
            changes[name] = missed.seen
        else:
            values = dict(changes.get(name, getattr(match, name)))
            del values[key]
            changes[name] = values | ({} if missed.seen is None else {key: glob.escape(str(missed.seen))})
    return dataclasses.replace(match, **changes)


def _distance(match: Match, job_run: JobRun) -> tuple[int, float]:
    missed = match_misses(match, job_run)
    likeness = sum(difflib.SequenceMatcher(None, str(each.wanted), str(each.seen)).ratio() for each in missed)
    return len(missed), -likeness


def _unlike(name: str, globs: Mapping[str, str], values: Mapping[str, str]) -> list[Miss]:
    return [
        Miss(f"{name}.{key}", wanted, values.get(key))
        for key, wanted in globs.items()
        if key not in values or not fnmatch.fnmatchcase(values[key], wanted)
    ]


def _nearest_parameters(match: Match, job_run: JobRun) -> Mapping[str, str]:
    """Return the parameters of that task which has most of those that a match asks for."""
    each_task: Iterable[Mapping[str, str]] = (task.parameters for task in job_run.submitted.every_task())
    return min(each_task, key=lambda parameters: len(_unlike("parameters", match.parameters, parameters)))


def _why_not(scenario: Scenario, match: Match, job_run: JobRun) -> str:
    if match.nth is not None and scenario.matched:
        return f"match.nth {match.nth} ≠ {scenario.matched}, so many runs came"
    if job_run.scenarios:
        return (
            f"it fits, and {'; '.join(job_run.scenarios)} took it: of two that match, the one added last does"
        )
    return "it fits, and was made before the scenario was added"


def _line(scenario: Scenario, match: Match) -> str:
    """Return the line that adds a scenario for another match."""
    only_name = match == Match(run_name=match.run_name)
    callback = scenario.on_success
    after = f", on_success={getattr(callback, '__name__', '…')}" if callback else ""
    matching = _python(match.run_name if only_name else match)
    return f"databricks.scenarios.add({matching}, {_python(scenario.outcomes)}{after})"


def _python(value: Any) -> str:
    """Return a value as one writes it in Python, what is usual left out."""
    if isinstance(value, Enum):
        return _python(value.value)
    if isinstance(value, (Match, Outcome)):
        given = [
            f"{each.name}={_python(getattr(value, each.name))}"
            for each in dataclasses.fields(value)
            if getattr(value, each.name) != getattr(type(value)(), each.name)
        ]
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_python(key)}: {_python(each)}' for key, each in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_python, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
