"""Page tokens: opaque, and refused when they are not as they were given out.

A token holds the direction, a position and a checksum over both and over what was listed, so that a token of
another list is refused as well.

Source: [paging.opaque-tokens] documented: Databricks REST API reference, Jobs, runs/list (next_page_token)
Source: [paging.garbage-token] assumed: how the service words its refusal is not recorded
"""

from __future__ import annotations

import base64
import hashlib
from typing import Literal, NamedTuple

from dbx_emulator._api.errors import invalid_parameter

__all__ = ["Page", "read_page_token", "write_page_token"]

_CHECKSUM_LENGTH = 6

Direction = Literal["next", "prev"]


class Page(NamedTuple):
    """Where a page begins.

    Attributes:
        position: A position in the list.
        direction: `next` for what follows the position, `prev` for what comes before it.
    """

    position: int
    direction: Direction = "next"


def write_page_token(page: Page, *, scope: str) -> str:
    """Return the token that stands for a page.

    Args:
        page: The page.
        scope: What is listed; only there the token is good.
    """
    text = f"{page.direction}:{page.position}".encode()
    return base64.urlsafe_b64encode(_checksum(text, scope) + text).decode()


def read_page_token(page_token: str, *, scope: str) -> Page:
    """Return the page that a token stands for.

    Raises:
        ApiError: 400 for a token that this emulator did not write for that list.
    """
    try:
        text = base64.b64decode(page_token.encode(), altchars=b"-_")[_CHECKSUM_LENGTH:].decode()
        direction, _, position = text.partition(":")
        page = Page(int(position), "prev" if direction == "prev" else "next")
    except ValueError:  # no base64, no text, or no number
        page = None
    # What reads as a page is its token only if it is written like that again, checksum and all.
    if page is None or write_page_token(page, scope=scope) != page_token:
        raise invalid_parameter("Invalid value for parameter page_token")
    return page


def _checksum(text: bytes, scope: str) -> bytes:
    return hashlib.blake2b(scope.encode() + b"\0" + text, digest_size=_CHECKSUM_LENGTH).digest()
