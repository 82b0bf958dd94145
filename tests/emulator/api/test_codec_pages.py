"""Records to wire JSON: what does not fit on one page."""

from __future__ import annotations

import pytest

from tests.emulator.support import Caller, graph_body, task


@pytest.mark.parameter("runs/get", "page_token")
@pytest.mark.fact("runs.get.page-size", "runs.get.no-empty-page-token")
@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_tasks_are_paged_by_hundreds_under_2_2(caller: Caller, count: int) -> None:
    """The pages together hold every task once, the rest repeats, and the last page has no token at all."""
    caller = caller.under("2.2")
    run_id = caller.submit(graph_body(*(task(f"t{index}") for index in range(count))))
    pages = [caller.run(run_id)]
    while "next_page_token" in pages[-1]:
        assert pages[-1]["next_page_token"]
        pages.append(caller.run(run_id, page_token=pages[-1]["next_page_token"]))
    sizes = [len(page["tasks"]) for page in pages]
    assert sizes == [100] * (count // 100) + [count % 100] * (count % 100 > 0)
    keys = [each["task_key"] for page in pages for each in page["tasks"]]
    assert keys == [f"t{index}" for index in range(count)]
    rest = [{k: v for k, v in page.items() if k not in ("tasks", "next_page_token")} for page in pages]
    assert all(each == rest[0] for each in rest)
    assert caller.run(run_id) == pages[0]


@pytest.mark.fact("runs.get.more-than-100-tasks")
@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_more_than_100_tasks_cannot_be_read_below_2_2(caller: Caller, version: str) -> None:
    """The service names the version that can and the number of tasks."""
    run_id = caller.under("2.2").submit(graph_body(*(task(f"t{index}") for index in range(101))))
    refusal = caller.under(version).refusal("GET", "runs/get", run_id=run_id)
    assert (refusal.status_code, refusal.error_code, refusal.message) == (
        400,
        "INVALID_PARAMETER_VALUE",
        "Resources with more than 100 tasks can only be handled by API 2.2 and above. Your resource has 101 tasks",
    )


def test_page_token_means_nothing_below_2_2(caller: Caller) -> None:
    """The older versions ignore it."""
    run_id = caller.submit()
    assert caller.run(run_id, page_token="garbage") == caller.run(run_id)


def test_expanded_list_item_shows_the_first_hundred_tasks(caller: Caller) -> None:
    """An item of a list says for itself that it has more."""
    caller.under("2.2").submit(graph_body(*(task(f"t{index}") for index in range(101))))
    caller.submit(graph_body(task("a")))
    small, large = caller.under("2.2").get("runs/list", expand_tasks="true")["runs"]
    assert (len(small["tasks"]), small.get("has_more")) == (1, None)
    assert (len(large["tasks"]), large["has_more"]) == (100, True)
