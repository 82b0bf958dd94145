"""Until when an answer asked its client to wait."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime

from dbx_emulator._core.har import arrived
from dbx_emulator._core.journal import JournalEntry

__all__ = ["waits_until_ms"]


def waits_until_ms(entry: JournalEntry) -> int | None:
    """Return until when the answer to a call asked to wait, in epoch milliseconds of virtual time.

    `None` if it asked for nothing that can be obeyed, or did not arrive.
    """
    told = entry.told
    if told is None or arrived(entry.status_code, told).status_code == 0:
        return None
    text = (
        next((value for name, value in told.headers if name == b"retry-after"), b"").decode("latin-1").strip()
    )
    if text.isdecimal():
        return entry.now_ms + int(text) * 1_000
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without a zone means Greenwich, as every date of HTTP does.
    return round((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1_000)
