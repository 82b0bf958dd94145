"""The front doors: what is public, and that it is there."""

from __future__ import annotations

import importlib

import pytest

EMULATOR = [
    "Clock",
    "ConnectionFault",
    "DriftFault",
    "DuplicateDelivery",
    "JobRun",
    "JournalEntry",
    "LifeCycleState",
    "LostResponse",
    "Match",
    "Outcome",
    "RateLimit",
    "ReadLag",
    "ResultState",
    "StatusFault",
    "TaskRun",
    "TerminationCode",
    "TerminationType",
    "Timing",
    "UsageError",
    "WireFault",
    "Workspace",
    "Workspaces",
]

AGENT = [
    "ApiCallError",
    "ConfigurationError",
    "CredentialsError",
    "DATABRICKS_API_ENDPOINT",
    "DEFAULT_DATABRICKS_INSTANCE_ENV_KEY",
    "DatabricksAgent",
    "DatabricksAgentError",
    "DatabricksAgentV2",
    "DatabricksConnector",
    "DatabricksConnectorV2",
    "DatabricksJobMetadata",
    "FLYTE_FAIL_ON_ERROR",
    "ResourceMetaError",
    "Settings",
    "UnexpectedResponseError",
    "get_header",
    "result_state_is_available",
]


@pytest.mark.parametrize(
    ("package", "names"),
    [
        pytest.param("dbx_emulator", EMULATOR, id="emulator"),
        pytest.param("dbx_agent", AGENT, id="agent", marks=pytest.mark.flyte),
    ],
)
def test_front_door_exports_exactly_its_names(package: str, names: list[str]) -> None:
    """`__all__` is the list above, each name is there, and there are at most 25."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == names
    assert len(names) <= 25
    assert [name for name in names if not hasattr(module, name)] == []
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize("package", ["dbx_emulator", pytest.param("dbx_agent", marks=pytest.mark.flyte)])
def test_front_door_refuses_unknown_names(package: str) -> None:
    """A name that is not there is an AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(package).no_such_name  # noqa: B018 - the look-up is the test
