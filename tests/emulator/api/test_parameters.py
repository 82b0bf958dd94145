"""Every parameter of every endpoint is read: one of the wrong type is refused by its name.

What a parameter does is shown elsewhere; parameters that are texts in a query have a test of their own there.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from tests.emulator.support import Caller
from tests.fidelity.parameters import STRUCTS, parameters

_GETS = {"runs/get", "runs/list", "runs/get-output", "runs/export", "get"}


def _is_text(endpoint: str, name: str) -> bool:
    hint = get_type_hints(STRUCTS[endpoint])[name]
    return hint is str or all(isinstance(each, str) for each in get_args(hint) or (None,))


_CASES = [
    pytest.param(endpoint, name, id=f"{endpoint}:{name}", marks=pytest.mark.parameter(endpoint, name))
    for endpoint, name in parameters()
    if not (endpoint in _GETS and _is_text(endpoint, name))
]


@pytest.mark.fact("errors.malformed-field")
@pytest.mark.parametrize(("endpoint", "name"), _CASES)
def test_parameter_of_the_wrong_type_is_refused_by_its_name(caller: Caller, endpoint: str, name: str) -> None:
    """The field is named, whatever else the call says, and nothing is made."""
    wrong: Any = "perhaps" if endpoint in _GETS else [[0]]
    method = "GET" if endpoint in _GETS else "POST"
    parameters: dict[str, Any] = {name: wrong} if method == "GET" else {"body": {name: wrong}}
    refusal = caller.refusal(method, endpoint, **parameters)
    assert refusal.status_code == 400
    assert refusal.message.startswith(
        ("Could not parse request object: Expected ", "Invalid value for parameter ")
    )
    assert name in refusal.message.replace("[0]", "")
    assert len(caller.workspace.runs) == 0
