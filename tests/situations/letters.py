"""Situations 12, 14 and 16 to 22: what the Runs API does to the letter, where clients stumble over it."""

from __future__ import annotations

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import (
    ConditionTask,
    ConditionTaskOp,
    ForEachTask,
    JobEnvironment,
    NotebookTask,
    QueueSettings,
    RunIf,
    RunTask,
    SparkPythonTask,
    SubmitTask,
    Task,
    TaskDependency,
)

from dbx_emulator import DuplicateDelivery, LostResponse, Outcome, StatusFault, Workspace
from dbx_emulator.workspace import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from tests.situations.client import (
    ended,
    get_run,
    states,
    submit,
    submit_flat,
    task,
    task_output,
    termination,
)
from tests.situations.situation import Client, situation


def _machine(client: Client, secret: str = DEFAULT_CLIENT_SECRET) -> WorkspaceClient:
    return WorkspaceClient(
        host=client.workspace.url, client_id=DEFAULT_CLIENT_ID, client_secret=secret, auth_type="oauth-m2m"
    )


@situation(12)
def token_endpoint_in_trouble(databricks: Workspace) -> None:
    """The token endpoint fails once before it gives a token to a machine."""
    databricks.faults.add(StatusFault("oidc/token", status_code=500, dialect="error", times=1))


@token_endpoint_in_trouble.shows
def a_machine_gets_its_token_at_the_second_attempt(client: Client) -> None:
    """The SDK's first call fails with the endpoint; the next one gets a token and finds the same runs."""
    run_id = submit(client)
    machine = _machine(client)
    with pytest.raises(ValueError, match="internal error"):
        machine.jobs.get_run(run_id)
    assert machine.jobs.get_run(run_id).run_id == run_id
    assert len(client.workspace.journal.calls("oidc/token")) == 2


@token_endpoint_in_trouble.shows
def a_wrong_secret_is_an_invalid_client(client: Client) -> None:
    """After the trouble is over, the endpoint says which of the two it was."""
    run_id = submit(client)
    seen = []
    for _ in range(2):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - what the SDK raises
            _machine(client, "wrong").jobs.get_run(run_id)
        seen.append("invalid_client" in str(caught.value))
    assert seen == [False, True]


@situation(14)
def repeated_submits(databricks: Workspace) -> None:
    """A submit that is delivered twice, and whose answer is lost twice more."""
    databricks.faults.add(DuplicateDelivery("runs/submit", times=1))
    databricks.faults.add(LostResponse("runs/submit", skip=1, times=2))


@repeated_submits.shows
def one_token_is_one_run(client: Client) -> None:
    """Four deliveries, one run. More than 64 characters are too many, and a deleted run keeps its token."""
    token = "t" * 64
    first = submit(client, idempotency_token=token)
    assert submit(client, idempotency_token=token) == first
    assert [run.run_id for run in client.workspace.runs] == [first]
    assert len(client.workspace.journal.calls("runs/submit")) == 4
    with pytest.raises(InvalidParameterValue):
        submit(client, idempotency_token="t" * 65)
    ended(client, first)
    client.sdk.jobs.delete_run(first)
    with pytest.raises(BadRequest):
        submit(client, idempotency_token=token)


@situation(16)
def owner_and_guest(databricks: Workspace) -> None:
    """A guest asks for runs that are another's, and for some that are not there."""
    databricks.issue_token("guest")


@owner_and_guest.shows
def permission_comes_before_existence(client: Client) -> None:
    """What is not there is not found in the words that SDKs look for; what is another's is forbidden."""
    guest = WorkspaceClient(host=client.workspace.url, token=f"{client.workspace.token}-guest-1")
    run_id = submit(client)
    for sdk in (client.sdk, guest):
        with pytest.raises(ResourceDoesNotExist, match="Run 7 does not exist"):
            sdk.jobs.get_run(7)
        with pytest.raises(ResourceDoesNotExist, match="Job 7 does not exist"):
            sdk.jobs.get(7)
    with pytest.raises(PermissionDenied, match=r"does not have .* permissions"):
        guest.jobs.get_run(run_id)


@situation(17)
def outputs(databricks: Workspace) -> None:
    """A run that says more than the service keeps, and one that fails with a trace."""
    databricks.scenarios.add("chatty", [Outcome(logs="x" * 6_000_000)])
    databricks.scenarios.add("report", [Outcome(notebook_output="42 rows")])


@outputs.shows
def logs_are_cut_at_5_mb(client: Client) -> None:
    """The last of them are kept, and a flag says that some are gone."""
    run_id = submit_flat(client, "chatty")
    ended(client, run_id)
    output = client.sdk.jobs.get_run_output(run_id)
    assert len(output.logs or "") == 5 * 1024 * 1024
    assert output.logs_truncated is True


