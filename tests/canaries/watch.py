"""What a test lets be seen, and whether a secret is in it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

__all__ = ["MARK", "PLACES", "Watch"]

#: Every secret that a test makes up begins like this, so that nobody has to tell of it: not even half of one is
#: to be seen anywhere.
MARK = "canary-"

#: Where somebody may read.
PLACES = {
    "exception": "what an error of ours says, and those that it was raised from",
    "journal": "a call as the journal of a workspace shows it",
    "log": "a record of any logger, with its arguments and its traceback",
    "metadata": "the resource meta that Flyte keeps",
    "output": "standard output and standard error, of other processes too",
    "report": "what pytest says of a failure or warns of",
    "repr": "how a value of ours is written down",
    "resource": "what Flyte shows of a run",
}

#: Shorter ones cannot be told from other words.
_MIN_LENGTH = 8

#: How many workspaces of one test are kept until its end. Of more, the oldest is looked at as it is then: a sweep
#: has hundreds, one after the other.
_MOST_JOURNALS = 30

#: How much of what stands before a secret is shown.
_SHOWN = 40


class Watch:
    """Everything that one test after the other lets be seen.

    Attributes:
        is_open: Whether a test is running; what is seen between tests is nobody's.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._secrets: dict[str, str] = {}
        self._texts: dict[str, list[str]] = {}
        self._journals: deque[Any] = deque()
        self._headers: set[tuple[bytes, ...]] = set()

    def begin(self) -> None:
        """Forget the test before."""
        self._secrets = {MARK: "a canary"}
        self._texts = {place: [] for place in PLACES}
        self._journals.clear()
        self.is_open = True

    def know(self, kind: str, *secrets: str) -> None:
        """Take texts for secrets of the test that is running; those that are too short to be found are not."""
        for secret in secrets:
            if len(secret) >= _MIN_LENGTH:
                self._secrets.setdefault(secret, kind)

    def note(self, place: str, *values: object) -> None:
        """Keep what is seen at one of `PLACES`."""
        if self.is_open:
            self._texts[place] += [each if isinstance(each, str) else repr(each) for each in values]

    def keep(self, journal: Any) -> None:
        """Look at the journal of a workspace at the end of the test."""
        if self.is_open:
            self._journals.append(journal)
            if len(self._journals) > _MOST_JOURNALS:
                self._read(self._journals.popleft())

    def end(self, *, except_at: Collection[str] = ()) -> list[str]:
        """End the test, and return which secrets were seen and where, a sentence for each.

        Args:
            except_at: The places at which secrets are shown on purpose.
        """
        if not self.is_open:
            return []
        while self._journals:
            self._read(self._journals.popleft())
        self.is_open = False
        parts = self._parts()
        looked_at = {place: "\n".join(self._texts[place]) for place in PLACES if place not in except_at}
        return [_sentence(place, text, parts) for place, text in looked_at.items() if _in(text, parts)]

    def _parts(self) -> dict[str, str]:
        """Return what to look for, with the kind of secret that it is a part of."""
        parts: dict[str, str] = {}
        for secret, kind in self._secrets.items():
            # Of a canary its beginning is looked for in any case.
            end = [secret[-10:]] if secret.startswith(MARK) and len(secret) > len(MARK) + 10 else []
            parts |= dict.fromkeys((secret, json.dumps(secret)[1:-1], *end), kind)
        # Where the longer one is, there is the shorter one.
        return {
            part: kind
            for part, kind in parts.items()
            if not any(other in part for other in parts if other != part)
        }

    def _read(self, journal: Any) -> None:
        secrets = [part.encode() for part in self._parts()]
        for entry in list(journal):
            said, names = b"\n".join(_raw(entry)), _header_names(entry)
            # To write all of them down would take longer than many a test. What becomes of credentials in a header
            # depends on its name alone; of the rest is shown what is there.
            if names not in self._headers or any(secret in said for secret in secrets):
                self._headers.add(names)
                self.note("journal", *_shown(entry))


def _raw(entry: Any) -> Iterator[bytes]:
    """Return all that a journal knows of a call but its credentials, which are in every one."""
    yield from (str(each).encode() for each in (entry.path, entry.note, entry.error_code, entry.scenario))
    if entry.said is not None:
        yield from (entry.said.target.encode(), entry.said.body)
        yield from (value for name, value in entry.said.headers if name.lower() != b"authorization")
    if entry.told is not None:
        yield entry.told.body
        yield from (value for _, value in entry.told.headers)
        yield from (getattr(operation, "data", b"") for operation in entry.told.wire)


def _header_names(entry: Any) -> tuple[bytes, ...]:
    return () if entry.said is None else tuple(name for name, _ in entry.said.headers)


def _shown(entry: Any) -> Iterable[str]:
    """Return a call in all the ways in which a journal is shown."""
    from dbx_emulator._core.journal import Calls
    from dbx_emulator._core.journal_text import describe_call

    calls = Calls([entry])
    har = json.dumps(calls.har(), ensure_ascii=False)
    return chain((repr(entry), describe_call(entry)), (calls.export().decode(), har))


def _in(text: str, parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part in text]


def _sentence(place: str, text: str, parts: Mapping[str, str]) -> str:
    """Say what is seen at a place, and after which words, without the secret itself or any other."""
    found = _in(text, parts)
    start = min(map(text.index, found))
    before = text[max(0, start - _SHOWN) : start].splitlines()[-1:]
    kinds = ", ".join(dict.fromkeys(parts[part] for part in found))
    return f"{place} ({PLACES[place]}): {kinds}, after {''.join(before)!r}"
