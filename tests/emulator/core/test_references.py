"""References to what a run knows."""

from __future__ import annotations

import pytest

from dbx_emulator._core.jobs import JobSettings
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.references import resolve
from dbx_emulator._core.runs import JobRun, TaskRun
from tests.emulator.support import make_engine, outcome, submitted_run, submitted_task


def _run() -> tuple[JobRun, TaskRun]:
    """Return a run of a job whose tasks a to d succeeded, failed, were skipped and still run; and the last one."""
    engine, clock, scenarios = make_engine()
    values = {"rows": 12, "name": "x", "list": [1, "a"], "none": None}
    fates = {
        "a": Outcome(values=values),
        "b": outcome("CLOUD_FAILURE"),
        "d": Outcome(run="1d", values=values),
        "e": outcome("DRIVER_ERROR", result_state=""),
        "f": outcome("SUCCESS_WITH_FAILURES"),
    }
    scenarios.add("*", [Outcome(tasks=fates)])
    tasks = [submitted_task(key, *("b" if key == "c" else "")) for key in "abcdef"]
    job = engine.create_job(JobSettings("nightly", tuple(tasks), parameters={"day": "mon", "a.b": "dots"}))
    job_run = engine.run_now(job, job.settings.to_run())
    clock.advance("10m")
    engine.drain()
    return job_run, job_run.latest["d"]


@pytest.mark.fact("runs.references")
@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("no reference", "no reference"),
        ("{{job.parameters.day}}/{{ job.parameters.day }}", "mon/mon"),
        ("{{job.parameters.a.b}}", "dots"),
        ("{{job.id}} {{job.name}}", "900000000000001 nightly"),
        ("{{job.run_id}} {{task.run_id}}", "400000000000001 400000000000005"),
        ("{{task.name}}", "d"),
        ("{{task.execution_count}} {{job.repair_count}}", "1 0"),
        ("{{job.trigger.type}}", "one_time"),
        ("{{job.start_time.iso_date}}", "2024-01-01"),
        ("{{job.start_time.iso_datetime}}", "2024-01-01T00:00:00.001Z"),
        ("{{job.start_time.timestamp_ms}}", "1704067200001"),
        ("{{job.start_time.iso_weekday}} {{job.start_time.is_weekday}}", "1 true"),
        ("{{job.start_time.year}}-{{job.start_time.month}}-{{job.start_time.day}}", "2024-1-1"),
        ("{{job.start_time.hour}}:{{job.start_time.minute}}:{{job.start_time.second}}", "0:0:0"),
        ("{{tasks.a.result_state}} {{tasks.b.result_state}}", "success failed"),
        ("{{tasks.c.result_state}} {{tasks.f.result_state}}", "upstream_failed success"),
        ("{{tasks.a.run_id}} {{tasks.a.execution_count}}", "400000000000002 1"),
        ("{{tasks.a.values.rows}} {{tasks.a.values.name}}", "12 x"),
        ("{{tasks.a.values.list}}", '[1,"a"]'),
    ],
)
def test_reference_is_replaced_by_its_value(text: str, resolved: str) -> None:
    """Texts as they are, everything else as JSON."""
    assert resolve(text, *_run()) == resolved


@pytest.mark.fact("runs.references.unknown")
@pytest.mark.parametrize(
    "text",
    [
        "{{job.parameters.month}}",
        "{{job.start_time.century}}",
        "{{job.colour}}",
        "{{tasks.z.result_state}}",
        "{{tasks.d.result_state}}",
        "{{tasks.e.result_state}}",
        "{{tasks.d.values.rows}}",
        "{{tasks.c.values.rows}}",
        "{{tasks.a.values.columns}}",
        "{{tasks.a.values.none}}",
        "{{tasks.a}}",
        "{{input}}",
        "{{secrets.a}}",
        "{{}}",
        "{job.id}",
    ],
)
def test_reference_that_stands_for_nothing_stays(text: str) -> None:
    """What is unknown, or not known yet, is left as it is written."""
    assert resolve(text, *_run()) == text


def test_submitted_run_has_no_trigger() -> None:
    """The reference to it is resolved to nothing at all."""
    engine, _, _ = make_engine()
    job_run = engine.submit(submitted_run())
    assert resolve("<{{job.trigger.type}}>", job_run, job_run.task_runs[0]) == "<>"


@pytest.mark.parametrize(
    ("value", "text", "resolved"),
    [
        ('"eu"', "in {{input}}", "in eu"),
        ("12", "{{input}}", "12"),
        ('{"k":"v","n":{"m":true}}', "{{input.k}} {{input.n.m}}", "v true"),
        ('{"k":"v"}', "{{input}}", '{"k":"v"}'),
        ('{"k":"v"}', "{{input.x}} {{input.k.y}}", "{{input.x}} {{input.k.y}}"),
        ("null", "{{input}}", "{{input}}"),
    ],
)
def test_input_of_an_iteration(value: str, text: str, resolved: str) -> None:
    """The element itself, or a part of it."""
    job_run, task_run = _run()
    task_run.input = value
    assert resolve(text, job_run, task_run) == resolved
