"""A Flyte agent for Databricks: complete, tolerant, and proven against an emulated workspace.

The names below are flytekit's documented ones; newer releases call an agent a connector, and the same classes
carry both names. Importing this package registers nothing (`dbx_agent.plugin` does), reads no environment and
opens nothing.

Without flytekit the package can be imported, so that its command can say what is missing; using a name then
raises ImportError.
"""

# flytekit must come first: at the end of its own import it loads our entry point, `dbx_agent.plugin`. Were
# anything of ours imported before, the entry point would meet it half-made.
try:
    import flytekit as _flytekit  # noqa: F401
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbx_agent.agent import (
        DATABRICKS_API_ENDPOINT,
        DEFAULT_DATABRICKS_INSTANCE_ENV_KEY,
        FLYTE_FAIL_ON_ERROR,
        DatabricksAgent,
        DatabricksAgentV2,
        DatabricksConnector,
        DatabricksConnectorV2,
        DatabricksJobMetadata,
        get_header,
        result_state_is_available,
    )
    from dbx_agent.errors import (
        ApiCallError,
        ConfigurationError,
        CredentialsError,
        DatabricksAgentError,
        ResourceMetaError,
        UnexpectedResponseError,
    )
    from dbx_agent.settings import Settings

__all__ = [
    "DATABRICKS_API_ENDPOINT",
    "DEFAULT_DATABRICKS_INSTANCE_ENV_KEY",
    "FLYTE_FAIL_ON_ERROR",
    "ApiCallError",
    "ConfigurationError",
    "CredentialsError",
    "DatabricksAgent",
    "DatabricksAgentError",
    "DatabricksAgentV2",
    "DatabricksConnector",
    "DatabricksConnectorV2",
    "DatabricksJobMetadata",
    "ResourceMetaError",
    "Settings",
    "UnexpectedResponseError",
    "get_header",
    "result_state_is_available",
]

_HOMES = ("agent", "errors", "settings")


def __getattr__(name: str) -> Any:
    # Lazily: flytekit loads the entry point of every plugin it finds, and one whose parent package raises
    # would take `import flytekit` down.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _missing is not None:
        raise ImportError(
            f"dbx_agent.{name} needs flytekit, which cannot be imported ({_missing}). It supports Python "
            '3.10, 3.11 and 3.12; there, install it with: pip install "dbx-kit[agent]"'
        ) from _missing
    modules = (import_module(f"{__name__}.{home}") for home in _HOMES)
    value = next(getattr(module, name) for module in modules if hasattr(module, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
