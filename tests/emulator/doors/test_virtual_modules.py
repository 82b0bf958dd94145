"""Modules that go by virtual time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from dbx_emulator import Clock, UsageError, Workspace
from dbx_emulator._core.clock import EPOCH_MS

_CODE = """
import time
import time as t
from time import monotonic, sleep
from time import time as now

def wait(seconds):
    sleep(seconds)

def measure():
    began = time.time(), t.monotonic(), now(), monotonic()
    time.sleep(30)
    return [there - here for there, here in zip((time.time(), t.monotonic(), now(), monotonic()), began)]
"""


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module that takes what it needs of `time` in every way."""
    module = ModuleType("waits")
    exec(_CODE, vars(module))
    sys.modules["waits"] = module
    yield module
    del sys.modules["waits"]


@pytest.fixture
def workspace() -> Workspace:
    """A workspace whose time is moved by sleepers."""
    return Workspace(clock=Clock("sleeping"))


def test_listed_module_goes_by_virtual_time(workspace: Workspace, module: ModuleType) -> None:
    """However it imported them, its `sleep`, `time` and `monotonic` tell one story; the rest is there."""
    with workspace.intercept(modules=["waits"]):
        module.wait(60)
        assert module.measure() == [30.0] * 4
        assert module.time.time() == workspace.clock.time() == EPOCH_MS / 1_000 + 90
        assert module.time.perf_counter is time.perf_counter
        module.sleep(0)
        assert time.time() > EPOCH_MS / 1_000 + 90, "everywhere else it is the time on the wall"


def test_listed_module_is_put_back(workspace: Workspace, module: ModuleType) -> None:
    """Afterwards each of its names is what it was, but for one that it has given another value."""
    before = dict(vars(module))
    with workspace.intercept(modules=["waits"]):
        kept = module.sleep, module.now, module.monotonic
        vars(module)["now"] = None
    assert vars(module) == before | {"now": None}
    sleep, now, monotonic = kept
    sleep(0.001)
    assert now() == pytest.approx(time.time(), abs=60)
    assert monotonic() == pytest.approx(time.monotonic(), abs=60)


def test_name_that_was_taken_is_out_of_reach_without(workspace: Workspace, module: ModuleType) -> None:
    """`from time import sleep` before the interception sleeps in truth unless the module is listed."""
    with workspace.intercept():
        module.wait(0.001)
        assert workspace.clock.now_ms == EPOCH_MS
        module.time.sleep(30)
        assert workspace.clock.now_ms == EPOCH_MS + 30_000


def test_name_that_was_taken_meanwhile_is_replaced(workspace: Workspace, module: ModuleType) -> None:
    """A module that was loaded under an interception has virtual sleep already."""
    outer = Workspace("https://outer.cloud.databricks.com", clock=Clock("sleeping"))
    with outer.intercept():
        exec(_CODE, vars(module))
        with workspace.intercept(modules=["waits"]):
            module.wait(30)
            assert module.time.time() == workspace.clock.time()
    assert (workspace.clock.now_ms, outer.clock.now_ms) == (EPOCH_MS + 30_000, EPOCH_MS + 30_000)


def test_listed_module_takes_part_in_every_thread(workspace: Workspace, module: ModuleType) -> None:
    """Its time would not fit its sleep otherwise."""
    with workspace.intercept(modules=["waits"]):
        thread = threading.Thread(target=module.wait, args=(30,))
        thread.start()
        thread.join()
    assert workspace.clock.now_ms == EPOCH_MS + 30_000


def test_unknown_module_is_told(workspace: Workspace, module: ModuleType) -> None:
    """The nearest of those that are loaded is named; a module that fails by itself says so itself."""
    with (
        pytest.raises(UsageError, match=r"modules: there is no module 'wait' \(nearest: waits\)"),
        workspace.intercept(modules=["wait"]),
    ):
        pass


def test_module_that_misses_another_says_so(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no misspelt name."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "broken_waits.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(folder)
    with (
        pytest.raises(ModuleNotFoundError, match="no_such_module"),
        workspace.intercept(modules=["broken_waits"]),
    ):
        pass
