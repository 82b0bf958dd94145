"""OAuth between machines: discovery, and tokens for the workspace's client.

Source: [auth.m2m] sdk: databricks-sdk-py, databricks/sdk/oauth.py (ClientCredentials), credentials_provider.py
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec

from dbx_emulator._api.calls import Call, Credentials
from dbx_emulator._api.messages import Request
from dbx_emulator._core.errors import ApiError

__all__ = ["TOKEN_PATH", "credentials_of", "get_authorization_server", "issue_access_token"]

TOKEN_PATH = "/oidc/v1/token"  # noqa: S105 - a path

#: Source: [auth.token-lifetime] measured: databricks/cli, libs/testserver/fake_oidc.go (an hour)
_LIFETIME_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class _Form:
    """The form of a request for a token."""

    fields: dict[str, str]

    @classmethod
    def of(cls, request: Request) -> _Form:
        """Return the form in the body of a request."""
        fields = parse_qs(request.body.decode("latin-1"), keep_blank_values=True)
        return cls({name: values[0] for name, values in fields.items()})

    def get(self, name: str) -> str:
        """Return a field, or an empty text."""
        return self.fields.get(name, "")


def get_authorization_server(call: Call) -> bytes:
    """Answer GET /oidc/.well-known/oauth-authorization-server, and its twin openid-configuration.

    Source: [auth.discovery] sdk: databricks-sdk-py, databricks/sdk/oauth.py (OidcEndpoints)
    """
    url = call.service.url
    return msgspec.json.encode(
        {
            "issuer": f"{url}/oidc",
            "authorization_endpoint": f"{url}/oidc/v1/authorize",
            "token_endpoint": f"{url}{TOKEN_PATH}",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "scopes_supported": ["all-apis"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
    )


def issue_access_token(call: Call) -> bytes:
    """Answer POST /oidc/v1/token: a token that opens the workspace for an hour of virtual time.

    Source: [auth.invalid-client] sdk: databricks-sdk-py, databricks/sdk/oauth.py (error and error_description)
    Source: [auth.oauth-expired] assumed: how a token of this kind is refused after its end is not recorded
    """
    form = _Form.of(call.request)
    credentials = credentials_of(call.request)
    known = call.service.credentials
    if not (
        hmac.compare_digest(credentials.client_id.encode(), known.client_id.encode())
        and hmac.compare_digest(credentials.client_secret.encode(), known.client_secret.encode())
    ):
        raise _refuse(401, "invalid_client", "Client authentication failed")
    if form.get("grant_type") != "client_credentials":
        raise _refuse(400, "unsupported_grant_type", "Only client_credentials is supported here")
    token = call.service.control.tokens.issue(lifetime=_LIFETIME_SECONDS, refusal="401-json")
    return msgspec.json.encode(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": _LIFETIME_SECONDS,
            "scope": form.get("scope") or "all-apis",
        }
    )


def credentials_of(request: Request) -> Credentials:
    """Return by what a client says who it is: in the header as Basic, or in the form; empty if it does not."""
    authorization = request.header(b"authorization") or b""
    if authorization[:6].lower() == b"basic ":
        try:
            client_id, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Credentials("", "")
        return Credentials(client_id, secret)
    form = _Form.of(request)
    return Credentials(form.get("client_id"), form.get("client_secret"))


def _refuse(status_code: int, error: str, description: str) -> ApiError:
    return ApiError(status_code, error, description, dialect="oauth")
