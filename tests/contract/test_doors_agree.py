"""Nothing is tested through one door alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.emulator.support import environment

_HERE = Path(__file__).parent
#: Without what would write files, or change the order.
_PLAIN = ("-p", "no:cacheprovider", "-p", "no:randomly")
_DOOR = re.compile(r"(?<=[\[-])(inprocess|socket)(?=[\]-])")


def test_every_contract_test_is_run_through_every_door() -> None:
    """The list of test ids is the same under both doors; only this folder's own checks have no door.

    That none of them is skipped is seen to by the hook in this folder's conftest.
    """
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *_PLAIN, str(_HERE)]
    collected = subprocess.run(
        command, cwd=_HERE.parents[1], env=environment(), capture_output=True, text=True, check=False
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    node_ids = [line for line in collected.stdout.splitlines() if "::" in line]
    by_door: dict[str, list[str]] = {"inprocess": [], "socket": [], "": []}
    for node_id in node_ids:
        found = _DOOR.search(node_id)
        by_door[found.group() if found else ""].append(_DOOR.sub("door", node_id))
    assert by_door["inprocess"] == by_door["socket"]
    assert len(by_door["inprocess"]) > 100
    assert {node_id.rpartition("::")[2] for node_id in by_door[""]} == {
        "test_every_contract_test_is_run_through_every_door",
        "test_oracle_notices_what_is_lost",
    }
