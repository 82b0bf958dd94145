"""The directions of the imports: who may know whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

#: Module prefix → what it may import besides the standard library and its own prefix. The longest prefix counts.
RINGS: dict[str, set[str]] = {
    "dbx_emulator": set(),
    "dbx_emulator._core": set(),
    "dbx_emulator._api": {"dbx_emulator._core", "msgspec"},
    "dbx_emulator.doors": {"dbx_emulator._core", "dbx_emulator._api"},
    "dbx_emulator.doors._aiohttp": {"dbx_emulator.doors", "aiohttp", "yarl"},
    "dbx_emulator.doors._httpx": {"dbx_emulator.doors", "httpx", "httpcore"},
    "dbx_emulator.doors._httpx2": {"dbx_emulator.doors", "httpx2", "httpcore2"},
    "dbx_emulator.doors._requests": {"dbx_emulator._api", "dbx_emulator.doors", "requests", "urllib3"},
    "dbx_emulator.doors._respx": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.doors",
        "httpx",
        "respx",
    },
    "dbx_emulator.doors.authority": {"dbx_emulator._core", "dbx_emulator.doors", "trustme"},
    "dbx_emulator.doors.intercept": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.doors",
        "httpx",
    },
    "dbx_emulator.doors.server": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.doors", "uvicorn"},
    "dbx_emulator.scenario_files": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.doors", "yaml"},
    "dbx_emulator.catalogue": {"dbx_emulator._core", "dbx_emulator.scenario_files"},
    "dbx_emulator.testing": {"dbx_emulator._core", "dbx_emulator._api", "msgspec"},
    "dbx_emulator.workspace": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.doors",
        "dbx_emulator.testing",
        "dbx_emulator.agenda",
        "dbx_emulator.catalogue",
        "dbx_emulator.histories",
        "dbx_emulator.hosts",
        "dbx_emulator.runs_view",
        "dbx_emulator.scenario_files",
        "dbx_emulator.ways_back",
        "dbx_emulator.ways_in",
    },
    "dbx_emulator.ways_back": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.doors"},
    "dbx_emulator.ways_in": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.doors"},
    "dbx_emulator.agenda": {"dbx_emulator._core"},
    "dbx_emulator.faker": {"dbx_emulator._core", "dbx_emulator.doors", "faker"},
    "dbx_emulator.histories": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.doors",
        "dbx_emulator.faker",
        "dbx_emulator.runs_view",
        "faker",
    },
    "dbx_emulator.hosts": {"dbx_emulator._core"},
    "dbx_emulator.runs_view": {"dbx_emulator._core"},
    "dbx_emulator.workspaces": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.workspace"},
    "dbx_emulator.testing.sweeps": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.workspace",
        "msgspec",
    },
    "dbx_emulator.failure_report": {"dbx_emulator._core", "dbx_emulator._api", "dbx_emulator.workspace"},
    "dbx_emulator.pytest_plugin": {
        "dbx_emulator._core",
        "dbx_emulator.failure_report",
        "dbx_emulator.workspace",
        "pytest",
    },
    "dbx_emulator.__main__": {"dbx_emulator.cli"},
    "dbx_emulator.rehearsal": {"dbx_emulator._core"},
    "dbx_emulator.cli_refusal": {"click"},
    "dbx_emulator.cli_scenario": {
        "dbx_emulator._core",
        "dbx_emulator._api",
        "dbx_emulator.catalogue",
        "dbx_emulator.cli_refusal",
        "dbx_emulator.rehearsal",
        "dbx_emulator.scenario_files",
        "click",
        "rich",
    },
    "dbx_emulator.cli": {
        "dbx_emulator._core",
        "dbx_emulator.cli_refusal",
        "dbx_emulator.cli_scenario",
        "dbx_emulator.scenario_files",
        "dbx_emulator.doors",
        "dbx_emulator.workspace",
        "dbx_emulator.workspaces",
        "dbx_emulator.demo",
        "click",
        "rich",
    },
    "dbx_emulator.demo": {"dbx_emulator._core", "grpc", "flyteidl", "httpx", "rich"},
}

#: The pure modules of the agent and what they may know of the package.
PURE: dict[str, set[str]] = {
    "budget": set(),
    "error_body": set(),
    "errors": set(),
    "failure_report": {"error_body", "outcome", "run_snapshot"},
    "idempotency": set(),
    "job_conf": {"errors"},
    "job_spec": {"errors", "job_conf"},
    "links": {"error_body", "run_snapshot"},
    "outcome": {"error_body", "run_snapshot"},
    "patience": set(),
    "poll_memory": {"links", "outcome", "patience"},
    "redaction": set(),
    "retries": {"errors"},
    "run_info": {"run_snapshot"},
    "run_snapshot": set(),
}

#: Third-party packages and the only modules of the agent that may import them.
ONLY_IN: dict[str, set[str]] = {
    "httpx": {"dbx_agent.api_call", "dbx_agent.connection_pool", "dbx_agent.connections"},
}


def _modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((SRC / package).rglob("*.py")):
        parts = list(path.relative_to(SRC).with_suffix("").parts)
        yield (
            ".".join(parts[:-1] if parts[-1] == "__init__" else parts),
            ast.parse(path.read_text(encoding="utf-8")),
        )


def _imports(tree: ast.Module) -> set[str]:
    """Return what a module imports when it runs: imports for type checkers are not counted."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    # Again from the top: a walk has the children of a node in its queue before it hands out the node.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@pytest.mark.parametrize(
    ("module", "tree"), [pytest.param(*each, id=each[0]) for each in _modules("dbx_emulator")]
)
def test_emulator_module_imports_only_what_its_ring_may(module: str, tree: ast.Module) -> None:
    """The core knows nobody, the API ring the core, doors both, and nobody knows the agent."""
    ring = max((prefix for prefix in RINGS if _is_below(module, prefix)), key=len)
    allowed = RINGS[ring] | {ring}
    assert {name for name in _imports(tree) if not any(_is_below(name, each) for each in allowed)} == set()


@pytest.mark.parametrize(
    ("module", "tree"), [pytest.param(*each, id=each[0]) for each in _modules("dbx_agent")]
)
def test_agent_module_does_not_know_the_emulator(module: str, tree: ast.Module) -> None:
    """The two packages meet only over HTTP."""
    assert not any(_is_below(name, "dbx_emulator") for name in _imports(tree)), module


@pytest.mark.parametrize(("name", "allowed"), [pytest.param(*each, id=each[0]) for each in PURE.items()])
def test_agent_pure_module_imports_only_pure_modules(name: str, allowed: set[str]) -> None:
    """What only decides knows neither flytekit nor an HTTP client."""
    tree = ast.parse((SRC / "dbx_agent" / f"{name}.py").read_text(encoding="utf-8"))
    assert _imports(tree) <= {f"dbx_agent.{each}" for each in allowed}


@pytest.mark.parametrize(
    ("library", "modules"), [pytest.param(*each, id=each[0]) for each in ONLY_IN.items()]
)
def test_agent_library_is_imported_only_where_it_belongs(library: str, modules: set[str]) -> None:
    """A library stays behind the module that wraps it."""
    importing = {
        module
        for module, tree in _modules("dbx_agent")
        if any(_is_below(name, library) for name in _imports(tree))
    }
    assert importing <= modules
