"""Every parameter of the API has a test that would notice if it were not handled."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.fidelity.parameters import PAGE, ROOT, collect, parameters, render

#: A few of each kind, for every run of the suite; the rest takes minutes.
_SLICE = {
    ("runs/list", "active_only"),
    ("runs/get", "include_history"),
    ("runs/submit", "idempotency_token"),
    ("run-now", "job_parameters"),
}

#: Where the marked tests are: to collect all others as well would take longer than to run these.
_FILES = [
    str(path)
    for path in sorted((ROOT / "tests" / "emulator" / "api").glob("test_*.py"))
    if "mark.parameter(" in path.read_text(encoding="utf-8")
]

_CASES = [
    pytest.param(*case, id=":".join(case), marks=() if case in _SLICE else (pytest.mark.soak,))
    for case in parameters()
]


def test_every_parameter_has_a_test() -> None:
    """Nothing is decoded without a test that is marked with it, and the page about it is up to date."""
    marked = collect()
    named = [f"{endpoint}:{name}" for endpoint, name in parameters()]
    assert [name for name in named if name not in marked] == []
    assert [name for name in marked if name not in named] == []
    assert PAGE.read_text(encoding="utf-8") == render(marked)


@pytest.mark.parametrize(("endpoint", "name"), _CASES)
def test_parameter_that_is_not_handled_is_noticed(endpoint: str, name: str) -> None:
    """An emulator that is deaf to it fails one of the tests that are marked with it."""
    plugin = ["-p", "tests.fidelity.parameters", "--without", f"{endpoint}:{name}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        *plugin,
        *_FILES,
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
