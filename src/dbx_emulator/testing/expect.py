"""Expectations about what a client did: each holds, or says what was seen, what is near and what to paste.

They read the journal, in virtual time. One about what must not happen holds if nothing happened; whoever wants
that something did says so with `calls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from dbx_emulator._api.router import API_ROUTES
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.journal import Calls, Journal, JournalEntry
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.timeline_text import length
from dbx_emulator.testing.differences import body_of, call_differences
from dbx_emulator.testing.retry_after import waits_until_ms
from dbx_emulator.testing.verdict import Verdict, as_line, nearest_calls, numbered

__all__ = ["Expectations", "Judged"]

#: Who reads a failure wants the line of the test, and none of this module's.
__tracebackhide__ = True


class Runs(Protocol):
    """The runs of a workspace."""

    @property
    def active(self) -> list[JobRun]:
        """Those that are not over."""
        ...


class Judged(Protocol):
    """What expectations look at: a workspace."""

    @property
    def journal(self) -> Journal:
        """What was called."""
        ...

    @property
    def runs(self) -> Runs:
        """What became of it."""
        ...


class Expectations:
    """What is expected of the client of a workspace. Filters are those of `journal.where`.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Judged) -> None:
        self._workspace = workspace

    def calls(
        self,
        route: str,
        *,
        times: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        **which: object,
    ) -> Calls:
        """Expect that a route was called so often, and return the calls.

        Args:
            route: The route, or a glob over routes.
            times: How often exactly; without any number, at least once.
            at_least: How often at least.
            at_most: How often at most.
            which: Further filters.

        Raises:
            AssertionError: It was not.
            UsageError: There is no such route or filter, or the numbers are none or contradict each other.
        """
        return self._counted(route, _bounds(times, at_least, at_most), which)

    def at_most_once(self, route: str, **which: object) -> Calls:
        """Expect that a route was called once or never, and return the call.

        Raises:
            AssertionError: It was called more often; the differences between the first two calls are shown.
            UsageError: There is no such route or filter.
        """
        return self._counted(route, (0, 1), which)

    def order(self, *routes: str, **which: object) -> None:
        """Expect that these routes were called one after the other, whatever came between.

        Raises:
            AssertionError: They were not.
            UsageError: Fewer than two routes, or there is no such route or filter.
        """
        if len(routes) <= 1:
            raise UsageError(
                "order: it takes at least two routes, such as order('runs/submit', 'runs/cancel')"
            )
        steps = {route: {entry.sequence for entry in self._find(route, which)} for route in routes}
        calls = self._find("*", which)
        rest = iter(calls)
        for place, route in enumerate(routes):
            if not any(entry.sequence in steps[route] for entry in rest):
                came = ", then ".join(routes[:place]) or "nothing"
                Verdict(
                    f"expected {', then '.join(routes)}; after {came} no {route} came",
                    seen=numbered(calls),
                    nearest=self._near(route, which),
                    paste=[
                        as_line("expect.order", *(entry.route for entry in calls[:6])),
                        as_line("journal.where", route=route),
                    ],
                ).fail()

    def poll_interval(
        self,
        route: str = "runs/get",
        *,
        at_least: Duration | None = None,
        at_most: Duration | None = None,
        **which: object,
    ) -> None:
        """Expect that so much virtual time passed between one call of a route and the next about the same run.

        Raises:
            AssertionError: Two calls were closer, or further apart.
            UsageError: Neither bound is given, one is no duration, or there is no such route or filter.
        """
        if at_least is None and at_most is None:
            raise UsageError("poll_interval: give at_least='5s', at_most='1m', or both")
        least_ms = 0 if at_least is None else duration_ms(at_least, name="at_least")
        most_ms = None if at_most is None else duration_ms(at_most, name="at_most")
        gaps = list(_gaps(self._find(route, which)))
        for first, second in gaps:
            gap_ms = second.now_ms - first.now_ms
            if gap_ms < least_ms or (most_ms is not None and gap_ms > most_ms):
                bounds = [f"at least {at_least}"] if at_least is not None else []
                bounds += [f"at most {at_most}"] if at_most is not None else []
                span = _span(gaps)
                Verdict(
                    f"expected {' and '.join(bounds)} between calls of {route}, saw {length(gap_ms)}",
                    seen=numbered([first, second]),
                    paste=[
                        as_line("expect.poll_interval", route, **span, **which),
                        as_line("journal.where", route=route, run_id=first.run_id),
                    ],
                ).fail()

    def retry_after_obeyed(self, route: str = "*", **which: object) -> None:
        """Expect that no call was made again before the time was over that an answer to it asked for.

        A call is the same again if method, target and body are. An answer that never arrived asks for nothing, nor
        does a Retry-After that says neither seconds nor a date.

        Raises:
            AssertionError: One was.
            UsageError: There is no such route or filter.
        """
        waiting: dict[object, tuple[JournalEntry, int]] = {}
        for entry in self._readable(self._find(route, which)):
            asked, until_ms = waiting.pop(_same_call(entry), (None, 0))
            if asked is not None and entry.now_ms < until_ms:
                wait, gap = length(until_ms - asked.now_ms), length(entry.now_ms - asked.now_ms)
                Verdict(
                    f"expected {entry.route} to wait {wait} as Retry-After said, and it came again after {gap}",
                    seen=numbered([asked, entry]),
                    paste=[as_line("journal.where", route=entry.route, since_ms=asked.now_ms)],
                ).fail()
            if (until := waits_until_ms(entry)) is not None:
                waiting[_same_call(entry)] = (entry, until)

    def stable_idempotency_token(self, route: str = "runs/submit", **which: object) -> None:
        """Expect that whoever submits the same thing again says so, by the same idempotency token.

        Raises:
            AssertionError: Two calls had the same body but for the token, or had none.
            UsageError: There is no such route or filter.
        """
        first: dict[str, JournalEntry] = {}
        for entry in self._readable(self._find(route, which)):
            body = body_of(entry)
            if not isinstance(body, dict):
                continue
            token = body.pop("idempotency_token", "")
            before = first.setdefault(repr(body), entry)
            if before is not entry and (not token or body_of(before).get("idempotency_token") != token):
                Verdict(
                    f"expected one idempotency_token for one {route}, and it was sent again with another or none",
                    seen=numbered([before, entry]),
                    differences=call_differences(before, entry)
                    if token
                    else ["body.idempotency_token: absent"],
                    paste=['body["idempotency_token"] = "…"  # chosen once, before the first attempt'],
                ).fail()

    def no_active_runs(self) -> None:
        """Expect that every run is over.

        Raises:
            AssertionError: One is not.
        """
        active = self._workspace.runs.active
        if active:
            run_id = active[0].run_id
            Verdict(
                f"expected no active run, saw {len(active)}",
                seen=[
                    f"run {each.run_id} {each.run_name!r}: {each.life_cycle_state.value}" for each in active
                ],
                nearest=numbered(self._workspace.journal.where(run_id=run_id)[-3:]),
                paste=[
                    as_line("clock.run_until", run_id, "TERMINATED"),
                    as_line("expect.calls", "runs/cancel", run_id=run_id),
                    f"print(databricks.runs.timeline({run_id}))",
                ],
            ).fail()

    def _counted(self, route: str, bounds: tuple[int, int | None], which: Mapping[str, object]) -> Calls:
        least, most = bounds
        found = self._find(route, which)
        if len(found) < least or (most is not None and len(found) > most):
            self._fail_count(route, which, found, _words(least, most))
        return found

    def _find(self, route: str, which: Mapping[str, object]) -> Calls:
        """Return the calls that are meant, of all that there were.

        Raises:
            UsageError: There is no such route or filter, or calls were dropped.
        """
        if not any(sign in route for sign in "*?[") and route not in API_ROUTES:
            known = sorted(API_ROUTES)
            raise UsageError(f"route: {route!r} is none of {', '.join(known)}{nearest(route, known)}")
        journal = self._workspace.journal
        if journal.dropped:
            raise UsageError(
                f"journal: {journal.dropped} calls are no longer kept, so nothing can be expected of all; "
                "call databricks.journal.clear() where the part begins that counts"
            )
        return journal.where(route=route, **which)

    def _readable(self, calls: Calls) -> Calls:
        for entry in calls:
            if entry.said is None:
                raise UsageError(
                    f"journal: what call #{entry.sequence} said is no longer kept; call "
                    "databricks.journal.clear() where the part begins that counts"
                )
        return calls

    def _near(self, route: str, which: Mapping[str, object]) -> list[str]:
        filters = {"route": route, **which}
        return [
            f"#{entry.sequence} {entry.method} {entry.path}: "
            + ", ".join(f"{each.name} {each.wanted!r} ≠ {each.seen!r}" for each in missed)
            for entry, missed in nearest_calls(self._workspace.journal, filters)
        ]

    def _fail_count(self, route: str, which: Mapping[str, object], found: Calls, words: str) -> None:
        paste = [as_line("expect.calls", route, times=len(found), **which)]
        near = nearest_calls(self._workspace.journal, {"route": route, **which})
        if not found and near:
            instead = {"route": route, **which} | {each.name: each.seen for each in near[0][1]}
            paste = [as_line("expect.calls", instead.pop("route"), **instead)]
        told = ", ".join(f"{name}={value!r}" for name, value in which.items())
        Verdict(
            f"expected {words} of {route}{f' with {told}' if told else ''}, saw {len(found)}",
            seen=numbered(found),
            nearest=[] if found else self._near(route, which),
            differences=call_differences(found[0], found[1]) if len(found) > 1 else [],
            paste=[*paste, as_line("journal.where", route=route)],
        ).fail()


