"""Run with the wheel and no extra: what works without, and what says in one line that something is missing.

A script, not a test: there is no pytest in that environment.
"""

from __future__ import annotations

import shutil
import subprocess


def check_command(*command: str) -> None:
    """The command exits with 2 and says in one line of standard error what to install."""
    executable = shutil.which(command[0])
    assert executable is not None, f"{command[0]} is not installed"
    done = subprocess.run([executable, *command[1:]], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done
    assert len(lines) == 1, done
    assert "pip install" in lines[0], done


def check_workspace() -> None:
    """A workspace answers an httpx client in process."""
    import httpx

    from dbx_emulator import Workspace

    workspace = Workspace()
    with httpx.Client(
        transport=workspace.transport(), base_url=workspace.url, headers=workspace.headers
    ) as client:
        assert client.get("/api/2.2/jobs/runs/list").json() == {"has_more": False}


def check_agent_import() -> None:
    """The agent names the Pythons on which it can be used."""
    import dbx_agent

    try:
        dbx_agent.DatabricksAgent  # noqa: B018 - the look-up is the check
    except ImportError as error:
        said = str(error)
    else:
        said = "it is there without flytekit"
    assert "3.10, 3.11 and 3.12" in said, said


if __name__ == "__main__":
    check_workspace()
    check_agent_import()
    check_command("dbx-emulator")
    check_command("dbx-emulator", "demo")
    check_command("dbx-agent", "serve")
    print("the bare wheel is well")  # noqa: T201 - a script says that it came to its end
