"""Is a failed call tried again, and after which pause; decisions only, nothing here waits.

Which failures are worth another attempt depends on whether repeating the call can do harm. A GET, a cancel,
and a submit that carries an idempotency token can be repeated whatever became of the first try. A submit
without a token is repeated only if the service has surely not acted on it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

__all__ = [
    "CallFailure",
    "Reach",
    "decide_pause_seconds",
    "is_worth_repeating",
    "jitter",
    "may_have_acted",
    "read_retry_after_seconds",
]

_SECONDS = re.compile(r"-?[0-9]{1,12}")

BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_CAP_SECONDS = 2.0
THROTTLED_SECONDS = 1.0
ASKED_SPREAD = 0.1

#: Source: [agent.retry.transient-status] sdk: databricks-sdk-py, databricks/sdk/errors/platform.py
TRANSIENT_STATUS_CODES = frozenset({429, 500, 502, 503, 504})

#: Statuses with which the service says that it has not begun.
#: Source: [agent.retry.refused-status] sdk: databricks-sdk-go issue 733, retries of blind POSTs
REFUSED_STATUS_CODES = frozenset({429, 503})


class Reach(Enum):
    """How far a failed call came."""

    NOT_SENT = "not sent"
    """The service has not seen the request: no connection was made."""

    UNKNOWN = "unknown"
    """The request went out and no answer came back; the service may have acted."""

    ANSWERED = "answered"
    """The service, or something in front of it, answered."""


@dataclass(frozen=True, slots=True)
class CallFailure:
    """What is known of one failed attempt.

    Attributes:
        reach: How far the request came.
        status_code: The HTTP status code; `None` unless answered.
        retry_after_seconds: What the answer asks to wait; `None` when it does not say.
    """

    reach: Reach
    status_code: int | None = None
    retry_after_seconds: float | None = None


def is_worth_repeating(failure: CallFailure, *, repeatable: bool) -> bool:
    """Tell whether another attempt can help and can do no harm.

    Args:
        failure: The attempt that failed.
        repeatable: Whether doing the call twice is the same as doing it once.
    """
    if failure.reach is Reach.NOT_SENT:
        return True
    if failure.reach is Reach.UNKNOWN:
        return repeatable
    return failure.status_code in (TRANSIENT_STATUS_CODES if repeatable else REFUSED_STATUS_CODES)


def may_have_acted(failure: CallFailure) -> bool:
    """Tell whether the service may have done what it was asked.

    A 4xx says that it did not, as do the statuses of a service that has not begun. Every other error may have come
    after the fact.

    Args:
        failure: The attempt that failed.
    """
    if failure.status_code is None:
        return failure.reach is Reach.UNKNOWN
    is_refusal = HTTPStatus.MULTIPLE_CHOICES <= failure.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    return not is_refusal and failure.status_code not in REFUSED_STATUS_CODES


def decide_pause_seconds(failure: CallFailure, *, attempt: int, key: str) -> float:
    """Choose the seconds to wait before the next attempt.

    What the service asks for is a lower bound and never cut short: when it does not fit the budget, the
    caller stops instead. A throttled call that is told nothing waits a second, any other an exponential
    backoff, which is also the least for a service that asks for no wait at all. All have jitter.

    Args:
        failure: The attempt that failed.
        attempt: The number of attempts already made, from 1.
        key: What the call is about; spreads the callers that fail at the same moment.
    """
    spread = jitter(key, attempt)
    ceiling: float = min(BACKOFF_CAP_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(attempt - 1, 16))
    asked = failure.retry_after_seconds
    if asked is None:
        asked = THROTTLED_SECONDS if failure.status_code in REFUSED_STATUS_CODES else 0.0
    return max(asked * (1 + ASKED_SPREAD * spread), ceiling * (0.5 + spread / 2))


def jitter(key: str, attempt: int) -> float:
    """Return a number in [0, 1), the same for the same call and attempt, so that tests can repeat it."""
    return zlib.crc32(f"{key}#{attempt}".encode()) / 2**32


def read_retry_after_seconds(value: str | None, *, date: str | None) -> float | None:
    """Read a Retry-After header.

    The date form is measured against the answer's own Date header: both were written by one clock, and it is
    not ours.

    Source: [agent.retry.retry-after-forms] documented: RFC 9110 section 10.2.3, Retry-After

    Args:
        value: The header's text; `None` when absent.
        date: The text of the Date header of the same answer; `None` when absent.

    Returns:
        Seconds, zero or more; `None` for a header that is absent or says nothing usable.
    """
    if value is None:
        return None
    text = value.strip()
    # Digits only: float() would also take "nan", "inf" and "1_000".
    if _SECONDS.fullmatch(text):
        return max(0.0, float(text))
    until, since = _read_http_date(text), _read_http_date(date)
    if until is None or since is None:
        return None
    return max(0.0, (until - since).total_seconds())


def _read_http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date without a zone cannot be subtracted from one with a zone.
    return moment if moment is not None and moment.tzinfo is not None else None
