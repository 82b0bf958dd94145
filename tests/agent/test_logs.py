"""What the log looks like."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dbx_agent.logs import configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards it goes where it went."""
    flytekit, ours = logging.getLogger("flytekit"), logging.getLogger("flytekit.dbx_agent")
    before = (list(flytekit.handlers), flytekit.level, ours.level)
    # `pyflyte`, run in this process by another test, sets it to another.
    flytekit.setLevel(logging.WARNING)
    others = list(logging.root.handlers)
    yield io.StringIO()
    for handler in flytekit.handlers:
        if handler not in others:
            logging.root.removeHandler(handler)
    flytekit.handlers, flytekits_level, level = before
    flytekit.setLevel(flytekits_level)
    ours.setLevel(level)


def _log_a_failure() -> None:
    try:
        int("x")
    except ValueError:
        logging.getLogger("flytekit").exception("a call of %s", "create")


def test_json_is_an_object_a_line_with_its_exception(stream: io.StringIO) -> None:
    """Whoever collects it needs no pattern."""
    configure("json", stream)
    logging.getLogger("flytekit.dbx_agent").info("submitted run %d", 7)
    _log_a_failure()
    ours, failure = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {key: ours[key] for key in ("level", "logger", "message")} == {
        "level": "INFO",
        "logger": "flytekit.dbx_agent",
        "message": "submitted run 7",
    }
    assert ours["time"].endswith("+00:00")
    assert failure["message"] == "a call of create"
    assert failure["exception"].endswith("ValueError: invalid literal for int() with base 10: 'x'")


def test_what_others_log_has_the_same_form(stream: io.StringIO) -> None:
    """A task of asyncio that failed unseen is no line that a collector cannot read; nothing is written twice."""
    configure("json", stream)
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    _log_a_failure()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("asyncio", "ERROR"),
        ("flytekit", "ERROR"),
    ]


def test_text_is_a_line_with_its_traceback_below(stream: io.StringIO) -> None:
    """For people."""
    configure("text", stream)
    _log_a_failure()
    lines = stream.getvalue().splitlines()
    assert lines[0].split(" ", 1)[1] == "ERROR a call of create"
    assert (lines[1], lines[-1]) == (
        "Traceback (most recent call last):",
        "ValueError: invalid literal for int() with base 10: 'x'",
    )


def test_the_level_of_flytekit_is_left_alone_if_it_is_set(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FLYTE_SDK_LOGGING_LEVEL is for the agent too."""
    logging.getLogger("flytekit.dbx_agent").setLevel(logging.NOTSET)
    monkeypatch.setenv("FLYTE_SDK_LOGGING_LEVEL", "30")
    configure("text", stream)
    assert logging.getLogger("flytekit.dbx_agent").level == logging.NOTSET
