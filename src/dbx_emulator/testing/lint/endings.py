"""How runs end, as far as their client sees to it: polled beyond the end, left behind, cancelled in good faith."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.states import ResultState
from dbx_emulator.testing.lint.rules import Sight, times
from dbx_emulator.testing.lint.transcript import Exchange, Transcript

__all__ = ["cancelled_in_vain", "left_active", "polled_after_the_end", "took_only_terminated"]

#: From how many reads on after the end, each later than the one before, a client is still polling. A few more
#: reads are usual: for the tasks, for a report.
_LATER_READS = 5

#: The same where time stands still.
_READS = 10

#: After how much virtual time without a call a run is left to itself.
_ABANDONED_MS = 10 * 60_000

#: Refusals after which a client has nothing left to stop a run with.
_SHUT_OUT = frozenset({401, 403})

_FAILURE = 400


@dataclass(slots=True)
class _End:
    """The end of a run, as its client was told of it.

    Attributes:
        told: The answer that said so.
        reads: The reads after it.
        cancels: The cancels after it.
    """

    told: Exchange
    reads: list[Exchange] = field(default_factory=list)
    cancels: list[Exchange] = field(default_factory=list)

    @property
    def is_polled(self) -> bool:
        """Whether the client went on as if the run were not over."""
        moments = {each.now_ms for each in self.reads} - {self.told.now_ms}
        return len(moments) >= _LATER_READS or len(self.reads) >= _READS


def took_only_terminated(transcript: Transcript) -> Iterator[Sight]:
    """See a client that waits for TERMINATED where a run has ended in another state."""
    for run_id, end in _polled(transcript):
        if end.told.end_state != "TERMINATED":
            yield _polled_on(run_id, end)


def polled_after_the_end(transcript: Transcript) -> Iterator[Sight]:
    """See a client that polls a run that it knows to be TERMINATED."""
    for run_id, end in _polled(transcript):
        if end.told.end_state == "TERMINATED":
            yield _polled_on(run_id, end)


def left_active(transcript: Transcript) -> Iterator[Sight]:
    """See a run that its client started and left to itself while it goes on."""
    if transcript.of("runs/cancel-all"):
        return
    cancelled = {each.run_id for each in transcript.of("runs/cancel")}
    last_reads = {each.run_id: each for each in transcript.of("runs/get")}
    for same in transcript.starts():
        for start in same:
            run = transcript.runs.get(start.entry.run_id or 0)
            if run is None or run.is_terminal or run.run_id in cancelled:
                continue
            how = _left(transcript, run, last_reads.get(run.run_id), is_repeated=start is not same[-1])
            if how is not None:
                yield Sight(f"run {run.run_id} is active, and the client {how}", (start,), run.run_id)


def cancelled_in_vain(transcript: Transcript) -> Iterator[Sight]:
    """See a cancel that had no effect, or could have none, and a client that did not look."""
    for run_id, end in _ends(transcript):
        if end.cancels:
            yield Sight(
                f"run {run_id} was cancelled after the client had been told that it is {end.told.end_state}",
                (end.told, *end.cancels),
                run_id,
            )
    last = {each.run_id: each for each in transcript.of("runs/cancel")}
    for cancel in last.values():
        run = transcript.runs.get(cancel.run_id or 0)
        what = None if run is None else _went_on(transcript, cancel, run)
        if what is not None:
            yield Sight(
                f"run {cancel.run_id} was cancelled, {what}, and the client never saw it end",
                (cancel,),
                cancel.run_id,
            )


def _ends(transcript: Transcript) -> list[tuple[int, _End]]:
    """Return the ends that the client was told of, with what it did about those runs afterwards."""
    told: dict[int, _End] = {}
    done: list[tuple[int, _End]] = []
    for each in transcript.exchanges:
        run_id = each.run_id
        if run_id is None:
            continue
        end = told.get(run_id)
        if each.route == "runs/repair" and end is not None:
            # What was over goes on; what follows is about another end.
            done.append((run_id, told.pop(run_id)))
        elif each.route == "runs/cancel" and end is not None:
            end.cancels.append(each)
        elif each.route == "runs/get" and end is not None and "page_token" not in each.asked:
            end.reads.append(each)
        elif each.end_state is not None:
            told.setdefault(run_id, _End(each))
    return done + list(told.items())


def _polled(transcript: Transcript) -> Iterator[tuple[int, _End]]:
    return ((run_id, end) for run_id, end in _ends(transcript) if end.is_polled)


def _polled_on(run_id: int, end: _End) -> Sight:
    return Sight(
        f"the client was told that run {run_id} is {end.told.end_state}, and read it {times(len(end.reads))} more",
        (end.told, *end.reads),
        run_id,
    )


def _left(transcript: Transcript, run: JobRun, last: Exchange | None, *, is_repeated: bool) -> str | None:
    """Return in which way an active run was left; `None` if it was not, or may be meant to be.

    Args:
        transcript: All calls.
        run: The run.
        last: The last poll of it; `None` if there was none.
        is_repeated: Whether the same was submitted again; then what nobody knows of is a duplicate.
    """
    if run.run_id not in transcript.known_run_ids:
        return None if is_repeated else "never heard its id and did not ask again"
    if last is None:
        return None  # started and forgotten
    if last.status_code is None or (last.status_code >= _FAILURE and last.status_code not in _SHUT_OUT):
        put = "no answer" if last.status_code is None else str(last.status_code)
        return f"got {put} to its last poll (call {last.number}) and went away without a cancel"
    minutes = (transcript.now_ms - last.now_ms) // 60_000
    polled = f"polled it last {minutes:,} minutes ago (call {last.number})"
    return polled if minutes * 60_000 >= _ABANDONED_MS else None


def _went_on(transcript: Transcript, cancel: Exchange, run: JobRun) -> str | None:
    """Return what became of a run that was cancelled and not seen to end; `None` if all is well."""
    later = transcript.after(cancel)
    if any(each.run_id == run.run_id and each.end_state is not None for each in later):
        return None
    if run.is_terminal:
        if run.end_time_ms <= cancel.now_ms or run.result_state is ResultState.CANCELED:
            return None
        return f"went on to its end as {run.life_cycle_state.value}"
    if cancel.status_code is None:
        return "the answer never arrived, it is still active"
    if cancel.status_code >= _FAILURE:
        return f"which was answered {cancel.status_code}, it is still active"
    last_ms = max([cancel.now_ms, *(each.now_ms for each in later if each.run_id == run.run_id)])
    minutes = (transcript.now_ms - last_ms) // 60_000
    return f"is still active {minutes:,} minutes later" if minutes * 60_000 >= _ABANDONED_MS else None
