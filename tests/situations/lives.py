"""Situations 1 to 5 and 23: what becomes of a run, and what it looks like then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from databricks.sdk.errors import OperationFailed
from databricks.sdk.service.jobs import RunLifeCycleState, TerminationCodeCode, TerminationTypeType

from dbx_emulator import DriftFault, Outcome, TerminationCode, Workspace
from tests.situations.client import (
    ended,
    get_run,
    poll,
    states,
    submit,
    submit_flat,
    task,
    task_output,
    termination,
)
from tests.situations.situation import Client, situation


@situation(1)
def long_life(databricks: Workspace) -> None:
    """A run that takes its time in every stage."""
    databricks.scenarios.add("etl", [Outcome(queue="5m", cluster="10m", run="20h", terminating="2m")])


@long_life.shows
def every_state_passes_by(client: Client) -> None:
    """A client that polls every half minute sees each state, and most of a day goes by."""
    started_ms = client.workspace.clock.now_ms
    assert poll(client, submit(client)) == ["QUEUED", "PENDING", "RUNNING", "TERMINATING", "TERMINATED"]
    passed = timedelta(milliseconds=client.workspace.clock.now_ms - started_ms)
    assert timedelta(hours=20) < passed < timedelta(hours=21)


@long_life.shows
def every_state_comes_by_hand(client: Client) -> None:
    """A test that steps from event to event finds each state in the SDK's answer."""
    run_id = submit(client)
    seen = [states(client.sdk.jobs.get_run(run_id))[0]]
    for _ in range(4):
        client.workspace.clock.step()
        seen.append(states(client.sdk.jobs.get_run(run_id))[0])
    assert seen == ["QUEUED", "PENDING", "RUNNING", "TERMINATING", "TERMINATED"]


@situation(1, clock="per-poll")
def life_in_polls(databricks: Workspace) -> None:
    """A life told in polls: no clock, no sleeping, any language."""
    databricks.scenarios.add("etl", [Outcome(run="24h")])


@life_in_polls.shows
def each_poll_is_an_event(client: Client) -> None:
    """A client that never waits sees every state and is through a day with four polls."""
    run_id = submit_flat(client)
    assert [get_run(client, run_id).json()["state"]["life_cycle_state"] for _ in range(4)] == [
        "PENDING",
        "RUNNING",
        "TERMINATING",
        "TERMINATED",
    ]


@situation(1, cluster="15m", run="3h")
def slow_workspace(databricks: Workspace) -> None:
    """Every run of the workspace is slow."""


@slow_workspace.shows
def every_run_takes_hours(client: Client) -> None:
    """No scenario is needed: the workspace's own timing is for every run."""
    run_id = submit(client, "anything")
    client.workspace.clock.advance("3h")
    assert states(client.sdk.jobs.get_run(run_id)) == ("RUNNING", None)


@situation(2)
def user_error(databricks: Workspace) -> None:
    """A bug in the user's code, rolled up as the service does."""
    databricks.scenarios.add(
        "etl",
        [
            Outcome(
                termination_code="RUN_EXECUTION_ERROR",
                error="ValueError: no rows",
                error_trace="Traceback (most recent call last):\n  …\nValueError: no rows",
            )
        ],
    )


@user_error.shows
def sdk_takes_it_for_a_failed_operation(client: Client) -> None:
    """INTERNAL_ERROR over a plain bug: the SDK's waiter raises, and its message has nothing of the bug."""
    with pytest.raises(OperationFailed, match="Workload failed, see run output for details") as caught:
        client.sdk.jobs.submit(run_name="etl", tasks=[task()]).result(timeout=timedelta(days=1))
    assert "no rows" not in str(caught.value)


@user_error.shows
def only_the_status_and_the_output_tell_the_bug(client: Client) -> None:
    """`state` says INTERNAL_ERROR, `status` whose fault it was, and the task's output what it was."""
    run = ended(client, submit(client))
    assert states(run) == ("INTERNAL_ERROR", "FAILED")
    why = termination(run)
    assert (why.code, why.type) == (TerminationCodeCode.RUN_EXECUTION_ERROR, TerminationTypeType.CLIENT_ERROR)
    assert run.tasks is not None
    assert run.tasks[0].state is not None
    assert run.tasks[0].state.life_cycle_state is RunLifeCycleState.TERMINATED
    output = task_output(client, run)
    assert output.error == "ValueError: no rows"
    assert (output.error_trace or "").startswith("Traceback")


@user_error.shows
def a_flat_run_fails_as_terminated(client: Client) -> None:
    """Submitted without `tasks`, the same bug is TERMINATED/FAILED."""
    assert states(ended(client, submit_flat(client))) == ("TERMINATED", "FAILED")


_INFRASTRUCTURE = {
    "spot_loss": ("CLOUD_FAILURE", "CLOUD_FAILURE"),
    "cluster_start_timeout": ("CLUSTER_ERROR", None),
    "driver_lost": ("DRIVER_ERROR", None),
    "library_install_failed": ("LIBRARY_INSTALLATION_ERROR", "CLIENT_ERROR"),
    "quota_exceeded": ("WORKSPACE_RUN_LIMIT_EXCEEDED", None),
}


@situation(3)
def infrastructure(databricks: Workspace) -> None:
    """Infrastructure lets the run down, named as people name it."""
    for trouble in (
        "spot_loss",
        "cluster_start_timeout",
        "driver_lost",
        "library_install_failed",
        "quota_exceeded",
    ):
        databricks.scenarios.use(trouble, f"{trouble} *")


