"""What the agent gets right, and what the one that it replaces got wrong: the rows of docs/agent/behaviours.md.

A test shows one of them if it is marked `behaviour(number)` or `weakness(number)`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BEHAVIOURS", "LATER", "WEAKNESSES", "Weakness"]

#: By number, what the agent does.
BEHAVIOURS: dict[int, str] = {
    1: "One run for each attempt of a task, whatever answer is lost",
    2: "`get` raises for nothing that may pass",
    3: "The outcome is read from the termination details first",
    4: "Values nobody knows yet crash nothing",
    5: "Every known state has its phase, and only an end is an end",
    6: "Every call ends inside its budget",
    7: "A call that the engine gives up harms nothing",
    8: "A cancel may be repeated, takes time, and is confirmed",
    9: "Tokens are renewed ahead of time, once for all who wait",
    10: "No secret leaves the process but in the header it belongs to",
    11: "A false 403 is endured for a while",
    12: "A refusal for good is tried once and told to people",
    13: "What is tried again depends on what repeating can do",
    14: "Retry-After is read in all its forms and fits the budget",
    15: "An error can be read, whatever its body is",
    16: "Numbers arrive as they were written",
    17: "What a task says is respected, and not changed",
    18: "A failure says which tasks, why, and where to look",
    19: "Every task of a large run is seen",
    20: "Links lead where they should, from the first answer on",
    21: "A run that dies at once has failed",
    22: "A run that is not found is waited for, and then given up",
    23: "Several event loops, one after the other, and local runs that end",
    24: "Flyte's timeout is the run's timeout",
    25: "Upgrades and restarts lose nothing",
}


class Weakness(NamedTuple):
    """Something that the agent which ours replaces does.

    Attributes:
        theirs: What it does.
        ours: What ours does instead.
    """

    theirs: str
    ours: str


#: By number.
WEAKNESSES: dict[int, Weakness] = {
    1: Weakness("raises on QUEUED, BLOCKED and WAITING_FOR_RETRY", "knows every life cycle"),
    2: Weakness(
        "raises on rarer results, and on an end without one", "has a row for each, and one for the rest"
    ),
    3: Weakness(
        "answers UNDEFINED when `state` is missing: the engine starts anew", "repeats the last phase"
    ),
    4: Weakness(
        "what INTERNAL_ERROR means depends on flytekit's patch release", "is decided by termination details"
    ),
    5: Weakness(
        "`get` raises for 429, 500 and 404, and loses what they say", "endures, and repeats the words"
    ),
    6: Weakness(
        "`create` gives up at the first 429; an HTML error hides the status", "tries again; reads it"
    ),
    7: Weakness("sends no idempotency token: a lost answer is a second run", "sends one for each attempt"),
    8: Weakness("cancelling a run that is over or gone raises, for ever", "succeeds"),
    9: Weakness("has no time limit of its own", "has a budget for each call"),
    10: Weakness("opens a connection for each call", "keeps connections"),
    11: Weakness("writes its token into the resource meta", "never does"),
    12: Weakness("sends its token to whatever host a task names", "asks the deployment's list"),
    13: Weakness("posts a file that a task names to a host that a task names", "reads nothing a task names"),
    14: Weakness("looks secrets up by blocking the event loop", "looks up nothing over the network there"),
    15: Weakness("changes the task's template while reading it", "leaves it as it is"),
    16: Weakness("an existing cluster gets no environment", "nor does ours yet: it warns"),
    17: Weakness("overwrites `spark_env_vars`, `git_source` and `python_file` of the task", "lets them win"),
    18: Weakness("crashes on a task with a pod template", "reads it"),
    19: Weakness(
        "sends `tasks` beside a task of its own, and both kinds of cluster", "sends what the task says"
    ),
    20: Weakness("crashes where `sparkConf` or the instance is missing", "needs neither"),
    21: Weakness("cannot read an instance with a scheme", "reads both"),
    22: Weakness("sends whole numbers as floats", "sends whole numbers"),
    23: Weakness("cannot send the arguments that flytekit 1.11 hands over", "begins with flytekit 1.12"),
    24: Weakness("takes a task's template for a namespace when it looks for the token", "takes no argument"),
    25: Weakness("a typing mistake in the environment breaks `import flytekit`", "says so when it is called"),
    26: Weakness("builds links by hand, in a form that leads astray", "takes the service's, in today's form"),
    27: Weakness("tells only `state_message`", "tells tasks, code, error and trace"),
    28: Weakness("an unknown key of the resource meta raises", "is ignored"),
    29: Weakness("logs the beginning of its token", "logs none of it"),
    30: Weakness("ignores the execution's environment variables", "sends them"),
}

#: Weaknesses that no test shows, and why.
LATER: dict[int, str] = {
    16: "comes with an entrypoint of our own",
    23: "flytekit 1.11 is older than the oldest that is supported",
}
