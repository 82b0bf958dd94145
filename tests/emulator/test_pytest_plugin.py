"""The pytest plugin."""

from __future__ import annotations

import os
import sys

import httpx
import pytest

from dbx_emulator import Workspace
from tests.emulator.support import environment, flat_body

_PREFIXES = ("DATABRICKS_", "FLYTE_DATABRICKS_", "_FSEC_FLYTE_DATABRICKS_")


def _plugin() -> list[str]:
    """Return the arguments that load the plugin where the package is not installed."""
    from importlib.metadata import entry_points

    installed = any(each.value == "dbx_emulator.pytest_plugin" for each in entry_points(group="pytest11"))
    return ["-p", "no:asyncio", *([] if installed else ["-p", "dbx_emulator.pytest_plugin"])]


def test_fixture_is_a_workspace_that_clients_reach(databricks: Workspace) -> None:
    """A client of this process that knows only the URL reaches it, at its own time."""
    response = httpx.post(
        f"{databricks.url}/api/2.1/jobs/runs/submit", json=flat_body(), headers=databricks.headers
    )
    databricks.clock.advance("24h")
    assert databricks.runs[response.json()["run_id"]].result_state == "SUCCESS"


def test_fixture_sets_what_clients_look_for(databricks: Workspace) -> None:
    """Host and token stand where Databricks' and Flyte's clients read them."""
    found = {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES)}
    assert found == {
        "DATABRICKS_HOST": databricks.url,
        "DATABRICKS_TOKEN": databricks.token,
        "DATABRICKS_CONFIG_FILE": os.devnull,
        "FLYTE_DATABRICKS_INSTANCE": databricks.host,
        "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN": databricks.token,
    }


def test_fixture_takes_away_the_authors_own_settings(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was set is hidden from the test and back afterwards; httpx is as it was, too."""
    monkeypatch.setenv("DATABRICKS_HOST", "https://real.cloud.databricks.com")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "real")
    monkeypatch.setenv("FLYTE_DATABRICKS_ACCESS_TOKEN", "real")
    pytester.makepyfile(
        """
        import os
        import httpx

        original = httpx.HTTPTransport.handle_request

        def test_inside(databricks):
            assert "real" not in os.environ.values()
            assert os.environ["DATABRICKS_HOST"] == databricks.url
            assert "DATABRICKS_CLIENT_SECRET" not in os.environ
            assert httpx.HTTPTransport.handle_request is not original

        def test_outside():
            assert os.environ["DATABRICKS_HOST"] == "https://real.cloud.databricks.com"
            assert os.environ["DATABRICKS_CLIENT_SECRET"] == "real"
            assert httpx.HTTPTransport.handle_request is original
        """
    )
    pytester.runpytest_inprocess(*_plugin()).assert_outcomes(passed=2)


def test_fixture_is_of_one_test_alone(pytester: pytest.Pytester) -> None:
    """Each test has a workspace of its own, restored after a failure as well."""
    pytester.makepyfile(
        """
        import httpx

        def test_fails(databricks):
            databricks.clock.advance("1h")
            response = httpx.get(databricks.url + "/api/2.1/jobs/runs/list", headers=databricks.headers)
            assert not response

        def test_starts_anew(databricks):
            assert (len(databricks.journal), databricks.clock.now_ms) == (0, 1_704_067_200_000)
        """
    )
    pytester.runpytest_inprocess(*_plugin()).assert_outcomes(failed=1, passed=1)


def test_fixture_warns_of_calls_that_nothing_serves(pytester: pytest.Pytester) -> None:
    """What was answered 501 or 404 is named at the end of the test; served calls are not."""
    pytester.makepyfile(
        """
        import httpx

        def test_calls(databricks):
            for path in ("/api/2.2/jobs/reset", "/nowhere"):
                httpx.post(databricks.url + path, json={}, headers=databricks.headers)
            httpx.get(databricks.url + "/api/2.2/jobs/runs/get", headers=databricks.headers)
        """
    )
    result = pytester.runpytest_inprocess(*_plugin())
    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(
        [
            "*POST /api/2.2/jobs/reset was called, which dbx-emulator does not serve: *501 NOT_IMPLEMENTED*",
            "*POST /nowhere was called, which dbx-emulator does not serve: *404 ENDPOINT_NOT_FOUND*",
        ]
    )


def test_plugin_loads_nothing_until_it_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that uses nothing of ours has loaded the plugin's own module and no library."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            ours = {name for name in sys.modules if name.split(".")[0] == "dbx_emulator"}
            assert ours == {"dbx_emulator", "dbx_emulator.pytest_plugin"}
            assert not {"httpx", "msgspec", "uvicorn", "flytekit"} & set(sys.modules)
        """
    )
    for name, value in (environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}).items():
        monkeypatch.setenv(name, value)
    result = pytester.run(sys.executable, "-m", "pytest", "-p", "dbx_emulator.pytest_plugin")
    result.assert_outcomes(passed=1)
