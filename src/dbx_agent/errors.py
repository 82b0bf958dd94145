"""Every error the agent raises, and who should read it.

The tree::

    DatabricksAgentError
    ├── ConfigurationError (also a ValueError)   the deployment's settings or the task's configuration are
    wrong
    ├── CredentialsError                         there is no usable token, or it may not be sent to that host
    ├── ResourceMetaError (also a ValueError)    bytes that no agent wrote as resource meta
    ├── ApiCallError                             Databricks, or the way to it, said no
    └── UnexpectedResponseError                  Databricks answered something that is not its API

Messages say what happened, to which run or field, and what to do next. No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ApiCallError",
    "ConfigurationError",
    "CredentialsError",
    "DatabricksAgentError",
    "ResourceMetaError",
    "UnexpectedResponseError",
]


class DatabricksAgentError(Exception):
    """The root of the tree: catches whatever this package raises on purpose.

    Attributes:
        may_have_acted: Whether the service may have done what it was asked although the call failed: an answer
            was lost on the way, or was an error after the fact. Set by whoever made the call.
    """

    may_have_acted: bool = False


class ConfigurationError(DatabricksAgentError, ValueError):
    """The environment of the deployment, or the configuration of a task, cannot work as it is.

    It is a `ValueError` because flytekit's API documentation promises one for a missing instance.

    Attributes:
        problems: One sentence per mistake; each names the field or variable and the remedy.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class CredentialsError(DatabricksAgentError):
    """No usable token could be read, or the host is not one that may receive it."""


class ResourceMetaError(DatabricksAgentError, ValueError):
    """The resource meta that Flyte handed back is not what an agent wrote."""


class ApiCallError(DatabricksAgentError):
    """A call to the Jobs API failed: an error answer, or no answer.

    Attributes:
        status_code: The HTTP status code; `None` when there was no answer.
        error_code: The service's own word, such as `INVALID_STATE`; empty when it gave none.
        message: The service's text, or what happened on the way; never a secret, at most 1,000 characters.
        retryable: Whether the same call may succeed later without anybody changing anything.
    """

    def __init__(
        self, message: str, *, status_code: int | None = None, error_code: str = "", retryable: bool = False
    ) -> None:
        self.status_code = status_code
        self.error_code = error_code
        self.message = message
        self.retryable = retryable
        super().__init__(self._describe())

    def _describe(self) -> str:
        status = f"HTTP {self.status_code}" if self.status_code is not None else ""
        label = " ".join(word for word in (status, self.error_code) if word)
        return f"{label}: {self.message}" if label else self.message


class UnexpectedResponseError(DatabricksAgentError):
    """A successful answer that is not the Jobs API's: no JSON object, or without the field asked for."""
