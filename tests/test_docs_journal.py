"""The page about the journal shows what works."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path
from types import FunctionType

import httpx
import pytest

from dbx_emulator import JournalEntry, Workspace
from dbx_emulator._core.journal_filters import FILTERS
from dbx_emulator.testing.expect import Expectations

_PAGE = (Path(__file__).parents[1] / "docs" / "journal.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
_SPEC = {"existing_cluster_id": "1", "notebook_task": {"notebook_path": "/etl"}}


def _headers() -> dict[str, str]:
    return {"Authorization": "Bearer dbx-emulator-token"}


def submit(url: str, run_name: str, **further: str) -> int:
    """Submit a run and return its id."""
    body = {"run_name": run_name, **_SPEC, **further}
    answer = httpx.post(f"{url}/api/2.1/jobs/runs/submit", json=body, headers=_headers())
    return int(answer.raise_for_status().json()["run_id"])


def careful_submit(url: str, run_name: str, *, idempotency_token: str) -> int:
    """Submit a run, and once more if the answer is lost."""
    try:
        return submit(url, run_name, idempotency_token=idempotency_token)
    except httpx.TransportError:
        return submit(url, run_name, idempotency_token=idempotency_token)


def poll(url: str, run_id: int) -> None:
    """Read a run."""
    httpx.get(f"{url}/api/2.1/jobs/runs/get", params={"run_id": run_id}, headers=_headers())


@pytest.mark.parametrize("block", [pytest.param(each, id=str(place)) for place, each in enumerate(_BLOCKS)])
def test_journal_page_test_passes(databricks: Workspace, tmp_path: Path, block: str) -> None:
    """Each example is a test that passes, with a client of a few lines."""
    names: dict[str, object] = {"submit": submit, "careful_submit": careful_submit, "poll": poll}
    before = set(names)
    exec(block, names)
    [test] = [each for name, each in names.items() if name.startswith("test_") and name not in before]
    assert isinstance(test, FunctionType)
    fixtures = {"databricks": databricks, "tmp_path": tmp_path}
    test(**{name: fixtures[name] for name in signature(test).parameters})


def test_journal_page_names_everything_there_is() -> None:
    """The fields of an entry, the filters and the expectations."""
    properties = ("version", "client", "user_agent")
    expectations = [name for name in vars(Expectations) if not name.startswith("_")]
    words = {*JournalEntry._fields, *properties, *FILTERS, *expectations}
    assert [name for name in words if not re.search(rf"`{name}[`(]", _PAGE)] == []
