"""Chaos that is the same each time: in one worker or four, in any order, in process and over the socket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.emulator.support import environment

#: A suite as a user may have one: a client that does not give up, under trouble that is drawn.
_SUITE = """
import os
from pathlib import Path

import httpx
import pytest

from dbx_emulator import Match, Outcome, Workspace

JOURNALS = Path(os.environ["JOURNALS"])


def call(client, sleep, method, endpoint, **options):
    while True:
        try:
            response = client.request(method, f"/api/2.1/jobs/{endpoint}", **options)
        except httpx.TransportError:
            sleep(1)
            continue
        if response.status_code == 200:
            return response.json()
        sleep(5)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.databricks(seed=11)
def test_chaos(number, databricks: Workspace, request):
    databricks.faults.apply("flaky_network", "throttled")
    lost = Outcome(run="lognormal(10m, 0.5)", termination_code="CLOUD_FAILURE")
    databricks.scenarios.add("*", [Outcome(cluster="uniform(1m, 5m)", run="lognormal(20m, 0.5)")])
    databricks.scenarios.add(Match(probability=0.4), [lost])
    is_socket = os.environ["DOOR"] == "socket"
    url = request.getfixturevalue("databricks_server").url if is_socket else databricks.url
    sleep = databricks.clock.sleep
    with httpx.Client(base_url=url, headers=databricks.headers, timeout=20, trust_env=False) as client:
        for name in ("extract", f"load {number}", "extract"):
            body = {
                "run_name": name,
                "idempotency_token": f"{name} {number} {len(databricks.runs)}",
                "existing_cluster_id": "c",
                "notebook_task": {"notebook_path": "/n"},
            }
            run_id = call(client, sleep, "POST", "runs/submit", json=body)["run_id"]
            while call(client, sleep, "GET", "runs/get", params={"run_id": run_id})["end_time"] == 0:
                sleep(30)
    (JOURNALS / f"{number}.jsonl").write_bytes(databricks.journal.export())
"""

#: Another order of its tests, as a plugin may choose it.
_ORDER = """
import os
import random


def pytest_collection_modifyitems(items):
    random.Random(os.environ["ORDER"]).shuffle(items)
"""

_WAYS = {
    "one-worker": ("inprocess", "1", ["-n", "1"]),
    "four-workers": ("inprocess", "2", ["-n", "4"]),
    "no-xdist-other-order": ("inprocess", "3", ["-n", "0"]),
    "socket": ("socket", "4", ["-n", "2"]),
}


def test_seeded_chaos_leaves_the_same_journal_however_it_is_run(tmp_path: Path) -> None:
    """The same seed: byte for byte the same calls, times, states and faults."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_chaos.py").write_text(_SUITE)
    (suite / "conftest.py").write_text(_ORDER)
    journals = {}
    for name, (door, order, options) in _WAYS.items():
        folder = tmp_path / name
        folder.mkdir()
        variables = environment() | {"DOOR": door, "ORDER": order, "JOURNALS": str(folder)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *options],
            cwd=suite,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        journals[name] = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    assert len(journals["one-worker"]) == 8
    assert len(set(journals["one-worker"].values())) == 8
    for name, found in journals.items():
        assert found == journals["one-worker"], name
