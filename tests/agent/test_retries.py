"""Whether a call is tried again, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.retries import (
    BACKOFF_CAP_SECONDS,
    CallFailure,
    Reach,
    decide_pause_seconds,
    is_worth_repeating,
    jitter,
    may_have_acted,
    read_retry_after_seconds,
)

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.fact("agent.retry.transient-status", "agent.retry.refused-status")
@pytest.mark.parametrize("status_code", [400, 401, 403, 404, 408, 409, 429, 500, 501, 502, 503, 504])
def test_answered_call_is_repeated_by_status(status_code: int) -> None:
    """Throttling always; a server error only where a second call can do no harm; the rest never."""
    failure = CallFailure(Reach.ANSWERED, status_code=status_code)
    assert is_worth_repeating(failure, repeatable=True) is (status_code in {429, 500, 502, 503, 504})
    assert is_worth_repeating(failure, repeatable=False) is (status_code in {429, 503})


@pytest.mark.fact("agent.retry.refused-status")
@pytest.mark.parametrize(
    ("failure", "may_have"),
    [
        pytest.param(CallFailure(Reach.NOT_SENT), False, id="not-sent"),
        pytest.param(CallFailure(Reach.UNKNOWN), True, id="no-answer"),
        *(
            pytest.param(
                CallFailure(Reach.ANSWERED, status_code=code), code in {202, 500, 502, 504}, id=str(code)
            )
            for code in (202, 302, 400, 401, 404, 429, 499, 500, 502, 503, 504)
        ),
    ],
)
def test_what_may_have_been_carried_out(failure: CallFailure, may_have: bool) -> None:  # noqa: FBT001 - a case
    """A lost answer, an error after the fact; not what was refused, or by a service that has not begun."""
    assert may_have_acted(failure) is may_have


def test_unanswered_call_is_repeated_by_how_far_it_came() -> None:
    """A blind submit is repeated only if it surely never arrived."""
    decisions = {
        (reach, repeatable): is_worth_repeating(CallFailure(reach), repeatable=repeatable)
        for reach in (Reach.NOT_SENT, Reach.UNKNOWN)
        for repeatable in (True, False)
    }
    assert decisions == {
        (Reach.NOT_SENT, True): True,
        (Reach.NOT_SENT, False): True,
        (Reach.UNKNOWN, True): True,
        (Reach.UNKNOWN, False): False,
    }


@pytest.mark.parametrize(
    ("failure", "between"),
    [
        pytest.param(CallFailure(Reach.ANSWERED, 503, 7.0), (7.0, 7.7), id="asked-for"),
        pytest.param(CallFailure(Reach.ANSWERED, 500, 0.0), (0.1, 0.2), id="asked-for-none"),
        pytest.param(CallFailure(Reach.ANSWERED, 429), (1.0, 1.1), id="throttled-without-header"),
        pytest.param(CallFailure(Reach.ANSWERED, 503), (1.0, 1.1), id="unavailable-without-header"),
    ],
)
def test_pause_is_what_the_service_asks_for(failure: CallFailure, between: tuple[float, float]) -> None:
    """Never less, and a little more, so that not all come back at one moment; without a header a second."""
    pauses = {decide_pause_seconds(failure, attempt=1, key=str(number)) for number in range(50)}
    assert between[0] <= min(pauses) < max(pauses) <= between[1]
    assert len(pauses) > 40


@given(attempt=st.integers(1, 10_000), key=st.text())
def test_backoff_grows_within_its_cap(attempt: int, key: str) -> None:
    """Half of the pause is certain and half is jitter, whatever the number of attempts."""
    pause = decide_pause_seconds(CallFailure(Reach.UNKNOWN), attempt=attempt, key=key)
    ceiling = min(BACKOFF_CAP_SECONDS, 0.2 * 2 ** min(attempt - 1, 16))
    assert ceiling / 2 <= pause < ceiling


def test_jitter_is_the_same_for_the_same_call_and_spreads_others() -> None:
    """A test can repeat it, and 1,000 callers do not come back at once."""
    assert jitter("a", 1) == jitter("a", 1)
    assert len({jitter(f"run {number}", 1) for number in range(1000)}) > 990


@pytest.mark.fact("agent.retry.retry-after-forms")
@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        pytest.param("2", None, 2.0, id="seconds"),
        pytest.param(" 2 ", None, 2.0, id="blanks"),
        pytest.param("0", None, 0.0, id="zero"),
        pytest.param("-5", None, 0.0, id="negative"),
        pytest.param("86400", None, 86400.0, id="huge"),
        pytest.param("Mon, 01 Jan 2024 00:00:30 GMT", DATE, 30.0, id="date"),
        pytest.param("Sun, 31 Dec 2023 23:00:00 GMT", DATE, 0.0, id="date-past"),
        pytest.param("Mon, 01 Jan 2024 00:00:30 GMT", None, None, id="date-without-date"),
        pytest.param("Mon, 01 Jan 2024 00:00:30", DATE, None, id="date-without-zone"),
        pytest.param("Mon, 99 Jan 2024 00:00:30 GMT", DATE, None, id="no-such-date"),
        pytest.param("soon", DATE, None, id="junk"),
        pytest.param("--5", DATE, None, id="two-signs"),
        pytest.param("-", DATE, None, id="sign-alone"),
        pytest.param("5-", DATE, None, id="sign-behind"),
        pytest.param("+5", DATE, None, id="plus"),
        pytest.param("- 5", DATE, None, id="blank-inside"),
        pytest.param("2.5", DATE, None, id="fraction"),
        pytest.param("1e3", DATE, None, id="exponent"),
        pytest.param("\u0665", DATE, None, id="other-digits"),
        pytest.param("1_000", DATE, None, id="not-http"),
        pytest.param("inf", DATE, None, id="infinite"),
        pytest.param("9" * 40, DATE, None, id="absurd"),
        pytest.param("", DATE, None, id="empty"),
        pytest.param(None, DATE, None, id="absent"),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    """Seconds or a date; anything else says nothing."""
    assert read_retry_after_seconds(value, date=date) == seconds


@given(value=st.text() | st.text("-+.0123456789 "), date=st.text())
def test_retry_after_never_raises(value: str, date: str) -> None:
    """Any header text is a pause of zero or more, or nothing."""
    seconds = read_retry_after_seconds(value, date=date)
    assert seconds is None or seconds >= 0
