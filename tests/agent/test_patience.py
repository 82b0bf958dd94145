"""How long trouble with a run is borne."""

from __future__ import annotations

import pytest

from dbx_agent.patience import PATIENCE_SECONDS, Patience, Trouble


@pytest.mark.fact("agent.false-403")
def test_refusals_of_a_quarter_of_an_hour_are_borne() -> None:
    """Asked each half a minute; then the service answers, and nobody has given up."""
    patience = Patience()
    assert not any(patience.note(Trouble.REFUSED, now=30.0 * number) for number in range(31))


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.MISSING])
def test_a_trouble_is_borne_for_its_time_and_no_longer(trouble: Trouble) -> None:
    """Measured over troubles in a row."""
    patience, limit = Patience(), PATIENCE_SECONDS[trouble]
    too_long = [patience.note(trouble, now=5.0 + part * limit) for part in (0, 0.5, 0.999, 1)]
    assert too_long == [False, False, False, True]


def test_passing_trouble_is_borne_for_ever() -> None:
    """It says nothing of the run."""
    patience = Patience()
    assert not any(patience.note(Trouble.PASSING, now=day * 86400.0) for day in range(400))


def test_only_time_between_two_of_the_same_trouble_counts() -> None:
    """A refusal before an outage and one after it did not last as long as the outage."""
    patience = Patience()
    for now, trouble in ((0, Trouble.REFUSED), (600, Trouble.REFUSED), (601, Trouble.PASSING)):
        assert not patience.note(trouble, now=now)
    assert not patience.note(Trouble.REFUSED, now=9000)
    assert not patience.note(Trouble.REFUSED, now=9599)
    assert patience.note(Trouble.REFUSED, now=9600)
