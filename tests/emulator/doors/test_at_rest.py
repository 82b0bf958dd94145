"""Which threads are at rest."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from selectors import DefaultSelector

import pytest

from dbx_emulator.doors.at_rest import Stillness, describe_place, is_in_loop


def _comes_to_rest(ident: int) -> bool:
    """Return whether a thread rests within a while, looked at as the sleepers do."""
    stillness, deadline = Stillness(0.002), time.perf_counter() + 0.5
    while time.perf_counter() < deadline:
        if stillness.is_still(ident, sys._current_frames(), time.perf_counter()):
            return True
        threading.Event().wait(0.001)
    return False


def _wait_in_selector(end: threading.Event) -> None:
    while not end.is_set():
        with DefaultSelector() as selector:
            selector.select(0.05)


def _wait_for_process(end: threading.Event) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        threading.Thread(target=lambda: (end.wait(), process.communicate(b"\n"))).start()
        process.wait()


def _wait_for_thread(end: threading.Event) -> None:
    thread = threading.Thread(target=end.wait)
    thread.start()
    thread.join()


def _wait_for_future(end: threading.Event) -> None:
    future: Future[None] = Future()
    threading.Thread(target=lambda: future.set_result(None) if end.wait() else None).start()
    future.result()


def _wait_for_queue(end: threading.Event) -> None:
    items: queue.Queue[int] = queue.Queue()
    threading.Thread(target=lambda: items.put(1) if end.wait() else None).start()
    items.get()


def _compute(end: threading.Event) -> None:
    while not end.is_set():
        pass


def _ask(end: threading.Event) -> None:
    # Of a thread that runs already: whoever starts one waits until it has begun, and rests meanwhile.
    other = threading.main_thread()
    while not end.is_set():
        other.is_alive()


@pytest.mark.parametrize(
    ("wait", "rests"),
    [
        pytest.param(threading.Event.wait, True, id="event"),
        pytest.param(_wait_for_thread, True, id="thread"),
        pytest.param(_wait_for_future, True, id="future"),
        pytest.param(_wait_for_queue, True, id="queue"),
        pytest.param(_wait_in_selector, True, id="selector"),
        pytest.param(_wait_for_process, True, id="process"),
        pytest.param(_compute, False, id="at-work"),
        pytest.param(_ask, False, id="asking"),
    ],
)
def test_thread_rests_where_it_waits(wait: Callable[[threading.Event], object], rests: bool) -> None:  # noqa: FBT001
    """Whoever waits for others is at rest, whatever for; whoever works or only asks is not."""
    end = threading.Event()
    thread = threading.Thread(target=wait, args=(end,))
    thread.start()
    try:
        assert _comes_to_rest(thread.ident or 0) is rests
    finally:
        end.set()
        thread.join()


def test_worker_without_work_rests() -> None:
    """A pool's thread waits for work, and is at work as soon as there is some, before it has begun."""
    with ThreadPoolExecutor(1) as pool:
        ident = pool.submit(threading.get_ident).result()
        assert _comes_to_rest(ident)


def test_thread_that_was_notified_is_not_at_rest() -> None:
    """From the moment it was, though it may not have moved yet."""
    condition, stillness = threading.Condition(), Stillness(0)

    def wait() -> None:
        with condition:
            condition.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    ident = thread.ident or 0
    while not stillness.is_still(ident, sys._current_frames(), 0):
        pass
    with condition:
        condition.notify()
        # It needs the condition's lock, which is still held here, and so cannot have gone on.
        assert not stillness.is_still(ident, sys._current_frames(), 1)
    thread.join()
    assert not stillness.is_still(ident, sys._current_frames(), 2), "a thread that has ended is nowhere"


def test_place_is_that_of_the_user_s_code() -> None:
    """File, line and function of the innermost frame that is not the standard library's; else the innermost."""
    end = threading.Event()
    threads = [
        threading.Thread(target=wait, args=(end,)) for wait in (_wait_in_selector, threading.Event.wait)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        _comes_to_rest(thread.ident or 0)
    frames = [sys._current_frames()[thread.ident or 0] for thread in threads]
    places = [describe_place(frame) for frame in frames]
    in_loop = [is_in_loop(frame) for frame in frames]
    end.set()
    for thread in threads:
        thread.join()
    assert places[0].startswith(f"at {__file__}:")
    assert places[0].endswith(" in _wait_in_selector")
    assert places[1].endswith(" in wait")
    assert describe_place(None) == "not in Python"
    assert in_loop[1] is False
