"""Registration, alone and beside flytekitplugins-spark, in interpreters of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .registry import LISTED, OURS, REPORT, RIVAL_MODULE, install, install_rival, read, report, run

pytestmark = pytest.mark.flyte


def test_importing_the_package_registers_nothing_and_reads_no_environment() -> None:
    """Only the plugin module registers; wrong settings are no trouble before a call."""
    code = """
import importlib.metadata, os
all_groups = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda group=None: [] if group == "flytekit.plugins" else all_groups()
os.environ["DBX_AGENT_ALLOW_HTTP"] = "maybe"
import dbx_agent.agent
"""
    assert report(code) == {"served": {}, "listed": {}}


@pytest.mark.fact("flyte.registry.override-appends")
@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["ours-first", "rival-first"])
@pytest.mark.parametrize(
    "first",
    [
        "flytekit",
        "flytekitplugins.spark",
        "dbx_agent",
        pytest.param("dbx_agent.agent", marks=pytest.mark.once),
        pytest.param("dbx_agent.plugin", marks=pytest.mark.once),
    ],
)
def test_ours_serves_and_is_listed_alone_beside_the_spark_plugin(
    tmp_path: Path, first: str, order: list[int]
) -> None:
    """Whichever entry point comes first, and whatever the user imports first."""
    folders = [tmp_path / "ours", tmp_path / "rival"]
    install(folders[0], "ours", "dbx_agent.plugin")
    install_rival(folders[1])
    found = report(f"import {first}, flytekit, dbx_agent", *[folders[index] for index in order])
    assert found == {"served": OURS, "listed": LISTED}


@pytest.mark.once
def test_what_else_the_other_plugin_serves_stays_its_own(tmp_path: Path) -> None:
    """Only the claims on our task types are taken over, whatever the other agent is called."""
    install_rival(tmp_path, name="Rival", also=["ray"])
    install(tmp_path, "ours", "dbx_agent.plugin")
    found = report("import flytekit", tmp_path)
    assert found["served"] == {**OURS, "ray_v0": f"flytekitplugins.spark.{RIVAL_MODULE}"}
    assert found["listed"] == {"Rival": [["ray"], ["ray"]], **LISTED}


@pytest.mark.once
@pytest.mark.parametrize(
    "source",
    [
        pytest.param("raise RuntimeError('broken')", id="raises"),
        pytest.param("import a_module_that_is_missing", id="lacks-a-dependency"),
        pytest.param("raise ModuleNotFoundError('nameless')", id="nameless"),
    ],
)
def test_a_broken_rival_is_logged_and_ours_serves(tmp_path: Path, source: str) -> None:
    """Its trouble is not ours; here it has no entry point that would fail by itself."""
    package = tmp_path / "flytekitplugins" / "spark"
    package.mkdir(parents=True)
    (package / "connector.py").write_text(source)
    install(tmp_path, "ours", "dbx_agent.plugin")
    done = run("import flytekit" + REPORT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(done) == {"served": OURS, "listed": LISTED}
    said = done.stdout + done.stderr  # the older lines log to the one, the newer ones to the other
    assert "could not be imported beside dbx_agent" in " ".join(said.split())


@pytest.mark.once
def test_registering_again_keeps_the_agents_and_their_settings(tmp_path: Path) -> None:
    """Repeatable; but another's registration is overridden again."""
    code = """
import dbx_agent.plugin as plugin
from dbx_agent.compat import AgentRegistry as registry
before = registry.get_agent("spark")
plugin.register()
assert registry.get_agent("spark") is before
class Other(type(before)): ...
registry.register(Other(), override=True)
plugin.register()
assert type(registry.get_agent("spark")) is type(before)
"""
    found = report(code, tmp_path)
    assert found == {"served": OURS, "listed": {"Databricks Agent": [["databricks", "spark"]] * 2}}


@pytest.mark.once
def test_the_plugin_never_takes_flytekit_down(tmp_path: Path) -> None:
    """A flytekit that is not as expected: the import goes on, and the log says what is lost."""
    (tmp_path / "flytekit").mkdir()
    (tmp_path / "flytekit" / "__init__.py").write_text("")
    done = run("import dbx_agent.plugin; print('still here')", tmp_path)
    assert (done.returncode, done.stdout) == (0, "still here\n")
    assert "dbx_agent could not register its agents" in done.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("claimed", "served", "said"),
    [
        pytest.param("databricks", ["databricks_v0"], "", id="one"),
        pytest.param("Sparks,databricks", [], "DBX_AGENT_TASK_TYPES contains 'Sparks'", id="wrong"),
    ],
)
def test_what_is_claimed_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: str, served: list[str], said: str
) -> None:
    """What is not claimed stays with whoever has it; a wrong setting is one line and claims nothing."""
    monkeypatch.setenv("DBX_AGENT_TASK_TYPES", claimed)
    install(tmp_path / "ours", "ours", "dbx_agent.plugin")
    install_rival(tmp_path / "rival", name="Rival")
    done = run("import flytekit" + REPORT, tmp_path / "rival", tmp_path / "ours")
    ours = [key for key, module in read(done)["served"].items() if module == "dbx_agent.agent"]
    assert ours == served
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr
