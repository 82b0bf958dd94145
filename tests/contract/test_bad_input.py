"""Bad input through every door: the service's own error, the server stays up, no run is lost."""

from __future__ import annotations

import pytest

from tests.emulator.support import flat_body

from .conftest import Door

_RUNS = "/api/2.1/jobs/runs"

_MALFORMED = (400, "MALFORMED_REQUEST")
_INVALID = (400, "INVALID_PARAMETER_VALUE")
_NOT_FOUND = (404, "ENDPOINT_NOT_FOUND")


def _assert_unharmed(door: Door, run_id: int) -> None:
    """The run from before is still there, alone, and the service answers."""
    assert door.run(run_id)["run_id"] == run_id
    assert [run["run_id"] for run in door.get("runs/list").json()["runs"]] == [run_id]
    assert door.client.get("/__dbx/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "target", "content", "expected"),
    [
        pytest.param("POST", f"{_RUNS}/submit", b'{"run_name": ', _MALFORMED, id="malformed"),
        pytest.param("POST", f"{_RUNS}/submit", b"run_name=x", _MALFORMED, id="form"),
        pytest.param("POST", f"{_RUNS}/submit", b'{"run_name": "\xff"}', _MALFORMED, id="no-utf-8"),
        pytest.param("POST", f"{_RUNS}/submit", b"\xff\xfe\x00", _MALFORMED, id="binary"),
        pytest.param("POST", f"{_RUNS}/submit", b"[" * 200_000, _MALFORMED, id="deep"),
        pytest.param("POST", f"{_RUNS}/submit", b'{"x":' * 90_000, _MALFORMED, id="deep-objects"),
        pytest.param(
            "POST",
            f"{_RUNS}/submit",
            b'{"run_name":null,"x":' + b"[" * 99_999,
            _MALFORMED,
            id="null-then-deep",
        ),
        pytest.param("POST", f"{_RUNS}/submit", b"[]", _MALFORMED, id="array"),
        pytest.param("POST", f"{_RUNS}/submit", b"null", _MALFORMED, id="null"),
        pytest.param("POST", f"{_RUNS}/submit", b'{"tasks": "x"}', _MALFORMED, id="wrong-type"),
        pytest.param("POST", f"{_RUNS}/submit", b'{"tasks": [null]}', _MALFORMED, id="null-task"),
        pytest.param("POST", f"{_RUNS}/submit", b"", _INVALID, id="empty"),
        pytest.param("POST", f"{_RUNS}/submit", b"{}", _INVALID, id="missing-fields"),
        pytest.param("POST", f"{_RUNS}/submit", b'{"tasks": [{}]}', _INVALID, id="missing-task-key"),
        pytest.param(
            "POST",
            f"{_RUNS}/submit",
            b'{"existing_cluster_id": null, "new_cluster": null}',
            _INVALID,
            id="nulls",
        ),
        pytest.param("POST", f"{_RUNS}/submit", b'{"timeout_seconds": 1e999}', _INVALID, id="infinite"),
        pytest.param("POST", f"{_RUNS}/cancel", b"", _INVALID, id="cancel-nothing"),
        pytest.param("POST", f"{_RUNS}/cancel", b'{"run_id": 5}', _INVALID, id="cancel-unknown"),
        pytest.param("POST", f"{_RUNS}/cancel", b'{"run_id": "five"}', _INVALID, id="cancel-text"),
        pytest.param("POST", f"{_RUNS}/cancel", b'{"run_id": 1.5}', _MALFORMED, id="cancel-fraction"),
        pytest.param(
            "POST", f"{_RUNS}/cancel", b'{"run_id": 9223372036854775808}', _INVALID, id="cancel-no-int64"
        ),
        pytest.param(
            "POST", f"{_RUNS}/cancel", b'{"run_id": ' + b"9" * 6_000 + b"}", _INVALID, id="cancel-6000-digits"
        ),
        pytest.param("GET", f"{_RUNS}/get", b"", _INVALID, id="get-nothing"),
        pytest.param("GET", f"{_RUNS}/get?run_id=5", b"", _INVALID, id="get-unknown"),
        pytest.param("GET", f"{_RUNS}/get?run_id=five", b"", _INVALID, id="get-text"),
        pytest.param("GET", f"{_RUNS}/get?run_id=9223372036854775808", b"", _INVALID, id="get-no-int64"),
        pytest.param("GET", f"{_RUNS}/get?run_id=%FF%00", b"", _INVALID, id="get-bytes"),
        pytest.param("GET", f"{_RUNS}/get", b"{", _MALFORMED, id="get-malformed-body"),
        pytest.param("GET", f"{_RUNS}/get-output?run_id=5", b"", _INVALID, id="output-unknown"),
        pytest.param("GET", f"{_RUNS}/list?active_only=perhaps", b"", _MALFORMED, id="list-no-boolean"),
        pytest.param("GET", f"{_RUNS}/list?limit=1000", b"", _INVALID, id="list-limit"),
        pytest.param("GET", f"{_RUNS}/list?page_token=%00", b"", _INVALID, id="list-token"),
        pytest.param("POST", "/api/2.1/jobs/create", b'{"tasks": 5}', _MALFORMED, id="create-wrong-type"),
        pytest.param("POST", "/api/2.1/jobs/create", b"{}", _INVALID, id="create-nothing"),
        pytest.param("GET", "/api/2.1/jobs/get?job_id=5", b"", _INVALID, id="get-unknown-job"),
        pytest.param("POST", "/api/2.1/jobs/run-now", b"{}", _INVALID, id="run-now-nothing"),
        pytest.param("POST", f"{_RUNS}/repair", b'{"run_id": 5}', _INVALID, id="repair-unknown"),
        pytest.param("POST", f"{_RUNS}/delete", b'{"run_id": []}', _MALFORMED, id="delete-array"),
        pytest.param("POST", f"{_RUNS}/cancel-all", b"", _INVALID, id="cancel-all-nothing"),
        pytest.param("GET", f"{_RUNS}/export?run_id=5", b"", _INVALID, id="export-unknown"),
        pytest.param("GET", f"{_RUNS}/submit", b"", _NOT_FOUND, id="wrong-method"),
        pytest.param("PUT", f"{_RUNS}/cancel", b"{}", _NOT_FOUND, id="wrong-method-put"),
        pytest.param("DELETE", f"{_RUNS}/get", b"", _NOT_FOUND, id="wrong-method-delete"),
        pytest.param("GET", f"{_RUNS}/get/", b"", _NOT_FOUND, id="trailing-slash"),
        pytest.param("GET", "/api/3.0/jobs/runs/get", b"", _NOT_FOUND, id="wrong-version"),
        pytest.param("GET", "/no/such/path", b"", _NOT_FOUND, id="wrong-path"),
        pytest.param("POST", "/api/2.2/jobs/reset", b"{}", (501, "NOT_IMPLEMENTED"), id="not-emulated"),
        pytest.param("GET", "/api/2.0/clusters/list", b"", (501, "NOT_IMPLEMENTED"), id="another-api"),
        pytest.param("POST", "/__dbx/clock", b'{"advance": "-5m"}', _INVALID, id="clock-back"),
        pytest.param("POST", "/__dbx/faults", b"{}", _MALFORMED, id="fault-of-no-kind"),
    ],
)
def test_bad_input_is_the_services_own_error(
    door: Door, method: str, target: str, content: bytes, expected: tuple[int, str]
) -> None:
    """Status and code are the service's, the body has its form, and nothing else happened."""
    run_id = door.submit(flat_body())
    response = door.client.request(method, target, content=content)
    assert (response.status_code, response.json()["error_code"]) == expected
    assert response.json().keys() == {"error_code", "message", "details"}
    assert response.headers["content-type"] == "application/json"
    _assert_unharmed(door, run_id)


