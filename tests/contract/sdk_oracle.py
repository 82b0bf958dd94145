"""An oracle that is not ours: every body reads and writes through the SDK's own types without loss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
from databricks.sdk.service import jobs

__all__ = ["check_response", "lost", "round_trip"]

Json = dict[str, Any]

#: Keys that the service sends and the SDK's types do not have, by the last part of their place.
_UNKNOWN_TO_THE_SDK = {"format", "parent_run_id", "task_key", "environments"}

#: What 2.0 says at the root of a flat run.
_OF_2_0 = {"task"}

#: The SDK's type of the answer of each endpoint; of the others the answer is an empty object.
_TYPES: dict[str, Any] = {
    "runs/submit": jobs.SubmitRunResponse,
    "runs/get": jobs.Run,
    "runs/list": jobs.ListRunsResponse,
    "runs/get-output": jobs.RunOutput,
    "runs/export": jobs.ExportRunOutput,
    "runs/repair": jobs.RepairRunResponse,
    "create": jobs.CreateResponse,
    "get": jobs.Job,
    "run-now": jobs.RunNowResponse,
}

_PATH = re.compile(r"/api/(?P<version>2\.\d)/jobs/(?P<endpoint>[\w/-]+)")


def lost(before: object, after: object, place: str = "") -> Iterator[str]:
    """Yield the places of what the second value lacks or says otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{place}.{name}"
            else:
                yield from lost(value, after[name], f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{place}[{index}]")
    elif before != after:
        yield f"{place} ({before!r} became {after!r})"


def round_trip(sdk_type: Any, body: Json) -> Json:
    """Return a body after it was read and written by the SDK."""
    after: Json = sdk_type.from_dict(body).as_dict()
    return after


def check_response(response: httpx.Response) -> None:
    """Assert that the SDK loses nothing of a successful answer of the Jobs API."""
    match = _PATH.fullmatch(response.request.url.path)
    if match is None or response.status_code != 200:
        return
    response.read()
    body = response.json()
    sdk_type = _TYPES.get(match["endpoint"])
    if sdk_type is None:
        assert body == {}, match["endpoint"]
        return
    allowed = _UNKNOWN_TO_THE_SDK | (_OF_2_0 if match["version"] == "2.0" else set())
    places = [place for place in lost(body, round_trip(sdk_type, body)) if _name(place) not in allowed]
    assert places == [], f"{match['endpoint']}: the SDK loses {places}"
    _check_numbers(body)


def _name(place: str) -> str:
    return place.rsplit(".", 1)[-1]


def _check_numbers(value: Any) -> None:
    """Ids and times are in the ranges that clients rely on."""
    if isinstance(value, list):
        for each in value:
            _check_numbers(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in ("run_id", "job_id", "repair_id", "number_in_job"):
                assert 0 < each < 2**53, name
            elif name in ("setup_duration", "execution_duration", "cleanup_duration"):
                assert each % 1_000 == 0, name
            elif name in ("start_time", "end_time", "created_time"):
                assert each == 0 or each > 1_400_000_000_000, name
            else:
                _check_numbers(each)
        if "end_time" in value and "life_cycle_state" in value.get("state", {}):
            assert (value["end_time"] == 0) is ("result_state" not in value["state"])