@infrastructure.shows
def each_trouble_has_its_code(client: Client) -> None:
    """The termination code tells them apart where the legacy states do not."""
    for trouble, (code, fault) in _INFRASTRUCTURE.items():
        run = ended(client, submit(client, f"{trouble} tonight"))
        why = termination(run)
        assert why.code is not None
        assert why.code.value == code
        assert why.type is not None
        assert fault in (None, why.type.value)
        assert states(run)[1] == "FAILED"


@situation(3)
def asks_for_it(databricks: Workspace) -> None:
    """A run asks for its trouble itself."""
    databricks.scenarios.add(
        "nobody", [Outcome(termination_code="CLOUD_FAILURE"), Outcome()], name="lost_once"
    )


@asks_for_it.shows
def run_name_says_which(client: Client) -> None:
    """By the end of its name: the first run is lost, the second one is fine."""
    assert states(ended(client, submit(client, "nightly#lost_once"))) == ("INTERNAL_ERROR", "FAILED")
    assert states(ended(client, submit(client, "nightly#lost_once"))) == ("TERMINATED", "SUCCESS")


@situation(4)
def every_end(databricks: Workspace) -> None:
    """Every end that the API knows."""
    for code in TerminationCode:
        databricks.scenarios.add(code.value, [Outcome(termination_code=code)])
    databricks.scenarios.add("no result", [Outcome(termination_code="SKIPPED", result_state="")])


@every_end.shows
def all_27_codes_arrive(client: Client) -> None:
    """Each code is on the wire, and the SDK knows all but one; together they show every result but two."""
    results: set[str | None] = set()
    unknown = []
    for code in TerminationCode:
        run_id = submit_flat(client, code.value)
        run = ended(client, run_id)
        results.add(states(run)[1])
        assert get_run(client, run_id).json()["status"]["termination_details"]["code"] == code.value
        if (known := termination(run).code) is None:
            unknown.append(code)
        else:
            assert known.value == code.value
    assert len(TerminationCode) == 27
    assert len(unknown) <= 1
    assert results == {
        "SUCCESS",
        "SUCCESS_WITH_FAILURES",
        "FAILED",
        "TIMEDOUT",
        "CANCELED",
        "UPSTREAM_FAILED",
        "DISABLED",
        "MAXIMUM_CONCURRENT_RUNS_REACHED",
    }


@every_end.shows
def a_skipped_run_may_have_no_result(client: Client) -> None:
    """SKIPPED without a result: code that reads `result_state` unasked breaks."""
    run_id = submit_flat(client, "no result")
    assert states(ended(client, run_id)) == ("SKIPPED", None)
    assert "result_state" not in get_run(client, run_id).json()["state"]


@situation(5)
def future_value(databricks: Workspace) -> None:
    """A value from the future."""
    databricks.faults.add(
        DriftFault(
            "runs/get",
            replace={"state.life_cycle_state": "HIBERNATING", "status.state": "HIBERNATING"},
            add={"quantum_state": {"spin": "up"}},
            times=1,
        )
    )


@future_value.shows
def an_unknown_state_arrives_once(client: Client) -> None:
    """The SDK drops what it does not know; on the wire it is there, with the field that came with it."""
    run_id = submit(client)
    assert states(client.sdk.jobs.get_run(run_id)) == (None, None)
    assert states(client.sdk.jobs.get_run(run_id)) == ("PENDING", None)


@future_value.shows
def an_extra_field_arrives_once(client: Client) -> None:
    """Whoever refuses unknown fields breaks."""
    run_id = submit(client)
    assert get_run(client, run_id).json()["quantum_state"] == {"spin": "up"}


@situation(5)
def missing_fields(databricks: Workspace) -> None:
    """Fields that are not there, or null, or an empty object."""
    databricks.faults.add(DriftFault("runs/get", remove=["state"], times=1))
    databricks.faults.add(DriftFault("runs/get", nulls=["status"], skip=1, times=1))
    databricks.faults.add(DriftFault("runs/get", body={}, skip=2, times=1))


@missing_fields.shows
def each_poll_lacks_something_else(client: Client) -> None:
    """Status 200 each time: without `state`, with a null `status`, and with nothing at all."""
    run_id = submit(client)
    first, second, third, fourth = (get_run(client, run_id).raise_for_status().json() for _ in range(4))
    assert "state" not in first
    assert second["status"] is None
    assert third == {}
    assert fourth["state"]["life_cycle_state"] == "PENDING"


@missing_fields.shows
def the_waiter_of_the_sdk_breaks(client: Client) -> None:
    """It reads `state.life_cycle_state` unasked."""
    waiter = client.sdk.jobs.submit(run_name="etl", tasks=[task()])
    with pytest.raises(AttributeError):
        waiter.result()


@situation(23)
def large_ids(databricks: Workspace) -> None:
    """Ids that do not fit into a float."""
    databricks.faults.apply("large_ids")


@large_ids.shows
def ids_are_above_2_53(client: Client) -> None:
    """Exact through the SDK; whoever lets one become a float asks for another run."""
    run_id = submit_flat(client)
    assert run_id > 2**53
    assert client.sdk.jobs.get_run(run_id).run_id == run_id
    assert int(float(run_id | 1)) != run_id | 1
