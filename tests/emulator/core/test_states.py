"""The words of the Jobs API."""

from __future__ import annotations

import re
from enum import Enum

import pytest
from databricks.sdk.service import jobs

from dbx_emulator._core import states


@pytest.mark.fact("runs.states.enums")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(states.LifeCycleState, jobs.RunLifeCycleState, id="life-cycle"),
        pytest.param(states.ResultState, jobs.RunResultState, id="result"),
        pytest.param(states.StatusState, jobs.RunLifecycleStateV2State, id="status"),
        pytest.param(states.QueueCode, jobs.QueueDetailsCodeCode, id="queue"),
        pytest.param(states.TerminationType, jobs.TerminationTypeType, id="termination-type"),
        pytest.param(states.TerminationCode, jobs.TerminationCodeCode, id="termination-code"),
    ],
)
def test_states_are_those_of_the_sdk(ours: type[Enum], theirs: type[Enum]) -> None:
    """Each enum holds the words of the SDK's, each under its own name, and no word that the SDK does not name.

    Some SDKs name a code (`CLUSTER_TERMINATED_BY_USER` in 0.156) in the docstring only.
    """
    words = {each.name: each.value for each in ours}
    members = {each.name: each.value for each in theirs}
    documented = set(re.findall(r"``([A-Z_]+)``", theirs.__doc__ or ""))
    assert members.items() <= words.items()
    assert all(name == value for name, value in words.items())
    assert words.keys() - members.keys() <= documented
