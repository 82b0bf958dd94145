"""What the unmodified SDK makes of errors in every form, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import platform
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.errors.private_link import PrivateLinkValidationError

from dbx_emulator import StatusFault
from dbx_emulator._core.faults import DIALECTS
from tests.emulator.support import flat_body

from .conftest import Door


@contextmanager
def _sdk(door: Door, *, token: str | None = None) -> Iterator[WorkspaceClient]:
    """Yield a client that sleeps in the workspace's time."""
    workspace = door.workspace
    with ExitStack() as stack:
        if door.url == workspace.url:
            stack.enter_context(workspace.intercept())
        config = Config(host=door.url, token=token or workspace.token, clock=workspace.clock)  # type: ignore[arg-type]
        yield WorkspaceClient(config=config)


def _error(client: WorkspaceClient, run_id: int = 5) -> DatabricksError:
    with pytest.raises(DatabricksError) as raised:
        client.jobs.get_run(run_id)
    return raised.value


#: Dialect → the error code and the text that the SDK finds in it, for a 404.
_FOUND: dict[str, tuple[str | None, str]] = {
    "json": ("NOT_FOUND", "gone"),
    "error": (None, "gone"),
    "scim": ("SCIM_404", "None gone"),
    "text": ("NOT_FOUND", "gone"),
    "html": ("NOT_FOUND", "    gone"),
    "empty": (None, "Not Found"),
    "binary": (None, "unable to parse response. "),
    "json_list": (None, "unable to parse response. "),
}


@pytest.mark.fact("errors.dialect-error", "errors.dialect-scim", "errors.dialect-text", "errors.dialect-html")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_sdk_reads_each_dialect(door: Door, dialect: str) -> None:
    """Its class comes from the status alone; code and text are what its parsers find."""
    door.workspace.faults.add(StatusFault("runs/get", status_code=404, message="gone", dialect=dialect))
    with _sdk(door) as client:
        error = _error(client)
    error_code, message = _FOUND[dialect]
    assert type(error) is platform.NotFound
    assert error.error_code == error_code
    assert str(error) == message if "unable" not in message else str(error).startswith(message)


@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [
        pytest.param(30, 30, id="seconds"),
        pytest.param(0, 0, id="zero"),
        pytest.param(None, 1, id="none"),
        pytest.param(0.5, 1, id="half-a-second"),
        pytest.param("soon", 1, id="no-number"),
        pytest.param("date+30s", 1, id="date"),
        pytest.param("date-30s", 1, id="date-in-the-past"),
    ],
)
@pytest.mark.parametrize("status_code", [429, 503])
def test_sdk_waits_as_it_is_told(
    door: Door, status_code: int, retry_after: float | str | None, waited: int
) -> None:
    """It takes whole seconds, and a second for all that it cannot read; then it adds up to a second of its own."""
    workspace = door.workspace
    run_id = door.submit(flat_body())
    workspace.faults.add(StatusFault("runs/get", status_code=status_code, retry_after=retry_after, times=1))
    before_ms = workspace.clock.now_ms
    with _sdk(door) as client:
        assert client.jobs.get_run(run_id).run_id == run_id
    assert waited <= (workspace.clock.now_ms - before_ms) / 1_000 <= waited + 1


@pytest.mark.parametrize(
    ("retry_after", "raised"),
    [pytest.param(-2, ValueError, id="negative"), pytest.param(10**6, TimeoutError, id="eleven-days")],
)
def test_sdk_believes_whatever_number_it_is_told(
    door: Door, retry_after: int, raised: type[Exception]
) -> None:
    """It cannot sleep less than nothing, and it does sleep for eleven days before it notices its time-out."""
    door.workspace.faults.add(StatusFault("runs/get", status_code=429, retry_after=retry_after))
    with _sdk(door) as client, pytest.raises(raised):
        client.jobs.get_run(5)


@pytest.mark.parametrize("status_code", [500, 502, 504])
@pytest.mark.parametrize("dialect", ["json", "text", "html", "empty"])
def test_sdk_does_not_try_again_after_other_errors_of_the_server(
    door: Door, status_code: int, dialect: str
) -> None:
    """In whatever form they come."""
    door.workspace.faults.add(StatusFault("runs/get", status_code=status_code, dialect=dialect))
    with _sdk(door) as client:
        assert isinstance(_error(client), platform.STATUS_CODE_MAPPING.get(status_code, DatabricksError))
    assert len(door.workspace.journal.calls("runs/get")) == 1


@pytest.mark.fact("auth.private-link")
def test_sdk_knows_the_page_behind_a_private_link(door: Door) -> None:
    """A redirect to the log-in page, which is a 200 for everybody, is a network that may not come in."""
    door.workspace.faults.add(
        StatusFault(
            "*",
            status_code=302,
            headers={"Location": "/login.html?error=private-link-validation-error"},
            point="before_auth",
        )
    )
    with _sdk(door) as client, pytest.raises(PrivateLinkValidationError):
        client.jobs.get_run(5)


def test_sdk_is_refused_during_a_maintenance_window(door: Door) -> None:
    """A good token gets 403 for a time and then works; that it passes is known of the fault alone."""
    workspace = door.workspace
    run_id = door.submit(flat_body())
    fault = workspace.faults.add(
        StatusFault("*", status_code=403, point="before_auth", window=("1m", "3m"), is_transient=True)
    )
    with _sdk(door) as client:
        assert client.jobs.get_run(run_id).run_id == run_id
        workspace.clock.advance("1m")
        assert type(_error(client, run_id)) is platform.PermissionDenied
        workspace.clock.advance("2m")
        assert client.jobs.get_run(run_id).run_id == run_id
    assert (fault.is_transient, fault.fired) == (True, 1)


@pytest.mark.fact(
    "auth.invalid-token", "auth.invalid-token-page", "auth.expired-token", "auth.token-expiring"
)
@pytest.mark.parametrize(
    ("refusal", "error_class", "said"),
    [
        ("403-json", platform.PermissionDenied, "Invalid access token."),
        ("403-html", platform.PermissionDenied, "    Invalid access token."),
        ("401-json", platform.Unauthenticated, ""),
        ("expiring", platform.PermissionDenied, "Token is expiring within 30 seconds. (token expired)"),
    ],
)
def test_sdk_is_refused_when_its_token_ends(
    door: Door, refusal: str, error_class: type[DatabricksError], said: str
) -> None:
    """The token is good for its lifetime in virtual time, then it is refused in its own way."""
    workspace = door.workspace
    run_id = door.submit(flat_body())
    token = workspace.issue_token(lifetime="1h", refusal=refusal)
    with _sdk(door, token=token) as client:
        assert client.jobs.get_run(run_id).run_id == run_id
        workspace.clock.advance("59m45s" if refusal == "expiring" else "1h")
        error = _error(client, run_id)
    assert type(error) is error_class
    assert str(error).startswith(said)


def test_sdk_goes_on_with_a_rotated_token(door: Door) -> None:
    """The old token is refused, the new one opens the same workspace."""
    workspace = door.workspace
    run_id = door.submit(flat_body())
    old = workspace.token
    new = workspace.rotate_token()
    with _sdk(door, token=old) as client:
        assert type(_error(client, run_id)) is platform.PermissionDenied
    with _sdk(door, token=new) as client:
        assert client.jobs.get_run(run_id).run_id == run_id
    assert workspace.headers == {"Authorization": f"Bearer {new}"}
