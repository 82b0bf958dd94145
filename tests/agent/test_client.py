"""The Jobs API as the client calls it, against answers that a test writes down."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from dirty_equals import IsStr

from dbx_agent.api_call import ApiCall, Showing
from dbx_agent.budget import Budget
from dbx_agent.client import (
    DATABRICKS_API_ENDPOINT,
    JobsClient,
    is_run_finished,
    is_run_unknown,
)
from dbx_agent.connection_pool import ConnectionPool
from dbx_agent.credentials import Credentials
from dbx_agent.errors import ApiCallError, ConfigurationError, UnexpectedResponseError
from dbx_agent.instance import read_instance
from dbx_agent.run_snapshot import RunOutput
from dbx_agent.settings import Settings

from .support import CANARY, ManualClock

NOTEBOOK = {"notebook_task": {"notebook_path": "/n"}}
INSTANCE = read_instance("dbc-1.cloud.databricks.com", field="f", allow_http=False)
Answer = httpx.Response | type[httpx.TransportError] | Exception


class Wire:
    """Answers requests in order, and keeps them.

    Attributes:
        requests: What was sent.
        timeouts: Their timeouts, as they were sent.
        client: A client whose requests come here.
        budget: Eight seconds from now.
    """

    def __init__(self, clock: ManualClock, *answers: Answer, settings: Settings | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.timeouts: list[dict[str, float]] = []
        self._answers = iter(answers)
        self.client = JobsClient(
            settings or Settings(),
            credentials=Credentials(lambda _: CANARY),
            clock=clock,
            flytekit_version="1.16.31",
            pool=ConnectionPool(httpx.MockTransport(self._answer)),
        )
        self.budget = Budget(started_at=clock.time(), limit_seconds=8.0)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.timeouts.append(dict(request.extensions["timeout"]))
        answer = next(self._answers)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer if isinstance(answer, Exception) else answer("it broke", request=request)

    async def submit(self, body: dict[str, Any]) -> int:
        """Submit a run within the budget."""
        return await self.client.submit_run(INSTANCE, body, budget=self.budget)

    async def get(self) -> str:
        """Read a run's name within the budget."""
        return (await self.client.get_run(INSTANCE, 7, budget=self.budget)).run_name


def _ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


@pytest.mark.asyncio
async def test_submit_is_a_json_post_with_token_and_names(clock: ManualClock) -> None:
    """The whole request: address, headers and a body with sorted keys."""
    wire = Wire(clock, _ok({"run_id": 7}))
    assert await wire.submit({"run_name": "x", "idempotency_token": "t"}) == 7
    [request] = wire.requests
    assert (request.method, str(request.url)) == ("POST", f"https://{INSTANCE.host}/api/2.1/jobs/runs/submit")
    assert request.content == b'{"idempotency_token": "t", "run_name": "x"}'
    assert {key: request.headers[key] for key in ("authorization", "content-type", "user-agent")} == {
        "authorization": f"Bearer {CANARY}",
        "content-type": "application/json",
        "user-agent": IsStr(regex=r"dbx-kit/\S+ flytekit/1\.16\.31"),
    }
    assert DATABRICKS_API_ENDPOINT == "/api/2.1/jobs"


@pytest.mark.fact("agent.api.large-runs")
@pytest.mark.asyncio
@pytest.mark.parametrize(("tasks", "version"), [(100, "2.1"), (101, "2.2")])
async def test_a_run_of_many_tasks_is_submitted_under_2_2(
    clock: ManualClock, tasks: int, version: str
) -> None:
    """2.1 refuses more than 100."""
    wire = Wire(clock, _ok({"run_id": 7}))
    await wire.submit({"tasks": [{"task_key": str(number)} for number in range(tasks)]})
    assert wire.requests[0].url.path == f"/api/{version}/jobs/runs/submit"


