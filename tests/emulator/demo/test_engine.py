"""What the demo's engine sends to the agent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.flyte

DATA = "s3://flyte/metadata/flytesnacks-development-demo/n0/data"


def _arguments(attempt: int, previous: str) -> list[str]:
    """The arguments of the recorded task template, as an attempt is to get them."""
    resolver = "flytekit.core.python_auto_container.default_task_resolver"
    return [
        "pyflyte-execute",
        *("--inputs", f"{DATA}/inputs.pb"),
        *("--output-prefix", f"{DATA}/{attempt}"),
        *("--raw-output-data-prefix", f"{DATA}/{attempt}/raw"),
        *("--checkpoint-path", f"{DATA}/{attempt}/checkpoint"),
        *("--prev-checkpoint", previous),
        *("--resolver", resolver, "--", "task-module", "dump_tpl", "task-name", "hello_spark"),
    ]


ATTEMPTS = [
    pytest.param(0, _arguments(0, '""'), id="first"),
    pytest.param(1, _arguments(1, f"{DATA}/0/checkpoint"), id="second"),
    pytest.param(2, _arguments(2, f"{DATA}/1/checkpoint"), id="third"),
]


@pytest.mark.parametrize(("attempt", "arguments"), ATTEMPTS)
def test_render_fills_in_every_placeholder(attempt: int, arguments: list[str]) -> None:
    """Each attempt writes to a place of its own and finds the checkpoint of the one before."""
    from dbx_emulator.demo.engine import render
    from dbx_emulator.demo.story import read_task_template

    template = read_task_template()
    rendered = render(template, attempt)
    assert list(rendered.container.args) == arguments
    rendered.container.args[:] = template.container.args
    assert rendered == template, "nothing but the arguments is changed"
    assert template == read_task_template(), "the template itself serves the next attempt"


def test_create_sends_the_rendered_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes over the wire is the attempt's own template and its output prefix, past any proxy."""
    import grpc
    from flyteidl.admin.agent_pb2 import CreateTaskRequest, CreateTaskResponse

    from dbx_emulator.demo.engine import AgentConnection
    from dbx_emulator.demo.story import read_task_template

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    seen: list[Any] = []

    def answer(request: Any, _context: Any) -> Any:
        seen.append(request)
        return CreateTaskResponse(resource_meta=b"meta")

    handler = grpc.unary_unary_rpc_method_handler(
        answer, CreateTaskRequest.FromString, CreateTaskResponse.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(1))
    name = "flyteidl.service.AsyncAgentService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"CreateTask": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with AgentConnection(f"127.0.0.1:{port}") as connection:
            assert connection.create(read_task_template(), 1) == b"meta"
    finally:
        server.stop(None).wait()
    (request,) = seen
    assert list(request.template.container.args) == _arguments(1, f"{DATA}/0/checkpoint")
    assert request.output_prefix == f"{DATA}/1"
    assert request.task_execution_metadata.task_execution_id.retry_attempt == 1
