"""The client that does it right, and one for each mistake: a method of it, as people write it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpx

from dbx_emulator import Workspace

__all__ = [
    "BelievesLost",
    "Careful",
    "ForgetsInternalError",
    "ForgetsTheRun",
    "GivesUpAtOnce",
    "IgnoresRetryAfter",
    "Json",
    "KnowsAllStates",
    "NeverConfirms",
    "NewTokenEachTime",
    "NoToken",
    "ReadsTerminatedAsSuccess",
    "RepeatsAnything",
    "StopsAtPageOne",
    "WaitsForEver",
]

Json = dict[str, Any]

_TRIES = 6

_OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")

#: Made once: a context takes longer to make than a life to live.
_TLS = ssl.create_default_context()

_TASK = {"task_key": "load", "existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/load"}}


class GaveUpError(Exception):
    """The service was not to be had."""


class Careful:
    """A client that does it right.

    Args:
        workspace: Where.
    """

    timeout_seconds: float | None = 20
    over: tuple[str, ...] = _OVER

    def __init__(self, workspace: Workspace) -> None:
        self.http = httpx.Client(
            base_url=f"{workspace.url}/api/2.2/jobs/runs",
            headers=workspace.headers,
            timeout=self.timeout_seconds,
            verify=_TLS,
        )

    def call(self, method: str, endpoint: str, wanted: str = "", **options: Any) -> Json:
        """Call, and call again as long as it may help; return an answer that has the wanted field."""
        for attempt in range(_TRIES):
            seconds = 2.0**attempt
            try:
                response = self.http.request(method, endpoint, **options)
                if response.status_code == 200:
                    answer: Json = response.json()
                    if not wanted or wanted in answer:
                        return answer
                elif not self.may_help(response):
                    response.raise_for_status()
                seconds = self.pause(response, seconds)
            except (httpx.TransportError, json.JSONDecodeError):
                pass
            time.sleep(seconds)  # noqa: TID251 - virtual
        raise GaveUpError(endpoint)

    def may_help(self, response: httpx.Response) -> bool:
        """Say whether to repeat a call that was refused. A run may not be known everywhere at once."""
        is_early = response.status_code == 400 and "does not exist" in response.text
        return is_early or response.status_code == 429 or response.status_code >= 500

    def pause(self, response: httpx.Response, seconds: float) -> float:
        """Return how long to wait before a repetition."""
        return float(response.headers.get("Retry-After", seconds))

    def token(self) -> str | None:
        """Return by what the service knows a submit again."""
        return "load of 2024-01-01"

    def submit(self, run_name: str = "load", **fields: Any) -> int:
        """Submit a run and return its id."""
        body = {"run_name": run_name, "tasks": [_TASK], "idempotency_token": self.token()} | fields
        run_id: int = self.call("POST", "submit", "run_id", json=body)["run_id"]
        return run_id

    def state(self, run_id: int) -> Json:
        """Read the state of a run."""
        state: Json = self.call("GET", "get", "state", params={"run_id": run_id})["state"]
        return state

    def is_over(self, state: Json) -> bool:
        """Say whether nothing more is to come."""
        return state["life_cycle_state"] in self.over

    def result(self, state: Json) -> str:
        """Return what became of a run that is over."""
        return str(state.get("result_state", state["life_cycle_state"]))

    def wait(self, run_id: int) -> str:
        """Poll until the run is over and return what became of it."""
        for _ in range(5):
            state = self.state(run_id)
            if self.is_over(state):
                return self.result(state)
            time.sleep(900)  # noqa: TID251 - virtual
        raise GaveUpError(f"run {run_id}")

    def cancel(self, run_id: int) -> None:
        """Cancel a run and see it end."""
        self.call("POST", "cancel", json={"run_id": run_id})
        self.wait(run_id)

    def follow(self, run_id: int) -> str:
        """See a run through, and leave none behind that nobody follows."""
        try:
            return self.wait(run_id)
        except Exception:
            self.cancel(run_id)
            raise

    def stop(self, run_ids: Iterable[int]) -> None:
        """Cancel runs, each whatever becomes of the others."""
        refused: list[Exception] = []
        for run_id in run_ids:
            try:
                self.cancel(run_id)
            except (GaveUpError, httpx.HTTPStatusError) as error:  # noqa: PERF203 - one by one
                refused.append(error)
        if refused:
            raise refused[0]

    def active(self) -> list[int]:
        """Return the ids of all active runs."""
        found: list[int] = []
        token: str | None = None
        while True:
            page = self.page(token)
            found += [run["run_id"] for run in page.get("runs", [])]
            token = page.get("next_page_token")
            if not token:
                return found

    def page(self, token: str | None) -> Json:
        """Return a page of the active runs."""
        params: Json = {"active_only": "true", "limit": 1}
        return self.call("GET", "list", params=params | ({"page_token": token} if token else {}))


class NoToken(Careful):
    """Submits without an idempotency token."""

    def token(self) -> str | None:
        """Have none."""
        return None


class NewTokenEachTime(Careful):
    """Makes up a token for each try, so that it says nothing."""

    def submit(self, run_name: str = "load", **fields: Any) -> int:
        """Count the tries in the token."""
        for attempt in range(_TRIES):
            body = {"run_name": run_name, "tasks": [_TASK], "idempotency_token": f"try {attempt}"} | fields
            try:
                response = self.http.post("submit", json=body)
                if response.status_code == 200:
                    run_id: int = response.json()["run_id"]
                    return run_id
                if not self.may_help(response):
                    response.raise_for_status()
                seconds = self.pause(response, 2.0**attempt)
            except (httpx.TransportError, json.JSONDecodeError, KeyError):
                seconds = 2.0**attempt
            time.sleep(seconds)  # noqa: TID251 - virtual
        raise GaveUpError("submit")


class IgnoresRetryAfter(Careful):
    """Tries again as it sees fit, whatever the service asks for."""

    def pause(self, response: httpx.Response, seconds: float) -> float:  # noqa: ARG002 - that is the mistake
        """Wait a second or two."""
        return min(seconds, 2.0)


class ForgetsInternalError(Careful):
    """Polls on when a run has ended as INTERNAL_ERROR."""

    over = ("TERMINATED", "SKIPPED")


class ReadsTerminatedAsSuccess(Careful):
    """Takes TERMINATED for success."""

    def result(self, state: Json) -> str:
        """Look at the life-cycle state alone."""
        return "SUCCESS" if state["life_cycle_state"] == "TERMINATED" else "FAILED"


class KnowsAllStates(Careful):
    """Takes every state it does not know for an end."""

    def is_over(self, state: Json) -> bool:
        """Know what it knew in 2022."""
        return state["life_cycle_state"] not in ("PENDING", "RUNNING", "TERMINATING")


class StopsAtPageOne(Careful):
    """Takes the first page for all there is."""

    def active(self) -> list[int]:
        """Read one page."""
        return [run["run_id"] for run in self.page(None).get("runs", [])]


class NeverConfirms(Careful):
    """Cancels, and does not look."""

    def cancel(self, run_id: int) -> None:
        """Send it and hope."""
        with suppress(httpx.TransportError):
            self.http.post("cancel", json={"run_id": run_id})


class RepeatsAnything(Careful):
    """Repeats whatever was refused, for as long as it is."""

    def call(self, method: str, endpoint: str, wanted: str = "", **options: Any) -> Json:
        """Call until it works."""
        while True:
            try:
                response = self.http.request(method, endpoint, **options)
                if response.status_code == 200 and (not wanted or wanted in response.json()):
                    answer: Json = response.json()
                    return answer
                seconds = self.pause(response, 5)
            except (httpx.TransportError, json.JSONDecodeError):
                seconds = 5
            time.sleep(seconds)  # noqa: TID251 - virtual


class ForgetsTheRun(Careful):
    """Raises, and leaves the run to itself."""

    def follow(self, run_id: int) -> str:
        """Wait and no more."""
        return self.wait(run_id)


class GivesUpAtOnce(Careful):
    """Takes the first trouble for the last word."""

    def may_help(self, response: httpx.Response) -> bool:  # noqa: ARG002 - that is the mistake
        """Say no."""
        return False


class WaitsForEver(Careful):
    """Waits for an answer however long it takes."""

    timeout_seconds = None


class BelievesLost(Careful):
    """Submits again when the service does not know the run yet, under a new token."""

    def follow(self, run_id: int) -> str:
        """Replace a run that seems to be gone."""
        try:
            return self.wait(run_id)
        except httpx.HTTPStatusError as error:
            if "does not exist" in error.response.text:
                return super().follow(self.submit(idempotency_token="load of 2024-01-01, again"))
            self.cancel(run_id)
            raise

    def may_help(self, response: httpx.Response) -> bool:
        """Do not wait for the service to know what it has made."""
        return response.status_code == 429 or response.status_code >= 500
