"""What is remembered of a run between two polls."""

from __future__ import annotations

import pytest

from dbx_agent.outcome import Outcome, Phase
from dbx_agent.patience import PATIENCE_SECONDS, Trouble
from dbx_agent.poll_memory import Answer, PollMemory

KEY = ("host", 7)
RUNNING = Answer(Outcome(Phase.RUNNING, "RUNNING"))


def test_a_run_that_is_given_up_is_forgotten() -> None:
    """Nobody polls it again."""
    memory = PollMemory()
    assert not memory.note_trouble(KEY, Trouble.REFUSED, now=0)
    assert memory.note_trouble(KEY, Trouble.REFUSED, now=PATIENCE_SECONDS[Trouble.REFUSED])
    assert len(memory) == 0


def test_an_answer_ends_all_trouble() -> None:
    """The time begins anew."""
    memory = PollMemory()
    memory.note_trouble(KEY, Trouble.MISSING, now=0)
    memory.note_answer(KEY, RUNNING)
    assert not memory.note_trouble(KEY, Trouble.MISSING, now=100)


@pytest.mark.fact("flyte.phase.running-drops-message")
def test_the_last_answer_is_kept_until_the_run_is_over() -> None:
    """Through trouble; a run that was never read is QUEUED, for which Flyte shows the message."""
    memory = PollMemory()
    assert memory.last_answer(KEY).outcome.phase is Phase.QUEUED
    memory.note_trouble(KEY, Trouble.PASSING, now=0)
    assert memory.last_answer(KEY).outcome.phase is Phase.QUEUED
    memory.note_answer(KEY, RUNNING)
    memory.note_trouble(KEY, Trouble.PASSING, now=1)
    assert memory.last_answer(KEY) == RUNNING
    memory.note_answer(KEY, Answer(Outcome(Phase.SUCCEEDED, "SUCCESS")))
    assert len(memory) == 0


def test_memory_is_bounded() -> None:
    """The run that was not polled for longest is forgotten."""
    memory = PollMemory(max_runs=2)
    for number in (1, 2, 1, 3):
        memory.note_answer(("host", number), RUNNING)
    assert [memory.last_answer(("host", number)) == RUNNING for number in (1, 2, 3)] == [True, False, True]
    assert len(memory) == 2