@outputs.shows
def only_tasks_have_output(client: Client) -> None:
    """The run of several tasks has none; its task has what its notebook exited with."""
    run = ended(client, submit(client, "report"))
    with pytest.raises(BadRequest, match="multiple tasks is not supported"):
        client.sdk.jobs.get_run_output(run.run_id or 0)
    output = task_output(client, run).notebook_output
    assert output is not None
    assert output.result == "42 rows"


@situation(18)
def branches_and_attempts(databricks: Workspace) -> None:
    """A graph that fails twice at its first task, takes one of two branches, and has a loop that fails once."""
    lost = Outcome(termination_code="CLOUD_FAILURE")
    databricks.scenarios.add(
        "graph",
        [
            Outcome(
                tasks={
                    "extract": Outcome(termination_code="CLOUD_FAILURE", retries=[lost, Outcome()]),
                    "load/1": Outcome(termination_code="RUN_EXECUTION_ERROR"),
                }
            )
        ],
    )


def _load() -> Task:
    return Task(task_key="load", existing_cluster_id="c", notebook_task=NotebookTask(notebook_path="/load"))


def _result(task_run: RunTask) -> str | None:
    result = task_run.state and task_run.state.result_state
    return result.value if result else None


def _graph() -> list[SubmitTask]:
    big = ConditionTask(left="12", op=ConditionTaskOp.GREATER_THAN, right="5")
    return [
        task("extract", max_retries=2),
        SubmitTask(task_key="is_big", condition_task=big, depends_on=[TaskDependency("extract")]),
        SubmitTask(
            task_key="load_all",
            for_each_task=ForEachTask(inputs='["a", "b", "c"]', task=_load(), concurrency=2),
            depends_on=[TaskDependency("is_big", outcome="true")],
        ),
        SubmitTask(
            task_key="small",
            existing_cluster_id="c",
            notebook_task=NotebookTask(notebook_path="/s"),
            depends_on=[TaskDependency("is_big", outcome="false")],
        ),
        task("clean_up", "load_all", run_if=RunIf.ALL_DONE),
    ]


@branches_and_attempts.shows
def every_attempt_and_branch_is_told(client: Client) -> None:
    """Three attempts, an excluded branch, a loop that failed at one of three, and what runs all the same."""
    run = ended(client, submit(client, "graph", *_graph()))
    told = [(each.task_key, each.attempt_number, _result(each)) for each in run.tasks or []]
    assert [each for each in told if each[0] == "extract"] == [
        ("extract", 0, "FAILED"),
        ("extract", 1, "FAILED"),
        ("extract", 2, "SUCCESS"),
    ]
    rest = {key: result for key, _, result in told if key != "extract"}
    assert rest == {"is_big": "SUCCESS", "load_all": "FAILED", "small": "EXCLUDED", "clean_up": "SUCCESS"}
    assert states(run) == ("TERMINATED", "SUCCESS_WITH_FAILURES")
    loop = next(each for each in run.tasks or [] if each.task_key == "load_all")
    iterations = client.sdk.jobs.get_run(loop.run_id or 0).iterations or []
    assert [_result(each) for each in iterations] == ["SUCCESS", "FAILED", "SUCCESS"]


@situation(19)
def cancel_races(databricks: Workspace) -> None:
    """A cancel that is obeyed late, one that is ignored, and one that comes just too late."""
    databricks.scenarios.add("slow", [Outcome(run="2h", cancel_after="10m", terminating="5m")])
    databricks.scenarios.add("deaf", [Outcome(run="2h", on_cancel="ignores")])
    databricks.scenarios.add("done", [Outcome(run="2h", on_cancel="finishes")])


@cancel_races.shows
def the_answer_to_a_cancel_is_no_end(client: Client) -> None:
    """All three are accepted; one ends as cancelled a quarter of an hour later, the others succeed."""
    runs = {name: submit(client, name) for name in ("slow", "deaf", "done")}
    client.workspace.clock.advance("1h")
    for run_id in runs.values():
        client.sdk.jobs.cancel_run(run_id)
    with pytest.raises(BadRequest):
        client.sdk.jobs.delete_run(runs["slow"])
    seen = {name: states(client.sdk.jobs.get_run(run_id))[0] for name, run_id in runs.items()}
    assert seen == {"slow": "RUNNING", "deaf": "RUNNING", "done": "TERMINATING"}
    client.workspace.clock.advance("12m")
    assert states(client.sdk.jobs.get_run(runs["slow"])) == ("TERMINATING", None)
    results = {name: states(ended(client, run_id))[1] for name, run_id in runs.items()}
    assert results == {"slow": "CANCELED", "deaf": "SUCCESS", "done": "SUCCESS"}


