"""What `dbx-agent serve` logs: one line for each record, for people or for machines, on standard error."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timezone
from typing import TextIO

__all__ = ["FORMATS", "configure"]

_LEVEL = "FLYTE_SDK_LOGGING_LEVEL"


class _JsonFormatter(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _TextFormatter(logging.Formatter):
    """A record as a line; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_instant(record)} {record.levelname} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


_FORMATTERS: dict[str, type[logging.Formatter]] = {"text": _TextFormatter, "json": _JsonFormatter}

#: What `configure` can be asked for.
FORMATS = tuple(_FORMATTERS)


def configure(name: str, stream: TextIO) -> None:
    """Write what is logged to a stream, in place of flytekit's own handlers and of Python's last resort.

    What asyncio and gRPC have to say is about failures; it has the same form as the rest.
    flytekit's level stays (FLYTE_SDK_LOGGING_LEVEL); unless it is set, the agent's own is INFO.

    Args:
        name: One of `FORMATS`.
        stream: Where to.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMATTERS[name]())
    logging.getLogger("flytekit").handlers = [handler]
    # flytekit's records do not get as far as the root, so none is written twice.
    logging.getLogger().addHandler(handler)
    if _LEVEL not in os.environ:
        logging.getLogger("flytekit.dbx_agent").setLevel(logging.INFO)


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=timezone.utc).isoformat(timespec="milliseconds")
