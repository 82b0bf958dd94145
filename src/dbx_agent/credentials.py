"""Who the deployment is, and the hosts that may learn it.

A task may choose among the workspaces that the deployment allows; it cannot name a new one, because whoever
can register a task could then collect the deployment's token. Loopback is no exception: a task that names
`127.0.0.1` would reach whatever listens beside the agent, so loopback is allowed when the deployment itself
names it, as its instance (then on that port) or in DBX_AGENT_ALLOWED_HOSTS. Nor can a task name a secret or a
file to be read.

Secrets are read where they are used, on the event loop: a variable, or a file of some bytes that Kubernetes
keeps in memory. A thread for it would cost more than it saves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from http import HTTPStatus

from dbx_agent.access_tokens import AccessTokens, Fetch
from dbx_agent.api_call import Showing
from dbx_agent.budget import Budget
from dbx_agent.clock import Clock, RealClock
from dbx_agent.errors import ApiCallError, ConfigurationError, CredentialsError
from dbx_agent.instance import Instance
from dbx_agent.oauth import ClientCredentials, is_sendable
from dbx_agent.settings import CLIENT_ID, OAUTH_M2M, PAT, Settings

__all__ = [
    "CLIENT_SECRET_KEY",
    "SECRET_KEY",
    "Credentials",
    "DeploymentAuthority",
    "is_host_allowed",
    "is_token_refused",
    "require_allowed_host",
]

SECRET_KEY = "FLYTE_DATABRICKS_ACCESS_TOKEN"  # noqa: S105 - the name of the secret, not the secret
CLIENT_SECRET_KEY = "DATABRICKS_CLIENT_SECRET"  # noqa: S105 - likewise

#: How the service says at 403 that it is the token and not a missing permission.
#: Source: [agent.token.refused-403] measured: databricks/databricks-sdk-py issue 362, n8n-io/n8n issue 34147
_TOKEN_WORDS = re.compile(r"(?i)invalid access token|token is expir|token (?:has |is )?expired|expired token")

#: Source: [agent.hosts.databricks] documented: Databricks docs, Get identifiers for workspace objects
DATABRICKS_HOSTS = (
    "*.cloud.databricks.com",
    "*.azuredatabricks.net",
    "*.databricks.azure.cn",
    "*.databricks.azure.us",
    "*.gcp.databricks.com",
)


def is_host_allowed(instance: Instance, settings: Settings) -> bool:
    """Tell whether the deployment's token may be sent there."""
    if settings.instance is not None and instance.authority == settings.instance.authority:
        return True
    return _is_among(instance, settings.allowed_hosts)


# Asked for each attempt, and answered the same for the few workspaces that a deployment has.
@lru_cache(maxsize=256)
def _is_among(instance: Instance, allowed_hosts: tuple[str, ...]) -> bool:
    with_port = f"[{instance.host}]" if ":" in instance.host else instance.host
    names = (instance.host, with_port, f"{with_port}:{instance.port}")
    patterns = (*DATABRICKS_HOSTS, *allowed_hosts)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def require_allowed_host(instance: Instance, settings: Settings) -> None:
    """Refuse a workspace that the deployment does not allow.

    Raises:
        ConfigurationError: If it does not.
    """
    if not is_host_allowed(instance, settings):
        raise ConfigurationError(
            f"databricksInstance names {instance.authority}, which may not get this deployment's token. "
            "Use one of the deployment, or add the host to DBX_AGENT_ALLOWED_HOSTS of the agent."
        )


def is_token_refused(error: ApiCallError) -> bool:
    """Tell whether the service refused the token itself: another one may be accepted.

    A 403 for what the token's owner may not do has a code in words, or none of these words.
    """
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        return True
    is_permission = error.error_code == "PERMISSION_DENIED"
    said = error.status_code == HTTPStatus.FORBIDDEN and _TOKEN_WORDS.search(error.message)
    return bool(said) and not is_permission


