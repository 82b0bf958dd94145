"""Scenarios for property tests: any that can be."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from dbx_emulator._core.durations import Duration
from dbx_emulator._core.outcomes import OnCancel, Outcome
from dbx_emulator._core.scenarios import Match, Scenario
from dbx_emulator._core.states import TerminationCode, TerminationType
from dbx_emulator._core.terminations import FURTHER_RESULTS, RETRIED, TERMINATIONS

__all__ = ["scenarios"]

_DURATIONS: st.SearchStrategy[Duration] = (
    st.integers(0, 10**6)
    | st.floats(0, 10**6)
    | st.sampled_from(["0s", "90s", "1h30m", "250ms", "1.5h", "uniform(1m, 2m)", "lognormal(2m, 0.4)"])
)
_GLOBS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
_JSON = st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.lists(st.integers(0, 9), max_size=2)
_TEXTS = st.none() | st.text(max_size=12)


@st.composite
def _outcomes(draw: st.DrawFn, *, code: TerminationCode | None = None, inner: bool = False) -> Outcome:
    code = draw(st.sampled_from(TerminationCode)) if code is None else code
    termination = TERMINATIONS[code]
    fields: dict[str, Any] = {"termination_code": code}
    stages = ["queue", "cluster"] + (["run", "terminating"] if termination.strikes == "work" else [])
    for stage in stages:
        fields[stage] = draw(st.none() | _DURATIONS)
    fields["termination_type"] = draw(st.none() | st.sampled_from(TerminationType))
    results = [termination.result_state, *sorted(FURTHER_RESULTS.get(code, ()))]
    fields["result_state"] = draw(st.none() | st.just("") | st.sampled_from(results))
    fields["message"] = draw(_TEXTS)
    if code is not TerminationCode.SUCCESS:
        fields["error"] = draw(_TEXTS)
        fields["error_trace"] = draw(_TEXTS)
    fields["values"] = draw(st.dictionaries(_GLOBS, _JSON, max_size=2))
    fields["on_cancel"] = draw(st.sampled_from(OnCancel))
    if fields["on_cancel"] is OnCancel.OBEYS:
        fields["cancel_after"] = draw(_DURATIONS)
    if not inner and code in RETRIED:
        fields["retries"] = draw(_attempts())
    if not inner:
        fields["tasks"] = draw(st.dictionaries(_GLOBS, _outcomes(inner=True), max_size=2))
    return Outcome(**fields)


@st.composite
def _attempts(draw: st.DrawFn) -> list[Outcome]:
    failed = draw(st.lists(st.sampled_from(sorted(RETRIED)), max_size=2))
    last = draw(st.none() | _outcomes(inner=True))
    attempts = [draw(_outcomes(code=code, inner=True)) for code in failed]
    return attempts if last is None else [*attempts, last]


_MATCHES = st.builds(
    Match,
    run_name=_GLOBS,
    task_key=_GLOBS,
    tags=st.dictionaries(_GLOBS, _GLOBS, max_size=2),
    parameters=st.dictionaries(_GLOBS, _GLOBS, max_size=2),
    job_id=st.none() | st.integers(0, 2**53),
    nth=st.none() | st.integers(1, 9),
    probability=st.floats(0, 1, exclude_min=True),
)


def scenarios() -> st.SearchStrategy[Scenario]:
    """Return the scenarios that plain data can describe, of every code, with attempts, tasks and any match."""
    outcomes = st.lists(_outcomes(), min_size=1, max_size=2)
    named = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_-]{0,6}\Z")
    return st.builds(
        Scenario,
        match=_MATCHES | st.just(Match()),
        outcomes=outcomes,
        name=named | st.just(""),
        description=st.text(),
    ) | st.builds(Scenario, match=st.none(), outcomes=outcomes, name=named)
