"""flytekit's two sets of names, and what is said of a flytekit that has neither."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import dbx_agent

from .support import SOURCES

pytestmark = pytest.mark.flyte


def _run(code: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )


def test_another_interpreter_has_this_very_agent() -> None:
    """Where a wheel is installed, none of the processes that tests start runs the checkout beside it."""
    done = _run("import dbx_agent; print(dbx_agent.__file__)")
    assert (done.stdout.strip(), done.stderr) == (dbx_agent.__file__, "")


@pytest.mark.fact("flyte.api.agent-and-connector")
def test_the_line_s_own_names_are_the_agent_s() -> None:
    """Whether the line says agent or connector, its server finds and lists ours."""
    from flytekit.extend.backend import base_agent

    from dbx_agent.agent import DatabricksAgent
    from dbx_agent.compat import AgentRegistry, make_services

    assert AgentRegistry is base_agent.AgentRegistry
    assert issubclass(DatabricksAgent, base_agent.AsyncAgentBase)
    words = [type(service).__name__ for service in make_services()]
    word = "Connector" if any("Connector" in each for each in words) else "Agent"
    assert words == [f"Async{word}Service", f"Sync{word}Service", f"{word}MetadataService"]


def test_custom_info_is_for_lines_whose_resource_has_it() -> None:
    """Up to 1.13.5 there is no such field, and the rest of the answer is the same."""
    from dataclasses import fields

    from dbx_agent.compat import Resource, make_resource
    from dbx_agent.outcome import Phase

    resource = make_resource(Phase.RUNNING, "it runs", custom_info={"run_id": 7})
    has_it = "custom_info" in {field.name for field in fields(Resource)}
    assert resource.message == "it runs"
    assert getattr(resource, "custom_info", None) == ({"run_id": 7} if has_it else None)


@pytest.mark.once
@pytest.mark.parametrize("version", ["1.3.1", "1.11.0", "0.32.6"])
def test_a_flytekit_that_is_too_old_is_named_with_what_to_use(version: str) -> None:
    """In one sentence: for pip it is no error to take an ancient one."""
    done = _run(
        f"import flytekit; flytekit.__version__ = {version!r}\n"
        "import sys; [sys.modules.pop(name) for name in list(sys.modules) if name.startswith('dbx_agent')]\n"
        "from dbx_agent.cli import main; sys.exit(main(['serve', '--port', '0']))"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        f"dbx-agent: dbx_agent needs flytekit 1.12 or newer and found {version}. "
    )
    assert "Traceback" not in done.stderr
