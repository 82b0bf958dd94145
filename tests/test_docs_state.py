"""docs/state.md says nothing that is not so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dbx_emulator.faker import DatabricksProvider

PAGE = (Path(__file__).parents[1] / "docs" / "state.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("block", [pytest.param(each, id=str(number)) for number, each in enumerate(BLOCKS)])
@pytest.mark.filterwarnings("error::pytest.PytestWarning")
def test_block_runs(block: str, request: pytest.FixtureRequest) -> None:
    """Each block does what it says, and is no example of what is warned of; a test in it gets its fixtures."""
    names: dict[str, object] = {}
    exec(block, names)
    for name, value in names.items():
        if name.startswith("test_") and isinstance(value, Callable):  # type: ignore[arg-type]
            fixtures = inspect.signature(value).parameters  # type: ignore[arg-type]
            value(**{each: request.getfixturevalue(each) for each in fixtures})  # type: ignore[operator]


def test_page_lists_the_methods_of_the_provider() -> None:
    """All of them, and none that there is not."""
    methods = {name for name in vars(DatabricksProvider) if name.startswith("databricks_")}
    assert set(re.findall(r"`(databricks_\w+)\(", PAGE)) == methods
