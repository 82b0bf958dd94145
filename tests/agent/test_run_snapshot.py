"""Reading answers tolerantly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.run_snapshot import (
    ClusterInstance,
    RunOutput,
    RunSnapshot,
    RunState,
    TaskSnapshot,
    read_run,
    read_run_output,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
KEYS = ["run_id", "state", "status", "tasks", "life_cycle_state", "termination_details", "code", "task_key"]
likely_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.sampled_from(KEYS), children),
)


def test_run_is_read_with_both_vocabularies_and_its_tasks() -> None:
    """Every field that decides anything has its place."""
    body = {
        "run_id": 455644833,
        "job_id": 11,
        "run_name": "etl",
        "run_page_url": "https://h/?o=1#job/11/run/455644833",
        "next_page_token": "abc",
        "start_time": 1704067200000,
        "setup_duration": 0,
        "execution_duration": 60000,
        "cluster_instance": {"cluster_id": "0101-x", "spark_context_id": 7},
        "iterations": [{"run_id": 100}],
        "state": {
            "life_cycle_state": "INTERNAL_ERROR",
            "result_state": "FAILED",
            "state_message": "Task a failed",
        },
        "status": {
            "state": "TERMINATED",
            "termination_details": {
                "code": "RUN_EXECUTION_ERROR",
                "type": "CLIENT_ERROR",
                "message": "raised",
            },
            "queue_details": {"code": "X", "message": "queued for long"},
        },
        "tasks": [
            {
                "task_key": "a",
                "run_id": "99",
                "attempt_number": 2,
                "state": {"life_cycle_state": "TERMINATED"},
                "run_page_url": "https://h/?o=1#job/11/run/99",
                "cluster_instance": {"cluster_id": "0101-y", "spark_context_id": "8"},
                "for_each_task": {"inputs": "[1]"},
            }
        ],
    }
    assert read_run(body) == RunSnapshot(
        run_id=455644833,
        job_id=11,
        run_name="etl",
        run_page_url="https://h/?o=1#job/11/run/455644833",
        next_page_token="abc",
        state=RunState(
            life_cycle_state="INTERNAL_ERROR",
            result_state="FAILED",
            state_message="Task a failed",
            queue_reason="queued for long",
            status_state="TERMINATED",
            termination_code="RUN_EXECUTION_ERROR",
            termination_type="CLIENT_ERROR",
            termination_message="raised",
        ),
        cluster=ClusterInstance("0101-x", ""),
        times_ms=(("start_time", 1704067200000), ("execution_duration", 60000)),
        tasks=(
            TaskSnapshot(
                "a",
                99,
                2,
                RunState(life_cycle_state="TERMINATED"),
                run_page_url="https://h/?o=1#job/11/run/99",
                cluster=ClusterInstance("0101-y", "8"),
                is_for_each=True,
            ),
        ),
        iterations=(TaskSnapshot(run_id=100),),
    )


@pytest.mark.parametrize(
    ("value", "run_id"),
    [(7, 7), ("7", 7), (True, None), (7.5, None), ("x", None), ("9" * 20, None), (None, None), ({}, None)],
)
def test_run_id_is_a_whole_number_however_it_is_written(value: Any, run_id: int | None) -> None:
    """Text as well; anything else is no id."""
    assert read_run({"run_id": value}).run_id == run_id


@given(body=json_values | likely_values)
def test_any_json_is_read(body: Any) -> None:
    """Unexpected shapes are read as absent."""
    assert isinstance(read_run(body), RunSnapshot)
    assert isinstance(read_run_output(body), RunOutput)


def test_half_a_surrogate_pair_is_read_as_a_question_mark() -> None:
    """JSON can spell it and UTF-8 cannot, in which everything goes to Flyte."""
    assert read_run(json.loads('{"run_name": "a\\ud83d"}')).run_name == "a?"


def test_output_is_read() -> None:
    """The error and its trace."""
    assert read_run_output({"error": "E", "error_trace": "T", "logs": "L"}) == RunOutput("E", "T")
