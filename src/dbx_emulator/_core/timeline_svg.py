"""A timeline as a picture: SVG that needs nothing besides itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dbx_emulator._core.states import LifeCycleState, ResultState
from dbx_emulator._core.timeline_text import elapsed, length, ticks_ms

if TYPE_CHECKING:
    from dbx_emulator._core.timeline import Lane, Stretch, Timeline

__all__ = ["draw_timeline"]

_WIDTH = 960
_MARGIN = 20
_TOP = 64
_LANE = 26
_BAR = 14
_LABEL_CHARACTERS = 28
_CHARACTER = 7.3
_ENDING = 190
_MOST_TICKS = 7
#: From which width on a bar says its state itself.
_NAMED_FROM = 90

#: States in which nothing works are drawn thin.
_THIN = frozenset({LifeCycleState.BLOCKED, LifeCycleState.QUEUED, LifeCycleState.WAITING_FOR_RETRY})

_GOOD = frozenset({ResultState.SUCCESS, ResultState.SUCCESS_WITH_FAILURES})
_BAD = frozenset({ResultState.FAILED, ResultState.TIMEDOUT, ResultState.UPSTREAM_FAILED})

#: What XML cannot hold at all.
_IMPOSSIBLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: Name of a colour → on light pages, on dark ones. All keep a contrast of 3 : 1 to their page.
_COLOURS = {
    "page": ("#ffffff", "#14181d"),
    "ink": ("#1c2733", "#e4e9ee"),
    "faint": ("#5b6875", "#9aa7b4"),
    "grid": ("#e2e7ec", "#2b333c"),
    "idle": ("#8593a1", "#75838f"),
    "PENDING": ("#b7791f", "#d9a03f"),
    "RUNNING": ("#2166ac", "#5a9fe0"),
    "TERMINATING": ("#7b5ea7", "#a98bd6"),
    "good": ("#21804a", "#4fb87a"),
    "bad": ("#c0392b", "#ee7365"),
}

_RULES = """\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:var(--ink)}
.head{font-size:14px;font-weight:600}.faint{fill:var(--faint)}.axis{font-size:11px;fill:var(--faint)}
.on{font-size:10px;fill:var(--page)}.grid{stroke:var(--grid)}
.bar{fill:var(--idle)}.PENDING{fill:var(--PENDING)}.RUNNING{fill:var(--RUNNING)}.TERMINATING{fill:var(--TERMINATING)}
.good{fill:var(--good)}.bad{fill:var(--bad)}.other{fill:var(--idle)}"""


def draw_timeline(timeline: Timeline) -> str:
    """Return how a run went, as `Timeline.svg` says."""
    height = _TOP + len(timeline.lanes) * _LANE + 58
    scale = _Scale(timeline)
    run_id = timeline.run_id
    name = _text(f"Run {run_id} {timeline.run_name}")
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    role = f'role="img" aria-labelledby="title-{run_id} desc-{run_id}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {role}>',
            f'<title id="title-{run_id}">{name}</title>',
            f'<desc id="desc-{run_id}">{_text("; ".join(_summary(timeline)))}</desc>',
            f"<style>{_style()}</style>",
            f'<rect width="{_WIDTH}" height="{height}" fill="var(--page)"/>',
            f'<text class="head" x="{_MARGIN}" y="28">{name}</text>',
            f'<text class="faint" x="{_MARGIN}" y="47">{_text(_state(timeline))}</text>',
            *_grid(timeline, scale, height),
            *(part for row, lane in enumerate(timeline.lanes) for part in _lane(lane, row, timeline, scale)),
            *_legend(timeline, height),
            "</svg>\n",
        ]
    )


class _Scale:
    """Where a moment is in the picture."""

    def __init__(self, timeline: Timeline) -> None:
        longest = max((min(len(lane.label), _LABEL_CHARACTERS) for lane in timeline.lanes), default=0)
        self.left = _MARGIN + longest * _CHARACTER + 14
        self.right = _WIDTH - _MARGIN - _ENDING
        self._per_ms = (self.right - self.left) / max(timeline.duration_ms, 1)

    def x(self, at_ms: int) -> float:
        """Return the place of a moment of the run."""
        return self.left + at_ms * self._per_ms


def _style() -> str:
    light, dark = (
        ";".join(f"--{name}:{colours[index]}" for name, colours in _COLOURS.items()) for index in (0, 1)
    )
    return f"svg{{{light}}}\n@media (prefers-color-scheme:dark){{svg{{{dark}}}}}\n{_RULES}"


def _state(timeline: Timeline) -> str:
    result = f" {timeline.result_state.value}" if timeline.result_state else ""
    began = f"from {elapsed(timeline.start_time_ms)} of virtual time"
    scenario = f" · scenario {timeline.scenario}" if timeline.scenario else ""
    return f"{timeline.life_cycle_state.value}{result} · {length(timeline.duration_ms)} {began}{scenario}"


def _summary(timeline: Timeline) -> Iterator[str]:
    """Yield the whole picture in words, for those who cannot see it."""
    yield _state(timeline)
    for lane in timeline.lanes:
        states = [
            f"{each.life_cycle_state.value} {length(each.end_ms - each.start_ms)}"
            for each in lane.stretches
            if each.end_ms > each.start_ms
        ]
        yield f"{lane.label}: {', '.join([*states, lane.ending] if lane.result_state else states)}"


def _grid(timeline: Timeline, scale: _Scale, height: int) -> Iterator[str]:
    bottom = height - 50
    for at_ms in ticks_ms(timeline.duration_ms, _MOST_TICKS):
        x = scale.x(at_ms)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 4}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="axis" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{length(at_ms)}</text>'


def _lane(lane: Lane, row: int, timeline: Timeline, scale: _Scale) -> Iterator[str]:
    top = _TOP + row * _LANE + (_LANE - _BAR) // 2
    label = lane.label
    if len(label) > _LABEL_CHARACTERS:
        label = f"{label[: _LABEL_CHARACTERS - 1]}…"
    yield f'<g><text x="{_MARGIN}" y="{top + 11}">{_text(label)}<title>{_text(lane.label)}</title></text>'
    for stretch in lane.stretches:
        if stretch.end_ms > stretch.start_ms:
            yield from _bar(lane, stretch, top, timeline, scale)
    if lane.result_state:
        yield _end(lane, top, timeline, scale)
    yield "</g>"


def _bar(lane: Lane, stretch: Stretch, top: int, timeline: Timeline, scale: _Scale) -> Iterator[str]:
    state = stretch.life_cycle_state
    x, width = scale.x(stretch.start_ms), max(scale.x(stretch.end_ms) - scale.x(stretch.start_ms), 1.5)
    y, height = (top + _BAR // 2 - 2, 4) if state in _THIN else (top, _BAR)
    when = f"from {elapsed(timeline.start_time_ms + stretch.start_ms)}"
    title = _text(f"{lane.label}: {state.value} for {length(stretch.end_ms - stretch.start_ms)}, {when}")
    yield (
        f'<rect class="bar {state.value}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="2">'
        f"<title>{title}</title></rect>"
    )
    if state not in _THIN and width >= _NAMED_FROM:
        yield f'<text class="on" x="{x + 6:.1f}" y="{top + 11}" aria-hidden="true">{state.value}</text>'


def _end(lane: Lane, top: int, timeline: Timeline, scale: _Scale) -> str:
    """Return the mark at the end of an attempt, and how it ended."""
    kind = "good" if lane.result_state in _GOOD else "bad" if lane.result_state in _BAD else "other"
    at_ms = lane.stretches[-1].start_ms
    x = scale.x(at_ms)
    words = lane.result_state.value if lane.result_state else ""
    title = f"{lane.label}: {lane.ending} at {elapsed(timeline.start_time_ms + at_ms)}. {lane.state_message}"
    return (
        f'<g><title>{_text(title.strip())}</title><circle class="{kind}" cx="{x + 7:.1f}" cy="{top + 7}" r="4"/>'
        f'<text class="{kind}" x="{x + 16:.1f}" y="{top + 11}">{words}</text></g>'
    )


def _legend(timeline: Timeline, height: int) -> Iterator[str]:
    present = {
        each.life_cycle_state
        for lane in timeline.lanes
        for each in lane.stretches
        if each.end_ms > each.start_ms
    }
    x = float(_MARGIN)
    for state in (each for each in LifeCycleState if each in present):
        y, tall = (height - 17, 4) if state in _THIN else (height - 20, 10)
        yield f'<rect class="bar {state.value}" x="{x:.1f}" y="{y}" width="14" height="{tall}" rx="2"/>'
        yield f'<text class="axis" x="{x + 20:.1f}" y="{height - 11}">{state.value}</text>'
        x += 20 + len(state.value) * 6.8 + 22


def _text(text: str) -> str:
    """Return a text as it may stand in XML."""
    return html.escape(_IMPOSSIBLE.sub("\ufffd", text))
