"""Situations 13, 15 and 24: tokens, reads that lag behind, and more than one workspace."""

from __future__ import annotations

from contextlib import AbstractContextManager

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.errors.private_link import PrivateLinkValidationError

from dbx_emulator import Outcome, ReadLag, StatusFault, Workspace
from tests.situations.client import get_run, states, submit, submit_flat
from tests.situations.situation import Client, situation


def _sdk(workspace: Workspace, token: str) -> WorkspaceClient:
    return WorkspaceClient(host=workspace.url, token=token)


@situation(13)
def expiring_tokens(databricks: Workspace) -> None:
    """Tokens that expire within the hour, each refused in a way of its own."""
    for refusal in ("401-json", "403-html", "expiring"):
        databricks.issue_token(lifetime="1h", refusal=refusal)


def _issued(client: Client, number: int, principal: str = "user") -> str:
    """Return the token that was issued first, second, …, which is named by its number."""
    return f"{client.workspace.token}-{principal}-{number}"


@expiring_tokens.shows
def an_expired_token_is_unauthenticated(client: Client) -> None:
    """401 as JSON, in the middle of a run that goes on."""
    sdk = _sdk(client.workspace, _issued(client, 1))
    run_id = submit(client)
    sdk.jobs.get_run(run_id)
    client.workspace.clock.advance("1h")
    with pytest.raises(Unauthenticated):
        sdk.jobs.get_run(run_id)


@expiring_tokens.shows
def an_expired_token_looks_like_a_missing_permission(client: Client) -> None:
    """403 as a page: its text is all that tells it from PERMISSION_DENIED."""
    sdk = _sdk(client.workspace, _issued(client, 2))
    run_id = submit(client)
    client.workspace.clock.advance("59m")
    sdk.jobs.get_run(run_id)
    client.workspace.clock.advance("1m")
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        sdk.jobs.get_run(run_id)


@expiring_tokens.shows
def a_token_about_to_expire_is_refused_early(client: Client) -> None:
    """Half a minute before its end."""
    sdk = _sdk(client.workspace, _issued(client, 3))
    run_id = submit(client)
    client.workspace.clock.advance("59m31s")
    with pytest.raises(PermissionDenied, match="Token is expiring within 30 seconds"):
        sdk.jobs.get_run(run_id)


@situation(13)
def rotated_token(databricks: Workspace) -> None:
    """The token is rotated while the run goes on."""
    databricks.scenarios.add("etl", [Outcome(run="1h")], on_success=lambda _run: databricks.rotate_token())


@rotated_token.shows
def the_old_token_is_refused_and_the_new_one_finds_the_run(client: Client) -> None:
    """A client that keeps its token fails from then on; one that reads the environment anew finds the same run."""
    run_id = submit(client)
    client.workspace.clock.advance("2h")
    with pytest.raises(PermissionDenied):
        client.sdk.jobs.get_run(run_id)
    assert states(WorkspaceClient().jobs.get_run(run_id)) == ("TERMINATED", "SUCCESS")


@situation(15)
def lag_not_found(databricks: Workspace) -> None:
    """Reads lag behind writes: the first two do not find the run."""
    databricks.faults.add(ReadLag("runs/get", reads=2, how="not_found"))


@lag_not_found.shows
def a_new_run_is_not_there_yet(client: Client) -> None:
    """Twice the SDK says that it does not exist, then it is there."""
    run_id = submit(client)
    for _ in range(2):
        with pytest.raises(ResourceDoesNotExist):
            client.sdk.jobs.get_run(run_id)
    assert states(client.sdk.jobs.get_run(run_id)) == ("PENDING", None)


@situation(15)
def lag_stale(databricks: Workspace) -> None:
    """Reads lag behind writes: the first one after a cancel shows the state before."""
    databricks.faults.add(ReadLag("runs/get", reads=1, how="stale", skip=0))


@lag_stale.shows
def a_cancelled_run_seems_to_go_on(client: Client) -> None:
    """One read is as before the cancel, the next one tells the truth."""
    run_id = submit_flat(client)
    client.workspace.clock.advance("2m30s")
    while get_run(client, run_id).status_code != 200:
        pass
    client.sdk.jobs.cancel_run(run_id)
    assert get_run(client, run_id).json()["state"]["life_cycle_state"] == "RUNNING"
    assert get_run(client, run_id).json()["state"]["life_cycle_state"] == "TERMINATING"


@situation(24)
def two_principals(databricks: Workspace) -> None:
    """A guest beside the owner."""
    databricks.issue_token("guest")


@two_principals.shows
def a_guest_sees_only_runs_of_its_own(client: Client) -> None:
    """Another's run is forbidden, and listing shows none of them; the owner sees both."""
    guest = _sdk(client.workspace, _issued(client, 1, "guest"))
    run_id = submit(client)
    with pytest.raises(PermissionDenied):
        guest.jobs.get_run(run_id)
    guest_client = Client(client.workspace, guest, client.http)
    own = submit(guest_client)
    assert [run.run_id for run in guest.jobs.list_runs()] == [own]
    assert [run.run_id for run in client.sdk.jobs.list_runs()] == [own, run_id]


@situation(24)
def private_link(databricks: Workspace) -> None:
    """Private Link: a redirect to a login page in place of an answer."""
    databricks.faults.add(
        StatusFault(
            "*",
            status_code=302,
            headers={"Location": f"{databricks.url}/login.html?error=private-link-validation-error"},
            point="before_auth",
        )
    )


@private_link.shows
def the_sdk_names_private_link(client: Client) -> None:
    """It follows the redirect, finds a page with status 200, and knows what that means."""
    with pytest.raises(PrivateLinkValidationError):
        client.sdk.jobs.get_run(7)


@private_link.shows
def others_see_the_redirect(client: Client) -> None:
    """Httpx does not follow it."""
    answer = get_run(client, 7)
    assert answer.status_code == 302
    assert "private-link-validation-error" in answer.headers["location"]


@situation(24)
def two_workspaces(databricks: Workspace) -> AbstractContextManager[None]:
    """Two workspaces at once, and a token taken to the wrong one."""
    return Workspace("https://west.cloud.databricks.com", token="west").intercept()


@two_workspaces.shows
def a_token_of_one_opens_nothing_at_the_other(client: Client) -> None:
    """Each has its own runs and its own credentials."""
    west = "https://west.cloud.databricks.com"
    answers = [
        httpx.get(f"{west}/api/2.2/jobs/runs/list", headers={"Authorization": f"Bearer {token}"})
        for token in ("west", client.workspace.token)
    ]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[1].json()["message"] == "Invalid access token."