@pytest.mark.fact("agent.output.task-run-id")
@pytest.mark.asyncio
async def test_reads_go_to_2_2_and_a_cancel_sends_the_id_as_a_number(clock: ManualClock) -> None:
    """A get names the run in the query; a cancel's empty answer is enough."""
    wire = Wire(clock, _ok({"run_name": "x"}), _ok({"error": "E", "error_trace": "T"}), _ok({}))
    assert await wire.get() == "x"
    assert await wire.client.get_run_output(INSTANCE, 8, budget=wire.budget) == RunOutput("E", "T")
    await wire.client.cancel_run(INSTANCE, 9, budget=wire.budget)
    assert [(request.method, request.url.raw_path, request.content) for request in wire.requests] == [
        ("GET", b"/api/2.2/jobs/runs/get?run_id=7", b""),
        ("GET", b"/api/2.2/jobs/runs/get-output?run_id=8", b""),
        ("POST", b"/api/2.1/jobs/runs/cancel", b'{"run_id": 9}'),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answers", "token", "requests"),
    [
        pytest.param([httpx.Response(502), httpx.Response(504)], "t", 3, id="server-errors-with-token"),
        pytest.param([httpx.ReadError, httpx.RemoteProtocolError], "t", 3, id="lost-answers-with-token"),
        pytest.param([_ok([]), httpx.Response(200, text="<html>")], "t", 3, id="strange-answers-with-token"),
        pytest.param([httpx.Response(503), httpx.Response(429)], "", 3, id="throttled-without-token"),
        pytest.param([httpx.ConnectError, httpx.PoolTimeout], "", 3, id="never-sent-without-token"),
        pytest.param([httpx.Response(500)], "", 1, id="server-error-without-token"),
        pytest.param([httpx.ReadTimeout], "", 1, id="lost-answer-without-token"),
        pytest.param([OSError("tls")], "", 1, id="broken-socket-without-token"),
        pytest.param([httpx.Response(400)], "t", 1, id="refused"),
    ],
)
async def test_submit_is_repeated_only_where_that_makes_no_second_run(
    clock: ManualClock, answers: list[Answer], token: str, requests: int
) -> None:
    """With a token whatever may pass; without one only what surely did not arrive."""
    wire = Wire(clock, *answers, _ok({"run_id": 7}))
    body = {"run_name": "x", **({"idempotency_token": token} if token else {})}
    if requests == 1:
        with pytest.raises(ApiCallError):
            await wire.submit(body)
    else:
        assert await wire.submit(body) == 7
        assert len({request.content for request in wire.requests}) == 1
    assert len(wire.requests) == requests


@pytest.mark.asyncio
async def test_pauses_are_what_the_service_asks_for(clock: ManualClock) -> None:
    """Seconds and dates; a throttled call without a header waits a second."""
    date = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT", "Retry-After": "Mon, 01 Jan 2024 00:00:03 GMT"}
    wire = Wire(
        clock,
        httpx.Response(429, headers={"Retry-After": "2"}),
        httpx.Response(503, headers=date),
        httpx.Response(429),
        _ok({"run_name": "x"}),
    )
    assert await wire.get() == "x"
    asked = [2.0, 3.0, 1.0]
    assert [int(pause) for pause in clock.sleeps] == asked
    assert all(0 < pause / least - 1 < 0.1 for pause, least in zip(clock.sleeps, asked, strict=True))


@pytest.mark.asyncio
async def test_a_pause_that_does_not_fit_is_not_begun(clock: ManualClock) -> None:
    """The next poll comes anyway; the error says that trying later may help."""
    body = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}
    wire = Wire(clock, httpx.Response(429, headers={"Retry-After": "60"}, json=body))
    with pytest.raises(ApiCallError, match="HTTP 429 REQUEST_LIMIT_EXCEEDED: slow down") as caught:
        await wire.get()
    assert (caught.value.retryable, clock.sleeps) == (True, [])


