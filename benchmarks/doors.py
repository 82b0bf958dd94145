"""The other doors: `runs/get` through each, against the constant double of the same library. Reported, no gate."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import closing
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
import respx
from requests.adapters import HTTPAdapter

from benchmarks.gates import served
from benchmarks.measure import Ratio, compare
from benchmarks.serve import Constant
from dbx_emulator import Clock, Workspace

__all__ = ["DOORS"]

_BODY = {"run_name": "bench", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/bench"}}
_JSON = {"content-type": "application/json"}


def _submitted() -> tuple[Workspace, str, bytes]:
    """Return a workspace with one run, the URL that reads it, and what is read there."""
    workspace = Workspace(clock=Clock())
    with httpx.Client(transport=workspace.transport(), headers=workspace.headers) as client:
        run_id = client.post(f"{workspace.url}/api/2.2/jobs/runs/submit", json=_BODY).json()["run_id"]
        url = f"{workspace.url}/api/2.2/jobs/runs/get?run_id={run_id}"
        return workspace, url, client.get(url).content


def _report(name: str, ours: Callable[[], object], baseline: Callable[[], object]) -> Ratio:
    ours_us, baseline_us = compare(ours, baseline, batches=20, calls=50)
    return Ratio(f"runs/get through {name}, time", ours_us, baseline_us, ours_us / baseline_us)


def with_httpx2() -> Ratio:
    """httpx2 ÷ `httpx2.MockTransport`."""
    workspace, url, body = _submitted()

    def constant(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=_JSON, content=body)

    ours = httpx2.Client(transport=workspace.httpx2_transport(), headers=workspace.headers)
    baseline = httpx2.Client(transport=httpx2.MockTransport(constant), headers=workspace.headers)
    return _report("httpx2 ÷ httpx2.MockTransport", lambda: ours.get(url), lambda: baseline.get(url))


def with_requests() -> Ratio:
    """Requests ÷ an adapter that builds a constant response."""
    workspace, url, body = _submitted()

    class ConstantAdapter(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response.headers.update(_JSON)
            response.raw = io.BytesIO(body)
            response.url = request.url or ""
            response.request = request
            return response

    ours, baseline = requests.Session(), requests.Session()
    for session, adapter in ((ours, workspace.requests_adapter()), (baseline, ConstantAdapter())):
        session.headers.update(workspace.headers)
        session.trust_env = False
        session.mount(workspace.url, adapter)
    return _report("requests ÷ a constant adapter", lambda: ours.get(url), lambda: baseline.get(url))


def with_respx() -> Ratio:
    """A workspace mounted on respx ÷ a constant route of respx."""
    workspace, url, body = _submitted()
    mounted, constant = respx.Router(), respx.Router()
    workspace.mount(mounted)
    constant.get(url).respond(200, headers=_JSON, content=body)
    ours, baseline = (
        httpx.Client(transport=httpx.MockTransport(router.handler), headers=workspace.headers)
        for router in (mounted, constant)
    )
    return _report("respx ÷ a constant route", lambda: ours.get(url), lambda: baseline.get(url))


def with_asgi() -> Ratio:
    """`httpx.ASGITransport` over the workspace ÷ over a constant application."""
    workspace, url, body = _submitted()
    with closing(asyncio.new_event_loop()) as loop:
        ours, baseline = (
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), headers=workspace.headers)
            for app in (workspace.asgi(), Constant(body))
        )
        return _report(
            "ASGI ÷ a constant application",
            lambda: loop.run_until_complete(ours.get(url)),
            lambda: loop.run_until_complete(baseline.get(url)),
        )


def with_aiohttp() -> Ratio:
    """Aiohttp, redirected to the workspace's own TLS server ÷ a constant application behind a plain socket."""
    workspace, url, body = _submitted()

    async def get(session: aiohttp.ClientSession, target: str) -> bytes:
        async with session.get(target) as response:
            return await response.read()

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers=workspace.headers)

    with (
        workspace.intercept(),
        served(body.decode()) as baseline_url,
        closing(asyncio.new_event_loop()) as loop,
    ):
        session = loop.run_until_complete(make())
        ratio = _report(
            "aiohttp (TLS) ÷ a constant server (plain)",
            lambda: loop.run_until_complete(get(session, url)),
            lambda: loop.run_until_complete(get(session, baseline_url)),
        )
        loop.run_until_complete(session.close())
        return ratio


DOORS = (with_httpx2, with_requests, with_respx, with_asgi, with_aiohttp)
