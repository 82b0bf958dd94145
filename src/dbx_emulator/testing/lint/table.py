"""The rules, in the order of their ids. `docs/lint.md` explains each under a heading of its own."""

from __future__ import annotations

from dbx_emulator.testing.lint.endings import (
    cancelled_in_vain,
    left_active,
    polled_after_the_end,
    took_only_terminated,
)
from dbx_emulator.testing.lint.pauses import (
    called_before_retry_after,
    polled_without_pause,
    waited_without_timeout,
)
from dbx_emulator.testing.lint.refusals import asked_parent_for_output, repeated_what_was_refused
from dbx_emulator.testing.lint.requests import (
    called_old_version,
    gave_no_product,
    ignored_further_pages,
    showed_token,
)
from dbx_emulator.testing.lint.rules import Rule
from dbx_emulator.testing.lint.submits import duplicated_run, repeated_without_token

__all__ = ["RULES"]

_TABLE = (
    Rule(
        "DBX001",
        "called before Retry-After elapsed",
        "error",
        "wait the seconds that the answer names before the same call is sent again",
        called_before_retry_after,
    ),
    Rule(
        "DBX002",
        "polls without a pause",
        "warning",
        "sleep some seconds between two polls, with a little chance in them where many clients poll",
        polled_without_pause,
    ),
    Rule(
        "DBX003",
        "submit repeated without an idempotency token",
        "error",
        "send an idempotency_token, one for each intended run, and the same one when the call is repeated",
        repeated_without_token,
    ),
    Rule(
        "DBX004",
        "two runs from one intent",
        "error",
        "make the idempotency_token once, before the first try, and send it with every try",
        duplicated_run,
    ),
    Rule(
        "DBX005",
        "active run left behind",
        "warning",
        "cancel the run before giving up on it, or keep its id and come back",
        left_active,
    ),
    Rule(
        "DBX006",
        "cancel in vain",
        "warning",
        "poll after a cancel until the run is over, repeat a cancel that failed, and leave alone what has ended",
        cancelled_in_vain,
    ),
    Rule(
        "DBX007",
        "refused call repeated unchanged",
        "error",
        "repeat only what may succeed: 429, 5xx and broken connections; raise the rest to the caller",
        repeated_what_was_refused,
    ),
    Rule(
        "DBX008",
        "output of a run with tasks asked for",
        "error",
        "read the run, and ask for the output of its tasks by their own run_id",
        asked_parent_for_output,
    ),
    Rule(
        "DBX009",
        "further pages ignored",
        "warning",
        "go on with page_token=next_page_token until there is none, or say with limit how many are wanted",
        ignored_further_pages,
    ),
    Rule(
        "DBX010",
        "token in a URL or a body",
        "error",
        "send the token in the Authorization header alone; for code that runs there, name a secret",
        showed_token,
    ),
    Rule(
        "DBX011",
        "old API version",
        "warning",
        "call /api/2.2/jobs, which has tasks and pages, or 2.1",
        called_old_version,
    ),
    Rule(
        "DBX012",
        "only TERMINATED taken for an end",
        "error",
        "stop at SKIPPED and INTERNAL_ERROR as well, or read status.state and termination_details",
        took_only_terminated,
    ),
    Rule(
        "DBX013",
        "no product in User-Agent",
        "warning",
        "name the product and its version: User-Agent: nightly-loader/1.4",
        gave_no_product,
    ),
    Rule(
        "DBX014",
        "polled after the end",
        "warning",
        "stop at the first answer that says that the run is over, whatever its result",
        polled_after_the_end,
    ),
    Rule(
        "DBX015",
        "no request timeout",
        "error",
        "give every request a timeout, such as 60 s, and repeat what timed out if that is safe",
        waited_without_timeout,
    ),
)

#: The rules by id.
RULES: dict[str, Rule] = {rule.id: rule for rule in _TABLE}
