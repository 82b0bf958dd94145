"""What Flyte keeps between the calls about one run, and hands back to `get` and `delete`."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field, fields
from typing import Any

from dbx_agent.compat import ResourceMeta
from dbx_agent.errors import ResourceMetaError

__all__ = ["METADATA_BYTES", "DatabricksJobMetadata"]


METADATA_BYTES = 1023
"""What the encoded metadata may take: Flyte keeps that of every task in the resource of the workflow."""

#: Where agents before this one kept the token of a run.
_TOKEN_KEY = "auth_token"  # noqa: S105 - the name of the key, not the token


@dataclass
class DatabricksJobMetadata(ResourceMeta):
    """One Databricks run, as Flyte remembers it.

    Flyte stores these bytes in its cluster and writes them to its log, so they hold no secret and stay small.
    An ordinary run is written with the two documented keys alone, which every older agent can read.

    Source: [flyte.meta.unknown-key-raises] measured: flytekit 1.11 to 1.16.31, ResourceMeta.decode

    Attributes:
        databricks_instance: The workspace: a bare host for https, else a URL; empty if there is none to ask.
        run_id: The run's id in decimal digits; empty if there is no run.
        version: The layout of these fields; unwritten means 1.
        rejected: Why there is no run and never will be; empty for a run. `get` answers it as a permanent
            failure. Written as far as there is room.
        is_local: Whether the task was started by local execution, where nobody retries.
        inherited_token: The token that an older agent left for its run, so that the run survives the change of
            agents; empty for runs of this one. It is read and never written.
    """

    databricks_instance: str
    run_id: str
    version: int = field(default=1, compare=False)
    rejected: str = field(default="", compare=False)
    is_local: bool = field(default=False, compare=False)
    inherited_token: str = field(default="", compare=False, repr=False, metadata={"is_written": False})

    def encode(self) -> bytes:
        """Encode the resource meta to bytes: JSON without the fields that are at their default, under 1 KiB."""
        written = [item for item in fields(self) if item.metadata.get("is_written", True)]
        values = [(item.name, getattr(self, item.name), item.default) for item in written]
        said = {name: value for name, value, default in values if value != default}
        if self.rejected:
            room = METADATA_BYTES - len(json.dumps({**said, "rejected": ""}))
            said["rejected"] = _cut(self.rejected, room)
        return json.dumps(said).encode()

    @classmethod
    def decode(cls, data: bytes) -> DatabricksJobMetadata:
        """Decode the resource meta from bytes; keys that are not known are ignored.

        Raises:
            ResourceMetaError: If the bytes are no JSON object, or a documented key is missing or of another
                type.
        """
        try:
            given = json.loads(data)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise ResourceMetaError(
                "The resource meta is no JSON object: it was not written by a Databricks agent."
            )
        token = given.get(_TOKEN_KEY)
        return cls(
            databricks_instance=_read(given, "databricks_instance", str, None),
            run_id=_read(given, "run_id", str, None),
            version=_read(given, "version", int, 1),
            rejected=_read(given, "rejected", str, ""),
            is_local=_read(given, "is_local", bool, False),  # noqa: FBT003 - the default, not a switch
            inherited_token=token if isinstance(token, str) else "",
        )


def _read(given: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = default if given.get(key) is None else given[key]
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind):
        # The value is not shown: older agents kept a token in here.
        raise ResourceMetaError(
            f"The resource meta's {key} is {'missing' if value is None else 'of a wrong type'}: "
            "it was not written by a Databricks agent."
        )
    return value


def _cut(text: str, room: int) -> str:
    """Shorten a text so that JSON takes no more than `room` bytes for what is between its quotes."""
    ends, used = [], 0
    for character in text:
        used += len(json.dumps(character)) - 2
        ends.append(used)
    if used <= room:
        return text
    mark = "…"
    return text[: bisect_right(ends, room - len(json.dumps(mark)) + 2)] + mark
