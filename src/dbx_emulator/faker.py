"""Realistic data for tests: a provider for faker that knows what runs, jobs and clusters look like.

    fake = Faker()
    fake.add_provider(DatabricksProvider)
    fake.seed_instance(7)
    fake.databricks_run()  # a body for runs/submit, which the emulator takes

Chance comes from the `Faker` that it is added to alone: two that have the same seed say the same, whatever others
have been asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator.doors.missing import needs

with needs("faker", what="realistic data"):
    from faker.providers import BaseProvider

__all__ = ["CLOUDS", "OUTCOMES", "TASK_TYPES", "DatabricksProvider"]

Json = dict[str, Any]
T = TypeVar("T")

#: Cloud → its types of nodes, and what a cluster there says besides.
CLOUDS: dict[str, tuple[tuple[str, ...], Json]] = {
    "aws": (
        ("i3.xlarge", "m5d.large", "m5d.2xlarge", "r5d.xlarge", "c5d.4xlarge", "g5.xlarge"),
        {"aws_attributes": {"availability": "SPOT_WITH_FALLBACK", "first_on_demand": 1, "zone_id": "auto"}},
    ),
    "azure": (
        ("Standard_DS3_v2", "Standard_D8ds_v5", "Standard_E4ds_v4", "Standard_F8s_v2", "Standard_NC6s_v3"),
        {"azure_attributes": {"availability": "SPOT_WITH_FALLBACK_AZURE", "first_on_demand": 1}},
    ),
    "gcp": (
        ("n2-highmem-4", "n2-standard-8", "n1-standard-4", "e2-highmem-8", "a2-highgpu-1g"),
        {"gcp_attributes": {"availability": "PREEMPTIBLE_WITH_FALLBACK_GCP"}},
    ),
}

_SPARK_VERSIONS = (
    "15.4.x-scala2.12",
    "14.3.x-scala2.12",
    "16.4.x-scala2.12",
    "15.4.x-photon-scala2.12",
    "15.4.x-cpu-ml-scala2.12",
)
_TEAMS = ("data", "growth", "finance", "risk", "search", "ml-platform", "logistics")
_THINGS = (
    "orders",
    "customers",
    "events",
    "invoices",
    "sessions",
    "prices",
    "shipments",
    "features",
    "clicks",
)
_STEPS = ("extract", "load", "clean", "join", "aggregate", "score", "train", "publish", "check", "export")
_RHYTHMS = ("nightly", "hourly", "daily", "weekly", "backfill", "adhoc")
_RUN_IFS = ("ALL_DONE", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS", "AT_LEAST_ONE_FAILED", "ALL_FAILED")
#: The types of tasks that most runs have.
_USUAL = ("notebook_task", "spark_python_task", "python_wheel_task", "spark_jar_task")

#: Those that need a cluster or take one, and are tried again.
_ON_CLUSTERS = (*_USUAL, "spark_submit_task", "dbt_task")

#: Those that need none, and what is made of other tasks.
_BESIDES = ("sql_task", "pipeline_task", "condition_task", "for_each_task")

#: The types of tasks that there are.
TASK_TYPES = (*_ON_CLUSTERS, *_BESIDES)

#: How many runs of a hundred end in which way, and how: roughly as in a workspace that is looked after.
OUTCOMES: tuple[tuple[float, Outcome], ...] = (
    (80, Outcome(cluster="lognormal(4m, 0.3)", run="lognormal(12m, 0.8)")),
    (
        5,
        Outcome(
            run="lognormal(4m, 0.8)",
            termination_code="RUN_EXECUTION_ERROR",
            error="AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `raw`.`orders` cannot be found.",
        ),
    ),
    (
        3,
        Outcome(
            run="lognormal(8m, 0.8)",
            termination_code="RUN_EXECUTION_ERROR",
            error="KeyError: 'customer_id'",
            error_trace="Traceback (most recent call last):\nKeyError: 'customer_id'",
        ),
    ),
    (3, Outcome(run="lognormal(30m, 0.8)", termination_code="CLOUD_FAILURE", retries=(Outcome(),))),
    (
        2,
        Outcome(
            run="lognormal(40m, 0.5)", termination_code="DRIVER_ERROR", error="The driver ran out of memory."
        ),
    ),
    (2, Outcome(cluster="25m", termination_code="CLUSTER_ERROR")),
    (2, Outcome(cluster="lognormal(5m, 0.3)", termination_code="LIBRARY_INSTALLATION_ERROR")),
    (1, Outcome(cluster="10s", termination_code="UNAUTHORIZED_ERROR")),
    (1, Outcome(cluster="30s", termination_code="CLUSTER_REQUEST_LIMIT_EXCEEDED")),
    (1, Outcome(run="3h")),
)


class DatabricksProvider(BaseProvider):
    """What runs, jobs and clusters are made of. Every body is one that the emulator takes."""

    def databricks_user(self) -> str:
        """Return who owns things: a name at a domain that nobody has."""
        return f"{self.generator.user_name()}@example.com"

    def databricks_tags(self) -> dict[str, str]:
        """Return the tags of a run, a job or a cluster."""
        tags = {"team": self._one(_TEAMS), "env": self._one(("dev", "staging", "prod"))}
        return tags | ({"cost_center": str(self._between(1_000, 9_999))} if self._is(0.5) else {})

    def databricks_node_type(self, cloud: str = "aws") -> str:
        """Return a type of nodes.

        Raises:
            UsageError: There is no such cloud.
        """
        return self._one(_cloud(cloud)[0])

    def databricks_spark_version(self) -> str:
        """Return a version of the runtime, as clusters name it."""
        return self._one(_SPARK_VERSIONS)

    def databricks_cluster(self, cloud: str | None = None) -> Json:
        """Return a `new_cluster`.

        Args:
            cloud: `aws`, `azure` or `gcp`; `None` takes any.

        Raises:
            UsageError: There is no such cloud.
        """
        cloud = cloud or self._one(tuple(CLOUDS))
        workers = self._between(1, 8)
        size: Json = {"num_workers": workers}
        if self._is(0.4):
            size = {"autoscale": {"min_workers": workers, "max_workers": workers * 4}}
        return {
            "spark_version": self.databricks_spark_version(),
            "node_type_id": self.databricks_node_type(cloud),
            **size,
            **_cloud(cloud)[1],
            "custom_tags": self.databricks_tags(),
            "data_security_mode": self._one(("SINGLE_USER", "USER_ISOLATION")),
        }

    def databricks_cluster_id(self) -> str:
        """Return the id of a cluster that somebody keeps running."""
        tail = "".join(self._one("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(8))
        return f"{self._between(1, 12):02}{self._between(1, 28):02}-{self._between(0, 235_959):06}-{tail}"

    def databricks_notebook_path(self) -> str:
        """Return where a notebook is in the workspace."""
        home = self._one((f"/Users/{self.databricks_user()}", f"/Repos/{self._one(_TEAMS)}/pipelines"))
        return f"{home}/{self._one(_STEPS)}_{self._one(_THINGS)}"

    def databricks_job_name(self) -> str:
        """Return the name of a job."""
        return f"{self._one(_RHYTHMS)}-{self._one(_THINGS)}-{self._one(_STEPS)}"

    def databricks_run_name(self) -> str:
        """Return the name of a submitted run."""
        day = date(2024, 1, 1) + timedelta(days=self._between(0, 365))
        return f"{self.databricks_job_name()} {day.isoformat()}"

    def databricks_task(self, task_type: str | None = None, task_key: str = "main") -> Json:
        """Return a task: what it does, on what, and how often it is tried.

        Args:
            task_type: One of `TASK_TYPES`; `None` takes one that runs code.
            task_key: Its name within the run.

        Raises:
            UsageError: There is no such type.
        """
        task_type = task_type or self._one(_USUAL)
        if task_type not in TASK_TYPES:
            known = ", ".join(TASK_TYPES)
            raise UsageError(f"task_type: {task_type!r} is none of {known}{nearest(task_type, TASK_TYPES)}")
        task: Json = {"task_key": task_key, task_type: getattr(self, f"_{task_type}")()}
        if task_type in _ON_CLUSTERS:
            task |= self._compute() | self._retries()
        return task

    def databricks_run(self, tasks: int | None = None) -> Json:
        """Return a body for runs/submit.

        Args:
            tasks: How many tasks it has, each of them waiting for some of those before; 0 is a flat body without
                `tasks`. `None` takes 0 to 6.
        """
        count = self._one((0, 0, 1, 1, 2, 3, 4, 6)) if tasks is None else tasks
        run: Json = {"run_name": self.databricks_run_name(), "tags": self.databricks_tags()}
        if self._is(0.2):
            run["timeout_seconds"] = self._between(1, 12) * 3_600
        if count == 0:
            return run | {each: value for each, value in self.databricks_task().items() if each != "task_key"}
        return run | {"tasks": self._graph(count)}

    def databricks_job(self, tasks: int | None = None) -> Json:
        """Return a body for jobs/create.

        Args:
            tasks: How many tasks it has, at least 1; `None` takes 1 to 6.
        """
        job: Json = {
            "name": self.databricks_job_name(),
            "tasks": self._graph(tasks or self._between(1, 6)),
            "tags": self.databricks_tags(),
            "max_concurrent_runs": self._one((1, 1, 1, 2, 5)),
            "queue": {"enabled": self._is(0.5)},
        }
        if self._is(0.5):
            job["schedule"] = {
                "quartz_cron_expression": f"0 {self._between(0, 59)} {self._between(0, 23)} * * ?",
                "timezone_id": "UTC",
            }
        return job

    def databricks_outcome(self) -> Outcome:
        """Return what happens to a run, drawn by the shares of `OUTCOMES`."""
        outcomes = [outcome for _, outcome in OUTCOMES]
        [outcome] = self.generator.random.choices(outcomes, [share for share, _ in OUTCOMES])
        found: Outcome = outcome
        return found

    def _graph(self, count: int) -> list[Json]:
        """Return tasks of which each may wait for some of those before it."""
        graph: list[Json] = []
        for number in range(count):
            task_type = self._one(_BESIDES) if self._is(0.15) else None
            task = self.databricks_task(task_type, f"{self._one(_STEPS)}_{number}")
            if graph and self._is(0.9):
                before = [each["task_key"] for each in graph]
                upstream = self.generator.random.sample(before, min(len(before), self._between(1, 2)))
                task["depends_on"] = [{"task_key": each} for each in upstream]
                if self._is(0.15):
                    task["run_if"] = self._one(_RUN_IFS)
            graph.append(task)
        return graph

    def _notebook_task(self) -> Json:
        return {"notebook_path": self.databricks_notebook_path(), "base_parameters": self._parameters()}

    def _spark_python_task(self) -> Json:
        python_file = f"dbfs:/jobs/{self._one(_STEPS)}_{self._one(_THINGS)}.py"
        return {"python_file": python_file, "parameters": self._arguments()}

    def _python_wheel_task(self) -> Json:
        return {
            "package_name": f"{self._one(_THINGS)}_pipeline",
            "entry_point": self._one(_STEPS),
            "named_parameters": self._parameters(),
        }

    def _spark_jar_task(self) -> Json:
        return {"main_class_name": self._main_class(), "parameters": self._arguments()}

    def _spark_submit_task(self) -> Json:
        return {"parameters": ["--class", self._main_class(), "dbfs:/jobs/main.jar"]}

    def _sql_task(self) -> Json:
        path = f"{self.databricks_notebook_path()}.sql"
        return {"warehouse_id": f"{self._between(0, 16**16 - 1):016x}", "file": {"path": path}}

    def _dbt_task(self) -> Json:
        commands = ["dbt deps", f"dbt run --select {self._one(_THINGS)}"]
        return {"commands": commands, "project_directory": f"/Repos/{self._one(_TEAMS)}/dbt"}

    def _pipeline_task(self) -> Json:
        return {"pipeline_id": f"{self._between(0, 16**32 - 1):032x}", "full_refresh": self._is(0.1)}

    def _condition_task(self) -> Json:
        op = self._one(("EQUAL_TO", "NOT_EQUAL", "GREATER_THAN", "LESS_THAN_OR_EQUAL"))
        return {"op": op, "left": "{{job.repair_count}}", "right": str(self._between(0, 1))}

    def _for_each_task(self) -> Json:
        inputs = self.generator.random.sample(_THINGS, self._between(2, 5))
        task = self.databricks_task(None, f"{self._one(_STEPS)}_each")
        return {"inputs": json.dumps(inputs), "concurrency": self._between(1, 3), "task": task}

    def _main_class(self) -> str:
        return f"com.example.{self._one(_THINGS)}.Main"

    def _compute(self) -> Json:
        if self._is(0.7):
            return {"new_cluster": self.databricks_cluster()}
        return {"existing_cluster_id": self.databricks_cluster_id()}

    def _retries(self) -> Json:
        if self._is(0.6):
            return {}
        return {
            "max_retries": self._between(1, 3),
            "min_retry_interval_millis": self._between(1, 10) * 60_000,
        }

    def _parameters(self) -> dict[str, str]:
        day = date(2024, 1, 1) + timedelta(days=self._between(0, 365))
        return {"day": day.isoformat(), "table": f"main.{self._one(_TEAMS)}.{self._one(_THINGS)}"}

    def _arguments(self) -> list[str]:
        return [part for name, value in self._parameters().items() for part in (f"--{name}", value)]

    def _one(self, values: Sequence[T]) -> T:
        # Of the Faker's own random numbers: how its methods draw from them may change with its version.
        chosen: T = self.generator.random.choice(values)
        return chosen

    def _between(self, least: int, most: int) -> int:
        number: int = self.generator.random.randint(least, most)
        return number

    def _is(self, probability: float) -> bool:
        fraction: float = self.generator.random.random()
        return fraction < probability


def _cloud(name: str) -> tuple[tuple[str, ...], Json]:
    if name not in CLOUDS:
        raise UsageError(f"cloud: {name!r} is none of {', '.join(CLOUDS)}{nearest(name, CLOUDS)}")
    return CLOUDS[name]