@pytest.mark.asyncio
async def test_attempts_end_with_the_budget(clock: ManualClock) -> None:
    """However many there were, and none begins when no time is left."""
    wire = Wire(clock, *[httpx.Response(500)] * 100)
    with pytest.raises(ApiCallError, match="HTTP 500: Internal Server Error"):
        await wire.get()
    assert 6.0 - 0.25 < sum(clock.sleeps) < 8.0 - 0.25
    sent = len(wire.requests)
    clock.now += 8.0
    with pytest.raises(ApiCallError, match="no time was left for the runs/get of 7") as caught:
        await wire.get()
    assert (len(wire.requests), caught.value.retryable) == (sent, True)


@pytest.mark.asyncio
async def test_timeouts_are_all_set_and_never_beyond_the_budget(clock: ManualClock) -> None:
    """The settings' limits first, what is left of the budget later."""
    wire = Wire(clock, _ok({}), _ok({}))
    await wire.get()
    clock.now += 7.0
    await wire.get()
    assert wire.timeouts == [
        {"connect": 2.0, "read": 5.0, "write": 5.0, "pool": 2.0},
        {"connect": 1.0, "read": 1.0, "write": 1.0, "pool": 1.0},
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "text", "retryable"),
    [
        pytest.param(
            httpx.Response(400, json={"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}),
            "HTTP 400 INVALID_PARAMETER_VALUE: no (submit of a run)",
            False,
            id="json",
        ),
        pytest.param(
            httpx.Response(403, text=f"<pre>Invalid token {CANARY}.</pre>"),
            "HTTP 403: Invalid token ***. (submit of a run)",
            False,
            id="html-that-quotes-the-token",
        ),
        pytest.param(httpx.Response(404), "HTTP 404: Not Found (submit of a run)", False, id="empty"),
        pytest.param(
            httpx.Response(499), "HTTP 499: no reason given (submit of a run)", False, id="nothing-at-all"
        ),
        pytest.param(
            httpx.Response(302, headers={"Location": "https://evil.example/login.html"}),
            "HTTP 302: the answer is a redirect, which is never followed: is this the workspace's own address? "
            "(submit of a run)",
            False,
            id="redirect",
        ),
        pytest.param(
            httpx.ReadTimeout,
            f"{INSTANCE.host} gave no answer to the submit of a run (ReadTimeout: it broke)",
            True,
            id="timeout",
        ),
        pytest.param(
            TimeoutError(),
            f"{INSTANCE.host} gave no answer to the submit of a run (TimeoutError)",
            True,
            id="wordless",
        ),
    ],
)
async def test_an_error_says_what_the_service_said(
    clock: ManualClock,
    answer: Answer,
    text: str,
    retryable: bool,  # noqa: FBT001
) -> None:
    """The body's words in any shape, never the token, and one request."""
    wire = Wire(clock, answer)
    with pytest.raises(ApiCallError) as caught:
        await wire.submit({})
    assert (str(caught.value), caught.value.retryable, len(wire.requests)) == (text, retryable, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(_ok({}), "accepted the submit of a run and named no run_id", id="no-run-id"),
        pytest.param(
            httpx.Response(200, text=f"<title>Log in {CANARY}</title>"),
            r"not the Jobs API's: Log in \*\*\*",
            id="html",
        ),
        pytest.param(httpx.Response(200), "not the Jobs API's: an empty body", id="empty"),
    ],
)
async def test_an_answer_that_is_not_the_api_is_unexpected(
    clock: ManualClock, answer: httpx.Response, message: str
) -> None:
    """A proxy's login page is no run."""
    wire = Wire(clock, answer)
    with pytest.raises(UnexpectedResponseError, match=message):
        await wire.submit({})


