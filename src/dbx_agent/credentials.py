"""The token, and the hosts that may receive it.

A task may choose among the workspaces that the deployment allows; it cannot name a new one, because whoever
can register a task could then collect the deployment's token. Loopback is no exception: a task that names
`127.0.0.1` would reach whatever listens beside the agent, so loopback is allowed when the deployment itself
names it, as its instance (then on that port) or in DBX_AGENT_ALLOWED_HOSTS.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from dbx_agent.errors import ConfigurationError, CredentialsError
from dbx_agent.instance import Instance
from dbx_agent.settings import Settings

__all__ = ["SECRET_KEY", "Credentials", "is_host_allowed", "require_allowed_host"]

SECRET_KEY = "FLYTE_DATABRICKS_ACCESS_TOKEN"  # noqa: S105 - the name of the secret, not the secret

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
    with_port = f"[{instance.host}]" if ":" in instance.host else instance.host
    names = (instance.host, with_port, f"{with_port}:{instance.port}")
    patterns = (*DATABRICKS_HOSTS, *settings.allowed_hosts)
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


class Credentials:
    """Gives the token of the deployment, read anew each time, so that a rotated one is picked up.

    Args:
        read_secret: Returns the token; raises `ValueError` when there is none.
    """

    def __init__(self, read_secret: Callable[[], str]) -> None:
        self._read_secret = read_secret

    def token_for(self, instance: Instance, settings: Settings) -> str:
        """Return the token to send to a workspace.

        Raises:
            ConfigurationError: If the deployment does not allow the host.
            CredentialsError: If there is no usable token.
        """
        require_allowed_host(instance, settings)
        return self.token()

    def token(self) -> str:
        """Return the deployment's token.

        Raises:
            CredentialsError: If it is missing, empty, or not something a header can carry.
        """
        try:
            token = self._read_secret().strip()
        except (ValueError, OSError):
            # Not chained: what the secret manager says may quote what it found.
            token = ""
        if not token:
            raise CredentialsError(
                f"There is no Databricks token. Provide the secret {SECRET_KEY} to the agent: the variable "
                f"_FSEC_{SECRET_KEY}, or the file /etc/secrets/{SECRET_KEY.lower()}."
            )
        # Checked here because the HTTP library quotes a header that it refuses.
        if not token.isascii() or not token.isprintable() or " " in token:
            raise CredentialsError(
                f"The secret {SECRET_KEY} is no token: it has blanks, line breaks or no ASCII."
            )
        return token
