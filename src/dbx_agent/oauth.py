"""OAuth between machines: a client's id and secret for an access token of a workspace.

Source: [agent.oauth.client-credentials] sdk: databricks-sdk-py, databricks/sdk/oauth.py (ClientCredentials)
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from urllib.parse import urlencode

from dbx_agent.access_tokens import AccessToken
from dbx_agent.api_call import ApiCall, Caller, Showing
from dbx_agent.budget import Budget
from dbx_agent.clock import Clock
from dbx_agent.errors import ApiCallError, CredentialsError, UnexpectedResponseError
from dbx_agent.instance import Instance

__all__ = ["ClientCredentials", "fetch_access_token", "is_sendable"]

TOKEN_PATH = "/oidc/v1/token"  # noqa: S105 - a path
_FORM = urlencode({"grant_type": "client_credentials", "scope": "all-apis"}).encode()
_DEFAULT_LIFETIME_SECONDS = 300.0
_MAX_LIFETIME_SECONDS = 86_400.0

#: A client that was made a moment ago is not known everywhere yet.
#: Source: [agent.oauth.new-client] measured: databricks/terraform-provider-databricks issue 3757
_PASSING = frozenset({"invalid_client"})


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who the deployment is to OAuth.

    Attributes:
        client_id: The service principal's id.
        client_secret: Its secret.
    """

    client_id: str
    client_secret: str = field(repr=False)

    async def show(self, _budget: Budget) -> Showing:
        """Return the header that the token endpoint asks for."""
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return Showing(f"Basic {pair}", (pair, self.client_secret))

    async def replace(self, _error: ApiCallError) -> bool:
        """Return that there is nothing else to show."""
        return False


async def fetch_access_token(
    caller: Caller, instance: Instance, client: ClientCredentials, *, clock: Clock, budget: Budget
) -> AccessToken:
    """Ask a workspace for a token.

    Args:
        caller: Makes the call, with its retries.
        instance: The workspace; that it is allowed was checked before.
        client: Who asks.
        clock: Measures the token's life, from before the request: not its end, but its beginning is known.
        budget: What it may take.

    Raises:
        CredentialsError: If the workspace refuses the client.
        ApiCallError: If it did not answer within the budget.
        UnexpectedResponseError: If what answered is no token.
    """
    asked_at = clock.time()
    call = ApiCall(
        method="POST",
        instance=instance,
        path=TOKEN_PATH,
        body=_FORM,
        content_type="application/x-www-form-urlencoded",
        repeatable=True,
        subject=f"request for an access token of {instance.authority}",
        api="an OAuth server",
        passing_codes=_PASSING,
    )
    try:
        answer = await caller.call(call, authority=client, budget=budget)
    except ApiCallError as error:
        if error.retryable and error.error_code not in _PASSING:
            raise
        raise CredentialsError(
            f"{instance.authority} gives the client {client.client_id} no access token: {error}. "
            "Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of the agent."
        ) from None
    text = answer.get("access_token")
    if not isinstance(text, str) or not is_sendable(text):
        raise UnexpectedResponseError(f"{instance.authority} answered the {call.subject} with no token.")
    lifetime = _read_lifetime_seconds(answer.get("expires_in"))
    return AccessToken(text, ends_at=asked_at + lifetime, lifetime_seconds=lifetime)


def is_sendable(text: str) -> bool:
    """Tell whether a header can carry it; the HTTP library would quote what it refuses."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _read_lifetime_seconds(value: object) -> float:
    """Read `expires_in`, a number or its text; what says nothing is short, and what is long is cut."""
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    # Also false for nan.
    return min(seconds, _MAX_LIFETIME_SECONDS) if seconds > 0 else _DEFAULT_LIFETIME_SECONDS