@pytest.mark.fact("requests.max-body", "errors.request-too-large")
def test_body_of_30_megabytes_is_too_large(door: Door) -> None:
    """It is refused with an answer that the client gets to read."""
    run_id = door.submit(flat_body())
    response = door.client.post(f"{_RUNS}/submit", content=b" " * 30_000_000)
    assert (response.status_code, response.json().keys()) == (413, {"error_code", "message", "details"})
    _assert_unharmed(door, run_id)


@pytest.mark.fact("auth.no-credentials", "auth.invalid-token", "errors.auth-integer-code")
@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        pytest.param("", 401, id="empty"),
        pytest.param("Basic eDp5", 401, id="basic"),
        pytest.param("Bearer wrong", 403, id="wrong"),
    ],
)
def test_stranger_is_told_nothing(door: Door, authorization: str, expected: int) -> None:
    """Every path but the public ones refuses strangers, with a code that is a number."""
    run_id = door.submit(flat_body())
    for target in (f"{_RUNS}/get?run_id={run_id}", "/__dbx/journal", "/no/such/path"):
        response = door.client.get(target, headers={"Authorization": authorization})
        assert (response.status_code, response.json()["error_code"]) == (expected, expected)
    _assert_unharmed(door, run_id)


# --- what looks bad and is not --------------------------------------------------------------------------------


@pytest.mark.fact("requests.get-with-body", "requests.protobuf-json")
@pytest.mark.parametrize(
    "template",
    [
        pytest.param('{"run_id": %d}', id="number"),
        pytest.param('{"run_id": "%d"}', id="text"),
        pytest.param('{"run_id": %d.0, "include_history": null}', id="float-and-null"),
    ],
)
def test_parameters_of_a_get_may_come_in_its_body(door: Door, template: str) -> None:
    """Some clients send them there."""
    run_id = door.submit(flat_body())
    content = (template % run_id).encode()
    response = door.client.request("GET", f"{_RUNS}/get", content=content)
    assert response.json() == door.run(run_id)


def test_booleans_in_a_query_are_words(door: Door) -> None:
    """`true` and `false`, as every SDK spells them."""
    run_id = door.submit(flat_body())
    expanded = door.client.get(f"{_RUNS}/list", params={"expand_tasks": True, "active_only": False}).json()
    assert [len(run["tasks"]) for run in expanded["runs"]] == [1]
    assert door.client.get(f"{_RUNS}/list?completed_only=true").json() == {"has_more": False}
    _assert_unharmed(door, run_id)


@pytest.mark.fact("requests.protobuf-json")
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_body_is_json_whatever_its_type_is_said_to_be(door: Door, content_type: str | None) -> None:
    """Clients of old send JSON as a form."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    content = b'{"existing_cluster_id": "c", "spark_jar_task": {}, "max_retries": 3.0, "unheard_of": {}}'
    response = door.client.post(f"{_RUNS}/submit", content=content, headers=headers)
    shown = door.run(response.json()["run_id"])["tasks"][0]
    assert (shown["max_retries"], "unheard_of" in shown) == (3, False)


def test_null_fields_are_left_out(door: Door) -> None:
    """A client that writes every field it knows writes nulls, and none of them comes back."""
    body = flat_body(
        existing_cluster_id=None, tasks=None, git_source=None, max_retries=None, idempotency_token=None
    )
    response = door.get("runs/get", run_id=door.submit(body))
    assert b"null" not in response.content
