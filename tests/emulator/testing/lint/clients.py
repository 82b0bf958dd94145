"""A bad client for each rule, and the corrected one: as people write them, over httpx."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from dbx_emulator import (
    DuplicateDelivery,
    LostResponse,
    Outcome,
    StatusFault,
    WireFault,
    Workspace,
)
from tests.emulator.support import NEW_CLUSTER, NOTEBOOK, flat_body, graph_body, task

__all__ = ["PAIRS", "Client", "Pair"]

_SUBMIT = "/api/2.1/jobs/runs/submit"
_OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_BODY = flat_body(idempotency_token="one")


@dataclass(frozen=True)
class Client:
    """What the clients below have in hand.

    Attributes:
        http: A client that names its product and has a timeout.
        workspace: The workspace, whose time a test moves where nobody sleeps.
    """

    http: httpx.Client
    workspace: Workspace

    def submit(self, body: dict[str, Any] | None = None) -> int:
        """Submit a run, once."""
        run_id: int = self.http.post(_SUBMIT, json=body or _BODY).raise_for_status().json()["run_id"]
        return run_id

    def read(self, run_id: int, **parameters: Any) -> dict[str, Any]:
        """Read a run."""
        answer = self.http.get("/api/2.2/jobs/runs/get", params={"run_id": run_id, **parameters})
        run: dict[str, Any] = answer.raise_for_status().json()
        return run

    def cancel(self, run_id: int) -> httpx.Response:
        """Cancel a run."""
        return self.http.post("/api/2.1/jobs/runs/cancel", json={"run_id": run_id})

    def sleep(self, seconds: float) -> None:
        """Sleep, which the fixture makes virtual."""
        time.sleep(seconds)  # noqa: TID251 - virtual, and at once

    def wait(self, run_id: int, *, over: tuple[str, ...] = _OVER, at_most: int = 1_000) -> None:
        """Poll a run every half minute until it is in one of some states."""
        for _ in range(at_most):
            if self.read(run_id)["state"]["life_cycle_state"] in over:
                return
            self.sleep(30)


Life = Callable[[Client], None]


@dataclass(frozen=True)
class Pair:
    """A mistake and its correction.

    Attributes:
        rule_id: The rule that the mistake breaks.
        name: Which mistake it is, where a rule knows several.
        prepare: What happens to runs and calls.
        bad: The client that makes the mistake.
        good: The corrected one, in the same situation.
        said: What the finding says.
    """

    rule_id: str
    name: str
    bad: Life
    good: Life
    said: str
    prepare: Callable[[Workspace], object] = field(default=lambda _workspace: None)


def _throttle(workspace: Workspace) -> None:
    workspace.faults.add(StatusFault("runs/get", status_code=429, retry_after=60, times=2))


def _retry_after(pause_seconds: float) -> Life:
    def live(client: Client) -> None:
        run_id = client.submit()
        while client.http.get("/api/2.2/jobs/runs/get", params={"run_id": run_id}).status_code == 429:
            client.sleep(pause_seconds)
        client.wait(run_id)

    return live


def _poll(pause_seconds: float) -> Life:
    def live(client: Client) -> None:
        run_id = client.submit()
        for _ in range(12):
            client.read(run_id)
            client.sleep(pause_seconds)
        client.wait(run_id)

    return live


def _submit_again(*tokens: str | None) -> Life:
    """Submit with one token after the other until it is answered, then wait."""

    def live(client: Client) -> None:
        for token in tokens:
            body = flat_body() if token is None else flat_body(idempotency_token=token)
            with suppress(httpx.HTTPError, KeyError):
                client.wait(client.submit(body))
                return

    return live


def _give_up(client: Client) -> None:
    run_id = client.submit()
    with suppress(httpx.HTTPStatusError):
        client.wait(run_id)


def _give_up_tidily(client: Client) -> None:
    run_id = client.submit()
    try:
        client.wait(run_id)
    except httpx.HTTPStatusError:
        client.cancel(run_id)


def _lose_and_leave(client: Client) -> None:
    with suppress(httpx.TransportError):
        client.submit()


def _poll_then_leave(client: Client) -> None:
    client.wait(client.submit(), at_most=3)
    client.workspace.clock.advance("1h")


def _poll_then_cancel(client: Client) -> None:
    run_id = client.submit()
    client.wait(run_id, at_most=3)
    client.cancel(run_id)
    client.wait(run_id)


def _cancel_and_go(client: Client) -> None:
    client.cancel(client.submit())
    client.workspace.clock.advance("3h")


def _cancel_and_go_sooner(client: Client) -> None:
    client.cancel(client.submit())
    client.workspace.clock.advance("20m")


def _cancel_and_wait(client: Client) -> None:
    run_id = client.submit()
    client.cancel(run_id)
    client.wait(run_id)


def _cancel_until_it_is_taken(client: Client) -> None:
    run_id = client.submit()
    while True:
        with suppress(httpx.TransportError):
            if client.cancel(run_id).is_success:
                break
        client.sleep(5)
    client.wait(run_id)


def _cancel_once(client: Client) -> None:
    with suppress(httpx.TransportError):
        client.cancel(client.submit())


def _cancel_what_is_over(client: Client) -> None:
    run_id = client.submit()
    client.wait(run_id)
    client.cancel(run_id)


def _just_wait(client: Client) -> None:
    client.wait(client.submit())


def _retry_bad_request(client: Client) -> None:
    for _ in range(3):
        client.http.post(_SUBMIT, json={"run_name": "no task"})
        client.sleep(5)


def _ask_for_what_was_deleted(client: Client) -> None:
    run_id = client.submit()
    client.wait(run_id)
    client.http.post("/api/2.1/jobs/runs/delete", json={"run_id": run_id})
    for _ in range(2):
        client.http.get("/api/2.1/jobs/runs/get", params={"run_id": run_id})
        client.sleep(5)


def _ask_once(client: Client) -> None:
    client.http.post(_SUBMIT, json={"run_name": "no task"})


def _output(*, of_the_task: bool) -> Life:
    def live(client: Client) -> None:
        run_id = client.submit(graph_body(task("load"), idempotency_token="one"))
        client.wait(run_id)
        asked = client.read(run_id)["tasks"][0]["run_id"] if of_the_task else run_id
        client.http.get("/api/2.1/jobs/runs/get-output", params={"run_id": asked})

    return live


def _fill(workspace: Workspace) -> None:
    with httpx.Client(transport=workspace.transport(), base_url=workspace.url) as http:
        for number in range(30):
            body = flat_body(idempotency_token=str(number))
            http.post(_SUBMIT, json=body, headers=workspace.headers | {"User-Agent": "seed/1"})


def _list(**parameters: Any) -> Life:
    def live(client: Client) -> None:
        client.http.get("/api/2.1/jobs/runs/list", params=parameters)

    return live


def _list_all(client: Client) -> None:
    page: dict[str, Any] = client.http.get("/api/2.1/jobs/runs/list").json()
    while page["has_more"]:
        parameters = {"page_token": page["next_page_token"]}
        page = client.http.get("/api/2.1/jobs/runs/list", params=parameters).json()


def _list_by_offset(client: Client) -> None:
    offset = 0
    while client.http.get("/api/2.1/jobs/runs/list", params={"offset": offset}).json()["has_more"]:
        offset += 25


def _read_large_run(*, all_pages: bool) -> Life:
    def live(client: Client) -> None:
        tasks = [
            {"task_key": f"t{number}", "existing_cluster_id": "0101-c", "notebook_task": NOTEBOOK}
            for number in range(101)
        ]
        body = graph_body(*tasks, idempotency_token="one")
        run_id = client.http.post("/api/2.2/jobs/runs/submit", json=body).raise_for_status().json()["run_id"]
        client.workspace.clock.advance("1h")
        run = client.read(run_id)
        found = run["tasks"]
        while all_pages and "next_page_token" in run:
            run = client.read(run_id, page_token=run["next_page_token"])
            found += run["tasks"]
        client.http.get("/api/2.2/jobs/runs/get-output", params={"run_id": found[0]["run_id"]})

    return live


def _token_in_url(client: Client) -> None:
    client.http.get("/api/2.1/jobs/runs/list", params={"access_token": client.workspace.token})


def _token_in_job(client: Client) -> None:
    variables = {"spark_env_vars": {"DATABRICKS_TOKEN": client.workspace.token}}
    body = flat_body(idempotency_token="one", new_cluster=NEW_CLUSTER | variables)
    client.wait(client.submit(body))


def _secret_in_job(client: Client) -> None:
    variables = {"spark_env_vars": {"DATABRICKS_TOKEN": "{{secrets/scope/token}}"}}
    body = flat_body(idempotency_token="one", new_cluster=NEW_CLUSTER | variables)
    client.wait(client.submit(body))


def _call_version(version: str) -> Life:
    def live(client: Client) -> None:
        client.http.get(f"/api/{version}/jobs/runs/list")

    return live


def _wait_for(*states: str, at_most: int = 1_000) -> Life:
    def live(client: Client) -> None:
        client.wait(
            client.submit(graph_body(task("load"), idempotency_token="one")), over=states, at_most=at_most
        )

    return live


def _call_as(agent: str | None) -> Life:
    def live(client: Client) -> None:
        request = client.http.build_request("GET", "/api/2.1/jobs/runs/list")
        del request.headers["User-Agent"]
        if agent is not None:
            request.headers["User-Agent"] = agent
        client.http.send(request)

    return live


def _wait_for_success(client: Client) -> None:
    run_id = client.submit()
    for _ in range(80):
        if client.read(run_id)["state"].get("result_state") == "SUCCESS":
            return
        client.sleep(30)


def _read_with_timeout(timeout_seconds: float | None) -> Life:
    def live(client: Client) -> None:
        run_id = client.submit()
        with suppress(httpx.ReadTimeout):
            client.http.get("/api/2.2/jobs/runs/get", params={"run_id": run_id}, timeout=timeout_seconds)
        client.wait(run_id)

    return live


PAIRS = [
    Pair(
        "DBX001",
        "seconds",
        _retry_after(5),
        _retry_after(60),
        "429 with Retry-After: 60 and sent again 5 s",
        _throttle,
    ),
    Pair("DBX002", "at-once", _poll(0.05), _poll(5), "GET runs/get was sent 13 times in a row"),
    Pair(
        "DBX003",
        "after-500",
        _submit_again(None, None),
        _submit_again("one", "one"),
        "the answer to runs/submit was 500, and the same was sent again",
        lambda workspace: workspace.faults.add(StatusFault("runs/submit", status_code=500, times=1)),
    ),
    Pair(
        "DBX003",
        "after-a-reset",
        _submit_again("one", None),
        _submit_again("one", "one"),
        "the answer to runs/submit never arrived",
        lambda workspace: workspace.faults.add(
            WireFault("runs/submit", how="reset", point="before_handler", times=1)
        ),
    ),
    Pair(
        "DBX004",
        "new-token-each-time",
        _submit_again("one", "two"),
        _submit_again("one", "one"),
        "of which the client never heard, and then run",
        lambda workspace: workspace.faults.add(LostResponse("runs/submit", times=1)),
    ),
    Pair(
        "DBX004",
        "delivered-twice",
        _submit_again(None),
        _submit_again("one"),
        "runs/submit arrived twice",
        lambda workspace: workspace.faults.add(DuplicateDelivery("runs/submit", times=1)),
    ),
    Pair(
        "DBX005",
        "raises",
        _give_up,
        _give_up_tidily,
        "got 500 to its last poll",
        lambda workspace: workspace.faults.add(StatusFault("runs/get", status_code=500, skip=2)),
    ),
    Pair(
        "DBX005",
        "never-heard-of-it",
        _lose_and_leave,
        _submit_again("one", "one"),
        "never heard its id",
        lambda workspace: workspace.faults.add(LostResponse("runs/submit", times=1)),
    ),
    Pair(
        "DBX005",
        "stops-polling",
        _poll_then_leave,
        _poll_then_cancel,
        "polled it last 60 minutes ago",
        lambda workspace: workspace.scenarios.add("*", [Outcome(run="24h")]),
    ),
    Pair(
        "DBX006",
        "ignored",
        _cancel_and_go,
        _cancel_and_wait,
        "went on to its end as TERMINATED",
        lambda workspace: workspace.scenarios.use("cancel_ignored", "*"),
    ),
    Pair(
        "DBX006",
        "still-active",
        _cancel_and_go_sooner,
        _cancel_and_wait,
        "is still active 20 minutes later",
        lambda workspace: workspace.scenarios.use("cancel_ignored", "*"),
    ),
    Pair(
        "DBX006",
        "lost",
        _cancel_once,
        _cancel_until_it_is_taken,
        "the answer never arrived",
        lambda workspace: workspace.faults.add(
            WireFault("runs/cancel", how="reset", point="before_handler", times=1)
        ),
    ),
    Pair(
        "DBX006",
        "refused",
        _cancel_once,
        _cancel_until_it_is_taken,
        "which was answered 503",
        lambda workspace: workspace.faults.add(StatusFault("runs/cancel", status_code=503, times=1)),
    ),
    Pair("DBX006", "over", _cancel_what_is_over, _just_wait, "had been told that it is TERMINATED"),
    Pair("DBX007", "bad-request", _retry_bad_request, _ask_once, "POST runs/submit was refused with 400"),
    Pair("DBX007", "deleted", _ask_for_what_was_deleted, _just_wait, "GET runs/get was refused with 400"),
    Pair(
        "DBX008",
        "parent",
        _output(of_the_task=False),
        _output(of_the_task=True),
        "its task 'load' has, as run",
    ),
    Pair("DBX009", "page-one", _list(), _list_all, "runs/list said that there are more runs", _fill),
    Pair("DBX009", "limit", _list(limit=25), _list_by_offset, "(once)", _fill),
    Pair("DBX009", "only-the-newest", _list(), _list(limit=5), "(once)", _fill),
    Pair(
        "DBX009",
        "tasks",
        _read_large_run(all_pages=False),
        _read_large_run(all_pages=True),
        "has more tasks than the answer held",
    ),
    Pair("DBX010", "url", _token_in_url, _list(), "the URL of GET runs/list held a token"),
    Pair("DBX010", "job", _token_in_job, _secret_in_job, "the body of POST runs/submit held a token"),
    Pair(
        "DBX011",
        "2.0",
        _call_version("2.0"),
        _call_version("2.1"),
        "Jobs API 2.0 was called once (runs/list)",
    ),
    Pair(
        "DBX012",
        "internal-error",
        _wait_for("TERMINATED", at_most=40),
        _wait_for(*_OVER),
        "is INTERNAL_ERROR, and read it",
        lambda workspace: workspace.scenarios.use("user_error", "*"),
    ),
    Pair(
        "DBX013",
        "library",
        _call_as("python-httpx/0.28.1"),
        _call_as("loader/1.4"),
        "once with User-Agent: python",
    ),
    Pair("DBX013", "none", _call_as(None), _call_as("loader/1.4 python-httpx/0.28.1"), "with no User-Agent"),
    Pair(
        "DBX014",
        "waits-for-success",
        _wait_for_success,
        _just_wait,
        "is TERMINATED, and read it",
        lambda workspace: workspace.scenarios.use("user_error", "*"),
    ),
    Pair(
        "DBX015",
        "late",
        _read_with_timeout(None),
        _read_with_timeout(30),
        "waited for it without any limit",
        lambda workspace: workspace.faults.add(WireFault("runs/get", how="late", delay="5m", times=1)),
    ),
]
