"""Several workspaces behind one door, and several principals in one workspace."""

from __future__ import annotations

import httpx
import pytest

from dbx_emulator import UsageError, Workspace
from dbx_emulator.doors._httpx import HttpxTransport
from dbx_emulator.workspaces import Workspaces

RUN = {"existing_cluster_id": "0101-1", "notebook_task": {"notebook_path": "/n"}}


def _client(handler: Workspaces | Workspace, token: str, **headers: str) -> httpx.Client:
    return httpx.Client(
        transport=HttpxTransport(handler),
        base_url="https://shared.example",
        headers={"Authorization": f"Bearer {token}", **headers},
    )


def _submit(client: httpx.Client) -> int:
    run_id: int = client.post("/api/2.1/jobs/runs/submit", json=RUN).raise_for_status().json()["run_id"]
    return run_id


def _listed(client: httpx.Client) -> list[int]:
    answer = client.get("/api/2.1/jobs/runs/list").raise_for_status().json()
    return [run["run_id"] for run in answer.get("runs", [])]


def _shared() -> Workspaces:
    return Workspaces(Workspace(), make=lambda token: Workspace(token=token))


def test_unknown_token_opens_a_workspace_of_its_own() -> None:
    """Two tests that share a server and bring tokens of their own do not see each other."""
    workspaces = _shared()
    one, two = _client(workspaces, "one"), _client(workspaces, "two")
    run_id = _submit(one)
    assert (_listed(one), _listed(two)) == ([run_id], [])
    assert len(workspaces) == 3


def test_unknown_token_finds_its_workspace_again() -> None:
    """The workspace of a token stays its own from call to call."""
    workspaces = _shared()
    run_id = _submit(_client(workspaces, "mine"))
    assert _listed(_client(workspaces, "mine")) == [run_id]


def test_issued_token_opens_the_workspace_that_issued_it() -> None:
    """A rotated token opens the same workspace as the first."""
    workspaces = _shared()
    _submit(_client(workspaces, "first"))
    private = next(each for each in workspaces if each.token == "first")
    assert _listed(_client(workspaces, private.issue_token())) == [next(iter(private.runs)).run_id]


def test_unknown_token_is_refused_where_only_given_ones_count() -> None:
    """Without a maker of workspaces a strange token is what it is to the real service."""
    answer = _client(Workspaces(Workspace()), "stranger").get("/api/2.1/jobs/runs/list")
    assert (answer.status_code, answer.json()) == (
        403,
        {"error_code": 403, "message": "Invalid access token."},
    )


def test_too_many_workspaces_are_refused() -> None:
    """A client that invents tokens without end does not fill the memory."""
    workspaces = Workspaces(Workspace(), make=lambda token: Workspace(token=token), limit=2)
    assert [_client(workspaces, token).get("/api/2.1/jobs/runs/list").status_code for token in "abc"] == [
        200,
        403,
        403,
    ]


def test_request_without_token_is_answered_401() -> None:
    """The first workspace tells those who bring no token what they lack."""
    client = httpx.Client(transport=HttpxTransport(_shared()), base_url="https://shared.example")
    assert client.get("/api/2.1/jobs/runs/list").status_code == 401


def test_host_chooses_the_workspace() -> None:
    """Two workspaces with hosts of their own are told apart by the host that is called."""
    east = Workspace("https://east.example", token="east")
    west = Workspace("https://west.example", token="west")
    workspaces = Workspaces(east, west)
    client = _client(workspaces, "west", Host="west.example")
    assert _listed(client) == []
    assert _client(workspaces, "east", Host="west.example").get("/api/2.1/jobs/runs/list").status_code == 403


def test_workspace_id_header_chooses_the_workspace() -> None:
    """The routing header of the SDKs outranks the host."""
    east, west = Workspace(token="east", workspace_id=1), Workspace(token="west", workspace_id=2)
    client = _client(Workspaces(east, west), "west", **{"X-Databricks-Workspace-Id": "2"})
    run_id = _submit(client)
    assert [run.run_id for run in west.runs] == [run_id]
    assert len(east.runs) == 0


def test_workspace_id_that_all_have_chooses_none() -> None:
    """The SDKs send the number that the server told them; it must not keep a token from a workspace of its own."""
    workspaces = _shared()
    number = str(Workspace().workspace_id)
    clients = [
        _client(workspaces, token, **{"X-Databricks-Workspace-Id": number}) for token in ("one", "two")
    ]
    run_id = _submit(clients[0])
    assert [_listed(client) for client in clients] == [[run_id], []]


