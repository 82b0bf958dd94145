"""The environment of the two services."""

from __future__ import annotations

import pytest

from dbx_emulator.demo.processes import make_environment

OWN = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    "name",
    [
        "DBX_EMULATOR_SERVE_HOST",
        "DBX_AGENT_GET_BUDGET_SECONDS",
        "DATABRICKS_HOST",
        "FLYTE_DATABRICKS_INSTANCE",
        "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN",
        "http_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "no_proxy",
        "NO_PROXY",
    ],
)
def test_variable_of_the_user_does_not_reach_a_service(name: str) -> None:
    """What would configure or divert a service is dropped; the rest is left as it is."""
    assert make_environment({"PATH": "/bin", name: "theirs"}, {}) == {"PATH": "/bin", **OWN}


def test_own_variable_wins_over_the_users() -> None:
    """What the demo tells a service stands, whatever the user's environment says of it."""
    own = {"FLYTE_DATABRICKS_INSTANCE": "ours"}
    assert make_environment({"FLYTE_DATABRICKS_INSTANCE": "theirs"}, own) == {**own, **OWN}
