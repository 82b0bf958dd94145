"""What is remembered of a run between two polls."""

from __future__ import annotations

import pytest

from dbx_agent.outcome import Outcome, Phase
from dbx_agent.poll_memory import PATIENCE_SECONDS, Answer, PollMemory, Trouble

KEY = ("host", 7)
RUNNING = Answer(Outcome(Phase.RUNNING, "RUNNING"))


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.MISSING])
def test_a_trouble_is_borne_for_its_time_and_no_longer(trouble: Trouble) -> None:
    """Measured over polls in a row; giving up forgets the run."""
    memory = PollMemory()
    patience = PATIENCE_SECONDS[trouble]
    given_up = [memory.note_trouble(KEY, trouble, now=5.0 + part * patience) for part in (0, 0.5, 0.999, 1)]
    assert given_up == [False, False, False, True]
    assert len(memory) == 0


def test_passing_trouble_is_borne_for_ever() -> None:
    """It says nothing of the run."""
    memory = PollMemory()
    assert not any(memory.note_trouble(KEY, Trouble.PASSING, now=day * 86400.0) for day in range(400))


def test_only_time_between_polls_that_met_the_same_trouble_counts() -> None:
    """A refusal before an outage and one after it did not last as long as the outage."""
    memory = PollMemory()
    for now, trouble in ((0, Trouble.REFUSED), (600, Trouble.REFUSED), (601, Trouble.PASSING)):
        assert not memory.note_trouble(KEY, trouble, now=now)
    assert not memory.note_trouble(KEY, Trouble.REFUSED, now=9000)
    assert not memory.note_trouble(KEY, Trouble.REFUSED, now=9599)
    assert memory.note_trouble(KEY, Trouble.REFUSED, now=9600)


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
