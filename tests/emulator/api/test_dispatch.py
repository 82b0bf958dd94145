"""The way of a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator import JournalEntry, LostResponse, Outcome, StatusFault, Workspace
from dbx_emulator._api.calls import MAX_BODY_BYTES
from dbx_emulator._api.messages import Request, Reset
from dbx_emulator._api.router import ROUTES
from dbx_emulator._core.clock import EPOCH_MS
from tests.emulator.support import Caller, flat_body, graph_body, send, task


def test_handle_answers_with_json(caller: Caller) -> None:
    """An answer is a 200 with a JSON content type and nothing for the door to do."""
    reply = caller.reply("POST", "runs/submit", flat_body())
    assert (reply.status_code, reply.body, reply.wire) == (200, b'{"run_id":400000000000001}', ())
    assert reply.headers == ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    ("authorization", "status_code"),
    [
        pytest.param("Bearer dbx-emulator-token", 200, id="right"),
        pytest.param("Bearer  dbx-emulator-token ", 200, id="blanks-around"),
        pytest.param("Bearer further", 200, id="further-token"),
        pytest.param("Bearer other", 403, id="wrong"),
        pytest.param("Basic eDp5", 401, id="unsupported"),
    ],
)
def test_credentials_come_first(authorization: str, status_code: int) -> None:
    """Only the workspace's tokens open it, and a refused call has no effect."""
    workspace = Workspace(further_tokens=["further"])
    body = json.dumps(flat_body()).encode()
    reply = send(
        workspace, "POST", "/api/2.1/jobs/runs/submit", body, headers={"authorization": authorization}
    )
    assert reply.status_code == status_code
    assert len(workspace.runs) == (status_code == 200)


@pytest.mark.parametrize("path", ["/__dbx/clock", "/__dbx/journal", "/api/2.1/jobs/unheard-of", "/x"])
def test_everything_but_the_public_needs_credentials(workspace: Workspace, path: str) -> None:
    """A path that nothing serves tells strangers no more than one that is served."""
    assert send(workspace, "GET", path, headers={}).status_code == 401


@pytest.mark.fact("requests.max-body", "errors.request-too-large")
def test_body_above_ten_megabytes_is_refused(caller: Caller) -> None:
    """At the limit a body is read, one byte more is too large; a door may say so without holding it."""
    body = json.dumps(flat_body()).encode()
    assert MAX_BODY_BYTES == 10 * 1024 * 1024
    assert caller.reply("POST", "runs/submit", body + b" " * (MAX_BODY_BYTES - len(body))).status_code == 200
    assert (
        caller.reply("POST", "runs/submit", body + b" " * (MAX_BODY_BYTES - len(body) + 1)).status_code == 413
    )
    lines = [(b"authorization", f"Bearer {caller.workspace.token}".encode())]
    cut = Request("POST", "/api/2.1/jobs/runs/submit", lines, body, is_truncated=True)
    assert caller.workspace.handle(cut).status_code == 413
    assert len(caller.workspace.runs) == 1


