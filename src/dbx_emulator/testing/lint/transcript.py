"""What the rules read: the calls of a workspace as their client lived them, and what became of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from dbx_emulator._api.messages import Send
from dbx_emulator._core.journal import JournalEntry, Said, Told
from dbx_emulator._core.lifecycle import TERMINAL
from dbx_emulator._core.runs import JobRun

__all__ = ["STARTS", "Exchange", "JsonObject", "Transcript", "listen", "pause_ms"]

JsonObject = dict[str, Any]

#: The routes that make a run.
STARTS = frozenset({"runs/submit", "run-now"})

_OK = 200
_TERMINAL = frozenset(state.value for state in TERMINAL)
_BEARER = b"bearer "


@dataclass(frozen=True, eq=False)
class Exchange:
    """One call, as its client lived it.

    Attributes:
        entry: What the journal says of it.
        said: What the client sent.
        told: What it was answered.
        asked: The parameters of the query and the fields of the body.
        answer: The JSON object that the client was told; empty if it was told none.
    """

    entry: JournalEntry
    said: Said
    told: Told
    asked: JsonObject
    answer: JsonObject

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.entry.sequence

    @property
    def what(self) -> str:
        """What was called, in words; without the path, which may be anything."""
        return f"{self.entry.method} {self.route or 'of a path that nothing serves'}"

    @property
    def now_ms(self) -> int:
        """When it was answered, in epoch milliseconds of virtual time."""
        return self.entry.now_ms

    @property
    def route(self) -> str:
        """What was called, without the version."""
        return self.entry.route

    @property
    def request(self) -> tuple[str, str, bytes]:
        """What makes two calls the same one, sent again."""
        return self.entry.method, self.said.target, self.said.body

    @cached_property
    def status_code(self) -> int | None:
        """The status that the client saw; `None` if it got no whole answer."""
        return self.entry.status_code if _arrives(self.told) else None

    @property
    def is_ok(self) -> bool:
        """Whether the client was told that all went well."""
        return self.status_code == _OK

    @property
    def run_id(self) -> int | None:
        """The run that the client named, a task run's id included; `None` if it named none."""
        try:
            return int(self.asked["run_id"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    @property
    def told_run_id(self) -> int | None:
        """The run whose id the answer told the client; `None` if it told none."""
        run_id = self.answer.get("run_id")
        return run_id if isinstance(run_id, int) else None

    @property
    def listed_run_ids(self) -> list[object]:
        """The runs that a page of runs/list told the client of."""
        runs = self.answer.get("runs")
        return [run.get("run_id") for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []

    @property
    def token(self) -> str:
        """The idempotency token that it brought; an empty string if none."""
        return str(self.asked.get("idempotency_token") or "")

    @property
    def end_state(self) -> str | None:
        """The life-cycle state that told the client that the run is over; `None` if it was not told so."""
        if self.route != "runs/get":
            return None
        for part, field in (("state", "life_cycle_state"), ("status", "state")):
            said = self.answer.get(part)
            state = said.get(field) if isinstance(said, dict) else None
            if state is not None:
                return state if state in _TERMINAL else None
        return None

    def header(self, name: bytes) -> str | None:
        """Return a header of the request, its name given in lower case, or `None`."""
        return _header(self.said.headers, name)

    def told_header(self, name: bytes) -> str | None:
        """Return a header of the answer, its name given in lower case, or `None`."""
        return _header(self.told.headers, name)

    @property
    def bearer(self) -> str | None:
        """The token that opened the workspace; `None` if there was none."""
        authorization = self.header(b"authorization") or ""
        is_bearer = authorization.lower().startswith(_BEARER.decode())
        return authorization[len(_BEARER) :].strip() if is_bearer else None


@dataclass(frozen=True, eq=False)
class Transcript:
    """All that the rules read.

    Attributes:
        exchanges: The calls of which the journal keeps what was said and told, oldest first.
        runs: The job runs by id, as they are now.
        now_ms: The present, in epoch milliseconds of virtual time.
        is_paced: Whether the pauses between calls are the client's own doing.
        secrets: The tokens of the workspace.
    """

    exchanges: tuple[Exchange, ...]
    runs: Mapping[int, JobRun]
    now_ms: int
    is_paced: bool = True
    secrets: frozenset[str] = frozenset()

    def of(self, *routes: str) -> list[Exchange]:
        """Return the calls of some routes, oldest first."""
        return [each for each in self.exchanges if each.route in routes]

    @cached_property
    def known_run_ids(self) -> frozenset[object]:
        """The runs that the client ever heard of, or called by their ids."""
        return frozenset(
            run_id
            for each in self.exchanges
            for run_id in (each.run_id, each.told_run_id, *each.listed_run_ids)
            if run_id is not None
        )

    def after(self, exchange: Exchange) -> list[Exchange]:
        """Return the calls after one."""
        return [each for each in self.exchanges if each.number > exchange.number]

    def repeated(self) -> list[list[Exchange]]:
        """Return the calls that were sent more than once, unchanged; each with its repetitions."""
        by_request: dict[tuple[str, str, bytes], list[Exchange]] = defaultdict(list)
        for each in self.exchanges:
            by_request[each.request].append(each)
        return [same for same in by_request.values() if len(same) > 1]

    def starts(self) -> list[list[Exchange]]:
        """Return the calls that were to make the same run, whatever their idempotency tokens."""
        by_spec: dict[tuple[str, bytes], list[Exchange]] = defaultdict(list)
        for each in self.exchanges:
            if each.route in STARTS:
                spec = {name: value for name, value in each.asked.items() if name != "idempotency_token"}
                by_spec[each.route, msgspec.json.encode(spec, order="deterministic")].append(each)
        return list(by_spec.values())


def listen(
    entries: Iterable[JournalEntry],
    *,
    runs: Iterable[JobRun] = (),
    now_ms: int = 0,
    is_paced: bool = True,
    secrets: Iterable[str] = (),
) -> Transcript:
    """Return a transcript of the calls; those of which the journal does not keep what was said are left out."""
    decoded: dict[bytes, JsonObject] = {}
    exchanges = tuple(
        _exchange(entry, entry.said, entry.told, decoded)
        for entry in entries
        if entry.said is not None and entry.told is not None
    )
    bearers = {each.bearer for each in exchanges} - {None}
    return Transcript(
        exchanges,
        {job_run.run_id: job_run for job_run in runs},
        now_ms,
        is_paced,
        frozenset(secrets) | {bearer for bearer in bearers if bearer},
    )


def pause_ms(earlier: Exchange, later: Exchange) -> int:
    """Return how long a client waited between two calls, in virtual or in real milliseconds, whichever is more.

    A thread whose sleep is not virtual waits in truth, and the workspace's time stands still meanwhile.
    """
    return max(later.now_ms - earlier.now_ms, later.entry.real_ms - earlier.entry.real_ms)


def _exchange(entry: JournalEntry, said: Said, told: Told, decoded: dict[bytes, JsonObject]) -> Exchange:
    query = said.target.partition("?")[2]
    asked = _object(said.body, decoded) | dict(parse_qsl(query, keep_blank_values=True)) if query else None
    return Exchange(
        entry,
        said,
        told,
        _object(said.body, decoded) if asked is None else asked,
        _object(told.body, decoded) if entry.status_code == _OK and _arrives(told) else {},
    )


def _object(body: bytes, decoded: dict[bytes, JsonObject]) -> JsonObject:
    """Return the JSON object that a body is, an empty one if it is none; each body is decoded once."""
    found = decoded.get(body)
    if found is None:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = None
        found = decoded[body] = value if isinstance(value, dict) else {}
    return found


def _arrives(told: Told) -> bool:
    """Say whether a client gets the whole answer."""
    if told.is_given_up:
        return False
    if not told.wire:
        return True
    sent = b"".join(each.data for each in told.wire if isinstance(each, Send))
    return sent.endswith(told.body) and b"content-length: %d\r\n" % len(told.body) in sent


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for each, value in headers if each.lower() == name), None)