@situation(20)
def busy_job(databricks: Workspace) -> None:
    """A job that may run once at a time and takes hours."""
    databricks.scenarios.add("nightly", [Outcome(run="5h")])


@busy_job.shows
def the_second_run_waits_or_is_skipped(client: Client) -> None:
    """With a queue it waits, and says for what; without one it is skipped."""
    for is_queued, state in ((True, "QUEUED"), (False, "SKIPPED")):
        queue = QueueSettings(enabled=is_queued)
        job_id = client.sdk.jobs.create(name="nightly", tasks=[_load()], queue=queue).job_id
        first, second = (client.sdk.jobs.run_now(job_id or 0).run_id for _ in range(2))
        client.workspace.clock.advance("1h")
        assert states(client.sdk.jobs.get_run(first))[0] == "RUNNING"
        run = client.sdk.jobs.get_run(second)
        assert states(run)[0] == state
        if is_queued:
            assert run.status is not None
            assert run.status.queue_details is not None
            assert run.status.queue_details.code is not None
            assert run.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
        else:
            assert states(run)[1] == "MAXIMUM_CONCURRENT_RUNS_REACHED"


@situation(21)
def serverless_without_git(databricks: Workspace) -> None:
    """Serverless compute from which the repository cannot be reached."""
    databricks.scenarios.use("git_checkout_failed", "serverless")


@serverless_without_git.shows
def environments_are_checked_and_the_checkout_fails(client: Client) -> None:
    """An environment that is not declared is refused at once, a repository that cannot be reached ends the run."""
    python = SubmitTask(
        task_key="load",
        environment_key="default",
        spark_python_task=SparkPythonTask(python_file="load.py"),
    )
    with pytest.raises(BadRequest, match="Job environment 'default' used by task load is not defined"):
        client.sdk.jobs.submit(run_name="serverless", tasks=[python])
    declared = JobEnvironment("default", Environment(environment_version="2", dependencies=[]))
    run_id = client.sdk.jobs.submit(run_name="serverless", tasks=[python], environments=[declared]).run_id
    why = termination(ended(client, run_id))
    assert why.code is not None
    assert why.code.value == "REPOSITORY_CHECKOUT_FAILED"


@situation(22)
def many_tasks(databricks: Workspace) -> None:
    """A run of 150 tasks of which one fails, read under each version of the API."""
    databricks.scenarios.add(
        "wide", [Outcome(tasks={"t149": Outcome(termination_code="RUN_EXECUTION_ERROR")})]
    )


@many_tasks.shows
def only_2_2_can_read_them_and_in_pages(client: Client) -> None:
    """2.0 and 2.1 refuse; 2.2 has two pages, and the task that failed is on the second."""
    run_id = submit(client, "wide", *(task(f"t{number}") for number in range(150)))
    ended(client, run_id)
    for version in ("2.0", "2.1"):
        refused = client.http.get(f"/api/{version}/jobs/runs/get", params={"run_id": run_id})
        assert refused.status_code == 400
        assert "can only be handled by API 2.2 and above" in refused.json()["message"]
    page = client.http.get("/api/2.2/jobs/runs/get", params={"run_id": run_id}).json()
    assert len(page["tasks"]) == 100
    assert {each["state"]["result_state"] for each in page["tasks"]} == {"SUCCESS"}
    run = client.sdk.jobs.get_run(run_id)
    failed = [each.task_key for each in run.tasks or [] if _result(each) == "FAILED"]
    assert (len(run.tasks or []), failed) == (150, ["t149"])


@many_tasks.shows
def a_flat_run_looks_different_in_2_0(client: Client) -> None:
    """2.0 shows `task`, later versions `tasks`; all show the same failure."""
    client.workspace.scenarios.add("flat", [Outcome(termination_code="RUN_EXECUTION_ERROR")])
    run_id = submit_flat(client, "flat")
    client.workspace.clock.advance("1h")
    wide = submit(client, "wide", *(task(f"t{number}") for number in range(140, 150)))
    client.workspace.clock.advance("1h")
    shapes = []
    for version in ("2.0", "2.1", "2.2"):
        run = client.http.get(f"/api/{version}/jobs/runs/get", params={"run_id": run_id}).json()
        shapes.append(("task" in run, "tasks" in run, run["state"]["result_state"]))
    assert shapes == [(True, False, "FAILED"), (False, True, "FAILED"), (False, True, "FAILED")]
    assert get_run(client, wide).json()["state"]["life_cycle_state"] == "INTERNAL_ERROR"