def test_status_fault_answers_in_place_of_the_service(caller: Caller) -> None:
    """The call has no effect and is answered with code, text and headers of the fault."""
    caller.workspace.faults.add(
        StatusFault("runs/submit", status_code=429, headers={"Retry-After": "3"}, times=1)
    )
    reply = caller.reply("POST", "runs/submit", flat_body())
    assert (reply.status_code, json.loads(reply.body)["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert (b"retry-after", b"3") in reply.headers
    assert (reply.wire, len(caller.workspace.runs)) == ((), 0)
    caller.submit()


def test_lost_response_keeps_the_effect(caller: Caller) -> None:
    """The run is made, the door is told to reset the connection, and the token finds the run again."""
    caller.workspace.faults.add(LostResponse("runs/submit", times=1))
    body = flat_body(idempotency_token="t")
    reply = caller.reply("POST", "runs/submit", body)
    assert reply.wire == (Reset(),)
    assert len(caller.workspace.runs) == 1
    assert caller.submit(body) == json.loads(reply.body)["run_id"]


def test_lost_response_loses_errors_too(caller: Caller) -> None:
    """An error is an answer like any other."""
    caller.workspace.faults.add(LostResponse("runs/get"))
    reply = caller.reply("GET", "runs/get", run_id=5)
    assert (reply.status_code, reply.wire) == (400, (Reset(),))


def test_fault_neither_strikes_strangers_nor_control_calls(workspace: Workspace) -> None:
    """Credentials are checked before faults, and what steers the emulator always works."""
    fault = workspace.faults.add(StatusFault("*"))
    assert send(workspace, "GET", "/api/2.1/jobs/runs/list", headers={}).status_code == 401
    assert send(workspace, "GET", "/__dbx/clock").status_code == 200
    assert fault.seen == 0


def test_journal_tells_what_was_called_and_what_came_of_it(caller: Caller) -> None:
    """Route, run, status, error, fault and states, in virtual time; control calls are left out."""
    workspace = caller.workspace
    run_id = caller.submit()
    workspace.clock.advance("2m")
    caller.run(run_id)
    caller.refusal("GET", "runs/get", run_id=7)
    workspace.faults.add(LostResponse("runs/cancel"))
    caller.reply("POST", "runs/cancel", {"run_id": run_id})
    send(workspace, "GET", "/__dbx/health")
    caller.refusal("POST", "reset", {})
    send(workspace, "GET", "/x?y=z", headers={})
    jobs = "/api/2.1/jobs"
    after = EPOCH_MS + 120_000
    assert [entry._replace(real_ms=0, said=None, told=None) for entry in workspace.journal] == [
        JournalEntry(
            1,
            EPOCH_MS,
            "POST",
            f"{jobs}/runs/submit",
            "runs/submit",
            run_id,
            200,
            None,
            None,
            (None, "PENDING"),
        ),
        JournalEntry(
            2, after, "GET", f"{jobs}/runs/get", "runs/get", run_id, 200, None, None, ("RUNNING", "RUNNING")
        ),
        JournalEntry(
            3,
            after,
            "GET",
            f"{jobs}/runs/get",
            "runs/get",
            None,
            400,
            "INVALID_PARAMETER_VALUE",
            None,
            (None, None),
        ),
        JournalEntry(
            4,
            after,
            "POST",
            f"{jobs}/runs/cancel",
            "runs/cancel",
            run_id,
            200,
            None,
            "lost_response",
            ("RUNNING", "TERMINATING"),
        ),
        JournalEntry(5, after, "POST", f"{jobs}/reset", "", None, 501, "NOT_IMPLEMENTED", None, (None, None)),
        JournalEntry(6, after, "GET", "/x", "", None, 401, 401, None, (None, None)),
    ]


def test_journal_keeps_once_what_is_said_in_each_call(caller: Caller) -> None:
    """A client that polls says the same head each time; another head is another."""
    for headers in (caller.workspace.headers, caller.workspace.headers, {}):
        send(caller.workspace, "GET", "/api/2.1/jobs/runs/list", headers=headers)
    first, second, other = [each.said.headers for each in caller.workspace.journal if each.said]
    assert first is second
    assert (dict(first)[b"Authorization"], list(other)) == (b"Bearer dbx-emulator-token", [])


def test_request_lets_everything_happen_first_that_is_due(caller: Caller) -> None:
    """Time that passed between two calls shows in the second."""
    run_id = caller.submit(graph_body(task("a"), task("b", "a")))
    caller.workspace.clock.advance("3m2s")
    assert [each["state"]["life_cycle_state"] for each in caller.run(run_id)["tasks"]] == [
        "TERMINATED",
        "PENDING",
    ]


def test_scenario_text_reaches_every_answer(caller: Caller) -> None:
    """A message that a scenario gives is shown where the service shows messages."""
    caller.workspace.scenarios.add("*", [Outcome(termination_code="DRIVER_ERROR", message="gone.")])
    run_id = caller.submit(graph_body(task("a")))
    caller.workspace.clock.advance("1d")
    assert caller.run(run_id)["state"]["state_message"] == "Task a failed with message: gone."


_TARGETS = st.one_of(
    st.sampled_from([path for _, path in ROUTES]),
    st.sampled_from([path for _, path in ROUTES]).map(lambda path: f"{path}?run_id=400000000000001"),
    st.text(max_size=20).map(lambda text: f"/{text}"),
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "x"]),
    target=_TARGETS,
    body=st.one_of(
        st.binary(max_size=30), st.sampled_from([b"{}", b"[]", b"null", b'{"run_id":null}', b'{"kind":1}'])
    ),
    authorization=st.sampled_from(["Bearer dbx-emulator-token", "Bearer \xe4", ""]),
)
def test_any_request_has_an_answer_and_loses_no_run(
    method: str, target: str, body: bytes, authorization: str
) -> None:
    """Whatever comes in, something goes out that is JSON, and the run that exists is still there."""
    workspace = Workspace()
    run_id = Caller(workspace).submit()
    reply = workspace.handle(
        Request(method, target, [(b"Authorization", authorization.encode("latin-1"))], body)
    )
    assert b"<html>" in reply.body or reply.body == b"" or isinstance(json.loads(reply.body), dict)
    assert reply.status_code in (200, 400, 401, 403, 404, 501)
    assert Caller(workspace).run(run_id)["run_id"] == run_id


def test_journal_notes_what_was_ignored(workspace: Workspace) -> None:
    """A field that the API does not know changes nothing, and whoever looks for a typo finds it."""
    caller = Caller(workspace)
    caller.submit(flat_body(run_nmae="typo"))
    caller.get("runs/list", active_onyl="true")
    caller.submit(flat_body())
    assert [entry.note is not None for entry in workspace.journal] == [True, True, False]
    assert "run_nmae" in str(workspace.journal[0].note)
    assert "active_onyl" in str(workspace.journal[1].note)


def test_journal_notes_what_looks_like_a_mistake_about_a_run(workspace: Workspace) -> None:
    """Beside what a fault has to say, and beside fields that were ignored."""
    caller = Caller(workspace)
    workspace.scenarios.add("nobody", [Outcome()], name="lost")
    caller.submit(flat_body("nightly#lots", run_nmae="typo"))
    note = str(workspace.journal[0].note)
    assert "run_nmae" in note
    assert "there is none (nearest: lost)" in note
