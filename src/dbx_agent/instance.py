"""A Databricks workspace's address, read strictly from what people write; pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from dbx_agent.error_body import shorten
from dbx_agent.errors import ConfigurationError

__all__ = ["Instance", "read_instance"]

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_HOST_LENGTH = 254
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Instance:
    """Where a workspace is reached.

    Attributes:
        scheme: `https` or `http`.
        host: The host in lower case; an IPv6 address without brackets.
        port: The TCP port.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host, bracketed if need be, with the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The base of every URL, without a trailing slash."""
        return f"{self.scheme}://{self.authority}"

    @property
    def name(self) -> str:
        """The shortest text that reads back as this: what the resource meta keeps.

        For https it is the bare host, which the agent that this one replaces can read too.
        """
        return self.authority if self.scheme == "https" else self.origin

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, going by its spelling alone."""
        return _is_loopback(self.host)


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# Each poll reads the same few texts.
@lru_cache(maxsize=256)
def read_instance(text: str, *, field: str, allow_http: bool) -> Instance:
    """Read a bare host (meaning https), or a URL whose path says nothing.

    Args:
        text: What the task or the deployment wrote.
        field: The name of the field or variable, for the message.
        allow_http: Whether plain http may leave this machine; to loopback it always may.

    Raises:
        ConfigurationError: If it is no host or URL, names more than a workspace, or is plain http to another
            machine.
    """
    if "@" in text:
        raise ConfigurationError(
            f"{field} contains '@'. Give the host alone, without a user name or password."
        )
    shown = repr(shorten(text, 80))
    remedy = f"{field} is {shown}, which is no host. Use a host such as 'dbc-1234.cloud.databricks.com'."
    instance = _split(text.strip())
    if instance is None:
        raise ConfigurationError(remedy)
    if instance.scheme == "http" and not (allow_http or instance.is_loopback):
        raise ConfigurationError(
            f"{field} is {shown}: plain http would show the token to the network. "
            "Use https, or set DBX_AGENT_ALLOW_HTTP=true in the agent's deployment."
        )
    return instance


def _split(text: str) -> Instance | None:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    # A query is what a browser leaves behind ("?o=123"); a path would be another place than the workspace.
    if parts.scheme not in _DEFAULT_PORTS or parts.path not in {"", "/"} or not _is_host(host):
        return None
    if ("[" in parts.netloc) != (":" in host):
        return None
    return Instance(scheme=parts.scheme, host=host.rstrip("."), port=port or _DEFAULT_PORTS[parts.scheme])


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return "%" not in host
    return len(host) <= _MAX_HOST_LENGTH and _HOST_NAME.fullmatch(host) is not None
