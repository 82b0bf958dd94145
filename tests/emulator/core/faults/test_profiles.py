"""Weather."""

from __future__ import annotations

import pytest

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import PROFILES, Faults, Profile

_ROUTES = frozenset({"runs/get", "runs/submit"})


@pytest.mark.parametrize("name", PROFILES)
def test_profile_arms_its_rules(name: str) -> None:
    """Each says what it draws, and its rules know where they came from."""
    faults = Faults(_ROUTES)
    applied = faults.apply(name)
    assert list(faults) == applied
    assert {fault.profile for fault in applied} <= {name}
    assert PROFILES[name].draws.endswith(".")


def test_profiles_can_be_combined() -> None:
    """One after the other, as often as wanted; what is no fault is handed on."""
    handed: list[Profile] = []
    faults = Faults(_ROUTES, on_profile=handed.append)
    once = len(faults.apply("flaky_network", "large_ids"))
    assert len(faults.apply("flaky_network")) == once
    assert len(faults) == 2 * once
    assert handed == [PROFILES["flaky_network"], PROFILES["large_ids"], PROFILES["flaky_network"]]


def test_unknown_profile_is_named_and_none_is_applied() -> None:
    """All names are looked at before anything happens."""
    faults = Faults(_ROUTES)
    with pytest.raises(UsageError, match=r"profile: 'throtled' is none of .* \(nearest: throttled\)"):
        faults.apply("flaky_network", "throtled")
    assert len(faults) == 0