def test_two_workspaces_cannot_share_a_token() -> None:
    """Which of the two it would open could not be said."""
    with pytest.raises(UsageError, match="opened by the same token"):
        Workspaces(Workspace(), Workspace("https://other.example"))


def test_no_workspace_is_refused() -> None:
    """Somebody must answer those who bring no token."""
    with pytest.raises(UsageError, match="there must be one"):
        Workspaces()


def test_time_passes_in_every_workspace() -> None:
    """What a client waits is waited by all."""
    workspaces = _shared()
    _submit(_client(workspaces, "other"))
    before_ms = [each.clock.now_ms for each in workspaces]
    workspaces.pass_time(1_000)
    assert [
        each.clock.now_ms - each_before for each, each_before in zip(workspaces, before_ms, strict=True)
    ] == [
        1_000,
        1_000,
    ]
    assert workspaces.real_seconds(1_500) == 1.5
    assert workspaces.host == Workspace().host


@pytest.mark.fact("auth.permission-denied")
def test_guest_sees_only_the_runs_it_submits() -> None:
    """A principal without rights on a run is told so; its own runs are its own."""
    workspace = Workspace()
    owner = _client(workspace, workspace.token)
    guest = _client(workspace, workspace.issue_token("guest"))
    others = _submit(owner)
    denied = guest.get("/api/2.1/jobs/runs/get", params={"run_id": others})
    job_id = owner.get("/api/2.1/jobs/runs/get", params={"run_id": others}).json()["job_id"]
    assert (denied.status_code, denied.json()["error_code"], denied.json()["message"]) == (
        403,
        "PERMISSION_DENIED",
        f"User guest@example.com does not have View or Admin or Manage Run or Owner permissions on job {job_id}",
    )
    own = _submit(guest)
    assert _listed(guest) == [own]
    assert _listed(owner) == [own, others]
    assert guest.get("/api/2.1/jobs/runs/get", params={"run_id": own}).json()["creator_user_name"] == (
        "guest@example.com"
    )


def test_expired_token_is_refused() -> None:
    """It is answered as the service answers an expired personal token."""
    workspace = Workspace()
    answer = _client(workspace, workspace.issue_token("expired")).get("/api/2.1/jobs/runs/list")
    assert (answer.status_code, answer.json()["error_code"]) == (403, 403)


def test_unknown_principal_is_a_usage_error() -> None:
    """The word that was meant is named."""
    with pytest.raises(UsageError, match=r"nearest: guest"):
        Workspace().issue_token("gest")


def test_token_of_oauth_belongs_to_the_workspace_of_its_client() -> None:
    """Whoever asks with a client's credentials is given a token of that client's workspace, again and again."""
    one = Workspace(token="one", client_id="a", client_secret="s")
    two = Workspace(token="two", client_id="b", client_secret="s")
    workspaces = Workspaces(one, two)
    run_id = _submit(_client(two, "two"))
    asking = httpx.Client(transport=HttpxTransport(workspaces), base_url="https://shared.example")
    for _ in range(2):
        form = {"grant_type": "client_credentials", "client_id": "b", "client_secret": "s"}
        token = asking.post("/oidc/v1/token", data=form).raise_for_status().json()["access_token"]
        assert _listed(_client(workspaces, token)) == [run_id]
    stranger = asking.post("/oidc/v1/token", data={"grant_type": "client_credentials", "client_id": "c"})
    assert stranger.json()["error"] == "invalid_client"


def test_client_has_an_id_and_a_secret() -> None:
    """A workspace whose client lacks one of them would give tokens to nobody."""
    with pytest.raises(UsageError, match="client_id, client_secret"):
        Workspace(client_id="")
    with pytest.raises(UsageError, match="client_id, client_secret"):
        Workspace(client_secret="")


@pytest.mark.fact("runs.submit.notebook-environment")
def test_notebook_environments_can_be_refused_as_they_were() -> None:
    """What the service refused until 2025 is refused by a workspace that is told to."""
    task = {"task_key": "a", "notebook_task": {"notebook_path": "/n"}, "environment_key": "e"}
    body = {"tasks": [task], "environments": [{"environment_key": "e"}]}
    codes = []
    for workspace in (Workspace(), Workspace(notebook_environments=False)):
        client = _client(workspace, workspace.token)
        codes.append(client.post("/api/2.2/jobs/runs/submit", json=body).status_code)
    assert codes == [200, 400]