def _bounds(times: int | None, at_least: int | None, at_most: int | None) -> tuple[int, int | None]:
    """Return the least and the most that is expected.

    Raises:
        UsageError: A number is none, or they contradict each other.
    """
    given = {"times": times, "at_least": at_least, "at_most": at_most}
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise UsageError(f"{name}: {value!r} is no number of calls")
    if times is not None:
        if at_least is not None or at_most is not None:
            raise UsageError("times: it says it all; leave out at_least and at_most")
        return times, times
    if at_least is not None and at_most is not None and at_least > at_most:
        raise UsageError(f"at_least: {at_least} is more than at_most, {at_most}")
    usual = 1 if at_most is None else 0
    return usual if at_least is None else at_least, at_most


def _words(least: int, most: int | None) -> str:
    if least == most:
        return f"exactly {_calls(least)}"
    if most is None:
        return f"at least {_calls(least)}"
    return f"at least {least} and at most {_calls(most)}" if least else f"at most {_calls(most)}"


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _gaps(calls: Sequence[JournalEntry]) -> Iterator[tuple[JournalEntry, JournalEntry]]:
    by_run: dict[int | None, list[JournalEntry]] = {}
    for entry in calls:
        by_run.setdefault(entry.run_id, []).append(entry)
    for each in by_run.values():
        yield from pairwise(each)


def _span(gaps: Sequence[tuple[JournalEntry, JournalEntry]]) -> dict[str, object]:
    """Return the bounds that all of the gaps keep."""
    all_ms = [second.now_ms - first.now_ms for first, second in gaps]
    return {"at_least": length(min(all_ms)), "at_most": length(max(all_ms))}


def _same_call(entry: JournalEntry) -> object:
    assert entry.said is not None, "only calls that can be read are compared"
    return entry.method, entry.said.target, entry.said.body
