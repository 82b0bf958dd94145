"""The front door of what judges a client."""

from __future__ import annotations

import pytest

from dbx_emulator import testing


def test_each_name_is_there_and_no_other() -> None:
    """`__all__` holds what can be imported; a name that is not there is an AttributeError."""
    assert [name for name in testing.__all__ if not hasattr(testing, name)] == []
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no_such_name"):
        testing.no_such_name  # noqa: B018 - the look-up is the test
