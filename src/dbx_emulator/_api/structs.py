"""What requests are made of, and what the control API decodes: one Struct for each request.

The Structs have the API's own field names. Those of the Jobs API are in `structs_runs`, `structs_jobs` and
`structs_tasks`; there unknown fields are ignored. Numbers may come as strings or as integral floats, as
protobuf-JSON has it.

Source: [requests.protobuf-json] measured: Flyte's connector sends `run_id` as a string and counts as floats
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "AddFault",
    "ApplyProfiles",
    "Int32",
    "Int64",
    "IssueToken",
    "JsonObject",
    "ListFindings",
    "MoveClock",
    "NameFault",
    "RevokeToken",
    "RunUntil",
    "UseScenario",
]

JsonObject = dict[str, Any]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class RunUntil(Struct, forbid_unknown_fields=True):
    """Which run is to be in which life-cycle state."""

    run_id: int
    state: str


class MoveClock(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/clock: exactly one of its fields."""

    advance: str | float | UnsetType = UNSET
    step: bool | UnsetType = UNSET
    run_until: RunUntil | UnsetType = UNSET


class ListFindings(Struct, frozen=True):
    """The parameters of GET /__dbx/lint; `ignore` names rules that do not matter, with commas between them."""

    ignore: str = ""


class UseScenario(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/scenarios that takes a scenario from the catalogue; `match` as in a scenario."""

    use: str
    match: str | JsonObject


class AddFault(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/faults; which of the fields count depends on the kind."""

    kind: str
    route: str | UnsetType = UNSET
    run_name: str | UnsetType | None = UNSET
    principal: str | UnsetType | None = UNSET
    token: str | UnsetType | None = UNSET
    version: str | UnsetType | None = UNSET
    state: str | UnsetType | None = UNSET
    skip: int | UnsetType = UNSET
    every: int | UnsetType = UNSET
    times: int | UnsetType | None = UNSET
    probability: float | UnsetType = UNSET
    window: list[str | float] | UnsetType | None = UNSET
    point: str | UnsetType | None = UNSET
    is_transient: bool | UnsetType | None = UNSET
    status_code: int | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    error_code: str | UnsetType | None = UNSET
    message: str | UnsetType | None = UNSET
    dialect: str | UnsetType | None = UNSET
    retry_after: int | float | str | UnsetType | None = UNSET
    how: str | UnsetType = UNSET
    delay: str | float | UnsetType = UNSET
    per_second: float | UnsetType | None = UNSET
    burst: int | UnsetType | None = UNSET
    in_flight: int | UnsetType | None = UNSET
    says_when: bool | UnsetType = UNSET
    reads: int | UnsetType = UNSET
    body: Any = UNSET
    remove: list[str] | UnsetType = UNSET
    nulls: list[str] | UnsetType = UNSET
    replace: JsonObject | UnsetType = UNSET
    add: JsonObject | UnsetType = UNSET


class NameFault(Struct, frozen=True):
    """The parameters of DELETE /__dbx/faults; without an id all are meant."""

    id: str = ""


class ApplyProfiles(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/profiles."""

    profiles: list[str]


class IssueToken(Struct, forbid_unknown_fields=True):
    """The body of POST /__dbx/tokens."""

    principal: str = "user"
    lifetime: str | float | None = None
    refusal: str = "403-json"


class RevokeToken(Struct, forbid_unknown_fields=True):
    """The body of DELETE /__dbx/tokens."""

    token: str
