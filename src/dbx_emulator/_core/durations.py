"""Lengths of time as people write them: `90`, `"1h30m"`, `"lognormal(2m, 0.4)"`.

A distribution is a text like any other duration, so that it can stand wherever one can: in Python, in a file, in
a body or on the command line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from statistics import NormalDist

from dbx_emulator._core.errors import UsageError, nearest

__all__ = ["DISTRIBUTIONS", "Duration", "check_duration", "draw_ms", "duration_ms"]

#: A length of time: a number of seconds, or a text such as `"250ms"`, `"90s"`, `"1h30m"`, `"2d"`.
Duration = str | int | float

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LONGEST_MS = 100 * 365 * 86_400_000
_FORMS = "write seconds as a number, or '90s', '1h30m'"
_CALL = re.compile(r"\s*(?P<family>[a-z]+)\((?P<arguments>[^()]*)\)\s*")
_NORMAL = NormalDist()

#: Draws are cut to within this of either end: an unbounded distribution is not to surprise one test in a billion.
_TAIL = 1e-9


def _uniform(fraction: float, low_ms: float, high_ms: float) -> float:
    return low_ms + fraction * (high_ms - low_ms)


def _normal(fraction: float, mean_ms: float, deviation_ms: float) -> float:
    return mean_ms + deviation_ms * _NORMAL.inv_cdf(fraction)


def _lognormal(fraction: float, median_ms: float, sigma: float) -> float:
    return median_ms * math.exp(sigma * _NORMAL.inv_cdf(fraction))


def _exponential(fraction: float, mean_ms: float) -> float:
    return -mean_ms * math.log(1 - fraction)


def _choice(fraction: float, *choices_ms: float) -> float:
    return choices_ms[int(fraction * len(choices_ms))]


#: Family → how it is written, its quantile function, and how many arguments it takes (`None`: one or more).
#: `sigma` is the standard deviation of the logarithm, a plain number; all other arguments are durations.
DISTRIBUTIONS: dict[str, tuple[str, Callable[..., float], int | None]] = {
    "uniform": ("uniform(shortest, longest)", _uniform, 2),
    "normal": ("normal(mean, deviation)", _normal, 2),
    "lognormal": ("lognormal(median, sigma)", _lognormal, 2),
    "exponential": ("exponential(mean)", _exponential, 1),
    "choice": ("choice(one, other, …)", _choice, None),
}


def duration_ms(value: Duration, *, name: str = "duration") -> int:
    """Return a constant duration in whole milliseconds.

    Args:
        value: Seconds as a number, or a text of numbers with units `ms`, `s`, `m`, `h`, `d`.
        name: What the value is, for the error.

    Raises:
        UsageError: The value is negative, longer than a hundred years, a distribution, or no duration at all.
    """
    if isinstance(value, str):
        if _CALL.fullmatch(value):
            raise UsageError(f"{name}: {value!r} is a distribution, and this takes one length; {_FORMS}")
        parts = _PART.findall(value)
        if not parts or "".join(number + unit for number, unit in parts) != value.replace(" ", ""):
            raise UsageError(f"{name}: {value!r} is no duration; {_FORMS}")
        total = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}: {value!r} is no duration; {_FORMS}")
    else:
        total = value * 1_000
    if not 0 <= total <= _LONGEST_MS:
        raise UsageError(f"{name}: {value!r} is not between 0 and 100 years")
    return round(total)


def check_duration(value: Duration, *, name: str) -> None:
    """Refuse what is neither a duration nor a distribution of durations.

    Raises:
        UsageError: As `draw_ms` would.
    """
    draw_ms(value, name=name, fraction=lambda: 0.5)


def draw_ms(value: Duration, *, name: str, fraction: Callable[[], float]) -> int:
    """Return a duration in whole milliseconds, drawn if it is a distribution.

    Args:
        value: A constant as for `duration_ms`, or one of `DISTRIBUTIONS` as a text, such as `"uniform(1m, 3m)"`.
        name: What the value is, for the error.
        fraction: Gives a number above 0 and below 1; called once for a distribution, never for a constant.

    Raises:
        UsageError: It is neither, or an argument of the distribution is wrong.
    """
    call = _CALL.fullmatch(value) if isinstance(value, str) else None
    if call is None:
        return duration_ms(value, name=name)
    family, arguments = call["family"], [each.strip() for each in call["arguments"].split(",")]
    if family not in DISTRIBUTIONS:
        known = ", ".join(form for form, _, _ in DISTRIBUTIONS.values())
        raise UsageError(f"{name}: {value!r} is none of {known}{nearest(family, DISTRIBUTIONS)}")
    form, quantile, count = DISTRIBUTIONS[family]
    if arguments == [""] or count not in (None, len(arguments)):
        raise UsageError(f"{name}: {value!r} does not have the arguments of {form}")
    numbers: list[float] = [duration_ms(_plain(each), name=f"{name}: {form}") for each in arguments]
    if family == "lognormal":
        numbers[1] = _sigma(arguments[1], name=f"{name}: {form}")
    drawn = quantile(min(max(fraction(), _TAIL), 1 - _TAIL), *numbers)
    return round(min(max(drawn, 0.0), float(_LONGEST_MS)))


def _plain(text: str) -> Duration:
    """Return seconds that stand in a text without a unit as the number they are."""
    try:
        return float(text)
    except ValueError:
        return text


def _sigma(text: str, *, name: str) -> float:
    sigma = _plain(text)
    if not isinstance(sigma, float) or not 0 <= sigma < math.inf:
        raise UsageError(f"{name}: sigma is {text!r}, and has to be a number from 0 on")
    return sigma
