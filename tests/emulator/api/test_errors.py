"""Errors in the service's own words."""

from __future__ import annotations

import json
import re

import pytest
from databricks.sdk.errors.overrides import _ALL_OVERRIDES
from dirty_equals import IsStr

from dbx_emulator import Workspace
from dbx_emulator._api import errors
from dbx_emulator._core.errors import ApiError
from tests.emulator.support import Caller, send

_RUNS_GET = "/api/2.1/jobs/runs/get?run_id=5"


@pytest.mark.fact("errors.request-info")
def test_error_carries_one_request_info(caller: Caller) -> None:
    """An error of the Jobs service has code, text and exactly one detail, the id of the request."""
    reply = caller.reply("GET", "runs/get", run_id=5)
    assert (reply.status_code, reply.headers) == (400, ((b"content-type", b"application/json"),))
    assert json.loads(reply.body) == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "Run 5 does not exist.",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.RequestInfo",
                "request_id": IsStr(regex=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
                "serving_data": "",
            }
        ],
    }


def test_request_ids_differ_and_come_from_a_counter() -> None:
    """No two requests share an id, and the same calls get the same ids."""

    def ids() -> list[str]:
        caller = Caller(Workspace())
        bodies = [json.loads(caller.reply("GET", "runs/get", run_id=5).body) for _ in range(2)]
        return [body["details"][0]["request_id"] for body in bodies]

    assert ids() == ids()
    assert len(set(ids())) == 2


@pytest.mark.fact("auth.no-credentials", "errors.auth-integer-code")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Basic dXNlcjpwYXNz"}, id="basic"),
        pytest.param({"Authorization": "Bearer"}, id="no-token"),
    ],
)
def test_no_credentials_are_a_401_with_an_integer_code(workspace: Workspace, headers: dict[str, str]) -> None:
    """The authentication layer has codes that are numbers, and no details."""
    reply = send(workspace, "GET", _RUNS_GET, headers=headers)
    assert (reply.status_code, json.loads(reply.body)) == (
        401,
        {"error_code": 401, "message": "Credential was not sent or was of an unsupported type for this API."},
    )


@pytest.mark.fact("auth.invalid-token", "auth.reason-phrase", "errors.auth-integer-code")
def test_wrong_token_is_a_403_with_an_integer_code(workspace: Workspace) -> None:
    """A token that opens nothing is forbidden, not unauthenticated."""
    reply = send(workspace, "GET", _RUNS_GET, headers={"Authorization": f"Bearer {workspace.token}x"})
    assert (reply.status_code, json.loads(reply.body)) == (
        403,
        {"error_code": 403, "message": "Invalid access token."},
    )
    assert (b"x-databricks-reason-phrase", b"Invalid access token.") in reply.headers


@pytest.mark.fact("runs.get.unknown-run")
@pytest.mark.parametrize("run_id", [0, 5, 2**63 - 1, -1])
def test_unknown_run_is_in_words_that_the_sdk_knows(run_id: int) -> None:
    """The SDK's override for runs/get turns the error into ResourceDoesNotExist."""
    error = errors.run_does_not_exist(run_id)
    assert (error.status_code, error.error_code) == (400, "INVALID_PARAMETER_VALUE")
    [override] = [each for each in _ALL_OVERRIDES if each.path_regex.match("/api/2.2/jobs/runs/get")]
    said = ("400", str(error.error_code), error.message)
    matchers = (override.status_code_matcher, override.error_code_matcher, override.message_matcher)
    for matcher, each in zip(matchers, said, strict=True):
        assert matcher is not None
        assert matcher.match(each)


@pytest.mark.fact("errors.malformed-prefix")
def test_malformed_request_starts_with_the_services_words() -> None:
    """What could not be parsed says so first."""
    error = errors.malformed_request("x")
    assert (error.status_code, error.error_code, error.message) == (
        400,
        "MALFORMED_REQUEST",
        "Could not parse request object: x",
    )


@pytest.mark.fact("errors.endpoint-not-found")
def test_endpoint_not_found_is_a_404_that_names_the_call() -> None:
    """Method and path stand in the text."""
    error = errors.endpoint_not_found("PUT", "/x")
    assert (error.status_code, error.error_code) == (404, "ENDPOINT_NOT_FOUND")
    assert re.search(r"PUT.*/x", error.message)


@pytest.mark.fact("errors.request-too-large")
def test_request_too_large_is_a_413() -> None:
    """A body above the limit is refused as a whole."""
    error = errors.request_too_large(10)
    assert (error.status_code, isinstance(error.error_code, str)) == (413, True)


def test_not_implemented_says_what_to_do() -> None:
    """What the emulator lacks is a 501 with a remedy."""
    error = errors.not_implemented("repair", "Submit again.")
    assert (error.status_code, error.error_code) == (501, "NOT_IMPLEMENTED")
    assert error.message.endswith("repair. Submit again.")


def test_error_reply_keeps_further_headers() -> None:
    """Headers of a fault stand beside the content type."""
    error = ApiError(429, "REQUEST_LIMIT_EXCEEDED", "slow", headers={"Retry-After": "3"})
    reply = errors.error_reply(error, request_id="r")
    assert reply.headers == ((b"content-type", b"application/json"), (b"retry-after", b"3"))
