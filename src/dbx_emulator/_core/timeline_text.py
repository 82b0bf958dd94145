"""A timeline for people who read lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from dbx_emulator._core.clock import EPOCH_MS
from dbx_emulator._core.states import LifeCycleState

if TYPE_CHECKING:
    from dbx_emulator._core.timeline import Lane, Stretch, Timeline

__all__ = ["GLYPHS", "column_of", "elapsed", "length", "ticks_ms", "write_timeline"]

#: The sign for a moment in a state; states without one are shown as nothing.
GLYPHS = {
    LifeCycleState.QUEUED: "·",
    LifeCycleState.PENDING: "░",
    LifeCycleState.RUNNING: "█",
    LifeCycleState.TERMINATING: "▒",
    LifeCycleState.WAITING_FOR_RETRY: "~",
}

_LEAST_WIDTH = 20
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))

#: Distances of marks on an axis that people can count in, in milliseconds. Beyond, whole multiples of a week.
_STEPS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(each * 1_000 for each in (1, 2, 5, 10, 15, 30)),
    *(each * 60_000 for each in (1, 2, 5, 10, 15, 30)),
    *(each * 3_600_000 for each in (1, 2, 3, 6, 12, 24, 48)),
)
_WEEK_MS = 7 * 86_400_000


def write_timeline(timeline: Timeline, *, width: int, most: int | None) -> str:
    """Return how a run went, as `Timeline.text` says."""
    result = f" {timeline.result_state.value}" if timeline.result_state else ""
    joint = "after" if timeline.is_over else "for"
    scenario = f", scenario {timeline.scenario}" if timeline.scenario else ""
    state = f"{timeline.life_cycle_state.value}{result} {joint} {length(timeline.duration_ms)}"
    lines = [f"run {timeline.run_id} {timeline.run_name!r}: {state}{scenario}"]
    lines += _capped([f"  {line}" for line in _changes(timeline)], most, "changes")
    lines += _bars(timeline, width, most)
    return "\n".join(lines)


def length(ms: int) -> str:
    """Return a length of time as a duration is written, such as `1h30m`."""
    text = ""
    for unit_ms, unit in _UNITS:
        count, ms = divmod(ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def elapsed(at_ms: int) -> str:
    """Return a moment of virtual time as hours, minutes and seconds since its beginning."""
    seconds, ms = divmod(at_ms - EPOCH_MS, 1_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"


def column_of(at_ms: int, total_ms: int, width: int) -> int:
    """Return the column of a moment on an axis of so many columns."""
    return min(at_ms * width // max(total_ms, 1), width - 1)


def ticks_ms(total_ms: int, most: int) -> list[int]:
    """Return the marks of an axis, from 0 on, in steps that people count in; at most so many."""
    step_ms = next((each for each in _STEPS_MS if total_ms // each < most), 0)
    if not step_ms:
        weeks, rest_ms = divmod(total_ms, _WEEK_MS * most)
        step_ms = (weeks + bool(rest_ms)) * _WEEK_MS
    return list(range(0, total_ms + 1, step_ms))


def _changes(timeline: Timeline) -> list[str]:
    """Return a line for each change of a state, oldest first."""
    changes = sorted(
        ((stretch.start_ms, lane, stretch) for lane in timeline.lanes for stretch in lane.stretches),
        key=lambda change: change[0],
    )
    label_width = max((len(lane.label) for lane in timeline.lanes), default=0)
    return [
        f"{elapsed(timeline.start_time_ms + start_ms)}  {lane.label:{label_width}}  {_became(lane, stretch)}"
        for start_ms, lane, stretch in changes
    ]


def _became(lane: Lane, stretch: Stretch) -> str:
    if stretch is not lane.stretches[-1] or not lane.result_state:
        return stretch.life_cycle_state.value
    message = " ".join(lane.state_message.split())
    return f"{lane.ending}{f': {message}' if message else ''}"


def _bars(timeline: Timeline, width: int, most: int | None) -> list[str]:
    """Return the attempts as bars, an axis below them, and what the signs mean."""
    total_ms = timeline.duration_ms
    label_width = max((len(lane.label) for lane in timeline.lanes), default=0)
    bar_width = max(_LEAST_WIDTH, width - label_width - 4)
    bars = [
        f"  {lane.label:{label_width}}  {_bar(lane, total_ms, bar_width)}".rstrip() for lane in timeline.lanes
    ]
    states = {
        stretch.life_cycle_state
        for stretch in chain.from_iterable(lane.stretches for lane in timeline.lanes)
        if stretch.end_ms > stretch.start_ms
    }
    legend = "  ".join(f"{glyph} {state.value}" for state, glyph in GLYPHS.items() if state in states)
    if not legend:
        return []
    indent = " " * (label_width + 4)
    return [*_capped(bars, most, "bars"), f"{indent}{_axis(total_ms, bar_width)}", f"{indent}{legend}"]


def _bar(lane: Lane, total_ms: int, width: int) -> str:
    """Return the states of an attempt over the time of its run; what takes any time has at least one sign."""
    cells = [" "] * width
    for stretch in lane.stretches:
        if stretch.end_ms > stretch.start_ms and stretch.life_cycle_state in GLYPHS:
            first = column_of(stretch.start_ms, total_ms, width)
            last = column_of(stretch.end_ms - 1, total_ms, width)
            cells[first : last + 1] = GLYPHS[stretch.life_cycle_state] * (last + 1 - first)
    return "".join(cells)


def _axis(total_ms: int, width: int) -> str:
    """Return marks with their times, as many as fit."""
    axis = ""
    for at_ms in ticks_ms(total_ms, max(width // 12, 2)):
        axis = f"{axis:{column_of(at_ms, total_ms, width)}}|{length(at_ms)}"
    return axis


def _capped(lines: list[str], most: int | None, what: str) -> Iterable[str]:
    if most is None or len(lines) <= most:
        return lines
    return [*lines[:most], f"  … {len(lines) - most} more {what}"]
