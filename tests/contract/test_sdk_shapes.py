"""Every body reads and writes through the SDK's own types without loss: an oracle that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk.service import jobs

from dbx_emulator import Outcome
from tests.emulator.support import NOTEBOOK, flat_body, graph_body, task

from .conftest import Door, Json

#: Keys that the service sends and the SDK's types do not have, by the last part of their place.
_UNKNOWN_TO_THE_SDK = {"format", "parent_run_id", "task_key", "environments"}

#: What 2.0 says at the root of a flat run.
_OF_2_0 = {"task"}

_PAYLOADS: list[Json] = [
    {"notebook_task": NOTEBOOK | {"base_parameters": {"day": "1"}, "source": "WORKSPACE"}},
    {
        "spark_jar_task": {"main_class_name": "Main", "parameters": ["a"]},
        "libraries": [{"jar": "dbfs:/x.jar"}],
    },
    {"python_wheel_task": {"package_name": "p", "entry_point": "main", "named_parameters": {"a": "b"}}},
    {"sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}},
    {"dbt_task": {"commands": ["dbt run"]}},
]


def _lost(before: object, after: object, place: str = "") -> Iterator[str]:
    """Yield the places of what the second value lacks or says otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{place}.{name}"
            else:
                yield from _lost(value, after[name], f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{place}[{index}]")
    elif before != after:
        yield f"{place} ({before!r} became {after!r})"


def _round_trip(sdk_type: Any, body: Json) -> Json:
    after: Json = sdk_type.from_dict(body).as_dict()
    return after


def _assert_lossless(sdk_type: Any, body: Json, *, allowed: set[str]) -> None:
    lost = [
        place for place in _lost(body, _round_trip(sdk_type, body)) if place.rsplit(".", 1)[-1] not in allowed
    ]
    assert lost == []


def _read_everything(door: Door, run_ids: list[int]) -> None:
    for run_id in run_ids:
        for version in ("2.0", "2.1", "2.2"):
            shown = door.run(run_id, version)
            allowed = _UNKNOWN_TO_THE_SDK | (_OF_2_0 if version == "2.0" else set())
            _assert_lossless(jobs.Run, shown, allowed=allowed)
            _check_numbers(shown)
        for each in door.run(run_id)["tasks"]:
            _assert_lossless(jobs.Run, door.run(each["run_id"]), allowed=_UNKNOWN_TO_THE_SDK)
            output = door.get("runs/get-output", "2.2", run_id=each["run_id"]).json()
            _assert_lossless(jobs.RunOutput, output, allowed=_UNKNOWN_TO_THE_SDK)
    for expand_tasks in ("true", "false"):
        page = door.get("runs/list", "2.2", expand_tasks=expand_tasks, limit=5).json()
        _assert_lossless(jobs.ListRunsResponse, page, allowed=_UNKNOWN_TO_THE_SDK)


def _check_numbers(shown: Json) -> None:
    """Ids and times are in the ranges that clients rely on."""
    assert 0 < shown["run_id"] < 2**53
    assert shown["start_time"] > 1_400_000_000_000
    for name in ("setup_duration", "execution_duration", "cleanup_duration"):
        assert shown[name] % 1_000 == 0
    assert (shown["end_time"] == 0) is ("result_state" not in shown["state"])


@pytest.mark.fact("runs.get.status-shape", "runs.get-output.shape", "runs.states.enums")
@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Outcome(queue="30s", logs="ok", notebook_output="5"), id="succeeds-after-a-queue"),
        pytest.param(Outcome(termination_code="RUN_EXECUTION_ERROR", error="e", error_trace="t"), id="fails"),
        pytest.param(Outcome(termination_code="CLOUD_FAILURE"), id="loses-its-cluster"),
        pytest.param(Outcome(termination_code="CANCELED"), id="times-out"),
        pytest.param(Outcome(termination_code="MAX_CONCURRENT_RUNS_EXCEEDED"), id="is-skipped"),
    ],
)
def test_every_body_survives_the_sdks_types(door: Door, outcome: Outcome) -> None:
    """Flat and graph, from the queue to the end, no key and no enum is lost on the way through the SDK."""
    door.workspace.scenarios.add("*", [outcome])
    compute: Json = {"existing_cluster_id": "0716-190309-boll22"}
    run_ids = [
        door.submit(flat_body(timeout_seconds=60, git_source={"git_url": "u", "git_provider": "gitHub"})),
        door.submit(graph_body(task("a", description="first"), task("b", "a", max_retries=0), run_name="g")),
        door.submit({"tasks": [{"task_key": f"t{i}"} | compute | each for i, each in enumerate(_PAYLOADS)]}),
        door.submit(
            {
                "environments": [{"environment_key": "e"}],
                "tasks": [{"task_key": "n", "notebook_task": NOTEBOOK}],
            }
        ),
    ]
    for seconds in (0, 30, 130, 61, 3_600):
        door.workspace.clock.advance(seconds)
        _read_everything(door, run_ids)


def test_cancelled_bodies_survive_the_sdks_types(door: Door) -> None:
    """So do those of runs that a user stopped, as a whole and in part."""
    run_ids = [door.submit(flat_body()), door.submit(graph_body(task("a"), task("b", "a"), task("c")))]
    a = door.run(run_ids[1])["tasks"][0]["run_id"]
    for run_id in (run_ids[0], a):
        door.post("runs/cancel", {"run_id": run_id})
    for duration in ("0s", "1m", "1h"):
        door.workspace.clock.advance(duration)
        _read_everything(door, run_ids)


def test_oracle_notices_what_is_lost() -> None:
    """An unknown key, an unknown enum and a null are each a loss."""
    body: Json = {
        "run_id": 1,
        "state": {"life_cycle_state": "DREAMING"},
        "tasks": [{"task_key": "a", "x": 1}],
        "trigger": None,
    }
    assert set(_lost(body, _round_trip(jobs.Run, body))) == {
        ".state.life_cycle_state",
        ".tasks[0].x",
        ".trigger",
    }


def test_answer_to_a_submit_survives_the_sdks_types(door: Door) -> None:
    """A submit is answered with what the SDK reads, and nothing else."""
    body = door.post("runs/submit", flat_body()).json()
    assert jobs.SubmitRunResponse.from_dict(body).as_dict() == body
