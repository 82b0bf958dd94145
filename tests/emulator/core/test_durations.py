"""Lengths of time as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._core.durations import DISTRIBUTIONS, check_duration, draw_ms, duration_ms
from dbx_emulator._core.errors import UsageError

_HUNDRED_YEARS_MS = 100 * 365 * 24 * 3_600_000


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        pytest.param(0, 0, id="zero"),
        pytest.param(90, 90_000, id="seconds"),
        pytest.param(0.25, 250, id="fraction"),
        pytest.param("250ms", 250, id="ms"),
        pytest.param("90s", 90_000, id="s"),
        pytest.param("1.5s", 1_500, id="fraction-with-unit"),
        pytest.param("5m", 300_000, id="m"),
        pytest.param("1h30m", 5_400_000, id="compound"),
        pytest.param("1h 30m", 5_400_000, id="compound-with-blank"),
        pytest.param("2d", 172_800_000, id="d"),
        pytest.param(100 * 365 * 24 * 3_600, _HUNDRED_YEARS_MS, id="longest"),
    ],
)
def test_duration_reads_seconds_and_texts(value: str | float, milliseconds: int) -> None:
    """A number counts seconds, a text says its units."""
    assert duration_ms(value) == milliseconds


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("5", id="no-unit"),
        pytest.param("5x", id="unknown-unit"),
        pytest.param("-5s", id="negative-text"),
        pytest.param("5s later", id="trailing-words"),
        pytest.param("1e3s", id="exponent"),
        pytest.param("9" * 400 + "d", id="text-without-end"),
        pytest.param(-1, id="negative"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinite"),
        pytest.param(100 * 365 * 24 * 3_600 + 1, id="too-long"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="none"),
        pytest.param([], id="list"),
    ],
)
def test_duration_refuses_what_is_none_and_names_it(value: object) -> None:
    """The error says what the value was for."""
    with pytest.raises(UsageError, match=r"^queue: "):
        duration_ms(value, name="queue")  # type: ignore[arg-type]


@settings(derandomize=True, deadline=None)
@given(
    days=st.integers(0, 400),
    hours=st.integers(0, 30),
    minutes=st.integers(0, 90),
    seconds=st.integers(0, 90),
    milliseconds=st.integers(0, 2_000),
)
def test_duration_round_trips(days: int, hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    """A text of whole units is the sum of its parts, and as seconds it is the same duration."""
    expected = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + milliseconds
    assert duration_ms(f"{days}d{hours}h{minutes}m{seconds}s{milliseconds}ms") == expected
    assert duration_ms(f"{expected}ms") == expected
    assert duration_ms(expected / 1_000) == expected


@settings(derandomize=True, deadline=None)
@given(value=st.one_of(st.text(), st.floats(), st.integers(), st.text(alphabet="0123456789.mshd ")))
def test_duration_is_bounded_or_refused(value: str | float) -> None:
    """Whatever is asked for, the answer lies in a hundred years or is a usage error."""
    try:
        found = duration_ms(value)
    except UsageError:
        return
    assert 0 <= found <= _HUNDRED_YEARS_MS


@pytest.mark.parametrize(
    ("value", "fraction", "milliseconds"),
    [
        pytest.param("uniform(1m, 3m)", 0.25, 90_000, id="uniform"),
        pytest.param("normal(5m, 1m)", 0.5, 300_000, id="normal-middle"),
        pytest.param("normal(1s, 1m)", 0.001, 0, id="normal-never-negative"),
        pytest.param("lognormal(2m, 0.4)", 0.5, 120_000, id="lognormal-median"),
        pytest.param("lognormal(120, 0)", 0.9, 120_000, id="lognormal-without-spread"),
        pytest.param("exponential(1s)", 1 - 2.718281828459045**-1, 1_000, id="exponential"),
        pytest.param("choice(1s, 2s, 5s)", 0.99, 5_000, id="choice-last"),
        pytest.param("choice(1s)", 0.5, 1_000, id="choice-of-one"),
        pytest.param("90s", 0.99, 90_000, id="constant"),
        pytest.param(1.5, 0.99, 1_500, id="number"),
    ],
)
def test_draw_is_the_quantile_of_the_fraction(value: str | float, fraction: float, milliseconds: int) -> None:
    """A draw is as far into the distribution as the fraction says; a constant needs none."""
    assert draw_ms(value, name="run", fraction=lambda: fraction) == milliseconds


def test_draw_of_a_constant_asks_for_no_fraction() -> None:
    """What is not random costs no draw."""
    assert draw_ms("1h", name="run", fraction=lambda: 1 / 0) == 3_600_000


@pytest.mark.parametrize("family", DISTRIBUTIONS)
@pytest.mark.parametrize("fraction", [1e-300, 0.5, 1 - 2**-53])
def test_draw_stays_within_a_hundred_years(family: str, fraction: float) -> None:
    """The far ends of a distribution are cut."""
    arguments = {"lognormal": "50d, 40", "exponential": "36500d"}.get(family, "1s, 2s")
    assert 0 <= draw_ms(f"{family}({arguments})", name="run", fraction=lambda: fraction) <= _HUNDRED_YEARS_MS


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("unifrom(1m, 3m)", "nearest: uniform", id="misspelt"),
        pytest.param(
            "uniform(1m)", "does not have the arguments of uniform(shortest, longest)", id="too-few"
        ),
        pytest.param("exponential(1m, 2m)", "exponential(mean)", id="too-many"),
        pytest.param("choice()", "choice(one, other, …)", id="none"),
        pytest.param("uniform(1m, soon)", "'soon' is no duration", id="no-duration"),
        pytest.param("uniform(-1, 3)", "is not between 0 and 100 years", id="negative"),
        pytest.param("lognormal(2m, 1m)", "sigma is '1m'", id="sigma-with-unit"),
        pytest.param("lognormal(2m, nan)", "lognormal(median, sigma)", id="sigma-nan"),
    ],
)
def test_distribution_refuses_what_it_cannot_draw_from(value: str, message: str) -> None:
    """The error names the value, how the distribution is written, and the nearest one."""
    with pytest.raises(UsageError) as caught:
        check_duration(value, name="cluster")
    assert str(caught.value).startswith("cluster: ")
    assert message in str(caught.value)


def test_constant_refuses_a_distribution() -> None:
    """Where one length is needed, a distribution is refused as such."""
    with pytest.raises(UsageError, match="is a distribution, and this takes one length"):
        duration_ms("uniform(1m, 3m)", name="advance")
