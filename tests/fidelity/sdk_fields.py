"""What the installed SDK knows and the emulator does not: `python -m tests.fidelity.sdk_fields`.

A new release of databricks-sdk shows here which parameters and objects have come.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from databricks.sdk.service import jobs

from dbx_emulator._api.structs_tasks import Task
from tests.fidelity.parameters import STRUCTS

__all__ = ["missing"]

_METHODS: dict[str, Any] = {
    "runs/submit": jobs.JobsAPI.submit,
    "runs/get": jobs.JobsAPI.get_run,
    "runs/list": jobs.JobsAPI.list_runs,
    "runs/cancel": jobs.JobsAPI.cancel_run,
    "runs/cancel-all": jobs.JobsAPI.cancel_all_runs,
    "runs/delete": jobs.JobsAPI.delete_run,
    "runs/get-output": jobs.JobsAPI.get_run_output,
    "runs/export": jobs.JobsAPI.export_run,
    "runs/repair": jobs.JobsAPI.repair_run,
    "create": jobs.JobsAPI.create,
    "get": jobs.JobsAPI.get,
    "run-now": jobs.JobsAPI.run_now,
}


def missing() -> Iterator[str]:
    """Yield `endpoint: parameter` for each that the SDK can send and the emulator ignores."""
    for endpoint, method in _METHODS.items():
        ours = set(STRUCTS[endpoint].__struct_fields__)
        for name in inspect.signature(method).parameters:
            if name not in ours | {"self"}:
                yield f"{endpoint}: {name}"
    for field in dataclasses.fields(jobs.Task):
        if field.name not in Task.__struct_fields__:
            yield f"task: {field.name}"


if __name__ == "__main__":
    version = importlib.metadata.version("databricks-sdk")
    sys.stdout.write(
        f"databricks-sdk {version} knows besides:\n" + "".join(f"  {name}\n" for name in missing())
    )