class Credentials:
    """Gives what the deployment shows to workspaces; secrets are read anew each time, so that rotated ones count.

    Args:
        read_secret: Returns a secret by its name; raises `ValueError` when there is none.
        environ: Where a client's id and secret may stand under their own names, as Databricks' tools have it.
        clock: Measures the lives of access tokens.
    """

    def __init__(
        self,
        read_secret: Callable[[str], str],
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
    ) -> None:
        self._read_secret = read_secret
        self._environ = environ
        self._access_tokens = AccessTokens(clock or RealClock())

    def token(self) -> str:
        """Return the deployment's personal token.

        Raises:
            CredentialsError: If it is missing, empty, or not something a header can carry.
        """
        return self._read(
            SECRET_KEY,
            missing="There is no Databricks token. Provide the secret "
            f"{SECRET_KEY} to the agent: {_places(SECRET_KEY)}.",
        )

    def client(self, settings: Settings) -> ClientCredentials:
        """Return the deployment's OAuth client.

        Raises:
            CredentialsError: If its id or its secret is missing, or not something a header can carry.
        """
        client_id = settings.client_id or self._read(
            CLIENT_ID,
            missing=f"There is no OAuth client. Set {CLIENT_ID} in the agent's deployment, the id of a service "
            "principal.",
        )
        secret = self._read(
            CLIENT_SECRET_KEY,
            missing=f"There is no secret for the OAuth client {client_id}. Set {CLIENT_SECRET_KEY} in the "
            f"agent's deployment, or provide it as a secret: {_places(CLIENT_SECRET_KEY)}.",
        )
        return ClientCredentials(client_id, secret)

    def auth_type(self, settings: Settings) -> str:
        """Return how the deployment authenticates: as it says, else by the token if there is one."""
        if settings.auth_type:
            return settings.auth_type
        if self._find(SECRET_KEY):
            return PAT
        return OAUTH_M2M if settings.client_id or self._find(CLIENT_ID) else PAT

    def require(self, settings: Settings) -> None:
        """Make sure that there is something to show, without asking anybody whether it opens.

        Raises:
            CredentialsError: If there is no token, or no client with its secret.
        """
        if self.auth_type(settings) == PAT:
            self.token()
        else:
            self.client(settings)

    async def token_for(
        self,
        instance: Instance,
        settings: Settings,
        *,
        budget: Budget,
        fetch: Callable[[ClientCredentials], Fetch],
    ) -> str:
        """Return the token to send to a workspace.

        Args:
            instance: The workspace.
            settings: The deployment's settings.
            budget: What an access token may take.
            fetch: Gives what asks the workspace for a client's access token.

        Raises:
            ConfigurationError: If the deployment does not allow the host.
            CredentialsError: If there is no usable token.
            ApiCallError: If an access token could not be had within the budget.
        """
        require_allowed_host(instance, settings)
        if self.auth_type(settings) == PAT:
            return self.token()
        client = self.client(settings)
        found = await self._access_tokens.get(
            (instance.origin, client.client_id), fetch(client), budget=budget
        )
        return found.text

    def renew(self, refused: str, instance: Instance, settings: Settings) -> bool:
        """Forget a token that the workspace refused; tell whether there may be another."""
        try:
            if self.auth_type(settings) == PAT:
                return self.token() != refused
            client_id = self.client(settings).client_id
        except CredentialsError:
            return False
        self._access_tokens.discard((instance.origin, client_id), refused)
        return True

    def _read(self, key: str, *, missing: str) -> str:
        text = self._find(key)
        if not text:
            raise CredentialsError(missing)
        if not is_sendable(text):
            raise CredentialsError(f"The secret {key} is no token: it has blanks, line breaks or no ASCII.")
        return text

    def _find(self, key: str) -> str:
        try:
            text = self._read_secret(key).strip()
        except (ValueError, OSError):
            # Not chained: what the secret manager says may quote what it found.
            text = ""
        # The personal token is looked for where flytekit documents it, and nowhere else.
        return text or ("" if key == SECRET_KEY else self._environ.get(key, "").strip())


class DeploymentAuthority:
    """What one call shows: the deployment's token; once a newer one; at last the one of the run itself.

    Agents before this one wrote a token into the resource meta, perhaps of somebody else than the deployment. It
    stays there as long as Flyte keeps those bytes, so that "once" means one attempt of each call: where the
    deployment has no credentials, or has had them refused, for whatever reason.

    Args:
        credentials: The deployment's.
        instance: The workspace.
        settings: The deployment's settings.
        fetch: Gives what asks the workspace for a client's access token.
        inherited_token: What an earlier agent left; empty if it left none.
    """

    def __init__(
        self,
        credentials: Credentials,
        instance: Instance,
        settings: Settings,
        *,
        fetch: Callable[[ClientCredentials], Fetch],
        inherited_token: str = "",
    ) -> None:
        self._credentials = credentials
        self._instance = instance
        self._settings = settings
        self._fetch = fetch
        self._inherited = inherited_token if is_sendable(inherited_token) else ""
        self._shown = ""
        self._is_renewed = False
        self._is_inherited_turn = False

    async def show(self, budget: Budget) -> Showing:
        """Return what the next attempt shows.

        Raises:
            ConfigurationError: If the deployment does not allow the host.
            CredentialsError: If there is no usable token.
            ApiCallError: If an access token could not be had within the budget.
        """
        if not self._is_inherited_turn:
            try:
                self._shown = await self._credentials.token_for(
                    self._instance, self._settings, budget=budget, fetch=self._fetch
                )
            except CredentialsError:
                if not self._inherited:
                    raise
                self._is_inherited_turn = True
        if self._is_inherited_turn:
            self._shown = self._inherited
        return Showing(f"Bearer {self._shown}", tuple({self._shown, self._inherited} - {""}))

    async def replace(self, error: ApiCallError) -> bool:
        """Tell whether after this refusal there is another token to show."""
        if self._is_inherited_turn:
            return False
        if is_token_refused(error) and not self._is_renewed:
            self._is_renewed = True
            if self._credentials.renew(self._shown, self._instance, self._settings):
                return True
        self._is_inherited_turn = bool(self._inherited) and error.status_code in {
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
        }
        return self._is_inherited_turn


def _places(key: str) -> str:
    return f"the variable _FSEC_{key}, or the file /etc/secrets/{key.lower()}"