@pytest.mark.asyncio
async def test_a_host_that_is_not_allowed_is_sent_nothing(clock: ManualClock) -> None:
    """Whatever the caller forgot to check."""
    wire = Wire(clock)
    evil = read_instance("evil.example", field="f", allow_http=False)
    with pytest.raises(ConfigurationError, match="DBX_AGENT_ALLOWED_HOSTS"):
        await wire.client.get_run(evil, 7, budget=wire.budget)
    assert wire.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tokens", "keys"),
    [
        pytest.param(["a", "b", ""], ["0", "1", "2"], id="three-pages"),
        pytest.param([""], ["0"], id="one-page"),
        pytest.param(["a", "a", "b"], ["0", "1"], id="a-token-that-comes-again"),
    ],
)
async def test_all_pages_of_tasks_are_read(clock: ManualClock, tokens: list[str], keys: list[str]) -> None:
    """Each page once, even if the service goes round in circles."""
    pages = [
        _ok({"run_id": 7, "tasks": [{"task_key": str(n)}], "next_page_token": t})
        for n, t in enumerate(tokens)
    ]
    wire = Wire(clock, *pages)
    run = await wire.client.get_run(INSTANCE, 7, budget=wire.budget)
    run = await wire.client.get_all_tasks(INSTANCE, run, budget=wire.budget)
    assert [task.task_key for task in run.tasks] == keys
    assert [dict(request.url.params) for request in wire.requests[1:]] == [
        {"run_id": "7", "page_token": token} for token in tokens[: len(keys) - 1]
    ]


@pytest.mark.fact("agent.error.unknown-run", "agent.cancel.finished")
@pytest.mark.parametrize(
    ("error", "unknown", "finished"),
    [
        pytest.param(ApiCallError("404 Not Found", status_code=404), False, False, id="404-of-a-proxy"),
        pytest.param(ApiCallError("x", status_code=404, error_code="NOT_FOUND"), True, False, id="404"),
        pytest.param(
            ApiCallError("x", status_code=404, error_code="RESOURCE_DOES_NOT_EXIST"),
            True,
            False,
            id="404-old",
        ),
        pytest.param(ApiCallError("Run 7 does not exist.", status_code=404), True, False, id="404-in-words"),
        pytest.param(ApiCallError("x", status_code=400, error_code="NOT_FOUND"), False, False, id="400-code"),
        pytest.param(
            ApiCallError("x", status_code=404, error_code="ENDPOINT_NOT_FOUND"), False, False, id="no-api"
        ),
        pytest.param(ApiCallError("Run 7 does not exist.", status_code=400), True, False, id="400"),
        pytest.param(
            ApiCallError("Run: 7 in job: 5 doesn't exist", status_code=400), True, False, id="400-in-job"
        ),
        pytest.param(ApiCallError("Run 7 does not exist.", status_code=500), False, False, id="500"),
        pytest.param(
            ApiCallError("no", status_code=400, error_code="INVALID_STATE"), False, True, id="finished"
        ),
        pytest.param(ApiCallError("no", status_code=400), False, False, id="other-400"),
        pytest.param(ApiCallError("no"), False, False, id="no-answer"),
    ],
)
def test_gone_and_finished_are_told_by_the_services_words(
    error: ApiCallError,
    unknown: bool,  # noqa: FBT001
    finished: bool,  # noqa: FBT001
) -> None:
    """A missing endpoint is not a missing run, and a proxy's 404 says nothing of runs."""
    assert (is_run_unknown(error), is_run_finished(error)) == (unknown, finished)


def test_a_call_is_written_down_without_what_is_secret_of_it() -> None:
    """Its body may hold the password of an image's registry."""
    call = ApiCall(
        method="POST",
        instance=INSTANCE,
        path="/p",
        body=f'{{"password": "{CANARY}"}}'.encode(),
        repeatable=True,
        subject="submit of a run",
        secrets=(CANARY,),
    )
    showing = Showing(f"Bearer {CANARY}", (CANARY,))
    assert "submit of a run" in repr(call)
    assert CANARY not in f"{call!r} {showing!r}"
