"""What Flyte keeps with a task about its run, beside phase, message and links; pure."""

from __future__ import annotations

from typing import Any

from dbx_agent.run_snapshot import RunSnapshot

__all__ = ["describe_run"]

_TEXT_LIMIT = 100

#: Above this, Flyte's numbers, which are floats, lose digits.
_EXACT = 2**53


def describe_run(run: RunSnapshot) -> dict[str, Any]:
    """Return what is known of a run, by the API's names; times are in milliseconds.

    Ids are texts, as Flyte's numbers cannot hold them. The cluster is the run's, or else that of the first task
    that has one. `attempts` counts those that the service itself made (`max_retries`) of the task that needed
    most; what is not known is left out.
    """
    clusters = [run.cluster, *(task.cluster for task in run.tasks)]
    cluster = next((each for each in clusters if each.cluster_id), run.cluster)
    attempts = max((task.attempt_number + 1 for task in run.tasks), default=0)
    told = {
        "run_id": _text(run.run_id),
        "job_id": _text(run.job_id),
        "cluster_id": _text(cluster.cluster_id),
        "spark_context_id": _text(cluster.spark_context_id),
        "termination_code": _text(run.state.termination_code),
    }
    counted = {"attempts": attempts, **dict(run.times_ms)}
    return {name: value for name, value in told.items() if value} | {
        name: value for name, value in counted.items() if 0 < value < _EXACT
    }


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)[:_TEXT_LIMIT]
