"""`pyflyte run` in this process, and the job that its task stands for; no test of its own."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from dbx_emulator import JobRun

__all__ = ["do_the_job", "pyflyte_run"]

RAW_PREFIX = "memory://bucket/raw"
"""Memory that counts as a remote store."""


def pyflyte_run(folder: Path, source: str, *, n: int) -> Any:
    """Run the workflow `wf` of a module as a user does at a laptop, and return how the command ended.

    Args:
        folder: Where the module is written; its name is the module's.
        source: The module.
        n: The workflow's input.
    """
    from click.testing import CliRunner
    from flytekit.clis.sdk_in_container.pyflyte import main

    path = folder / f"{folder.name}.py"
    path.write_text(source)
    arguments = ["run", "--raw-output-data-prefix", RAW_PREFIX, str(path), "wf", "--n", str(n)]
    return CliRunner().invoke(main, arguments)


def do_the_job(run: JobRun) -> None:
    """Do what the run's code would do on its cluster: read the inputs, write the double of `n`."""
    import fsspec
    from flyteidl.core import literals_pb2

    [task] = run.submitted.tasks
    parameters = json.loads(task.spec)["spark_python_task"]["parameters"]
    given = dict(itertools.pairwise(parameters))
    inputs, outputs = literals_pb2.LiteralMap(), literals_pb2.LiteralMap()
    with fsspec.open(given["--inputs"]) as file:
        inputs.ParseFromString(file.read())
    outputs.literals["o0"].scalar.primitive.integer = 2 * inputs.literals["n"].scalar.primitive.integer
    with fsspec.open(f"{given['--output-prefix']}/outputs.pb", "wb") as file:
        file.write(outputs.SerializeToString())
