"""What Flyte keeps about a run for programs."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from dbx_agent.run_info import describe_run
from dbx_agent.run_snapshot import ClusterInstance, RunSnapshot, RunState, TaskSnapshot, read_run


def test_info_has_ids_cluster_attempts_and_times() -> None:
    """Ids are texts; the cluster is that of the first task which has one."""
    run = RunSnapshot(
        run_id=2**53 + 1,
        job_id=11,
        state=RunState(termination_code="SUCCESS"),
        times_ms=(("setup_duration", 120000),),
        tasks=(
            TaskSnapshot("a", 1, 0),
            TaskSnapshot("a", 2, 1, cluster=ClusterInstance("0101-x", "8")),
            TaskSnapshot("b", 3, 0, cluster=ClusterInstance("0101-y", "9")),
        ),
    )
    info = describe_run(run)
    assert info == {
        "run_id": "9007199254740993",
        "job_id": "11",
        "cluster_id": "0101-x",
        "spark_context_id": "8",
        "termination_code": "SUCCESS",
        "attempts": 2,
        "setup_duration": 120000,
    }
    assert MessageToDict(ParseDict(info, Struct())) == info


def test_what_is_not_known_is_left_out() -> None:
    """As is a number that no float holds."""
    assert describe_run(RunSnapshot(times_ms=(("end_time", 10**400), ("run_duration", -1)))) == {}


@given(
    st.integers() | st.text(),
    st.integers(min_value=0) | st.none(),
    st.text(),
)
def test_info_always_fits_into_flytes_struct(time: object, number: int | None, cluster: str) -> None:
    """Whatever the service writes into the fields."""
    body = {
        "run_id": number,
        "end_time": time,
        "tasks": [{"attempt_number": number, "cluster_instance": {"cluster_id": cluster}}],
    }
    ParseDict(describe_run(read_run(body)), Struct()).SerializeToString()
