"""The agent: what it adds to a bare GET, and beside the connector that flytekitplugins-spark publishes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from tests.agent.support import Template
from tests.upstream.lifecycle import make_connector

from benchmarks.gates import served
from benchmarks.measure import Ratio, Reported, compare
from dbx_agent import DatabricksAgentV2
from dbx_agent.client import SHARED_POOL
from dbx_agent.settings import Settings
from dbx_emulator import Clock, Workspace

__all__ = ["AGENT"]

_CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
_CONF = {"run_name": "bench", "new_cluster": _CLUSTER}
_TEMPLATE = Template({"databricksConf": _CONF, "applicationsPath": "", "sparkConf": {}})
_RUNS = 500
_POLLS = 9
_AT_ONCE = 50


def get_in_process() -> Ratio:
    """`get` of the agent ÷ a bare GET of the same run by httpx, in process."""
    workspace = Workspace(clock=Clock())
    with (
        workspace.intercept(),
        mock.patch.dict(os.environ, _environment(workspace.url, workspace.token)),
        closing(asyncio.new_event_loop()) as loop,
    ):
        return _compare_get(loop, workspace.url, "in process")


def get_over_tls() -> Ratio:
    """`get` of the agent ÷ a bare GET of the same run by httpx, over TLS with connections kept alive."""
    with _served_over_tls() as url, closing(asyncio.new_event_loop()) as loop:
        return _compare_get(loop, url, "over TLS with keep-alive")


def _compare_get(loop: asyncio.AbstractEventLoop, url: str, where: str) -> Ratio:
    agent = DatabricksAgentV2()
    bare = httpx.AsyncClient(base_url=url, headers=Workspace().headers)
    meta = loop.run_until_complete(agent.create(_TEMPLATE, output_prefix="memory://bench"))
    path = f"/api/2.2/jobs/runs/get?run_id={meta.run_id}"

    async def poll_many(call: Callable[[], Awaitable[object]]) -> None:
        for _ in range(20):
            await call()

    ours_us, baseline_us = compare(
        lambda: loop.run_until_complete(poll_many(lambda: agent.get(meta))),
        lambda: loop.run_until_complete(poll_many(lambda: bare.get(path))),
        batches=20,
        calls=5,
    )
    loop.run_until_complete(bare.aclose())
    loop.run_until_complete(SHARED_POOL.aclose())
    value = ours_us / baseline_us
    name = f"the agent's get ÷ a bare GET by httpx, {where}, time"
    return Ratio(name, ours_us / 20, baseline_us / 20, value, "≤ 1.3", value <= 1.3)


@dataclass(frozen=True)
class _Life:
    """What it took to see runs through.

    Attributes:
        seconds: How long.
        connections: Over how many connections.
    """

    seconds: float
    connections: int


def beside_upstream() -> Ratio | Reported:
    """Calls/s of our agent ÷ calls/s of upstream's newest connector, the same 500 runs over TLS.

    Each run is created and polled nine times, 50 at once, as many as our agent sends to one workspace. That is
    called by a name, as every real one is. Its network costs nothing here, which favours whoever makes more
    connections.
    """
    name = f"our agent ÷ upstream's connector, the same {_RUNS} runs over TLS, calls/s"
    if not _has_upstream():
        return Reported(name, "not measured: flytekitplugins-spark is missing")
    ours, upstream = _life_of("ours"), _life_of("upstream")
    us_per_call = 1e6 / (_RUNS * (_POLLS + 1))
    value = upstream.seconds / ours.seconds
    is_met = value >= 3 and ours.connections * 50 <= upstream.connections
    gate = f"≥ 3; connections {ours.connections} against {upstream.connections}, gate ≤ 1/50"
    return Ratio(name, ours.seconds * us_per_call, upstream.seconds * us_per_call, value, gate, is_met)


def _has_upstream() -> bool:
    try:
        distribution("flytekitplugins-spark")
    except PackageNotFoundError:
        return False
    return True


def _life_of(whose: str) -> _Life:
    """See the runs through in a process of its own: aiohttp reads whom to trust when it is imported."""
    with _served_over_tls("localhost") as url:
        arguments = [sys.executable, "-m", "benchmarks.agent", whose]
        done = subprocess.run(arguments, check=True, capture_output=True, text=True)
        connections = httpx.get(f"{url}/connections").text
    return _Life(float(done.stdout.splitlines()[-1]), int(connections))


async def _see_through(agent: Any) -> float:
    """Create the runs and poll each, a few at once; return how long it took, in seconds."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def life(number: int) -> None:
        async with gate:
            meta = await agent.create(_TEMPLATE, output_prefix=f"memory://bench/{number}", inputs=None)
            for _ in range(_POLLS):
                await agent.get(meta)

    started = time.perf_counter()
    await asyncio.gather(*(life(number) for number in range(_RUNS)))
    return time.perf_counter() - started


@contextmanager
def _served_over_tls(host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a workspace in a process, with the environment saying where it is and whom to trust."""
    with ExitStack() as stack:
        ca_file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ca.pem"
        url = stack.enter_context(served("workspace", str(ca_file))).replace("127.0.0.1", host)
        environment = _environment(url, Workspace().token) | {"SSL_CERT_FILE": str(ca_file)}
        stack.enter_context(mock.patch.dict(os.environ, environment))
        yield url


def _environment(url: str, token: str) -> dict[str, str]:
    return {
        # Without the scheme, which upstream's connector cannot read.
        "FLYTE_DATABRICKS_INSTANCE": url.removeprefix("https://"),
        "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": token,
        "NO_PROXY": "*",
    }


def _make_agent(whose: str) -> Any:
    """Make an agent as its service does: ours has read its settings by then."""
    if whose == "upstream":
        return make_connector()
    return DatabricksAgentV2(settings=Settings.from_environ(os.environ))


AGENT = (get_in_process, get_over_tls, beside_upstream)

if __name__ == "__main__":
    print(asyncio.run(_see_through(_make_agent(sys.argv[1]))))
