"""Calls as an HTTP archive: HAR 1.2, which browsers and proxies read.

A HAR knows one kind of time. It gets the virtual one; the real one stands in comments, and in fields that begin
with an underscore, as the format leaves to those who write it.

The format: HTTP Archive 1.2, http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from dbx_emulator._core.redaction import (
    find_secrets,
    redact_body,
    redact_form,
    redact_headers,
    redact_quotes,
)

if TYPE_CHECKING:
    from dbx_emulator._core.journal import JournalEntry, Said, Told

__all__ = ["arrived", "render_har"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HTTP = "HTTP/1.1"
_NOT_SHOWN = "not shown: it cannot be searched for secrets"
_GONE = "no longer kept"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Arrived(NamedTuple):
    """What of an answer came to the client.

    Attributes:
        status_code: The status; 0 if not even the head of an answer came.
        body: What came of the body.
        trouble: What went wrong with it, in words; an empty text if nothing did.
    """

    status_code: int
    body: bytes
    trouble: str


def arrived(status_code: int, told: Told) -> Arrived:
    """Return what came of an answer that the service gave with this status."""
    if not told.wire:
        return Arrived(status_code, told.body, "")
    # Of all that can be done to a connection, only what is sent has data.
    sent: bytes = b"".join(getattr(operation, "data", b"") for operation in told.wire)
    head, _, body = sent.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not (head.startswith(b"HTTP/") and lengths):
        return Arrived(0, b"", f"no answer arrived; the service said {status_code or 'nothing'}")
    announced = int(lengths[0])
    trouble = "" if len(body) == announced else f"the body broke off after {len(body)} of {announced} bytes"
    return Arrived(status_code, body, trouble)


def render_har(entries: Iterable[JournalEntry]) -> dict[str, object]:
    """Return calls as a HAR, as plain data that can be written as JSON."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "dbx-emulator", "version": "1", "comment": "all times are virtual"},
            "entries": [_render(entry) for entry in entries],
        }
    }


def _render(entry: JournalEntry) -> dict[str, Any]:
    said, told = entry.said, entry.told
    delay_ms = told.delay_ms if told else 0
    came = arrived(entry.status_code, told) if told else Arrived(entry.status_code, b"", "")
    said_at = "" if not entry.real_ms else f"in real time at {_moment(entry.real_ms)}"
    rendered: dict[str, Any] = {
        "startedDateTime": _moment(entry.now_ms),
        "time": delay_ms,
        "request": _render_request(entry, said),
        "response": _render_response(came, told),
        "cache": {},
        "timings": {"send": 0, "wait": delay_ms, "receive": 0},
        "comment": "; ".join(filter(None, [came.trouble, entry.note, said_at])),
        "_dbx": {name: getattr(each, "value", each) for name, each in _facts(entry).items()},
    }
    # As browsers name what kept an answer away.
    rendered |= {"_error": came.trouble} if came.trouble else {}
    secrets = find_secrets(said.headers, said.target.partition("?")[2], said.body) if said else ()
    return {name: redact_quotes(each, secrets) for name, each in rendered.items()}


def _facts(entry: JournalEntry) -> dict[str, object]:
    names = ("sequence", "route", "run_id", "status_code", "error_code", "fault", "scenario", "real_ms")
    before, after = entry.states
    return {name: getattr(entry, name) for name in names} | {"state_before": before, "state": after}


def _render_request(entry: JournalEntry, said: Said | None) -> dict[str, Any]:
    headers = redact_headers(said.headers) if said else []
    target, body = (said.target, said.body) if said else (entry.path, b"")
    path, _, query = target.partition("?")
    parameters = redact_form(query)
    request = {
        "method": entry.method,
        "url": _url(headers, path, parameters),
        "httpVersion": _HTTP,
        "cookies": [],
        "headers": _pairs(headers),
        "queryString": _pairs(parameters),
        "headersSize": -1,
        "bodySize": len(body) if said else -1,
    }
    if body:
        request["postData"] = {"mimeType": _content_type(headers)} | _text(
            redact_body(body, _content_type(headers))
        )
    return request if said else request | {"comment": _GONE}


def _render_response(came: Arrived, told: Told | None) -> dict[str, Any]:
    headers = redact_headers(told.headers) if told and came.status_code else []
    response = {
        "status": came.status_code,
        "statusText": _phrase(came.status_code),
        "httpVersion": _HTTP,
        "cookies": [],
        "headers": _pairs(headers),
        "content": {"size": len(came.body), "mimeType": _content_type(headers)}
        | _text(redact_body(came.body, _content_type(headers), is_answer=True)),
        "redirectURL": next((value for name, value in headers if name.lower() == "location"), ""),
        "headersSize": -1,
        "bodySize": len(came.body) if told else -1,
    }
    return response if told else response | {"comment": _GONE}


def _text(text: str | None) -> dict[str, str]:
    return {"text": "", "comment": _NOT_SHOWN} if text is None else {"text": text}


def _url(headers: Sequence[tuple[str, str]], path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return where a call went. Whether it was encrypted is not known: on this machine it seldom is."""
    host = next((value for name, value in headers if name.lower() == "host"), "dbx-emulator")
    scheme = "http" if host.startswith(_LOOPBACK) else "https"
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{scheme}://{host}{path}{query}"


def _pairs(lines: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in lines]


def _content_type(headers: Sequence[tuple[str, str]]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _phrase(status_code: int) -> str:
    return HTTPStatus(status_code).phrase if status_code in set(HTTPStatus) else ""


def _moment(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
