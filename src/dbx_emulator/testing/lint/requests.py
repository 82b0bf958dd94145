"""What can be told from requests alone: how they are put, and what of an answer is never asked for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote_plus

from dbx_emulator.testing.lint.rules import Sight, times
from dbx_emulator.testing.lint.transcript import Exchange, Transcript

__all__ = ["called_old_version", "gave_no_product", "ignored_further_pages", "showed_token"]

#: The most that a page of runs/list holds; who asks for less wants no more.
_LONGEST_PAGE = 25

#: Shorter tokens stand in requests by chance.
_SHORTEST_TOKEN = 16

#: How libraries name themselves when nobody gives them a name.
_LIBRARY = re.compile(
    r"(python-httpx|python-requests|python-urllib3?|Python/[\d.]+ aiohttp|Go-http-client|okhttp|Java|"
    r"Apache-HttpClient|axios|node-fetch|node|undici|curl|Wget|reqwest)\b[^ ]*",
    re.IGNORECASE,
)


def ignored_further_pages(transcript: Transcript) -> Iterator[Sight]:
    """See a client that takes the first page for the whole."""
    pages = transcript.of("runs/list")
    wanted = {each.asked.get("page_token") for each in pages}
    last_by_offset = max((each.number for each in pages if _has_offset(each)), default=0)
    unread = [
        each
        for each in pages
        if _has_more(each)
        and each.answer.get("next_page_token") not in wanted
        and each.number >= last_by_offset
    ]
    if unread:
        yield Sight(
            f"runs/list said that there are more runs, and the client took the page for all of them "
            f"({times(len(unread))})",
            unread,
        )
    for each in transcript.of("runs/get"):
        if each.answer.get("next_page_token") and _used_tasks(transcript, each):
            yield Sight(
                f"run {each.run_id} has more tasks than the answer held, and the client went on to their output "
                "without reading the rest",
                (each,),
                each.run_id,
            )
            return


def showed_token(transcript: Transcript) -> Iterator[Sight]:
    """See a token where proxies and logs keep it: in the URL, or in a body."""
    secrets = [secret for secret in transcript.secrets if len(secret) >= _SHORTEST_TOKEN]
    shown: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for each in transcript.exchanges:
        target = unquote_plus(each.said.target)
        if any(secret in target for secret in secrets):
            shown[each.what, "URL"].append(each)
        if any(secret.encode() in each.said.body for secret in secrets):
            shown[each.what, "body"].append(each)
    for (what, place), exchanges in shown.items():
        yield Sight(f"the {place} of {what} held a token of the workspace", exchanges)


def called_old_version(transcript: Transcript) -> Iterator[Sight]:
    """See calls of the Jobs API 2.0."""
    old = [each for each in transcript.exchanges if each.entry.version == "2.0" and _is_api(each)]
    if old:
        routes = ", ".join(sorted({each.route for each in old}))
        yield Sight(f"Jobs API 2.0 was called {times(len(old))} ({routes})", old)


def gave_no_product(transcript: Transcript) -> Iterator[Sight]:
    """See a client of which the service learns nothing but its library."""
    anonymous: dict[str, list[Exchange]] = defaultdict(list)
    for each in transcript.exchanges:
        agent = each.header(b"user-agent") or ""
        if _is_api(each) and (not agent or _LIBRARY.fullmatch(agent)):
            anonymous[agent].append(each)
    for agent, exchanges in anonymous.items():
        put = f"User-Agent: {agent}" if agent else "no User-Agent"
        yield Sight(f"the client called {times(len(exchanges))} with {put}", exchanges)


def _is_api(exchange: Exchange) -> bool:
    return bool(exchange.route and exchange.entry.version)


def _has_more(exchange: Exchange) -> bool:
    """Say whether a page was not the last, and its length not the client's own wish."""
    limit = _LONGEST_PAGE
    with suppress(TypeError, ValueError):
        limit = int(exchange.asked.get("limit") or _LONGEST_PAGE)
    return exchange.answer.get("has_more") is True and limit >= _LONGEST_PAGE


def _has_offset(exchange: Exchange) -> bool:
    return str(exchange.asked.get("offset", 0)) != "0"


def _used_tasks(transcript: Transcript, page: Exchange) -> bool:
    """Say whether the client read outputs of a run's tasks, and not the next page of them."""
    later = transcript.after(page)
    if any(each.asked.get("page_token") == page.answer["next_page_token"] for each in later):
        return False
    return any(
        each.route == "runs/get-output" and each.entry.run_id == page.entry.run_id and each.is_ok
        for each in later
    )
